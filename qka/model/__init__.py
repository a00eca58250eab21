"""The nouns: symbols, quotes, orders, positions and the events made of them.

Floor 0 of the house: imports nothing of ours but `errors`.
"""
