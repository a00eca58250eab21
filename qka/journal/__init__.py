"""The journal room: what an account lived through, on disk, chained and checked.

`store` writes it, `verify` judges it, `chain` is what both agree on. The engine knows only the
Protocol in `port`.
"""
