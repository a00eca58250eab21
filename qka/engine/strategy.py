"""What users subclass: `Strategy`, and `SignalStrategy` for the guide's polling shape."""

import inspect
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from difflib import get_close_matches
from typing import TYPE_CHECKING, Any, ClassVar, Protocol, cast

from pydantic import BaseModel, ConfigDict, ValidationError

from qka.engine.numbers import limit_price
from qka.errors import ConfigError
from qka.model.account import Asset, Position
from qka.model.events import Rebalanced, SessionPhase, Signal
from qka.model.market import Bar, Quote
from qka.model.order import BUY, SELL, Order, OrderType, Side
from qka.model.symbol import check_symbol
from qka.secrets import looks_secret

if TYPE_CHECKING:
    import pandas as pd
    from loguru import Logger

    from qka.engine.executor import Executor
    from qka.engine.history import History
    from qka.engine.ledger import Ledger


class Params(BaseModel):
    """Base of a strategy's parameters: typed, checked, no unknown ones."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class Room(Protocol):
    """What the engine hands a strategy when it registers it."""

    ledger: "Ledger"
    history: "History"
    executor: "Executor"
    log: "Logger"

    def now(self) -> int:
        """The clock's time in ns."""

    def trade(
        self,
        symbol: str,
        side: Side,
        quantity: int,
        price: float | None,
        reason: str,
        type: OrderType | None = None,
    ) -> Order:
        """Publish a signal and place its order."""

    def target(self, signal: Signal) -> Rebalanced:
        """Publish a signal with a target and place the orders that it comes to."""

    def rebalance(self, signals: Sequence[Signal]) -> Rebalanced:
        """Publish signals with targets and work them together."""

    def cancel(self, order_id: str, reason: str) -> bool:
        """Cancel an order."""

    def emit(self, *signals: Signal) -> None:
        """Publish signals for the executor and for whoever listens."""

    def every(self, period: str | float, handler: Callable[[], Any]) -> None:
        """Arm a repeating timer."""

    def at(self, clock_time: str, handler: Callable[[], Any]) -> None:
        """Arm a daily timer."""


class _Nowhere:
    """Where a strategy is before it is registered."""

    def __getattr__(self, name: str) -> Any:
        raise ConfigError(
            "the strategy is not registered with an engine yet: orders, positions and data are "
            "there from on_start on"
        )


class Strategy:
    """A trading strategy. Override what you need; handlers may be plain or `async def`.

    The one rule: a plain handler is one indivisible decision on the engine's only thread, so it
    must return quickly (milliseconds). Slow work (a web request, a model) belongs into an
    `async def` handler, which never holds up the others.

    `symbols`, `bars` and the parameters come from the config, or from the constructor:
    `DualMA(symbols=["600000.SH"], fast=5)`.
    """

    Params: ClassVar[type[BaseModel]] = Params
    symbols: Sequence[str] = ()  # what it watches; empty: everything the feed brings
    bars: str | Sequence[str] = "1m"  # periods for on_bar and history: 1m 5m 15m 30m 60m 1d
    warmup: int = 0  # bars of each period that history() holds before the first event

    name: str
    params: Any
    state: dict[str, Any]  # yours, JSON-able
    _room: Room = cast(Room, _Nowhere())

    def __new__(cls, *args: Any, **kwargs: Any) -> "Strategy":
        """Set up what the engine relies on even when a subclass forgets `super().__init__`."""
        self = super().__new__(cls)
        self.name = cls.__name__
        self.state = {}
        return self

    def __init__(
        self,
        *,
        symbols: Iterable[str] | None = None,
        bars: str | Sequence[str] | None = None,
        name: str | None = None,
        **params: Any,
    ) -> None:
        """Raises ConfigError for an unknown or wrong parameter and SymbolError for a symbol."""
        if symbols is not None:
            names = [symbols] if isinstance(symbols, str) else symbols
            self.symbols = [check_symbol(symbol) for symbol in names]
        if bars is not None:
            self.bars = bars
        if name:
            self.name = name
        try:
            self.params = self.Params(**params)
        except ValidationError as error:
            raise ConfigError(wrong_params(self, error)) from None

    # ------------------------------------------------------------ override these

    def on_start(self) -> Any:
        """The engine is connected and warm; nothing has come yet."""

    def on_quote(self, quote: Quote) -> Any:
        """A snapshot of one of your symbols."""

    def on_bar(self, bar: Bar) -> Any:
        """A bar of one of your symbols and periods is complete."""

    def on_phase(self, phase: SessionPhase) -> Any:
        """The exchange day entered a phase."""

    def on_signal(self, signal: Signal) -> Any:
        """Another strategy's signal on one of your symbols."""

    def on_order(self, order: Order) -> Any:
        """One of your orders changed; `order.status` and `order.reason` say how."""

    def on_fill(self, fill: Any) -> Any:
        """One of your orders traded; position and cash are booked already."""

    def on_rebalance(self, rebalanced: Rebalanced) -> Any:
        """A rebalance, or signals emitted together, or a target that had to wait, is worked.

        All that could be ordered is; `left` says what could not, symbol by symbol, and why.
        """

    def on_stop(self) -> Any:
        """The engine stops; orders placed here are still sent, nothing comes back."""

    # ------------------------------------------------------------ trade

    def buy(
        self,
        symbol: str,
        quantity: int | None = None,
        price: float | None = None,
        *,
        type: OrderType | str | None = None,
        reason: str = "",
    ) -> Order | None:
        """Buy shares; without a price at market, without a quantity as many as the config's ratio.

        `type`: another kind of order, as `OrderType.FIXED` or "fixed"; a price is then the worst
        it may trade at, by itself the day's limit.

        Returns the order as it stands: DENIED with its reason, or on its way. None only when no
        quantity was given and none makes sense (no price known, no cash for one lot). Raises
        ValueError that names what is no number or no whole one, a price that nothing can be sized
        by, a type that is none and a limit order without a price; SymbolError.
        """
        kind = None if type is None else _kind(type, price)
        if quantity is None:
            quantity = self._size(symbol, BUY, price)
            if not quantity:
                return None
        trade = self._room.trade
        return trade(symbol, BUY, quantity, price, reason, kind)

    def sell(
        self,
        symbol: str,
        quantity: int | None = None,
        price: float | None = None,
        *,
        type: OrderType | str | None = None,
        reason: str = "",
    ) -> Order | None:
        """Sell shares; without a price at market, without a quantity all that T+1 lets go.

        Returns and raises as `buy` does.
        """
        kind = None if type is None else _kind(type, price)
        if quantity is None:
            quantity = self._size(symbol, SELL, price)
            if not quantity:
                return None
        trade = self._room.trade
        return trade(symbol, SELL, quantity, price, reason, kind)

    def order_target_shares(
        self, symbol: str, shares: int, price: float | None = None, *, reason: str = ""
    ) -> Rebalanced:
        """Bring the position to `shares`, as near as T+1, lots and cash allow, and never past it.

        What works towards it counts as done, what works against it is cancelled first. Returns
        what was ordered (`orders`), what could not be and why (`left`), and whether that is all
        (`done`; if not, the rest comes to `on_rebalance`). Raises ValueError for no number, and
        for one below zero.
        """
        return self._room.target(
            Signal(symbol, target_shares=shares, price=price, reason=reason, placed=True)
        )

    def order_target_value(
        self, symbol: str, value: float, price: float | None = None, *, reason: str = ""
    ) -> Rebalanced:
        """The same for a value in CNY at the price, or the last one: in whole lots, never above."""
        return self._room.target(
            Signal(symbol, target_value=value, price=price, reason=reason, placed=True)
        )

    def order_target_ratio(
        self, symbol: str, ratio: float, price: float | None = None, *, reason: str = ""
    ) -> Rebalanced:
        """The same for a share of total assets, 0.1 being a tenth."""
        return self._room.target(
            Signal(symbol, target_ratio=ratio, price=price, reason=reason, placed=True)
        )

    def rebalance(self, weights: Mapping[str, float], *, reason: str = "") -> Rebalanced:
        """Bring each symbol to its share of total assets: sells first, buys when those are done.

        Returns what is known now, as `order_target_shares` does; when all is, `on_rebalance` is
        told. It takes the place of what an earlier one still waits for. Raises ValueError for a
        weight that is no number or below zero, and for weights of more than 1 in all; then nothing
        is done for any symbol.
        """
        signals = [
            Signal(symbol, target_ratio=weight, reason=reason, placed=True)
            for symbol, weight in weights.items()
        ]
        return self._room.rebalance(signals)

    def emit(self, signal: Signal) -> None:
        """Say what you want and let the executor size and place it, sells before buys.

        Raises ValueError that names the field of the signal that makes no sense.
        """
        self._room.emit(signal)

    def cancel(self, order: Order | str, *, reason: str = "") -> bool:
        """Ask for a cancel; False when there is nothing to cancel or none is taken now."""
        return self._room.cancel(order if isinstance(order, str) else order.id, reason)

    def cancel_all(self, symbol: str | None = None, *, reason: str = "") -> int:
        """Ask for a cancel of all your working orders; returns how many were asked for."""
        return sum(self.cancel(order, reason=reason) for order in self.orders(symbol))

    # ------------------------------------------------------------ look

    def position(self, symbol: str) -> Position:
        """The account's position, an empty one when nothing is held."""
        return self._room.ledger.position(check_symbol(symbol))

    @property
    def account(self) -> Asset:
        """The account's money: cash, available, market_value, total."""
        return self._room.ledger.asset

    def orders(self, symbol: str | None = None) -> list[Order]:
        """Your working orders."""
        working = self._room.ledger.working(symbol and check_symbol(symbol))
        return [order for order in working if order.strategy == self.name]

    def order(self, order_id: str) -> Order | None:
        """An order as it stands now."""
        return self._room.ledger.order(order_id)

    def quote(self, symbol: str) -> Quote | None:
        """The last snapshot of any symbol the feed brings."""
        return self._room.ledger.quotes.get(check_symbol(symbol))

    def price(self, symbol: str) -> float:
        """The last price in CNY, 0.0 when none is known."""
        return self._room.ledger.price(check_symbol(symbol))

    def history(self, symbol: str, period: str = "1m", n: int = 100) -> "pd.DataFrame":
        """The last `n` complete bars as a DataFrame (open high low close volume amount)."""
        return self._room.history.frame(symbol, period, n)

    def now(self) -> int:
        """The clock's time, ns since the epoch; `qka.to_datetime` makes it readable."""
        return self._room.now()

    # ------------------------------------------------------------ time and words

    def every(self, period: str | float, handler: Callable[[], Any]) -> None:
        """Call `handler` every `"30s"`, `"5m"` or number of seconds while the market trades."""
        self._room.every(period, handler)

    def at(self, clock_time: str, handler: Callable[[], Any]) -> None:
        """Call `handler` every trading day at a Shanghai time, `"14:50"`."""
        self._room.at(clock_time, handler)

    @property
    def log(self) -> "Logger":
        """Your logger; the engine's time and your name are added."""
        return self._room.log

    # ------------------------------------------------------------ inside

    def _size(self, symbol: str, side: Side, price: float | None) -> int:
        limit = None if price is None else limit_price(price)
        return self._room.executor.sizer.size(check_symbol(symbol), side, limit)


def _kind(given: OrderType | str, price: float | None) -> OrderType:
    try:
        kind = OrderType(given)
    except ValueError:
        raise ValueError(f"type: {given!r} is none of {', '.join(OrderType)}") from None
    if kind is OrderType.LIMIT and price is None:
        raise ValueError("price: a limit order needs one")
    return kind


class SignalStrategy(Strategy):
    """The guide's polling shape: every `interval` seconds of trading, data → signals → trades.

    Override `generate_signals`, and `get_realtime_data` where quotes are not enough; both may be
    `async def`. `buy(symbol)` and `sell(symbol)` are sized by the config.
    """

    interval: float = 60  # seconds

    def get_realtime_data(self) -> Any:
        """What `generate_signals` is given unless you override it: symbol → last `Quote`.

        Without `symbols` all that the feed has brought; where a feed brings bars, the last `Bar`.
        """
        return self._room.ledger.latest(self.symbols)

    def generate_signals(self, data: Any) -> Any:
        """Return `{symbol: "buy" | "sell"}`; None, an empty text or "hold" leave a symbol alone."""
        raise NotImplementedError(f"{type(self).__name__} must define generate_signals(data)")

    def execute_trades(self, signals: Mapping[str, str]) -> None:
        """Buy and sell what the signals say, sells first; raises ValueError for another word."""
        for symbol, signal in signals.items():
            if signal not in ("buy", "sell", "hold", "", None):
                raise ValueError(f"generate_signals: {symbol}: {signal!r} is no buy, sell or hold")
        for wanted, trade in (("sell", self.sell), ("buy", self.buy)):
            for symbol, signal in signals.items():
                if signal == wanted:
                    trade(symbol)

    def poll(self) -> Any:
        """One round; the engine calls it. Async when one of its two sources is."""
        data = self.get_realtime_data()
        if inspect.isawaitable(data):
            return self._poll(data)
        signals = self.generate_signals(data)
        if inspect.isawaitable(signals):
            return self._finish(signals)
        return self._execute(signals)

    async def _poll(self, data: Awaitable[Any]) -> None:
        signals = self.generate_signals(await data)
        self._execute(await signals if inspect.isawaitable(signals) else signals)

    async def _finish(self, signals: Awaitable[Any]) -> None:
        self._execute(await signals)

    def _execute(self, signals: Any) -> None:
        if signals:
            self.execute_trades(signals)


# ---------------------------------------------------------------- registry

REGISTRY: dict[str, type[Strategy]] = {}  # name given to @register -> class


def register(name: str) -> Callable[[type[Strategy]], type[Strategy]]:
    """Class decorator: let a config say `use: name`. Raises ConfigError for a name taken."""

    def keep(cls: type[Strategy]) -> type[Strategy]:
        known = REGISTRY.get(name)
        if known is not None and known.__qualname__ != cls.__qualname__:
            raise ConfigError(f"@register({name!r}): {known.__qualname__} has that name already")
        REGISTRY[name] = cls
        return cls

    return keep


def wrong_params(strategy: Strategy, error: ValidationError) -> str:
    """What is wrong with parameters, in words."""
    fields = list(strategy.Params.model_fields)
    lines = []
    for problem in error.errors():
        name = ".".join(map(str, problem["loc"]))
        shown = "not shown" if looks_secret(name) else f"got {problem['input']!r}"
        words = f"{problem['msg']} ({shown})"
        if problem["type"] == "extra_forbidden":
            near = get_close_matches(name, fields, 1)
            words = f"unknown; did you mean {near[0]}?" if near else "unknown"
        lines.append(f"{type(strategy).__name__}: parameter {name}: {words}")
    return "\n".join(lines) + f"; its parameters are: {', '.join(fields) or 'none'}"
