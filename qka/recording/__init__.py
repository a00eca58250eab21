"""The recording room: what entered the engine, on disk beside the journal.

`recorder` takes rows on the loop and writes them on a thread of its own; `columns` and `frames`
are how they lie in a file; `reading` finds the runs of a day and gives their rows again. The
engine knows only the Protocol in `port`.
"""
