"""Small builders: a test names only what matters to it."""

from datetime import date
from decimal import Decimal
from typing import Any

from qka.ashare.fees import FeeSchedule
from qka.model.events import Fill
from qka.model.market import Bar, Quote
from qka.model.order import Order, OrderType, Side
from qka.model.times import at

DAY = date(2026, 1, 5)  # a Monday
NEXT_DAY = date(2026, 1, 6)
SYMBOL = "600000.SH"
FEES = FeeSchedule(Decimal("0.00025"), Decimal(5))
NO_COMMISSION = FeeSchedule(Decimal(0), Decimal(0))


def moment(clock_time: str = "10:00", day: date = DAY) -> int:
    """Nanoseconds of a Shanghai time on the tests' day."""
    return at(day, clock_time)


def a_quote(last: float = 10.0, **changes: Any) -> Quote:
    """A snapshot of continuous trading: 1,000 shares on each of five levels a cent apart."""
    fields: dict[str, Any] = {
        "symbol": SYMBOL,
        "time": moment("10:00:03"),
        "last": last,
        "open": last,
        "high": last,
        "low": last,
        "prev_close": 10.0,
        "volume": 100_000,
        "amount": 1_000_000.0,
        "phase": 13,
        "ask_prices": [round(last + 0.01 * level, 3) for level in range(1, 6)],
        "ask_lots": [10] * 5,
        "bid_prices": [round(last - 0.01 * level, 3) for level in range(1, 6)],
        "bid_lots": [10] * 5,
        "limit_up": 11.0,
        "limit_down": 9.0,
    }
    return Quote(**{**fields, **changes})


def a_bar(close: float = 10.0, **changes: Any) -> Bar:
    """The minute from 10:00 to 10:01, flat unless told."""
    fields: dict[str, Any] = {
        "symbol": SYMBOL,
        "time": moment("10:01"),
        "period": "1m",
        "open": close,
        "high": close,
        "low": close,
        "close": close,
        "volume": 100_000,
        "amount": 1_000_000.0,
    }
    return Bar(**{**fields, **changes})


def an_order(quantity: int = 1000, price: float = 10.0, **changes: Any) -> Order:
    """A limit buy made at 10:00."""
    fields: dict[str, Any] = {"id": "a", "symbol": SYMBOL, "side": Side.BUY, "time": moment()}
    return Order(quantity=quantity, price=price, **{**fields, **changes})


def a_market_order(quantity: int = 1000, price: float = 11.0, **changes: Any) -> Order:
    """A market buy made at 10:00, protected at 11 CNY."""
    return an_order(quantity, price, type=OrderType.MARKET, **changes)


def a_fill(quantity: int = 1000, price: float = 10.0, **changes: Any) -> Fill:
    """A fill of the order `a` at 10:00:03, without fees."""
    fields: dict[str, Any] = {
        "time": moment("10:00:03"),
        "order_id": "a",
        "deal_id": "1",
        "symbol": SYMBOL,
        "side": Side.BUY,
        "fees": Decimal("0.00"),
    }
    return Fill(quantity=quantity, price=price, **{**fields, **changes})
