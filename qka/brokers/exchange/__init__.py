"""The exchange of a paper account: when an order trades, how much of it and at what price.

It sees what anyone sees: level-1 snapshots, or bars. What they do not tell it assumes against the
order. One noun a module, each usable alone; only `exchange` knows the others:

    sight      a snapshot as one side sees it
    tape       what traded between two snapshots
    queue      who stands before us
    levels     what is displayed against us, taken once
    auctions   the price of a call
    bars       the same from bars
    checks     what the exchange refuses
    working    an order in the book
    exchange   which of them decides when
    latency    how long a request travels
"""
