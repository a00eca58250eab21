"""What the exchange would refuse does not reach the terminal, whoever asks for it."""

import asyncio
import json

import pytest
from builders import DAY, NEXT_DAY, a_quote, moment
from qmt import eventually
from server_stage import ORDER, ScriptedBackend, running, simulated

from qka.ashare import book
from qka.brokers.client import AsyncQMTClient
from qka.brokers.words import STOCK_BUY, STOCK_SELL
from qka.errors import BrokerUnavailable, CallRefused, ConfigError
from qka.server.caller import Caller
from qka.server.tokens import Token
from qka.settings.rulefile import read

BUY, SELL = {"order_type": STOCK_BUY}, {"order_type": STOCK_SELL}


class Backend(ScriptedBackend):
    """Knows what 600000.SH is today, 2026-01-05: 10.00, limits 11 and 9. `at`: the time there."""

    def __init__(self, at="10:00", **detail):
        super().__init__()
        self.at = at
        self.detail = detail
        self.asked = []

    def now(self):
        return moment(self.at)

    async def instrument(self, symbol, complete):
        self.asked.append(symbol)
        await self._enter("instrument")
        usual = {"TradingDay": 20260105, "UpStopPrice": 11.0, "DownStopPrice": 9.0}
        return {"InstrumentName": "浦发银行", "PriceTick": 0.01, **usual, **self.detail}


def tick(**changes):
    quote = a_quote(**changes)
    return {
        "time": quote.time // 1_000_000, "lastPrice": quote.last, "open": quote.open,
        "high": quote.high, "low": quote.low, "lastClose": quote.prev_close,
        "amount": quote.amount, "volume": quote.volume // 100, "pvolume": quote.volume,
        "openInt": quote.phase, "askPrice": quote.ask_prices, "askVol": quote.ask_lots,
        "bidPrice": quote.bid_prices, "bidVol": quote.bid_lots,
    }  # fmt: skip


async def quoted(stage, **changes):
    """The stage, once its server knows the symbol, and its last tick."""
    await stage.order()
    stage.backend.orders.clear()
    stage.backend.push("quotes", {"600000.SH": tick(**changes)})
    return stage


REFUSED = {
    "a lot": ({**BUY, "order_volume": 150}, "lot: 150 of 600000.SH: a buy is 100 shares or more"),
    "too large": ({**BUY, "order_volume": 1_000_100}, "order_size: 1000100 600000.SH: one limit"),
    "no tick": ({**BUY, "price": 9.905}, "tick: 9.905 is not on the tick 0.01 of 600000.SH"),
    "a market order too large": (
        {"stock_code": "688981.SH", "order_volume": 50_001, "price_type": 42, "price": 0},
        "order_size: 50001 688981.SH: one market order is 50000 shares at most; 50000 would pass",
    ),
    "no such type for bonds": (
        {"stock_code": "113050.SH", "order_volume": 10, "price_type": 42},
        "order_type: 113050.SH takes no market orders on 2026-01-05; limit would pass",
    ),
    "post-close, before 2026-07-06": (
        {"price_type": 49},
        "order_type: 600000.SH takes no fixed orders on 2026-01-05",
    ),
    "an index": ({"stock_code": "000300.SH"}, "instrument: 000300.SH is an index"),
}


@pytest.mark.parametrize("name", REFUSED)
async def test_what_the_exchange_would_refuse_is_refused_in_the_gates_words(tmp_path, name):
    changes, words = REFUSED[name]
    async with running(tmp_path, Backend()) as stage:
        status, told = await stage.order(**changes)
        assert (status, told["code"], told["outcome"]) == (422, "denied", "not_executed")
        assert told["detail"].startswith(f"order_stock: {words}")
        assert stage.backend.orders == []
    assert [line["outcome"] for line in stage.audit()] == ["denied"]


@pytest.mark.parametrize(
    ("at", "price_type", "code"),
    [
        ("09:20", 11, None),
        ("09:20", 42, "phase"),
        ("10:00", 42, None),
        ("12:00", 11, None),  # the broker keeps it
        ("14:58", 42, "phase"),
        ("15:00", 11, "phase"),
    ],
)
async def test_hours_are_those_of_the_market_behind_the_server(tmp_path, at, price_type, code):
    async with running(tmp_path, Backend(at)) as stage:
        _, told = await stage.order(price_type=price_type)
        assert told.get("detail", "").startswith(f"order_stock: {code}: " if code else "")
        assert len(stage.backend.orders) == (code is None)


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({**BUY, "price": 11.0}, "price_cage: 11 is beyond the price cage"),
        ({**BUY, "price": 11.01}, "price_limit: 11.01 is above 11, today's limit up"),
        ({**SELL, "price": 8.99}, "price_limit: 8.99 is below 9, today's limit down"),
        ({**SELL, "price": 9.5}, "price_cage: 9.5 is beyond the price cage of 600000.SH, 9.79"),
        ({**BUY, "price": 10.2}, ""),
        ({**BUY, "price_type": 42, "price": 0}, ""),
        ({**BUY, "price_type": 5, "price": 99.999}, ""),
    ],
)
async def test_a_price_is_held_against_the_last_tick_and_the_terminals_limits(
    tmp_path, changes, words
):
    async with running(tmp_path, Backend()) as stage:
        _, told = await (await quoted(stage)).order(**changes)
        assert told.get("detail", "").startswith(f"order_stock: {words}" if words else "")
        assert len(stage.backend.orders) == (not words)


async def test_a_suspended_symbol_is_not_ordered(tmp_path):
    async with running(tmp_path, Backend(InstrumentStatus=2)) as stage:
        _, told = await (await quoted(stage, volume=0)).order()
        words = "order_stock: suspended: 600000.SH is suspended on 2026-01-05; it would pass once"
        assert told["detail"].startswith(words)


# ------------------------------------------------------------------ the first order on a symbol

UNJUDGED = "unjudged: what price 600000.SH may have today is not known: "
EARLIER = {"TradingDay": 20260102}
FIRST = {
    "inside the terminal's limits": ({}, {}, {"price": 11.0}, ""),
    "above them": ({}, {}, {"price": 11.01}, "price_limit: 11.01 is above 11, today's limit up"),
    "below them": ({}, {}, {"price": 8.99}, "price_limit: 8.99 is below 9, today's limit down"),
    "a market order": ({}, {}, {"price_type": 42, "price": 0}, ""),
    "beyond the cage of its last tick": ({}, tick(), {"price": 10.9}, "price_cage: 10.9 is beyond"),
    "at the market of its last tick": ({}, tick(), {"price": 10.01}, ""),
    "its last tick is of another day": (
        {}, tick(time=moment("10:00") - 86_400 * 10**9, ask_prices=[9.0] * 5), {"price": 10.9}, "",
    ),
    "no limits are named, they are computed from the previous close": (
        {"UpStopPrice": 0, "DownStopPrice": 0, "PreClose": 10.0}, {}, {"price": 11.01},
        "price_limit: 11.01 is above 11, the rule book's limit up",
    ),
    "a day without limits": (
        {"UpStopPrice": 0, "InstrumentName": "N浦发", "PreClose": 10.0}, {}, {"price": 25.0}, "",
    ),
    "suspended": ({"InstrumentStatus": 1}, {}, {}, "suspended: 600000.SH is suspended"),
    "what the terminal says is of another day": (
        EARLIER, {}, {}, UNJUDGED,
    ),
    "it is of another day and a tick is of today": (
        {**EARLIER, "PreClose": 9.0}, tick(), {"price": 11.01}, "price_limit: 11.01 is above 11",
    ),
    "it names no day": ({"TradingDay": "0"}, {}, {}, UNJUDGED),
}  # fmt: skip


@pytest.mark.parametrize("name", FIRST)
@pytest.mark.parametrize("key", ["", "k1"], ids=["without a key", "with a key"])
async def test_the_days_first_order_on_a_symbol_is_judged_like_the_next_ones(tmp_path, name, key):
    detail, last, changes, words = FIRST[name]
    async with running(tmp_path, Backend(**detail)) as stage:
        stage.backend.ticks_now = {"600000.SH": last} if last else {}
        for number in range(2):
            again = key and f"{key}{number}"
            _, told = await stage.order(again, **{**BUY, "price": 9.9, **changes})
            assert told.get("detail", "").startswith(f"order_stock: {words}" if words else "")
        assert len(stage.backend.orders) == (0 if words else 2)
        assert len(stage.backend.asked) == 1


@pytest.mark.parametrize(
    ("failing", "why"),
    [(BrokerUnavailable("no data today"), "no data today"), (KeyError("x"), "it could not say")],
)
async def test_what_the_terminal_does_not_tell_of_is_not_ordered_until_it_does(
    tmp_path, failing, why
):
    async with running(tmp_path, Backend()) as stage:
        stage.backend.fail["instrument"] = failing
        for at in ("10:00:00", "10:00:04"):
            stage.backend.at = at
            status, told = await stage.order()
            assert (status, told["code"], told["outcome"]) == (422, "denied", "not_executed")
            assert told["detail"].startswith(f"order_stock: {UNJUDGED}")
            assert why in told["detail"]
        assert stage.backend.asked == ["600000.SH"]
        stage.backend.at = "10:00:05"  # it is asked again
        assert (await stage.order())[1]["success"]
        assert (await stage.order())[1]["success"]
        assert stage.backend.asked == ["600000.SH"] * 2


async def test_an_instrument_that_the_terminal_does_not_know_is_not_ordered(tmp_path):
    class Empty(Backend):
        async def instrument(self, symbol, complete):
            return None

    async with running(tmp_path, Empty()) as stage:
        assert "it knows no such instrument" in (await stage.order())[1]["detail"]
        detail = (await stage.order(stock_code="999999.SH"))[1]["detail"]
        assert detail.startswith("order_stock: instrument: '999999.SH': no security")


@pytest.mark.parametrize(("at", "sent"), [("08:30", True), ("09:14", True), ("09:15", False)])
async def test_before_orders_are_taken_the_terminal_may_still_tell_of_the_day_before(
    tmp_path, at, sent
):
    async with running(tmp_path, Backend(at, **EARLIER)) as stage:
        _, told = await stage.order()
        assert told["success"] is sent
        assert sent or "what it says is of 2026-01-02" in told["detail"]


async def test_held_orders_hold_up_no_other_and_leave_in_their_order(tmp_path):
    async with running(tmp_path, Backend()) as stage, stage.ws() as engine:
        await stage.order(stock_code="600001.SH")
        stage.backend.orders.clear()
        gate = stage.backend.gate["instrument"] = asyncio.Event()
        for number in range(5):
            params = {**ORDER, "order_remark": f"r{number}" if number % 2 else ""}
            await engine.say(op="call", id=100 + number, method="order_stock", params=params)
        other = {**ORDER, "stock_code": "600001.SH"}
        assert (await engine.call("order_stock", **other))["success"]
        assert [order["stock_code"] for order in stage.backend.orders] == ["600001.SH"]
        assert (await stage.outcome("r1"))["state"] == "pending"
        gate.set()
        assert [(await engine.reply(100 + n))["success"] for n in range(5)] == [True] * 5
        mine = [o["order_remark"] for o in stage.backend.orders if o["stock_code"] == "600000.SH"]
        assert sorted(mine) == ["", "", "", "r1", "r3"]
        assert [remark for remark in mine if remark] == ["r1", "r3"]


async def test_orders_that_are_held_may_be_given_up_in_any_order(tmp_path):
    async with running(tmp_path, Backend()) as stage:
        stage.backend.gate["instrument"] = asyncio.Event()
        caller = Caller(Token("ci", ("trade",), ""), "127.0.0.1", "http")
        body = json.dumps(ORDER).encode()
        held = [
            asyncio.create_task(stage.service.call(caller, "order_stock", body, "", None))
            for _ in range(3)
        ]
        await eventually(lambda: stage.backend.asked)
        for order in reversed(held):
            order.cancel()
            with pytest.raises(asyncio.CancelledError):
                await order
        assert stage.backend.orders == []


async def test_a_held_order_is_not_sent_after_its_deadline_nor_when_the_link_is_gone(tmp_path):
    async with running(tmp_path, Backend()) as stage, stage.ws() as engine:
        gate = stage.backend.gate["instrument"] = asyncio.Event()
        await engine.say(op="call", id=100, method="order_stock", params=ORDER)
        await eventually(lambda: stage.backend.asked)
        stage.backend.become("down", "gone")
        gate.set()
        assert (await engine.reply(100))["code"] == "unavailable"
        assert stage.backend.orders == []


async def test_what_was_ordered_is_listened_to_until_the_server_stops(tmp_path):
    async with running(tmp_path, Backend()) as stage, stage.ws() as engine:
        await stage.order()
        assert stage.backend.subscribed == {"600000.SH"}
        await engine.ask("subscribe", symbols=["600000.SH"])
        await engine.ask("unsubscribe", symbols=["600000.SH"])
        assert stage.backend.subscribed == {"600000.SH"}
        assert stage.service.quotes.users == 0
        stage.backend.subscribed.clear()
        stage.backend.become("down")
        stage.backend.become("ready")
        await eventually(lambda: stage.backend.subscribed == {"600000.SH"})


async def test_a_tick_that_is_no_quote_changes_nothing(tmp_path):
    async with running(tmp_path, Backend()) as stage:
        assert (await (await quoted(stage)).order())[1]["success"]
        stage.backend.push("quotes", {"600000.SH": {"lastPrice": None}})
        assert "price_cage" in (await stage.order(price=10.9))[1]["detail"]


async def test_a_rule_that_fails_refuses(tmp_path, monkeypatch):
    def broken(order, view):
        raise ZeroDivisionError("no assets")

    async with running(tmp_path, Backend()) as stage:
        monkeypatch.setattr(stage.service.orders._rules, "_rules", [broken])
        _, told = await stage.order()
        assert told["detail"].startswith("order_stock: rule_fault: the rules failed")
        assert stage.backend.orders == []


async def test_cancels_queries_and_what_is_no_plain_order_are_not_asked_about(tmp_path):
    async with running(tmp_path, Backend("15:10")) as stage:
        assert (await stage.call("cancel_order_stock", order_id=1))[1]["success"]
        assert (await stage.order(order_type=134, order_volume=7))[1]["success"]  # ETF creation
        assert (await stage.call("query_stock_asset"))[0] == 200


async def test_a_key_that_was_denied_is_free_again(tmp_path):
    async with running(tmp_path, Backend()) as stage:
        assert (await stage.order("k1", price=9.905))[1]["code"] == "denied"
        assert (await stage.order("k1", price=9.9))[1]["success"]
        # what is known of a key is told, whatever the rules say by now
        stage.backend.at = "15:10"
        assert (await stage.order("k1", price=9.9))[1]["success"]
        assert len(stage.backend.orders) == 1


async def test_a_client_gets_the_words_and_the_code(tmp_path):
    async with running(tmp_path, Backend()) as stage:
        async with AsyncQMTClient(stage.url, stage.token) as client:
            with pytest.raises(CallRefused, match=r"lot: 150 of 600000.SH.*nothing was exec") as no:
                await client.api("order_stock", **{**ORDER, "order_volume": 150})
        assert no.value.code == "denied"


async def test_a_simulated_terminal_has_the_same_door(tmp_path):
    async with simulated(tmp_path) as stage:
        assert (await stage.order(price=9.905))[1]["code"] == "denied"
        assert (await stage.order())[1]["success"]


# ------------------------------------------------------------------ a rule file


ROW = (
    "lots: [{kinds: [main], least: 50, step: 50, most: 1000, most_market: 1000,"
    " effective_from: 2026-01-01, source: x, confidence: single}]\n"
)


EVENING = """days:
  - kinds: [main]
    exchange: SH
    effective_from: 2026-01-01
    source: the broker takes orders for tomorrow
    confidence: single
    spans:
      - {start: 00:00, phase: pre_open, limit: queued}
      - {start: 09:30, phase: continuous, limit: taken, market: taken, cancel: taken}
      - {start: 15:00, phase: closed}
      - {start: 17:00, phase: closed, limit: queued}
"""


@pytest.mark.parametrize(
    ("at", "changes", "words"),
    [
        ("16:00", {}, "phase: 600000.SH takes no limit orders in 15:00-17:00 (closed)"),
        ("20:00", {}, ""),
        ("20:00", {"price": 11.01}, ""),  # today's limits are not tomorrow's
        ("20:00", {"price": 9.905}, "tick: "),
        (
            "20:00",
            {"price_type": 42, "price": 0},
            "phase: 600000.SH takes no market orders in 17:00",
        ),
    ],
)
async def test_an_evenings_order_passes_where_the_rule_file_says_that_the_broker_keeps_it(
    tmp_path, at, changes, words
):
    path = tmp_path / "own.yaml"
    path.write_text(EVENING, encoding="utf-8")
    for day in (20260105, 20260106):  # some terminals are in the next day by then
        backend = Backend(at, TradingDay=day)
        async with running(tmp_path / str(day), backend, rules=read(path)) as stage:
            _, told = await stage.order(**changes)
            assert told.get("detail", "").startswith(f"order_stock: {words}" if words else "")
            assert len(stage.backend.orders) == (not words)
    book.use()


async def test_a_servers_rule_file_is_laid_over_the_shipped_rows(tmp_path):
    path = tmp_path / "own.yaml"
    path.write_text(ROW + "calendar: {closed: [2026-01-05]}\n", encoding="utf-8")
    backend = Backend()
    backend.simulated = True  # all its days trade
    async with running(tmp_path / "a", backend, rules=read(path)) as stage:
        assert (await stage.order(order_volume=150))[1]["success"]
        assert "1000 would pass" in (await stage.order(order_volume=1050))[1]["detail"]
        with pytest.raises(ConfigError, match="in a process of its own"):
            book.use()
    book.use()
    async with running(tmp_path / "b", Backend(), rules=read(path)) as stage:
        assert "2026-01-05 is no trading day" in (await stage.order())[1]["detail"]
    book.use()


class Midnight(Backend):
    """What it is asked first it can't say, and only when the day is over."""

    def __init__(self):
        super().__init__(TradingDay=20260106)
        self.day = DAY
        self.over = asyncio.Event()

    def now(self):
        return moment(self.at, self.day)

    async def instrument(self, symbol, complete):
        if not self.asked:
            self.asked.append(symbol)
            await self.over.wait()
            raise BrokerUnavailable("quotes are gone")
        return await super().instrument(symbol, complete)


async def test_what_could_not_be_said_of_a_day_that_is_over_holds_up_no_order_of_the_next(tmp_path):
    async with running(tmp_path, Midnight()) as stage:
        first = asyncio.create_task(stage.order())
        await eventually(lambda: stage.backend.asked)
        stage.backend.day = NEXT_DAY
        assert (await stage.order(stock_code="000001.SZ"))[0] == 200
        stage.backend.over.set()
        await first
        assert (await stage.order())[0] == 200
        assert stage.backend.asked.count("600000.SH") == 2
