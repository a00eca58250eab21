"""The exchanges' rule book: pure functions over dated data, no state. Floor 1."""
