"""A report in a screenful or two, on a terminal."""

from collections.abc import Callable, Sequence

from rich.console import Console
from rich.table import Table
from rich.text import Text

from qka.report import shown
from qka.report.figures import Part, Report, added
from qka.report.shown import Shown
from qka.report.words import UNKNOWN, speaker
from qka.secrets import mask

_COLOURS = {"up": "red", "down": "green", "": ""}  # as China has them
_MOST = 20  # symbols, and alerts, that are listed


def tell(report: Report, language: str, console: Console) -> None:
    """Print the summary in a language, `zh` or `en`."""
    _Screen(report, language, console).tell()


class _Screen:
    def __init__(self, report: Report, language: str, console: Console) -> None:
        self._report = report
        self._say = speaker(language)
        self._shown = Shown(report, self._say)
        self._console = console

    def tell(self) -> None:
        """All of it, from what matters most on."""
        report, say, seen = self._report, self._say, self._shown
        self._line(
            f"{say('Report')} {report.title}  {say('account')} {seen.account}  "
            f"{say('as of')} {shown.moment(report.last)}",
            style="bold",
        )
        if seen.running:
            self._line(say("The engine still runs: these are the figures so far."))
        if not report.known:
            self._line(say(UNKNOWN), style="yellow")
        self._tiles()
        if report.known:
            self._parts("Profit by strategy", "strategy", report.by("strategy"))
            parts = sorted(report.by("symbol"), key=lambda part: -abs(part.profit))
            self._parts("Profit by symbol", "symbol", parts)
        self._execution()
        for title, pairs in (
            (say("Trades"), seen.trades),
            (say("outcome"), [(say(k), f"{v:,}") for k, v in report.outcomes.items()]),
            (say("Denials"), [(say(k), f"{v:,}") for k, v in report.denials.items()]),
        ):
            if pairs:
                self._pairs(title, pairs)
        metrics = seen.metrics
        if isinstance(metrics, str):
            self._line(f"{say('Return and risk')}: {metrics}")
        elif metrics:
            self._pairs(say("Return and risk"), metrics)
        self._rest()

    def _tiles(self) -> None:
        table = Table(show_header=False, box=None, padding=(0, 3, 0, 0))
        for what, figure, word, tint in self._shown.tiles:
            table.add_row(what, Text(figure, style=_COLOURS[tint], justify="right"), Text(word))
        self._console.print(table)

    def _parts(self, title: str, first: str, parts: Sequence[Part]) -> None:
        say = self._say
        table = Table(title=say(title), title_justify="left", show_footer=True)
        whole = added(self._report.parts) if parts else None
        columns: list[tuple[str, Callable[[Part], Text]]] = [
            ("profit", lambda p: _signed(p.profit)),
            ("realised", lambda p: _signed(p.realised)),
            ("change of unrealised", lambda p: _signed(p.profit - p.realised)),
            ("fees", lambda p: Text(shown.money(p.fees))),
            ("fills", lambda p: Text(f"{p.fills:,}")),
            ("turnover", lambda p: Text(shown.money(p.bought + p.sold))),
        ]
        table.add_column(say(first), footer=say("sum"))
        for name, figure in columns:
            footer = figure(whole) if whole else ""
            table.add_column(say(name), justify="right", footer=footer)
        for part in parts[:_MOST]:
            if first == "strategy":
                name = self._shown.name(part.strategy)
            else:
                name = part.symbol or say("cash that came of no fill")
            table.add_row(Text(name), *(figure(part) for _, figure in columns))
        if len(parts) > _MOST:
            table.add_row("…")
        if parts:
            self._console.print(table)

    def _execution(self) -> None:
        say, costs = self._say, self._shown.costs
        if costs:
            table = Table(title=say("Execution"), title_justify="left")
            table.add_column(say("strategy"))
            for name in ("orders", "fill ratio", "slippage", "basis points"):
                table.add_column(say(name), justify="right")
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
                table.add_column(say(name), justify="right")
            for what, took in self._shown.latencies:
                spans = map(shown.span, (took.median, took.high, took.most))
                table.add_row(what, f"{took.orders:,}", *spans)
            self._console.print(table)

    def _rest(self) -> None:
        report, say = self._report, self._say
        for day in report.compliance[-_MOST:]:
            figures = [
                (say("orders"), f"{day['orders']:,}"),
                (say("cancels"), f"{day['cancels']:,}"),
                (say("busiest second"), f"{day['peak_per_second']}"),
                (say("cancels to orders"), shown.percent(day["cancel_ratio"])),
                (say("cancelled within a second"), f"{day['quick_cancels']:,}"),
            ]
            self._pairs(f"{say('Programme trading')} {day['day']}", figures)
        for time, found in report.settled[-_MOST:]:
            told = self._shown.differences(found)
            self._line(
                f"{say('Reconciliation')} {shown.clock(time)} {say(found.when)}: "
                f"{self._shown.verdict(found)}{f'  {told}' if told else ''}"
            )
        loud = [alert for alert in report.alerts if alert.severity != "info"]
        for alert in loud[-_MOST:]:
            self._line(
                f"{say(str(alert.severity))} {shown.clock(alert.time)} {alert.source}: "
                f"{alert.message}"
            )

    def _pairs(self, title: str, pairs: Sequence[tuple[str, str]]) -> None:
        self._line(f"{title}: " + "  ".join(f"{what} {figure}" for what, figure in pairs))

    def _line(self, text: str, style: str = "") -> None:
        self._console.print(
            mask(text), style=style or None, highlight=False, markup=False, soft_wrap=True
        )


def _signed(cents: int) -> Text:
    return Text(shown.signed(cents), style=_COLOURS[shown.colour(cents)])
