"""The paper exchange against real fills: `python -m benchmarks.fills`.

Real resting orders are replayed as if they were ours; the paper exchange sees snapshots alone and
says whether, when and at what price they filled. What really became of them is in the raw feeds.
"""
