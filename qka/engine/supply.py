"""Which market data strategies want, who makes it, and how much of it is there before the start."""

from collections.abc import Collection, Iterator
from functools import partial

from qka.clock import Clock
from qka.engine.bus import Bus, Owner
from qka.engine.history import History
from qka.engine.runner import Runner
from qka.errors import ConfigError
from qka.feeds.bars import BarBuilder
from qka.feeds.port import Feed
from qka.model.market import Bar, Quote


class Supply:
    """Brings the feed's data to the strategies that want it, and keeps what they look back at."""

    _feed: Feed

    def __init__(self, bus: Bus, clock: Clock, history: History) -> None:
        self._bus = bus
        self._clock = clock
        self._history = history
        self.symbols: list[str] = []  # that the feed brings
        self.only_period: str | None = None  # of bars, when no others exist

    async def open(self, feed: Feed, runners: Collection[Runner]) -> None:
        """Open the feed for what they name; raises what it raises."""
        self._feed = feed
        self.symbols = list(await self._feed.open(_named(runners)))

    def check(self, runner: Runner) -> None:
        """Raises ConfigError when a strategy wants what can't be had of this feed."""
        provided = self._feed.provides()
        periods = runner.periods  # raises for one that there is not
        if provided == "quote":
            return
        for period in periods:
            if period != provided and provided != "1m":
                raise ConfigError(
                    f"{runner.name} wants {period} bars, the feed brings {provided} bars: "
                    f"set its `bars: {provided}`"
                )
        if runner.defines("on_quote") and not runner.defines("on_bar"):
            raise ConfigError(
                f"{runner.name} listens to quotes only, the feed brings {provided} bars: "
                "nothing would ever reach it; define on_bar, or replay quotes"
            )

    def wire(self, runners: Collection[Runner], owner: Owner) -> None:
        """Decide who makes which bars, warm the history up, and let the strategies hear.

        `owner` answers for the handlers that are none of theirs. Raises ConfigError as `check`.
        """
        provided = self._feed.provides()
        warmups: dict[tuple[str, str], int] = {}  # (symbol, period) -> bars wanted before the start
        for runner in runners:
            self.check(runner)
            for period in runner.periods:
                for symbol in runner.symbols or self.symbols:
                    known = warmups.get((symbol, period), 0)
                    warmups[symbol, period] = max(known, runner.strategy.warmup)
        builder = BarBuilder(self._clock, self._bus.publish)
        built: set[str] = set()  # symbols whose bars are built here
        for (symbol, period), count in warmups.items():
            self._history.keep(symbol, period, self._feed.history(symbol, period, count))
            if period != provided:
                builder.watch(symbol, period)
                built.add(symbol)
        periods = {period for _, period in warmups}
        kinds = periods | {provided} - {"quote"}
        self.only_period = next(iter(kinds)) if len(kinds) == 1 else None
        if periods and self.only_period:
            keeper = partial(self._history.keeper, self.only_period)
            self._bus.subscribe_each(Bar, keeper, owner)
        elif periods:
            self._bus.subscribe(Bar, self._history.on_bar, owner)
        if built and provided == "quote":
            self._bus.subscribe(Quote, builder.on_quote, owner, built)
        elif built:
            self._bus.subscribe(Bar, builder.on_bar, owner, built)
        for runner in runners:
            runner.subscribe(self._bus, self.only_period)

    def cold(self, runners: Collection[Runner]) -> Iterator[tuple[Runner, str]]:
        """Who begins with less history than it wants, and what is missing, in words."""
        for runner in runners:
            wanted = runner.strategy.warmup
            for period in runner.periods if wanted else ():
                there = {
                    symbol: len(self._history.bars(symbol, period, wanted))
                    for symbol in runner.symbols or self.symbols
                }
                short = [symbol for symbol, count in there.items() if count < wanted]
                if short:
                    more = f" and {len(short) - 1} more" if len(short) > 1 else ""
                    yield (
                        runner,
                        f"it wants {wanted} {period} bars before the first event, and the feed "
                        f"knows {there[short[0]]} of {short[0]}{more}",
                    )


def _named(runners: Collection[Runner]) -> list[str]:
    """Everything the strategies name; empty (all there is) when one names nothing."""
    if not all(runner.symbols for runner in runners):
        return []
    return list(dict.fromkeys(symbol for runner in runners for symbol in runner.symbols))
