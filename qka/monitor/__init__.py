"""What looks on while an engine runs; the engine knows nothing of it."""
