"""The replay room: a recorded day lived again, and held against what its journal says.

`script` puts rows and records into one order, `player` plays them to an engine of `stage`,
`check` compares what that decides; `day` does it for each run of a day. Nothing is sent, nothing
is written.
"""
