"""A report in a screenful or two, on a terminal."""

from collections import Counter
from collections.abc import Callable, Sequence

from rich.console import Console
from rich.table import Table
from rich.text import Text

from qka.report import shown
from qka.report.figures import Part, Report, added
from qka.report.shown import Shown
from qka.report.words import UNKNOWN, codes, sentences, words
from qka.secrets import mask

_COLOURS = {"up": "red", "down": "green", "": ""}  # as China has them
_MOST = 20  # symbols, and alerts, that are listed


def tell(report: Report, language: str, console: Console) -> None:
    """Print the summary in a language, `zh` or `en`."""
    _Screen(report, language, console).tell()


class _Screen:
    def __init__(self, report: Report, language: str, console: Console) -> None:
        self._report = report
        self._word, self._code = words(language), codes(language)
        self._told, self._shown = sentences(language), Shown(report, language)
        self._console = console

    def tell(self) -> None:
        """All of it, from what matters most on."""
        report, word, seen = self._report, self._word, self._shown
        code = self._code
        self._line(
            f"{word('Report')} {report.title}  {word('account')} {seen.account}  "
            f"{word('as of')} {shown.moment(report.last)}",
            style="bold",
        )
        if seen.running:
            self._line(word("The run has not ended, or was killed: these are the figures so far."))
        if not report.known:
            self._line(word(UNKNOWN), style="yellow")
        self._tiles()
        if report.known:
            self._parts("Profit by strategy", "strategy", report.by("strategy"))
            parts = sorted(report.by("symbol"), key=lambda part: -abs(part.profit))
            self._parts("Profit by symbol", "symbol", parts)
        self._execution()
        for title, pairs in (
            (word("Trades"), seen.trades),
            (word("outcome"), [(code(k), f"{v:,}") for k, v in report.outcomes.items()]),
            (word("Denials"), [(code(k), f"{v:,}") for k, v in report.denials.items()]),
        ):
            if pairs:
                self._pairs(title, pairs)
        metrics = seen.metrics
        if isinstance(metrics, str):
            self._line(f"{word('Return and risk')}{word(': ')}{metrics}")
        elif metrics:
            self._pairs(word("Return and risk"), metrics)
        self._rest()

    def _tiles(self) -> None:
        table = Table(show_header=False, box=None, padding=(0, 3, 0, 0))
        for what, figure, hint, tint in self._shown.tiles:
            table.add_row(what, Text(figure, style=_COLOURS[tint], justify="right"), Text(hint))
        self._console.print(table)

    def _parts(self, title: str, first: str, parts: Sequence[Part]) -> None:
        word = self._word
        table = Table(title=word(title), title_justify="left", show_footer=True)
        whole = added(self._report.parts) if parts else None
        columns: list[tuple[str, Callable[[Part], Text]]] = [
            ("profit", lambda p: _signed(p.profit)),
            ("realised", lambda p: _signed(p.realised)),
            ("change of unrealised", lambda p: _signed(p.profit - p.realised)),
            ("fees", lambda p: Text(shown.money(p.fees))),
            ("fills", lambda p: Text(f"{p.fills:,}")),
            ("turnover", lambda p: Text(shown.money(p.bought + p.sold))),
        ]
        table.add_column(word(first), footer=word("sum"))
        for name, figure in columns:
            footer = figure(whole) if whole else ""
            table.add_column(word(name), justify="right", footer=footer)
        for part in parts[:_MOST]:
            if first == "strategy":
                name = self._shown.name(part.strategy)
            else:
                name = part.symbol or word("cash that came of no fill")
            table.add_row(Text(name), *(figure(part) for _, figure in columns))
        if len(parts) > _MOST:
            table.add_row("…")
        if parts:
            self._console.print(table)

    def _execution(self) -> None:
        word, costs = self._word, self._shown.costs
        if costs:
            table = Table(title=word("Execution"), title_justify="left")
            table.add_column(word("strategy"))
            for name in ("orders", "fill ratio", "slippage", "basis points"):
                table.add_column(word(name), justify="right")
            for cost in costs:
                table.add_row(
                    Text(self._shown.name(cost.strategy)),
                    f"{cost.orders:,}",
                    shown.percent(cost.ratio, 1),
                    shown.signed(cost.cost),
                    shown.ratio(cost.points),
                )
            self._console.print(table)
        if self._shown.latencies:
            table = Table(show_edge=False, box=None, padding=(0, 3, 0, 0))
            table.add_column("")
            for name in ("how many", "median", "95 of 100 within", "longest"):
                table.add_column(word(name), justify="right")
            for what, took in self._shown.latencies:
                spans = map(shown.span, (took.median, took.high, took.most))
                table.add_row(what, f"{took.orders:,}", *spans)
            self._console.print(table)

    def _rest(self) -> None:
        report, word = self._report, self._word
        days = report.compliance
        if days:
            orders, cancels, quick = (
                sum(day[name] for day in days) for name in ("orders", "cancels", "quick_cancels")
            )
            figures = [
                (word("orders"), f"{orders:,}"),
                (word("cancels"), f"{cancels:,}"),
                (word("busiest second"), f"{max(day['peak_per_second'] for day in days)}"),
                (word("cancels to orders"), shown.percent(cancels / orders if orders else None)),
                (word("cancelled within a second"), f"{quick:,}"),
            ]
            self._pairs(word("Programme trading"), figures)
        verdicts = Counter(self._shown.verdict(found) for _, found in report.settled)
        if verdicts:
            self._pairs(word("Reconciliation"), [(what, str(n)) for what, n in verdicts.items()])
        for time, found in [(t, f) for t, f in report.settled if f.differences][-_MOST:]:
            self._line(
                f"{shown.clock(time)} {self._code(found.when)} {self._shown.verdict(found)}"
                f"{word(': ')}{self._shown.differences(found)}"
            )
        loud = [alert for alert in report.alerts if alert.severity != "info"]
        for alert in loud[-_MOST:]:
            self._line(
                f"{self._code(str(alert.severity))} {shown.clock(alert.time)} {alert.source}"
                f"{word(': ')}{self._told(alert.message)}"
            )

    def _pairs(self, title: str, pairs: Sequence[tuple[str, str]]) -> None:
        told = "  ".join(f"{what} {figure}" for what, figure in pairs)
        self._line(f"{title}{self._word(': ')}{told}")

    def _line(self, text: str, style: str = "") -> None:
        self._console.print(
            mask(text), style=style or None, highlight=False, markup=False, soft_wrap=True
        )


def _signed(cents: int) -> Text:
    return Text(shown.signed(cents), style=_COLOURS[shown.colour(cents)])
