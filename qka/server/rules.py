"""The exchanges' rules at the server's door: scripts and other clients come here without a gate.

What the exchange would refuse is refused before the terminal hears of it, in the gate's words.
Limits of the trader's own are the engine's. Prices are judged by what the terminal says: of a
symbol, which it is asked once a day, and in its ticks, which come from then on. The day's first
order on a symbol waits for that; of what nobody tells anything no order goes out.
"""

import asyncio
from collections.abc import Awaitable, Callable, Coroutine, Mapping
from datetime import date
from typing import Any

from loguru import logger
from msgspec.structs import replace

from qka.ashare.rules import TERMS
from qka.ashare.sessions import window_at
from qka.brokers.words import FIX_PRICE, SENT_TYPES, SIDES
from qka.errors import SymbolError
from qka.feeds.xtdata_words import limit_from_xt, quote_from_xt, state_from_xt, tidied
from qka.model.events import InstrumentState
from qka.model.market import Phase, Quote
from qka.model.order import Order, OrderType
from qka.model.times import DAY, SECOND, day_of, midnight, same_day
from qka.risk.gate import plain
from qka.risk.market import market
from qka.risk.verdicts import Denial
from qka.server.backend import Tick

Ask = Callable[[str, bool], Awaitable[dict[str, Any] | None]]  # `Backend.instrument`
Listen = Callable[[str], Awaitable[Tick | None]]  # `Quotes.keep`
UNJUDGED = "unjudged"  # the code of what may pass once the terminal has told of the symbol
_KEPT = (Phase.PRE_OPEN, Phase.CLOSED)  # phases of the day in which brokers keep orders
_PATIENCE = 3.0  # seconds that an order waits for the terminal's word
_AGAIN = 5 * SECOND  # until the terminal is asked again where it could not say anything


class Rules:
    """Judges orders; a rule that fails refuses. It is its rules' view of the market."""

    quoted = True

    def __init__(
        self,
        now: Callable[[], int],
        ask: Ask,
        listen: Listen,
        start: Callable[[Coroutine[Any, Any, None]], "asyncio.Task[None]"],
        trades: Callable[[date], bool],
    ) -> None:
        """`now`: the market's time in ns. `start` runs something in the background."""
        self._now = now
        self._ask = ask
        self._listen = listen
        self._start = start
        self._rules = tuple(map(plain, market(trades)))
        # symbol -> done when the terminal, which is being asked, has told or had its time to
        self._learning: dict[str, asyncio.Future[None]] = {}
        self._ticks: dict[str, Tick] = {}  # symbol -> its last, where it is no quote yet
        # all else is of the day that is lived
        self._from = self._to = 0  # ns
        self._why: dict[str, str] = {}  # symbol -> why nothing is known of it
        self._elsewhen: set[str] = set()  # symbols of which the terminal tells another day's
        self._ask_after: dict[str, int] = {}  # symbol -> when it may be asked about again, ns
        self.quotes: dict[str, Quote] = {}  # symbol -> its last, with the limits that are known
        self.instruments: dict[str, InstrumentState] = {}

    def push(self, ticks: Mapping[str, Tick]) -> None:
        """Quotes came from the terminal."""
        self._ticks.update(ticks)

    # ------------------------------------------------------------ what is known

    def learn(self, symbol: str) -> "asyncio.Future[None]":
        """Let the terminal tell of a symbol, where it was not asked a moment ago.

        What comes back is done when it has told, or had its time to.
        """
        told = self._learning.get(symbol)
        if told is not None:
            return told
        loop = asyncio.get_running_loop()
        told = loop.create_future()
        if self._was_asked(symbol, self._now()):
            told.set_result(None)
            return told
        self._learning[symbol] = told
        timer = loop.call_later(_PATIENCE, _be_done, told)

        def learnt(_: "asyncio.Task[None]") -> None:
            timer.cancel()
            del self._learning[symbol]
            _be_done(told)

        self._start(self._learn(symbol)).add_done_callback(learnt)
        return told

    def _was_asked(self, symbol: str, now: int) -> bool:
        """Whether the terminal is being asked of a symbol, or could not say a moment ago."""
        return symbol in self._learning or now < self._ask_after.get(symbol, 0)

    def _begin(self, day: date) -> None:
        """Nothing is known of a new day."""
        self._from = midnight(day)
        self._to = self._from + DAY
        TERMS.live(day)
        for known in self._why, self._ask_after, self.quotes, self.instruments:
            known.clear()
        self._elsewhen.clear()

    async def _learn(self, symbol: str) -> None:
        """What the terminal says of a symbol today, and its last tick.

        Of a day that is over when the answer comes nothing is kept: the next order asks anew.
        """
        day, why = self._from, ""
        self._why[symbol] = "it has not answered yet"
        try:
            detail = await self._ask(symbol, False)
            if self._from != day:
                return
            if detail:
                self._told(symbol, detail)
                tick = await self._listen(symbol)
                if tick is not None:
                    self._ticks.setdefault(symbol, tick)  # what was pushed meanwhile is newer
            else:
                why = "it knows no such instrument"
        except Exception as error:  # whatever it is: what is not known passes no order
            logger.warning("{}: what orders on it are judged by is not known ({!r})", symbol, error)
            why = f"it could not say ({error})"
        if self._from == day:
            self._why[symbol] = why or self._why[symbol]
            self._ask_after[symbol] = self._now() + _AGAIN

    def _told(self, symbol: str, detail: Mapping[str, Any]) -> None:
        """Keep what the terminal says of a symbol, if it is of the day that is lived."""
        state = state_from_xt(symbol, detail)
        if state is None or midnight(state.day) != self._from:
            self._why[symbol] = f"what it says is of {state.day if state else 'no day'}"
            self._elsewhen.add(symbol)
            return
        up, down, close, tick = (
            limit_from_xt(detail.get(name))
            for name in ("UpStopPrice", "DownStopPrice", "PreClose", "PriceTick")
        )
        if tick:
            TERMS.learn_tick(symbol, tick)
        quote = self.quotes.get(symbol) or _untraded(symbol, self._from, close)
        self.quotes[symbol] = replace(quote, limit_up=up, limit_down=down)
        self.instruments[symbol] = state

    def _see(self, symbol: str, tick: Tick, now: int) -> None:
        """A symbol's last tick as the quote that orders are judged by; one that is none is not."""
        known = self.quotes.get(symbol)
        limits = (known.limit_up, known.limit_down) if known else ()
        try:
            quote = quote_from_xt(symbol, tidied(tick), *limits)
        except (KeyError, TypeError, ValueError):
            return
        if same_day(quote.time, now) and (known is None or quote.time >= known.time):
            self.quotes[symbol] = quote

    # ------------------------------------------------------------ orders

    def denial(self, params: Mapping[str, Any]) -> Denial | None:
        """Why an order that a client asks for does not go to the terminal; None when it may.

        What is no plain buy or sell, or has a price type of other markets, is the terminal's.
        """
        side, kind = SIDES.get(params["order_type"]), SENT_TYPES.get(params["price_type"])
        if side is None or kind is None:
            return None
        symbol, now = params["stock_code"], self._now()
        try:
            if not self._from <= now < self._to:
                self._begin(day_of(now))
            if symbol not in self.instruments and not self._was_asked(symbol, now):
                return Denial(UNJUDGED, f"the terminal was not asked yet what {symbol} is today")
            tick = self._ticks.pop(symbol, None)
            if tick is not None:
                self._see(symbol, tick, now)
            price = params["price"]
            if params["price_type"] != FIX_PRICE and kind is not OrderType.FIXED:
                quote = self.quotes.get(symbol)  # QMT looks at no price of the client's
                price = (quote and (quote.price or quote.limit_down)) or 1.0
            order = Order("", symbol, side, params["order_volume"], price, kind, time=now)
            for rule in self._rules:
                verdict = rule(order, self)  # type: ignore[arg-type]  # these ask for the market
                if verdict is not None and type(verdict) is Denial:
                    return verdict
            return None if symbol in self.quotes else self._unknown(symbol, now)
        except SymbolError as error:
            return Denial("instrument", str(error))
        except Exception as error:
            logger.exception("the rules failed for an order on {}: {}", symbol, error)
            return Denial("rule_fault", f"the rules failed ({error!r}): nothing passes them")

    def _unknown(self, symbol: str, now: int) -> Denial | None:
        """What becomes of an order on a symbol of which there is neither word nor tick today.

        Before the exchange takes orders the terminal may still tell of the day before, and in the
        evening of the next; what passed the rules then is what a broker keeps.
        """
        if symbol in self._elsewhen and window_at(symbol, now).span.phase in _KEPT:
            return None
        why = self._why.get(symbol, "it was not asked")
        words = f"what price {symbol} may have today is not known: the terminal was asked, and "
        return Denial(UNJUDGED, f"{words}{why}; an order in some seconds asks it again")


def _be_done(told: "asyncio.Future[None]") -> None:
    if not told.done():
        told.set_result(None)


def _untraded(symbol: str, time: int, close: float) -> Quote:
    """A quote of a symbol that nothing else is known of but its previous close."""
    none = [0.0] * 5
    return Quote(symbol, time, 0.0, 0.0, 0.0, 0.0, close, 0, 0.0, 0, none, [0] * 5, none, [0] * 5)
