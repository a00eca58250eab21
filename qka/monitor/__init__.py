"""The monitor: looks on at a running engine, and is the way in for a human.

The engine knows nothing of it. `control` is what can be asked, `status` what there is to see,
`http` lets in who has the run's token, `monitor` opens and closes it all; `client` is the other
side, for the command line. `contact` is what leaves for people elsewhere: `alerts` and a
`heartbeat`; `lines` is the log.
"""
