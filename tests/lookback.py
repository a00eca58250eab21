"""For tests of reports: runs that are quick, and their reports."""

from pathlib import Path

from builders import DAY, NEXT_DAY
from msgspec.structs import replace
from stage import SYMBOL, Recorder, engine, quotes

from qka.journal.records import opened
from qka.report import where
from qka.report.figures import Report
from qka.report.gather import Period, gather

OTHER = "000001.SZ"


class Scripted(Recorder):
    """Does at its n-th quote what `script[n]` says: `(side, shares, price)`, or a call."""

    symbols = [SYMBOL]
    script: dict = {}

    def on_start(self):
        self.seen = 0
        self.orders = []

    def on_quote(self, quote):
        self.seen += 1
        act = self.script.get(self.seen)
        if callable(act):
            act(self)
        elif act is not None:
            side, *wanted = act
            self.orders.append(getattr(self, side)(SYMBOL, *wanted))


def scripted(name="Scripted", **script):
    """A strategy of that name; `q3=("buy", 100, 10.05)`: at its third quote."""
    return type(name, (Scripted,), {"script": {int(at[1:]): act for at, act in script.items()}})()


def report(path: Path, days: str = "") -> Report:
    """Of the whole journal, or of some days of it."""
    if days:
        return gather(where.of_days(path, where.days(days)))
    with opened(path) as records:
        return gather(Period("all", path, 1, records.last()))


def two_days(path: Path, *strategies, second=(10.4,) * 20, given=(), **options):
    """A run over two days into a journal, what companies `given` between; returns its summary."""
    close = second[0]
    limits = {"limit_up": close + 1, "limit_down": close - 1, "prev_close": close}
    events = [
        *quotes([10.0] * 20),
        *(replace(quote, **limits) for quote in quotes(list(second), day=NEXT_DAY)),
    ]
    made = engine(events, *strategies, journal=path, **options)

    async def known(symbols, since, until):
        return [a for a in given if a.symbol in symbols and since <= a.day <= until]

    made.feed.actions = known
    return made.run()


__all__ = ["DAY", "NEXT_DAY", "OTHER", "SYMBOL", "Scripted", "report", "scripted", "two_days"]
