"""Ledgers as tests of rules want them: cash, positions, orders that work."""

from builders import NO_COMMISSION, an_order, moment

from qka.clock import ManualClock
from qka.engine.ledger import Ledger
from qka.model.order import OrderStatus, Side


def books(cash=1_000_000, held=None, quote=None, clock=None):
    """A ledger of `cash` CNY; positions cost 10 CNY a share."""
    positions = {symbol: (shares, shares * 1000) for symbol, shares in (held or {}).items()}
    ledger = Ledger(clock or ManualClock(moment()), NO_COMMISSION, int(cash * 100), positions)
    if quote:
        ledger.on_quote(quote)
    return ledger


def a_sell(quantity=100, price=10.0, **changes):
    """A limit sell made at 10:00."""
    return an_order(quantity, price, side=Side.SELL, **changes)


def works(ledger, *args, **changes):
    """The ledger, with one more order that is on its way."""
    ledger.open(an_order(*args, **{"status": OrderStatus.SUBMITTING, **changes}))
    return ledger
