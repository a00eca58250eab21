"""The broker's counter behind the simulated terminal: what it makes of a request.

What is no order at all it refuses at once; an order it gives to a gate of its own, with the
exchange's rules, before the exchange hears of it.
"""

from collections.abc import Mapping
from typing import cast

from qka.ashare.rules import tick_price
from qka.ashare.sessions import phase_at
from qka.brokers import records, words
from qka.brokers.paper import PaperBroker
from qka.clock import Clock
from qka.errors import SymbolError
from qka.model.events import InstrumentState
from qka.model.market import Phase, Quote
from qka.model.order import Approved, Order, OrderType, Side
from qka.model.symbol import check_symbol
from qka.model.times import day_of
from qka.model.view import View
from qka.risk.gate import Gate
from qka.risk.prices import price_limit
from qka.risk.rules import instrument, sellable
from qka.risk.verdicts import Denial, Rule

_PRICED = {OrderType.LIMIT, OrderType.FIXED}  # of all others the price is a protection, or none
# error ids: every counter has its own; these are made up
NOT_LOGGED_IN, BAD_ORDER, REFUSED, NOT_CANCELLABLE = -1, -2, -61, -62


class Refused(Exception):
    """A request refused at once: no order id, or a cancel that is not sent."""

    def __init__(self, error_id: int, reason: str) -> None:
        super().__init__(reason)
        self.error_id = error_id
        self.reason = reason


class Request:
    """What a client asks to be ordered, in xtquant's own words; `session` 0 is a human."""

    __slots__ = (
        "order_type", "price", "price_type", "remark", "seq", "session", "stock_code", "strategy",
        "volume",
    )  # fmt: skip

    def __init__(
        self,
        stock_code: str,
        order_type: int,
        order_volume: int,
        price_type: int,
        price: float,
        strategy_name: str = "",
        order_remark: str = "",
        *,
        session: int = 0,
        seq: int = 0,
    ) -> None:
        self.stock_code, self.order_type, self.volume = stock_code, order_type, order_volume
        self.price_type, self.price = price_type, price
        self.strategy = strategy_name
        self.remark = order_remark.encode()[: records.REMARK_BYTES].decode(errors="ignore")
        self.session, self.seq = session, seq

    @property
    def side(self) -> Side:
        """Of a request that was checked."""
        return Side.BUY if self.order_type == words.STOCK_BUY else Side.SELL


def check(request: Request) -> None:
    """Raises Refused for what never becomes an order."""
    try:
        check_symbol(request.stock_code)
    except SymbolError as error:
        raise Refused(BAD_ORDER, str(error)) from None
    if request.order_type not in words.SIDE_WORDS:
        raise Refused(BAD_ORDER, f"order_type {request.order_type} is not taken here")
    if request.price_type not in words.PRICE_TYPES:
        raise Refused(BAD_ORDER, f"there is no price_type {request.price_type}")
    if request.volume <= 0:
        raise Refused(BAD_ORDER, f"order_volume {request.volume}: not above zero")


class Counter:
    """Weighs orders against the exchange's rules and what the account holds."""

    def __init__(self, exchange: PaperBroker, clock: Clock, quotes: Mapping[str, Quote]) -> None:
        self._exchange = exchange
        self._clock = clock
        self.quotes = quotes
        self.instruments: dict[str, InstrumentState] = {}  # nobody tells it of any
        # the gate and these rules ask their view for no more than what is here and below
        rules: list[Rule] = [_in_hours, instrument, price_limit, sellable]
        self._gate = Gate(rules, cast(View, self))

    def weigh(self, name: str, request: Request) -> Approved | str:
        """An order of that name for the exchange, or the reason why there is none."""
        order = self._order(name, request)
        if isinstance(order, str):
            return order
        verdict = self._gate.review(order)
        return verdict.reason if isinstance(verdict, Denial) else verdict

    def now(self) -> int:
        """The market's time in ns."""
        return self._clock.now()

    def sellable(self, symbol: str) -> int:
        """Shares a new sell may use."""
        positions = self._exchange.books().positions
        return next((p.sellable for p in positions if p.symbol == symbol), 0)

    def _order(self, name: str, request: Request) -> Order | str:
        symbol, price_type, price = request.stock_code, request.price_type, request.price
        side, kind = request.side, words.sent_type_of(price_type)
        if words.exchange_of(symbol) not in words.PRICE_TYPES[price_type] or kind is None:
            return f"{words.exchange_of(symbol)} takes no orders of price_type {price_type}"
        if kind not in _PRICED or price_type == words.LATEST_PRICE:
            quote = self.quotes.get(symbol)
            if quote is None:
                return f"{symbol} has no quote yet to price the order by"
            if price_type == words.LATEST_PRICE:
                price = quote.price
            else:
                price = price or _worst(quote, side is Side.BUY)
        return Order(name, symbol, side, request.volume, price, kind, time=self.now())


def _in_hours(order: Order, view: View) -> Denial | None:
    """Orders are taken on trading days until post-close trading ends."""
    now = view.now()
    if day_of(now).weekday() < 5 and phase_at(now) is not Phase.CLOSED:
        return None
    return Denial("closed", "the counter is closed")


def _worst(quote: Quote, buying: bool) -> float:
    """The price a market order is protected by: the limit, or a fifth away where there is none."""
    limit = quote.limit_up if buying else quote.limit_down
    return limit or tick_price(quote.symbol, quote.price * (1.2 if buying else 0.8))
