"""What may leave: rules, the gate that runs them, and the guide's helpers. Floor 2."""
