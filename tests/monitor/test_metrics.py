"""What Prometheus reads of a running engine, and the board that shows it."""

import json
import re
from pathlib import Path

import aiohttp
import promql_parser
import pytest
from asked import Watcher, asked
from builders import SYMBOL
from prometheus_client.parser import text_string_to_metric_families

from qka.model.events import Alert, LinkState, Severity
from qka.model.times import MILLISECOND, SECOND
from qka.monitor import keys
from qka.monitor.latency import Histogram

METRICS = {"monitor": {"enabled": True, "metrics": True}}
BOARD = Path(__file__).parents[2] / "docs" / "grafana" / "qka.json"


async def scraped(there, token=None):
    """Name -> labels -> value, of every sample."""
    viewer = json.loads((there.engine.folder.parent / keys.FILE).read_text())["viewer"]
    headers = {"Authorization": f"Bearer {token or viewer}"}
    url = f"{there.engine.monitor.url}/metrics"
    async with aiohttp.ClientSession() as session, session.get(url, headers=headers) as answer:
        assert answer.status == 200
        assert answer.content_type == "text/plain"
        text = await answer.text()
    found = {}
    for family in text_string_to_metric_families(text):
        for sample in family.samples:
            labels = tuple(sorted(sample.labels.items()))
            found.setdefault(sample.name, {})[labels] = sample.value
    return found


def of(**labels):
    return tuple(sorted(labels.items()))


async def test_what_is_counted(tmp_path):
    async with asked(tmp_path, Watcher(), held={SYMBOL: 500}, **METRICS) as there:
        await there.command("buy", SYMBOL, 100, 10.05)
        await there.command("buy", SYMBOL, 90_000, 10.05)
        await there.quote(10.0)
        await there.command("buy", SYMBOL, 100, 9.5)
        there.engine.tell(LinkState(there.engine.clock.now(), "broker", up=False))
        there.engine.tell(Alert(there.engine.clock.now(), Severity.ERROR, "x", "y"))
        seen = await scraped(there)
        account = there.engine.ledger.asset
    assert seen["qka_quotes_total"][()] == 2
    assert seen["qka_quote_age_seconds"][()] == 0
    assert seen["qka_orders_total"][of(strategy="operator")] == 2
    assert seen["qka_fills_total"][of(strategy="operator")] == 1
    assert seen["qka_denials_total"][of(strategy="operator", code="position_ratio")] == 1
    assert seen["qka_orders_working"][()] == 1
    assert seen["qka_account_cash_cny"][()] == float(account.cash)
    assert seen["qka_account_total_cny"][()] == float(account.total)
    assert seen["qka_positions"][()] == 1
    assert seen["qka_trading_state"] == {
        of(state="active"): 1, of(state="reducing"): 0, of(state="halted"): 0,
    }  # fmt: skip
    assert seen["qka_link_up"][of(link="broker")] == 0
    assert seen["qka_alerts_total"][of(severity="error")] == 1
    assert seen["qka_journal_records_total"][()] > 5
    assert seen["qka_meter_used"][of(meter="programme_day", of="")] == 2
    assert seen["qka_meter_limit"][of(meter="programme_day", of="")] == 15_000


async def test_how_long_an_order_takes(tmp_path):
    async with asked(tmp_path, Watcher(), **METRICS) as there:
        await there.command("buy", SYMBOL, 100, 10.05)
        await there.quote(10.0)
        seen = await scraped(there)
    count = seen["qka_order_seconds_count"]
    assert count == {of(stage=stage): 1 for stage in ("quote", "submitted", "accepted", "fill")}
    assert seen["qka_order_seconds_sum"][of(stage="fill")] == 3  # the next quote's
    bucket = seen["qka_order_seconds_bucket"]
    assert bucket[of(stage="fill", le="2.5")] == 0
    assert bucket[of(stage="fill", le="5")] == 1


@pytest.mark.parametrize(
    ("ns", "end"),
    [(0, "0.001"), (MILLISECOND, "0.001"), (MILLISECOND + 1, "0.0025"), (-5, "0.001"),
     (300 * SECOND, "300"), (300 * SECOND + 1, "+Inf")],
)  # fmt: skip
def test_a_histogram_puts_each_in_its_bucket(ns, end):
    histogram = Histogram()
    histogram.add(ns)
    upto = dict(histogram.upto())
    first = next(name for name, count in upto.items() if count)
    assert first == end
    assert upto["+Inf"] == 1


async def test_metrics_are_not_for_strangers(tmp_path):
    async with asked(tmp_path, Watcher(), **METRICS) as there, aiohttp.ClientSession() as session:
        url = f"{there.engine.monitor.url}/metrics"
        async with session.get(url) as answer:
            assert answer.status == 401
        assert await scraped(there, there.run.token)


async def test_the_board_shows_what_there_is(tmp_path):
    board = json.loads(BOARD.read_text(encoding="utf-8"))
    asked_for = "\n".join(t["expr"] for panel in board["panels"] for t in panel["targets"])
    asked_for += "\n" + board["templating"]["list"][0]["query"]
    names = set(re.findall(r"qka_\w+", asked_for))
    assert len(names) > 15
    async with asked(tmp_path, Watcher(), held={SYMBOL: 500}, **METRICS) as there:
        await there.command("buy", SYMBOL, 90_000, 10.05)  # refused: there is a denial
        there.engine.tell(LinkState(there.engine.clock.now(), "broker", up=True))
        seen = await scraped(there)
    assert names <= seen.keys()
    for query in asked_for.splitlines()[:-1]:  # Grafana's own variables filled in
        promql_parser.parse(query.replace("$__rate_interval", "1m"))
    stages = set(re.findall(r'stage="(\w+)"', asked_for))
    known = {dict(labels)["stage"] for labels in seen["qka_order_seconds_count"]}
    assert stages == known
    spots = [tuple(panel["gridPos"].values()) for panel in board["panels"]]
    assert len(set(spots)) == len(spots)
    assert len({panel["id"] for panel in board["panels"]}) == len(board["panels"])
