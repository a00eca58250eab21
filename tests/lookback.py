"""For tests of reports: runs that are quick, and their reports."""

from pathlib import Path

from builders import DAY, NEXT_DAY
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


def two_days(path: Path, *strategies, first=(10.0,) * 20, second=(10.4,) * 20, **options):
    """A run over two days into a journal; returns its summary."""
    events = [*quotes(list(first)), *quotes(list(second), day=NEXT_DAY)]
    return engine(events, *strategies, journal=path, **options).run()


__all__ = ["DAY", "NEXT_DAY", "OTHER", "SYMBOL", "Scripted", "report", "scripted", "two_days"]
