"""A report as one HTML file: nothing in it comes from elsewhere, so it opens anywhere."""

from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any

from qka import __version__, charts
from qka.errors import ConfigError
from qka.model.money import yuan
from qka.model.times import DAY, MINUTE, SECOND, day_of, midnight, time_of_day
from qka.report import shown
from qka.report.figures import Point, Report, added
from qka.report.metrics import FEW
from qka.report.shown import Shown
from qka.report.words import UNKNOWN, codes, sentences, words
from qka.secrets import mask

_HERE = Path(__file__).parent
_POINTS = 2000  # that a chart shows at most
_ROWS = 300  # that a table shows at most
_MORNING, _NOON, _AFTERNOON, _END = 570, 690, 780, 900  # minutes after midnight


def render(report: Report, language: str) -> str:
    """The page in a language, `zh` or `en`."""
    word = words(language)
    return mask(
        _template().render(
            report=report,
            shown=Shown(report, language),
            word=word,
            code=codes(language),
            told=sentences(language),
            language="zh-CN" if language == "zh" else "en",
            chart=chart(report.curve),
            charts=charts.SCRIPT.read_text(encoding="utf-8"),
            notice=charts.NOTICE,
            style=(_HERE / "page" / "style.css").read_text(encoding="utf-8"),
            script=(_HERE / "page" / "chart.js").read_text(encoding="utf-8"),
            unknown=UNKNOWN,
            most=_ROWS,
            few=FEW,
            added=added,
            version=__version__,
        )
    )


def write(report: Report, path: Path, language: str) -> None:
    """Write the page; raises ConfigError when that can't be."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(render(report, language), encoding="utf-8")
    except OSError as error:
        raise ConfigError(f"{path} can't be written: {error.strerror or error}") from None


def chart(curve: Sequence[Point]) -> dict[str, list[Any]]:
    """Equity (CNY) and drawdown (percent) over the minutes in which the market trades.

    `time` is Shanghai's as seconds, as if it were UTC: the chart knows no zones. The first point is
    what the account began with, a minute before the first session.
    """
    times: list[int] = []
    equity: list[float] = []
    falls: list[float] = []
    peak: Point | None = None
    for point in curve:
        top = peak.total - peak.moved + point.moved if peak else point.total
        if point.total >= top:
            peak, top = point, point.total
        time = _time(point.time) if times else _time(curve[min(1, len(curve) - 1)].time) - 60
        if times and time <= times[-1]:  # of one minute the last
            times.pop(), equity.pop(), falls.pop()
        times.append(time)
        equity.append(float(yuan(point.total)))
        falls.append(round((point.total - top) / top * 100, 3) if top > 0 else 0.0)
    keep = _kept(falls)
    return {
        "time": [times[i] for i in keep],
        "equity": [equity[i] for i in keep],
        "drawdown": [falls[i] for i in keep],
    }


def _time(ns: int) -> int:
    """The end of the minute of the sessions that it lies in, or of the one before."""
    minute = -(-time_of_day(ns) // MINUTE)
    if minute <= _NOON:
        minute = max(_MORNING, minute)
    else:
        minute = _NOON if minute <= _AFTERNOON else min(_END, minute)
    return (midnight(day_of(ns)) + DAY // 3) // SECOND + minute * 60


def _kept(falls: Sequence[float]) -> list[int]:
    """Which points a chart shows: all, or of every few the one that lies deepest, and the last."""
    size = -(-len(falls) // _POINTS) if falls else 1
    if size == 1:
        return list(range(len(falls)))
    groups = (range(at, min(at + size, len(falls))) for at in range(0, len(falls), size))
    deepest = {min(group, key=lambda i: falls[i]) for group in groups}
    return sorted(deepest | {0, len(falls) - 1})


@lru_cache(maxsize=1)
def _template() -> Any:
    from jinja2 import Environment, FileSystemLoader, StrictUndefined

    environment = Environment(
        loader=FileSystemLoader(_HERE / "page"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {
        "money": shown.money,
        "signed": shown.signed,
        "percent": shown.percent,
        "price": shown.price,
        "moment": shown.moment,
        "clock": shown.clock,
        "span": shown.span,
        "ratio": shown.ratio,
        "colour": shown.colour,
        "count": "{:,}".format,
    }
    return environment.get_template("report.html")
