"""Your own bars, from a pandas DataFrame, through the whole engine.

    python examples/dataframe.py

The strategy is the same class that `qka run` would trade live: only the feed is another one.
"""

import numpy as np
import pandas as pd

import qka
from qka.feeds.listed import ListFeed
from qka.model.times import at

SYMBOL = "600519.SH"


def prices(days: int = 120) -> pd.DataFrame:
    """Made-up daily bars; put your own `pd.read_csv(...)` here. Volume in shares."""
    walk = np.random.default_rng(7).normal(0.001, 0.015, days).cumsum()
    close = (1500 * np.exp(walk)).round(2)
    return pd.DataFrame(
        {
            "open": np.r_[1500.0, close[:-1]],
            "high": (close * 1.01).round(2),
            "low": (close * 0.99).round(2),
            "close": close,
            "volume": 3_000_000,
        },
        index=pd.bdate_range("2025-03-03", periods=days, name="date"),
    )


def bars(frame: pd.DataFrame) -> list[qka.Bar]:
    """One daily bar a row; a daily bar ends at 15:00."""
    before = frame["close"].shift().fillna(frame["open"].iloc[0])
    return [
        qka.Bar(
            SYMBOL,
            at(day.date(), "15:00"),
            "1d",
            row.open,
            row.high,
            row.low,
            row.close,
            int(row.volume),
            row.volume * row.close,
            previous,
        )
        for (day, row), previous in zip(frame.iterrows(), before, strict=True)
    ]


class Momentum(qka.Strategy):
    """Hold while the close is above its average of twenty days."""

    bars = "1d"

    def on_bar(self, bar: qka.Bar) -> None:
        """Decide when a day has ended; the order trades at the next open."""
        closes = self.history(bar.symbol, "1d", 20)["close"]
        if len(closes) < 20:
            return
        wanted = 0.9 if bar.close > closes.mean() else 0.0
        held = self.position(bar.symbol).quantity
        if bool(wanted) != bool(held):
            self.order_target_ratio(bar.symbol, wanted, reason="the trend turned")


def main() -> None:
    """Run it and show what came of it."""
    engine = qka.Engine.from_config(
        {"account": {"cash": 1_000_000}, "risk": {"position_ratio": 0.95}}
    )
    engine.feed = ListFeed(engine.clock, bars(prices()))
    engine.register(Momentum(symbols=[SYMBOL]))
    summary = engine.run()
    mine = summary["strategies"]["Momentum"]
    print(f"orders {mine['orders']}, fills {mine['fills']}, fees {mine['fees']} CNY")
    print(f"profit {summary['account']['profit']} CNY; everything is in {summary['run']}")


if __name__ == "__main__":
    main()
