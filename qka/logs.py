"""The log: short lines for a human on stderr, JSON lines in a file for the rest.

Bind a strategy's name to tell who speaks: `logger.bind(strategy="dual_ma").info("...")`.
"""

from sys import stderr as _  # noqa: F401
