"""The last bars of every watched symbol and period."""

from collections import deque
from collections.abc import Callable, Iterable
from datetime import date
from typing import TYPE_CHECKING

from qka.errors import ConfigError
from qka.model.market import Bar
from qka.model.times import SHANGHAI, day_of

if TYPE_CHECKING:
    import pandas as pd

_COLUMNS = ("open", "high", "low", "close", "volume", "amount", "prev_close")


class History:
    """Keeps up to `limit` bars for each (symbol, period) that was asked for."""

    def __init__(self, limit: int = 1000) -> None:
        self._limit = limit
        self._bars: dict[str, dict[str, deque[Bar]]] = {}  # period -> symbol -> its last bars

    def keep(self, symbol: str, period: str, bars: Iterable[Bar] = ()) -> None:
        """Start keeping, with the warm-up bars first, all of them."""
        warm = list(bars)
        kept = self._bars.setdefault(period, {})
        kept[symbol] = deque(warm, max(self._limit, len(warm)))

    def kept(self) -> dict[str, list[Bar]]:
        """`symbol period` -> the bars kept of it, oldest first."""
        return {
            f"{symbol} {period}": list(bars)
            for period, of in self._bars.items()
            for symbol, bars in of.items()
        }

    def on_bar(self, bar: Bar) -> None:
        """Keep the bar if anyone asked for its kind."""
        of = self._bars.get(bar.period)
        kept = of.get(bar.symbol) if of is not None else None
        if kept is not None:
            kept.append(bar)

    def keeper(self, period: str, symbol: str) -> Callable[[Bar], None] | None:
        """What keeps a symbol's bars, where bars of that one period are all there is."""
        kept = self._bars.get(period, {}).get(symbol)
        return kept.append if kept is not None else None

    def bars(self, symbol: str, period: str, count: int) -> list[Bar]:
        """The last `count` bars, oldest first; raises ConfigError when they are not kept."""
        kept = self._bars.get(period, {}).get(symbol)
        if kept is None:
            kept_now = ", ".join(sorted(self._bars))
            raise ConfigError(
                f"history({symbol!r}, {period!r}): these bars are not kept. Name the symbol in the "
                "strategy's `symbols` and the period in its `bars` "
                + (f"(kept: {kept_now})" if kept_now else "(none are kept)")
            )
        return list(kept)[-count:] if count > 0 else []

    def today(self, symbol: str, day: date) -> list[Bar]:
        """The one-minute bars of a day, as far as they are kept."""
        kept = self._bars.get("1m", {}).get(symbol, ())
        return [bar for bar in kept if day_of(bar.time) == day]

    def frame(self, symbol: str, period: str, count: int) -> "pd.DataFrame":
        """The same as a DataFrame indexed by Shanghai time (the end of each bar).

        As they were, not adjusted: on an ex-date `prev_close` is the reference price.
        """
        import pandas as pd  # late: `import qka` must be quick

        bars = self.bars(symbol, period, count)
        index = pd.to_datetime([bar.time for bar in bars], utc=True).tz_convert(SHANGHAI)
        rows = [(b.open, b.high, b.low, b.close, b.volume, b.amount, b.prev_close) for b in bars]
        return pd.DataFrame(rows, index=pd.DatetimeIndex(index, name="time"), columns=_COLUMNS)
