"""The exchanges' rules at the server's door: scripts and other clients come here without a gate.

What the exchange would refuse is refused before the terminal hears of it, in the gate's words.
Limits of the trader's own are the engine's. Prices are judged by what has come by: a symbol's
last tick, and what the terminal says of it, which is asked once a day when it is first heard of.
"""

from collections.abc import Awaitable, Callable, Coroutine, Mapping
from datetime import date
from typing import Any

from loguru import logger

from qka.ashare.rules import TERMS
from qka.brokers.words import FIX_PRICE, sent_type_of, side_of
from qka.errors import QkaError
from qka.feeds.xtdata_words import limit_from_xt, quote_from_xt, state_from_xt, tidied
from qka.model.events import InstrumentState
from qka.model.market import Quote
from qka.model.order import Order, OrderType
from qka.model.times import MINUTE, day_of
from qka.risk.market import market
from qka.risk.verdicts import Denial
from qka.server.backend import Tick

Ask = Callable[[str, bool], Awaitable[dict[str, Any] | None]]  # `Backend.instrument`


class Rules:
    """Judges orders; a rule that fails refuses. It is its rules' view of the market."""

    quoted = True

    def __init__(
        self,
        now: Callable[[], int],
        ask: Ask,
        start: Callable[[Coroutine[Any, Any, None]], object],
        trades: Callable[[date], bool],
    ) -> None:
        """`now`: the market's time in ns. `start` runs something in the background."""
        self._now = now
        self._ask = ask
        self._start = start
        self._rules = market(trades)
        self._day = date.min  # that is lived
        self._ticks: dict[str, Tick] = {}  # symbol -> its last
        self._limits: dict[str, tuple[float, float]] = {}  # symbol -> up, down, of its state's day
        self._ask_after: dict[str, int] = {}  # symbol -> when it may be asked about, ns
        self.quotes: dict[str, Quote] = {}  # of the order that is judged
        self.instruments: dict[str, InstrumentState] = {}

    def push(self, ticks: Mapping[str, Tick]) -> None:
        """Quotes came from the terminal."""
        self._ticks.update(ticks)

    def denial(self, params: Mapping[str, Any]) -> Denial | None:
        """Why an order that a client asks for does not go to the terminal; None when it may.

        What is no plain buy or sell, or has a price type of other markets, is the terminal's.
        """
        side, kind = side_of(params["order_type"]), sent_type_of(params["price_type"])
        if side is None or kind is None:
            return None
        symbol, now = params["stock_code"], self._now()
        try:
            quote = self._look_up(symbol, now)
            price = params["price"]
            if params["price_type"] != FIX_PRICE and kind is not OrderType.FIXED:
                price = quote.price if quote else 1.0  # QMT looks at no price of the client's
            order = Order("", symbol, side, params["order_volume"], price, kind, time=now)
            for rule in self._rules:
                verdict = rule(order, self)  # type: ignore[arg-type]  # these ask for the market
                if type(verdict) is Denial:
                    return verdict
        except Exception as error:
            logger.exception("the rules failed for an order on {}: {}", symbol, error)
            return Denial("rule_fault", f"the rules failed ({error!r}): nothing passes them")
        return None

    def _look_up(self, symbol: str, now: int) -> Quote | None:
        """The symbol's last quote with today's limits, as far as both are known."""
        day = day_of(now)
        if day != self._day:
            self._day = day
            TERMS.live(day)
        state = self.instruments.get(symbol)
        self.quotes.clear()
        if state is None or state.day != day:
            if now >= self._ask_after.get(symbol, 0):
                self._ask_after[symbol] = now + MINUTE
                self._start(self._learn(symbol))
            return None
        tick = self._ticks.get(symbol)
        if tick is None:
            return None
        try:
            quote = quote_from_xt(symbol, tidied(tick), *self._limits[symbol])
        except (KeyError, TypeError, ValueError):
            return None  # a tick that is no quote tells nothing
        self.quotes[symbol] = quote
        return quote

    async def _learn(self, symbol: str) -> None:
        """What the terminal says of a symbol today."""
        try:
            detail = await self._ask(symbol, False)
        except QkaError as error:
            logger.warning("{}: no price limits ({})", symbol, error)
            return
        state = state_from_xt(symbol, detail or {})
        if state is not None and detail:
            up, down = detail.get("UpStopPrice"), detail.get("DownStopPrice")
            self._limits[symbol] = limit_from_xt(up), limit_from_xt(down)
            self.instruments[symbol] = state
            if tick := limit_from_xt(detail.get("PriceTick")):
                TERMS.learn_tick(symbol, tick)
