"""The exchange of a paper account: when an order trades, how much of it and at what price.

It sees what anyone sees: level-1 snapshots, or bars. What they do not tell it assumes against the
order. Each module imports only earlier ones:

    sight      a snapshot as one side sees it
    tape       what traded between two snapshots
    queue      who stands before us
    levels     what is displayed against us, taken once
    working    an order in the book
    kinds      what each order type does with the book
    auctions   the price of a call
    bars       the same from bars
    checks     what the exchange refuses
    latency    how long a request travels
    exchange   which of them decides when
"""
