"""Where quotes come from. Floor 2: never imports brokers or risk."""
