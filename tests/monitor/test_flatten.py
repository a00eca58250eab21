"""Everything is to be sold at once: what works is taken back first, and what stays is told."""

from itertools import pairwise

import pytest
from asked import Watcher, asked
from builders import SYMBOL, an_order
from stage import journalled

import qka
from qka.model.events import (
    Alert,
    CancelRefused,
    CancelRequested,
    OrderAdopted,
    OrderCancelled,
    OrderRequested,
)
from qka.model.market import HALTS
from qka.model.order import OrderStatus as S
from qka.model.order import Side
from qka.model.times import SECOND

OTHER = "000001.SZ"


class Holder(qka.Strategy):
    """Bids and offers once, away from the market."""

    symbols = [SYMBOL, OTHER]

    def on_start(self):
        self.begun = set()

    def on_quote(self, quote):
        if quote.symbol not in self.begun:
            self.begun.add(quote.symbol)
            self.buy(quote.symbol, 100, 9.5)
            if self.position(quote.symbol).sellable:
                self.sell(quote.symbol, 200, 10.8)


def sells(there, symbol=SYMBOL):
    mine = [o for o in there.orders if o.strategy == "operator" and o.symbol == symbol]
    return [(o.quantity, o.price, o.status) for o in mine]


def exits(said):
    return {row["symbol"]: row for row in said["exits"]}


async def test_what_works_is_cancelled_and_then_all_is_sold(tmp_path):
    async with asked(tmp_path, Holder(), held={SYMBOL: 1000}) as there:
        await there.quote()
        done = await there.command("flatten", why="enough")
        assert done["trading"] == "reducing"
        row = exits(done)[SYMBOL]
        assert (row["held"], row["selling"], len(row["waits"]), row["done"]) == (1000, 0, 2, False)
        assert sells(there) == []
        await there.quote()  # the cancels are there, the sell leaves, and trades
        row = exits(await there.status())[SYMBOL]
        assert (row["held"], row["selling"], row["waits"], row["left"]) == (0, 0, [], [])
        assert there.engine.ledger.trading == "reducing"
    events = journalled(there.engine.records.path)
    order = [type(e) for e in events if isinstance(e, OrderRequested | CancelRequested)]
    assert order == [OrderRequested] * 2 + [CancelRequested] * 2 + [OrderRequested]


async def test_shares_bought_today_stay_and_it_says_so(tmp_path):
    async with asked(tmp_path, Holder(), held={SYMBOL: 500}) as there:
        await there.command("cancel-all")
        await there.command("buy", SYMBOL, 300, 10.01)
        await there.quote()
        await there.quote()
        await there.command("flatten")
        await there.quote()
        await there.quote()
        row = exits(await there.status())[SYMBOL]
        assert row["held"] == 300
        (said,) = row["left"]
        assert said.startswith("300 of 800 600000.SH were bought today and can't be sold before")
    assert any(said in alert for alert in there.engine.summary()["alerts"])


async def test_at_the_limit_down_it_waits_in_the_queue_and_says_so(tmp_path):
    async with asked(tmp_path, Holder(), held={SYMBOL: 500}) as there:
        await there.command("cancel-all")
        sealed = {"bid_prices": [0.0] * 5, "bid_lots": [0] * 5, "ask_prices": [9.0] + [0.0] * 4}
        await there.quote(9.0, **sealed, ask_lots=[5000, 0, 0, 0, 0])
        done = await there.command("flatten")
        (said,) = exits(done)[SYMBOL]["left"]
        assert said.startswith("600000.SH is at its limit down, 9: the exit of 500 waits in")
        await there.quote(9.0, **sealed, ask_lots=[5000, 0, 0, 0, 0])
        ((shares, price, status),) = sells(there)
        assert (shares, price) == (500, 9.0)
        assert status is S.ACCEPTED


@pytest.mark.parametrize("phase", sorted(HALTS))
async def test_what_is_halted_or_refused_is_told(tmp_path, phase):
    async with asked(tmp_path, Holder(), held={SYMBOL: 500, OTHER: 700}) as there:
        await there.command("cancel-all")
        await there.quote(phase=phase)
        done = exits(await there.command("flatten"))
        assert done[SYMBOL]["left"] == [
            "500 of it stay: trading in it is halted; flatten again when it trades"
        ]
        assert done[OTHER]["left"][0].startswith(
            "the exit of 700 was refused: "
        )  # it has had no quote
        assert sells(there) == []


async def test_an_odd_remainder_is_sold_whole_and_a_large_one_in_parts(tmp_path):
    held = {SYMBOL: 2_500_050, OTHER: 30}
    async with asked(tmp_path, Holder(), held=held) as there:
        await there.quote(symbol=OTHER)
        await there.command("cancel-all")
        await there.quote()
        await there.quote(symbol=OTHER)
        await there.command("flatten")
        shares = [quantity for quantity, _, _ in sells(there)]
        assert sum(shares) == 2_500_050
        assert max(shares) <= 1_000_000
        assert [quantity for quantity, _, _ in sells(there, OTHER)] == [30]


async def test_only_the_symbols_that_are_named(tmp_path):
    async with asked(tmp_path, Holder(), held={SYMBOL: 500, OTHER: 700}) as there:
        await there.quote(symbol=OTHER)
        done = exits(await there.command("flatten", OTHER))
        assert list(done) == [OTHER]
        for _ in range(3):
            await there.quote(symbol=OTHER)
        assert there.engine.ledger.position(OTHER).quantity == 0
        assert there.engine.ledger.position(SYMBOL).quantity == 500
        assert {o.side for o in there.engine.ledger.working()} == {Side.BUY, Side.SELL}
        with pytest.raises(qka.ConfigError):
            await there.command("flatten", "600000.XX")


async def test_from_halted_it_becomes_reducing_and_a_hold_is_not_lifted(tmp_path):
    async with asked(tmp_path, Holder(), held={SYMBOL: 500}) as there:
        await there.command("cancel-all")
        await there.command("halt")
        done = await there.command("flatten")
        assert done["trading"] == "reducing"
        there.engine.switch.hold("the books differ")
        with pytest.raises(qka.ConfigError, match="held: the books differ"):
            await there.command("flatten")


async def test_nothing_is_held(tmp_path):
    async with asked(tmp_path, Holder()) as there:
        await there.command("cancel-all")
        await there.quote()
        assert (await there.command("flatten"))["exits"] == []


async def test_what_waits_when_the_engine_stops_is_told(tmp_path):
    async with asked(tmp_path, Holder(), held={SYMBOL: 500}) as there:
        there.seconds = 4 * 3600 + 58 * 60  # 14:58
        await there.quote(phase=18)
        await there.command("cancel-all")
        await there.command("cancel-all")
        bid, offer = there.orders
    assert there.engine.summary()["alerts"][-1].endswith(
        f"the engine stops before the exchange takes cancels: {bid.id}, {offer.id} work on; "
        "cancel them after the next start"
    )
    async with asked(tmp_path, Holder(), held={SYMBOL: 500}) as there:
        await there.command("flatten")
    assert there.engine.summary()["alerts"][-1].endswith(
        "600000.SH is not left whole: the engine stops; flatten again after the next start"
    )


async def test_a_cancel_asked_for_twice_while_none_is_taken_is_made_once_when_one_is(tmp_path):
    async with asked(tmp_path, Holder()) as there:
        there.seconds = 4 * 3600 + 58 * 60  # 14:58
        await there.quote(phase=18)
        for _ in range(2):
            (row,) = (await there.command("cancel-all"))["orders"]
            assert row["what"].startswith("the exchange takes no cancels now")
        there.seconds = 5 * 3600  # 15:00
        await there.quote(phase=18)
        assert there.engine.faults == frozenset()
    said = [
        each for each in journalled(there.engine.records.path) if isinstance(each, CancelRequested)
    ]
    assert len(said) == 1


async def test_in_a_call_auction_an_exit_is_a_limit_order(tmp_path):
    async with asked(tmp_path, Holder(), held={SYMBOL: 500}) as there:
        await there.command("cancel-all")
        there.seconds = 4 * 3600 + 58 * 60  # 14:58
        await there.quote(phase=18)
        await there.command("flatten")
        ((shares, price, status),) = sells(there)
        assert (shares, price) == (500, 9.0)
        assert status is not S.DENIED


async def test_an_order_whose_cancel_is_refused_keeps_its_shares_and_the_rest_is_sold(tmp_path):
    async with asked(tmp_path, Holder(), held={SYMBOL: 500}) as there:
        (row,) = (await there.command("flatten"))["exits"]
        (offer,) = [o for o in there.engine.ledger.working() if o.side is Side.SELL]
        engine = there.engine
        engine.tell(CancelRefused(engine.clock.now(), offer.id, "not now"))
        for order_id in row["waits"]:
            engine.tell(OrderCancelled(engine.clock.now(), order_id))
        (row,) = (await there.status())["exits"]
        assert row["done"]
        assert row["left"][0] == f"its order {offer.id} stays: it is accepted"


async def test_shares_promised_to_a_sell_that_nobody_knows_the_end_of_stay_and_each_exit_says_so(
    tmp_path,
):
    lost = an_order(500, 10.8, side=Side.SELL, status=S.UNKNOWN)
    words = "500 are promised to sells of which nobody knows the end"
    stops = {"stop_loss": 0.02}
    async with asked(tmp_path, Watcher(), held={SYMBOL: 500}, risk=stops) as there:
        there.engine.tell(OrderAdopted(there.engine.clock.now(), lost))
        for _ in range(5):
            await there.quote(9.7)
        (alert,) = [a for a in there.engine.summary()["alerts"] if words in a]
        assert alert.startswith("stops: stop-loss: 9.7 is")
        (row,) = (await there.command("flatten"))["exits"]
        assert (row["done"], row["left"]) == (True, [words])


@pytest.mark.parametrize("resumed", [False, True])
async def test_at_noon_it_waits_until_the_exchange_takes_it_unless_the_trading_is_resumed(
    tmp_path, resumed
):
    async with asked(tmp_path, Watcher(), held={SYMBOL: 500}) as there:
        there.seconds = 3 * 3600 - 6  # 12:59:57
        await there.quote(phase=14)
        (row,) = (await there.command("flatten"))["exits"]
        assert row["left"] == ["500 of it wait: the exchange takes such a sell from 13:00 on"]
        assert (row["done"], sells(there)) == (False, [])
        if resumed:
            await there.command("resume")
        await there.quote()
        await there.quote()
        (row,) = (await there.status())["exits"]
        words = "the trading was resumed meanwhile: nothing more of it is sold"
        assert (row["held"], row["left"]) == ((500, [words]) if resumed else (0, []))
        assert len(sells(there)) == (not resumed)


async def test_a_second_flatten_at_noon_takes_the_place_of_the_first(tmp_path):
    async with asked(tmp_path, Watcher(), held={SYMBOL: 500}) as there:
        there.seconds = 3 * 3600 - 6
        await there.quote(phase=14)
        await there.command("flatten")
        await there.command("flatten")
        await there.quote()
        ((shares, _, _),) = sells(there)
        assert shares == 500


async def test_in_the_closing_call_a_sell_that_can_not_be_taken_back_holds_nothing_up(tmp_path):
    async with asked(tmp_path, Watcher(), held={SYMBOL: 500}) as there:
        offer = (await there.command("sell", SYMBOL, 200, 10.8))["order"]["id"]
        there.seconds = 4 * 3600 + 58 * 60  # 14:58
        await there.quote(phase=18)
        (row,) = (await there.command("flatten"))["exits"]
        assert row["left"] == [f"its order {offer} stays: it is accepted"]
        assert (row["held"], row["selling"], row["done"]) == (500, 300, True)


async def test_where_a_rate_limit_has_no_room_the_rest_is_sold_as_soon_as_it_has(tmp_path):
    held = {f"60000{n}.SH": 500 for n in range(5)}
    rate = {"max_orders_per_minute": 3}
    async with asked(tmp_path, Watcher(), held=held, risk=rate) as there:
        for symbol in held:
            await there.quote(symbol=symbol)
        rows = (await there.command("flatten"))["exits"]
        wait = "500 of it wait 60 s: the limits have no room for an order now"
        assert [row["left"] for row in rows] == [[], [], [], [wait], [wait]]
        there.seconds += 60
        await there.quote()
        rows = (await there.status())["exits"]
        assert [(row["done"], row["left"]) for row in rows] == [(True, [])] * 5
        sold = [(o.symbol, o.quantity, o.status) for o in there.orders]
        assert [symbol for symbol, _, _ in sold] == list(held)
        assert S.DENIED not in {status for _, _, status in sold}


async def test_a_human_is_told_once_that_shares_wait_however_often_that_is_put_off(tmp_path):
    held = {f"60000{n}.SH": 500 for n in range(5)}
    rate = {"max_orders_per_minute": 1}
    async with asked(tmp_path, Watcher(), held=held, risk=rate) as there:
        for symbol in held:
            await there.quote(symbol=symbol)
        await there.command("flatten")
        for _ in range(4):
            there.seconds += 60
            await there.quote()
        assert [order.symbol for order in there.orders] == list(held)
    alerts = [e for e in journalled(there.engine.records.path) if isinstance(e, Alert)]
    waits = [alert.message[:9] for alert in alerts if "have no room" in alert.message]
    assert waits == list(held)[1:]


async def test_where_one_order_may_not_have_all_the_next_one_is_no_duplicate(tmp_path):
    risk = {"max_quantity": 200, "duplicate_within": 6}
    async with asked(tmp_path, Watcher(), held={SYMBOL: 500}, risk=risk) as there:
        (row,) = (await there.command("flatten"))["exits"]
        assert row["left"] == ["300 of it wait 6 s: the limits have no room for an order now"]
        for _ in range(3):
            await there.quote()
        assert [(n, status) for n, _, status in sells(there)] == [
            (200, S.FILLED), (200, S.FILLED), (100, S.FILLED),
        ]  # fmt: skip


async def test_a_stop_asks_again_for_a_cancel_that_was_refused(tmp_path):
    theirs = an_order(500, 10.8, side=Side.SELL, status=S.ACCEPTED)  # the paper broker has it not
    async with asked(tmp_path, Watcher(), held={SYMBOL: 500}, risk={"stop_loss": 0.02}) as there:
        there.engine.tell(OrderAdopted(there.engine.clock.now(), theirs))
        for _ in range(8):  # 24 s
            await there.quote(9.7)
    events = journalled(there.engine.records.path)
    asked_at = [e.time for e in events if isinstance(e, CancelRequested)]
    assert [(after - before) // SECOND for before, after in pairwise(asked_at)] == [12]
