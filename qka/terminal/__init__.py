"""A simulated QMT terminal, for tests and rehearsals. Nothing of the live path imports it.

::

    market ──► terminal ──► quotes ──────► a data client's thread
                  │
                  └──► account (our paper exchange) ──► session ──► a trading client's thread

`SimTerminal` can be used as it is, or `install`ed under the vendor's own Python: `native` and
`datacenter` then stand in for the two binary modules of xtquant, so that its unmodified
`xttrader.py` and `xtdata.py` run on any system.
"""
