"""A look back at what an account did: reads journals, knows nothing of a running engine.

A journal's records are lived through again by the engine's own ledger (`account`); what came of
each order is kept beside it (`orders`). Of that a `Report` is made (`figures`), and told as a page
(`page`), on a terminal (`terminal`) or as tables (`tables`). Money is in whole cents inside.
"""
