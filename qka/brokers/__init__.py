"""Where orders go. Floor 2: never imports feeds or risk."""
