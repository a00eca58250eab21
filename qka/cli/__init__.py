"""The command line: argv → exit code. It builds nothing itself; a command, or a few, a file.

Exit codes: 0 done, 1 ran and failed, 2 bad input or config, 3 stopped by risk or operator,
130 interrupted by Ctrl-C, 143 by a request to terminate.
"""
