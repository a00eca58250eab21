"""The link to a terminal: over the vendor's own Python, and over an SDK that misbehaves."""

import asyncio
import gc
import importlib.util
import subprocess
import sys
import threading
from contextlib import asynccontextmanager

import pytest
from builders import a_quote, moment
from qmt import ACCOUNT, PATH, Scripted, a_terminal, eventually, order_params

from qka.brokers.link import TraderLink
from qka.brokers.records import XtAsset, XtOrder, XtPosition, XtTrade
from qka.errors import BrokerUnavailable, CallRefused, ConfigError, NotSent, OutcomeUnknown
from qka.terminal.faults import Faults


class Link(TraderLink):
    """A link that is in a hurry and remembers what it heard."""

    def __init__(self, tmp_path, **options):
        self.pushes, self.states, self.threads = [], [], set()
        quick = {"deadline": 5.0, "probe": 5.0, "pause": 0.01, "patience": 0.02}
        super().__init__(
            PATH,
            options.pop("account", ACCOUNT),
            sessions=options.pop("sessions", range(1, 11)),
            on_push=self._pushed,
            on_state=self._became,
            **{**quick, **options},
        )
        self._pool._folder = tmp_path

    def _pushed(self, kind, record):
        self.threads.add(threading.current_thread())
        self.pushes.append((kind, record))

    def _became(self, status):
        if not self.states or self.states[-1] != status.state:
            self.states.append(status.state)

    def told(self, kind):
        return [record for there, record in self.pushes if there == kind]

    async def statuses(self, order_id, *wanted):
        """The statuses pushed of an order, once they end as wanted."""

        def seen():
            return [o.order_status for o in self.told("order") if o.order_id == order_id]

        await eventually(lambda: seen()[-len(wanted) :] == list(wanted))
        return seen()


@pytest.fixture
def linked(tmp_path):
    """Open a link to the simulated terminal."""

    @asynccontextmanager
    async def linked(**options):
        link = Link(tmp_path, **options)
        await link.open()
        try:
            yield link
        finally:
            await link.close()

    return linked


@pytest.fixture
def terminal():
    with a_terminal() as terminal:
        yield terminal


@pytest.fixture
def scripted():
    factory = Scripted()
    yield factory
    factory.free()


async def found(link, remark):
    """Today's order with that remark, if the terminal lists one."""
    orders = await link.query("query_stock_orders")
    return next((order for order in orders if order.order_remark == remark), None)


# ------------------------------------------------------------------ the vendor's own Python


async def test_an_order_is_answered_and_its_pushes_are_our_records_on_the_loop(terminal, linked):
    async with linked() as link:
        answer = await link.order(**order_params("a", price=10.0))
        assert (answer.order_id, answer.order_remark, answer.error_msg) == (1, "a", "")
        await link.statuses(1, 49, 50)
        terminal.quote(a_quote(10.0, time=moment("10:00:06"), ask_prices=[10.0] * 5))
        await link.statuses(1, 56)
        (trade,) = link.told("trade")
        assert isinstance(trade, XtTrade)
        assert (trade.order_remark, trade.traded_volume) == ("a", 100)
        assert link.threads == {threading.main_thread()}
        assert {kind for kind, _ in link.pushes} <= {
            "account_status", "order", "trade", "asset", "position",
        }  # fmt: skip


async def test_a_refused_order_is_an_answer_with_the_reason(terminal, linked):
    terminal.faults.next("refused")
    async with linked() as link:
        answer = await link.order(**order_params("a"))
        assert (answer.order_id, answer.error_msg) == (-1, "the counter refused it")
        await eventually(lambda: [e.order_remark for e in link.told("order_error")] == ["a"])


async def test_a_cancel_is_answered_and_the_order_tells_the_rest(terminal, linked):
    async with linked() as link:
        order = await link.order(**order_params())
        await link.statuses(1, 50)
        assert (await link.cancel(order.order_id)).cancel_result == 0
        await link.statuses(1, 51, 54)
        refused = await link.cancel(order.order_id)
        assert refused.cancel_result == -1
        assert "已撤" in refused.error_msg


async def test_every_query_gives_records_of_ours(terminal, linked):
    async with linked() as link:
        await link.order(**order_params("a", price=10.01))
        terminal.quote(a_quote(10.0, time=moment("10:00:06")))
        asset = await link.query("query_stock_asset")
        orders = await link.query("query_stock_orders")
        trades = await link.query("query_stock_trades")
        positions = await link.query("query_stock_positions")
        kinds = [type(asset), type(orders[0]), type(trades[0]), type(positions[0])]
        assert kinds == [XtAsset, XtOrder, XtTrade, XtPosition]
        assert await link.query("query_stock_orders", cancelable_only=True) == []
        assert await link.query("query_stock_order", order_id=1) == orders[0]
        assert await link.query("query_stock_order", order_id="1") == orders[0]
        assert await link.query("query_stock_order", order_id=2) is None
        position = await link.query("query_stock_position", stock_code="000001.SZ")
        assert position.volume == 1000
        assert await link.query("query_stock_position", stock_code="600001.SH") is None
        infos = await link.query("query_account_info")
        assert [info.account_id for info in infos] == [ACCOUNT]
        assert [s.status for s in await link.query("query_account_status")] == [0]
        assert (await found(link, "a")) == orders[0]
        assert await found(link, "never sent") is None


async def test_queries_that_never_answer_or_do_not_exist_are_refused_at_once(terminal, linked):
    async with linked() as link:
        methods = ["query_com_position", "query_no_such_thing", "__init__", "callback"]
        for method in [*methods, "stop", "run_forever", "order_stock"]:
            with pytest.raises(CallRefused):
                await link.query(method)


async def test_many_orders_at_once_are_each_answered(terminal, linked):
    async with linked() as link:
        answers = await asyncio.gather(*(link.order(**order_params(f"q{n}")) for n in range(40)))
        assert {a.order_remark: a.order_id > 0 for a in answers} == dict.fromkeys(
            [f"q{n}" for n in range(40)], True
        )
        assert len({answer.order_id for answer in answers}) == 40


@pytest.mark.parametrize("fault", ["reply_lost", "hang", "dropped"])
async def test_an_order_without_an_answer_is_unknown_and_the_link_goes_on(terminal, linked, fault):
    async with linked(deadline=0.2) as link:
        terminal.faults.next(fault, "order")
        with pytest.raises(OutcomeUnknown, match="do not send it again"):
            await link.order(**order_params("a"))
        there = await found(link, "a")
        assert (there is not None) == (fault == "reply_lost")
        assert link.states == ["connecting", "ready"]
        assert (await link.order(**order_params("b"))).order_id > 0


async def test_an_answer_after_the_deadline_is_pushed(terminal, linked):
    async with linked(deadline=0.2) as link:
        terminal.hang("order")
        with pytest.raises(OutcomeUnknown):
            await link.order(**order_params("a"))
        terminal.resume()
        await eventually(lambda: [r.order_remark for r in link.told("order_response")] == ["a"])


async def test_a_query_without_an_answer_is_unavailable_and_the_link_goes_on(terminal, linked):
    async with linked(deadline=0.2) as link:
        terminal.faults.next("reply_lost", "orders")
        with pytest.raises(BrokerUnavailable, match="query_stock_orders: no answer"):
            await link.query("query_stock_orders")
        assert await link.query("query_stock_orders") == []


async def test_a_silent_terminal_is_left_behind_and_joined_again_with_another_id(terminal, linked):
    async with linked(deadline=0.2, probe=0.05) as link:
        session = link.status.session
        terminal.hang()
        await eventually(lambda: not link.status.ready)
        with pytest.raises(NotSent):
            await link.order(**order_params("a"))
        terminal.resume()
        await eventually(lambda: link.status.ready)
        assert link.status.session != session
        assert (await link.order(**order_params("b"))).order_id == 1


async def test_a_broken_link_is_mended_and_pushes_come_again(terminal, linked):
    async with linked() as link:
        terminal.restart()
        await eventually(lambda: link.states[-1:] == ["ready"] and len(link.states) > 2)
        again = ["connecting", "cooldown", "connecting", "ready"]
        assert link.states == ["connecting", "ready", *again]
        await link.order(**order_params("a"))
        await link.statuses(1, 50)


async def test_while_the_terminal_is_away_everything_is_refused_at_once_with_a_time(
    terminal, linked
):
    async with linked(pause=0.05) as link:
        terminal.stop()
        await eventually(lambda: link.status.state == "cooldown" and link.status.retry_after)
        with pytest.raises(NotSent, match="cooldown") as refused:
            await link.order(**order_params())
        assert refused.value.retry_after > 0
        with pytest.raises(BrokerUnavailable):
            await link.query("query_stock_asset")
        terminal.start()
        await eventually(lambda: link.status.ready)
        assert await link.query("query_stock_asset") is not None


@pytest.mark.parametrize(
    ("fault", "known"), [("disconnect_before", False), ("disconnect_after", True)]
)
async def test_a_link_that_breaks_in_mid_order_leaves_it_unknown(terminal, linked, fault, known):
    async with linked() as link:
        terminal.faults.next(fault, "order")
        with pytest.raises(OutcomeUnknown):
            await link.order(**order_params("a"))
        await eventually(lambda: link.status.ready)
        assert (await found(link, "a") is not None) == known


async def test_an_account_that_is_not_logged_in_takes_no_order_and_says_why(terminal, linked):
    async with linked() as link:
        terminal.set_account_status(ACCOUNT, 5)
        await eventually(lambda: link.status.account_status == 5)
        with pytest.raises(NotSent, match="数据刷新校正中"):
            await link.order(**order_params("a"))
        assert await link.query("query_stock_orders") == []
        terminal.set_account_status(ACCOUNT, 0)
        await eventually(lambda: link.status.account_status == 0)
        assert (await link.order(**order_params("a"))).order_id > 0


async def test_the_account_status_is_known_from_the_start(terminal, linked):
    terminal.set_account_status(ACCOUNT, 3)
    async with linked() as link:
        assert link.status.ready
        assert link.status.account_status == 3


# ------------------------------------------------------------------ opening


async def test_a_terminal_that_is_not_there_gives_the_list_of_what_to_check(terminal, tmp_path):
    terminal.stop()
    link = Link(tmp_path)
    with pytest.raises(BrokerUnavailable) as refused:
        await link.open()
    words = str(refused.value)
    for part in ("connect() gave -1", "极简模式", "userdata_mini", "session id", "up_queue"):
        assert part in words
    assert link.status.state == "closed"


async def test_a_link_may_be_opened_before_its_terminal(terminal, tmp_path):
    terminal.stop()
    link = Link(tmp_path)
    await link.open(wait=False)
    await eventually(lambda: link.status.state == "cooldown")
    terminal.start()
    await eventually(lambda: link.status.ready)
    await link.close()
    await link.close()
    assert link.status.state == "closed"
    with pytest.raises(NotSent):
        await link.order(**order_params())


async def test_the_wrong_account_is_refused_and_the_right_one_named(terminal, tmp_path):
    with pytest.raises(ConfigError, match=f"account {ACCOUNT}, not with other"):
        await Link(tmp_path, account="other").open()


async def test_a_session_id_that_is_taken_is_passed_over(terminal, linked):
    terminal.faults.next("session_in_use")
    async with linked() as link:
        assert link.status.session == 2


async def test_a_session_that_connects_and_never_answers_is_passed_over(terminal, linked):
    terminal.faults.next("shadowed")
    async with linked(deadline=0.2) as link:
        assert link.status.session == 2


async def test_a_closed_link_lets_its_session_go(terminal, linked):
    async with linked(sessions=[5]):
        assert list(terminal._links.connected) == [5]
    assert list(terminal._links.connected) == []


async def test_a_closed_link_leaves_no_task_behind(terminal, linked):
    before = asyncio.all_tasks()
    async with linked():
        pass
    await eventually(lambda: asyncio.all_tasks() == before)


async def test_a_link_that_is_closed_while_it_probes_complains_of_nothing(scripted, linked):
    complaints = []
    asyncio.get_running_loop().set_exception_handler(lambda loop, about: complaints.append(about))
    async with linked(probe=0.01, factory=scripted):
        gate = scripted.sdk.gates["query_account_status"] = threading.Event()
        await eventually(lambda: scripted.sdk.calls.count("query_account_status") == 2)
    gate.set()
    await eventually(lambda: "qka-queries-1" not in [t.name for t in threading.enumerate()])
    gc.collect()
    assert complaints == []


def test_an_account_type_that_does_not_exist_is_named_with_those_that_do(tmp_path):
    with pytest.raises(ConfigError, match="STOCK"):
        TraderLink(PATH, ACCOUNT, "SHARES")


async def test_the_programs_event_loop_is_left_alone(terminal, linked):
    loop = asyncio.get_running_loop()
    async with linked() as link:
        assert asyncio.get_event_loop() is loop
        made = link._trader.sdk.loop  # the SDK makes one, which nobody runs
        terminal.restart()
        await eventually(lambda: link.states.count("ready") == 2)
        await eventually(made.is_closed)
        assert asyncio.get_event_loop() is loop


# ------------------------------------------------------------------ an SDK that is slow or hangs


async def test_a_slow_sdk_slows_orders_and_nobody_else(scripted, linked):
    async with linked(factory=scripted, patience=60.0) as link:
        gate = scripted.sdk.gates["order"] = threading.Event()
        orders = [asyncio.create_task(link.order(**order_params(f"q{n}"))) for n in range(16)]
        await eventually(lambda: scripted.sdk.order_calls)
        assert await link.query("query_stock_orders") == []
        scripted.sdk.callback.on_stock_order(XtOrder(account_id=ACCOUNT, order_id=7))
        await eventually(lambda: link.told("order"))
        assert link.status.ready
        assert len(scripted.sdk.order_calls) == 1
        gate.set()
        answers = await asyncio.gather(*orders)
        assert [a.order_remark for a in answers] == [f"q{n}" for n in range(16)]
        assert [call[-1] for call in scripted.sdk.order_calls] == [f"q{n}" for n in range(16)]


async def test_a_call_that_hangs_is_unknown_and_holds_nobody_up(scripted, linked):
    async with linked(factory=scripted, deadline=0.5) as link:
        scripted.sdk.gates["bad"] = threading.Event()
        hung = asyncio.create_task(link.order(**order_params("bad")))
        answers = await asyncio.gather(*(link.order(**order_params(f"q{n}")) for n in range(16)))
        assert all(answer.order_id > 0 for answer in answers)
        with pytest.raises(OutcomeUnknown):
            await hung
        assert (await link.cancel(7)).cancel_result == 0
        assert link.states == ["connecting", "ready"]
        scripted.free()
        await eventually(lambda: [r.order_remark for r in link.told("order_response")] == ["bad"])


async def test_an_sdk_in_which_every_order_hangs_is_left_for_a_new_one(scripted, linked):
    async with linked(factory=scripted, deadline=0.2) as link:
        first = scripted.sdk
        first.gates["order"] = threading.Event()
        orders = [asyncio.create_task(link.order(**order_params(f"q{n}"))) for n in range(8)]
        outcomes = await asyncio.gather(*orders, return_exceptions=True)
        begun = {call[-1] for call in first.order_calls}
        for n, outcome in enumerate(outcomes):
            assert isinstance(outcome, OutcomeUnknown if f"q{n}" in begun else NotSent)
        assert 0 < len(begun) < 8
        await eventually(lambda: link.status.ready and scripted.sdk is not first)
        assert (await link.order(**order_params("again"))).order_id > 0


async def test_orders_whose_turn_did_not_come_were_not_sent(scripted, linked):
    async with linked(factory=scripted, deadline=0.3, patience=60.0) as link:
        gate = scripted.sdk.gates["order"] = threading.Event()
        first, second = (asyncio.create_task(link.order(**order_params(r))) for r in "ab")
        with pytest.raises(OutcomeUnknown):
            await first
        with pytest.raises(NotSent):
            await second
        gate.set()
        assert (await link.order(**order_params("c"))).order_id > 0
        assert [call[-1] for call in scripted.sdk.order_calls] == ["a", "c"]


async def test_orders_that_are_recalled_before_their_turn_never_leave(scripted, linked):
    async with linked(factory=scripted, patience=60.0) as link:
        gate = scripted.sdk.gates["order"] = threading.Event()
        orders = [asyncio.create_task(link.order(**order_params(r))) for r in "abc"]
        await eventually(lambda: scripted.sdk.order_calls)
        cancel = asyncio.create_task(link.cancel(7))
        await asyncio.sleep(0)
        link.recall("the trading was halted")
        for waited in orders[1:]:
            with pytest.raises(NotSent, match="the trading was halted"):
                await waited
        gate.set()
        assert (await orders[0]).order_id > 0  # it had left
        assert (await cancel).cancel_result == 0
        assert (await link.order(**order_params("d"))).order_id > 0
        assert [call[-1] for call in scripted.sdk.order_calls] == ["a", "d"]


async def test_orders_can_be_recalled_by_the_marks_that_their_callers_gave_them(scripted, linked):
    async with linked(factory=scripted, patience=60.0) as link:
        gate = scripted.sdk.gates["order"] = threading.Event()
        marks = [object() for _ in range(4)]
        first, *others = (
            asyncio.create_task(link.order(**order_params("same"), mark=mark)) for mark in marks
        )
        await eventually(lambda: scripted.sdk.order_calls)
        assert set(link.recall("no more", marks[:3])) == set(marks[1:3])
        for waited in others[:2]:
            with pytest.raises(NotSent, match="no more"):
                await waited
        gate.set()
        assert (await first).order_id > 0  # it had left
        assert (await others[2]).order_id > 0
        assert len(scripted.sdk.order_calls) == 2


async def test_a_query_that_hangs_holds_nobody_up(scripted, linked):
    async with linked(factory=scripted, deadline=0.5) as link:
        scripted.sdk.gates["query_stock_orders"] = threading.Event()
        hung = asyncio.create_task(link.query("query_stock_orders"))
        await eventually(lambda: "query_stock_orders" in scripted.sdk.calls)
        assert (await link.order(**order_params())).order_id > 0
        assert await link.query("query_account_status")
        assert await link.query("query_ipo_data")
        with pytest.raises(BrokerUnavailable):
            await hung
        assert link.status.ready


async def test_a_blocking_method_that_hangs_holds_nobody_up(scripted, linked):
    async with linked(factory=scripted, deadline=0.3) as link:
        scripted.sdk.gates["query_ipo_data"] = threading.Event()
        with pytest.raises(BrokerUnavailable):
            await link.query("query_ipo_data")
        assert await link.query("query_stock_orders") == []
        assert link.status.ready


async def test_a_cancel_goes_before_orders_that_wait(scripted, linked):
    async with linked(factory=scripted, patience=60.0) as link:
        gate = scripted.sdk.gates["order"] = threading.Event()
        orders = [asyncio.create_task(link.order(**order_params(r))) for r in "abc"]
        await eventually(lambda: scripted.sdk.order_calls)
        cancel = asyncio.create_task(link.cancel(7))
        await asyncio.sleep(0)
        gate.set()
        await asyncio.gather(cancel, *orders)
        done = [name for name in scripted.sdk.calls if name in ("order", "cancel")]
        assert done == ["order", "cancel", "order", "order"]


async def test_every_call_of_the_sdk_is_made_on_threads_of_the_links_own(scripted, linked):
    async with linked(factory=scripted) as link:
        await link.order(**order_params())
        await link.query("query_stock_orders")
        assert all(name.startswith("qka-") for name in scripted.sdk.threads)
    assert scripted.sdk.stopped.is_set()


async def test_an_answer_may_come_before_the_sdk_has_returned_the_number(scripted, linked):
    async with linked(factory=scripted) as link:
        sdk = scripted.sdk
        sdk.on_order = lambda seq, remark: None
        sdk.gates["a"] = threading.Event()
        order = asyncio.create_task(link.order(**order_params("a")))
        await eventually(lambda: sdk.order_calls)
        sdk.respond(sdk.seqs[0], "a", 77)
        assert (await order).order_id == 77
        scripted.free()


async def test_early_answers_to_orders_of_one_remark_wait_for_their_numbers(scripted, linked):
    """Without remarks only the SDK's number tells two orders apart."""
    async with linked(factory=scripted) as link:
        sdk = scripted.sdk
        sdk.on_order = lambda seq, remark: None
        sdk.gates["order"] = threading.Event()
        one, two = (asyncio.create_task(link.order(**order_params(""))) for _ in range(2))
        await eventually(lambda: len(sdk.order_calls) == 2)
        sdk.respond(sdk.seqs[1], "", 22)
        sdk.respond(sdk.seqs[0], "", 11)
        sdk.gates["order"].set()
        assert {(await one).order_id, (await two).order_id} == {11, 22}


async def test_a_refusal_takes_its_reason_from_the_error_behind_it(scripted, linked):
    async with linked(factory=scripted) as link:
        sdk = scripted.sdk

        def refuse(seq, remark):
            sdk.respond(seq, remark, -1)
            sdk.error(seq, remark, f"{remark}: 资金不足")

        sdk.on_order = refuse
        assert (await link.order(**order_params("a"))).error_msg == "a: 资金不足"
        assert (await link.order(**order_params("b"))).error_msg == "b: 资金不足"


async def test_a_refusal_without_any_reason_is_a_refusal(scripted, linked):
    async with linked(factory=scripted) as link:
        scripted.sdk.on_order = lambda seq, remark: scripted.sdk.respond(seq, remark, -1)
        answer = await link.order(**order_params("a"))
        assert (answer.order_id, answer.error_msg) == (-1, "")


async def test_an_old_error_that_comes_again_is_nobodys_answer(scripted, linked):
    """With order_id -1 the SDK delivers the error before once more, ahead of the right one."""
    async with linked(factory=scripted) as link:
        sdk = scripted.sdk

        def answer(seq, remark):
            sdk.error(seq - 1, "before", "an old one")
            sdk.accept(seq, remark)

        sdk.on_order = answer
        assert (await link.order(**order_params("a"))).order_id > 0
        assert (await link.order(**order_params("b"))).order_id > 0
        assert {error.order_remark for error in link.told("order_error")} == {"before"}


async def test_an_error_without_an_answer_is_the_answer(scripted, linked):
    async with linked(factory=scripted) as link:
        sdk = scripted.sdk
        sdk.on_order = lambda seq, remark: None
        order = asyncio.create_task(link.order(**order_params("a")))
        # else the error would be an early one
        await eventually(lambda: link._trader.requests._by_seq)
        sdk.error(sdk.seqs[0], "a", "资金不足")
        assert (await order).error_msg == "资金不足"


async def test_an_sdk_that_raises_leaves_the_outcome_unknown(scripted, linked):
    async with linked(factory=scripted) as link:

        def fail(seq, remark):
            raise OSError("shared memory is gone")

        scripted.sdk.on_order = fail
        with pytest.raises(OutcomeUnknown, match="shared memory"):
            await link.order(**order_params("a"))
        scripted.sdk.respond(scripted.sdk.seqs[0], "a", 77)  # it had been handed over
        await eventually(lambda: [r.order_id for r in link.told("order_response")] == [77])


async def test_an_sdk_that_takes_nothing_refuses(scripted, linked):
    async with linked(factory=scripted) as link:
        scripted.sdk.order_stock_async = lambda *arguments: -1
        answer = await link.order(**order_params("a"))
        assert answer.order_id == -1
        assert "-1" in answer.error_msg


async def test_an_order_that_is_none_is_not_sent(scripted, linked):
    async with linked(factory=scripted) as link:
        with pytest.raises(NotSent):
            await link.order(**order_params("a", order_volume="many"))
        assert scripted.sdk.order_calls == []


async def test_a_caller_that_gives_up_withdraws_what_was_not_sent(scripted, linked):
    async with linked(factory=scripted, patience=60.0) as link:
        gate = scripted.sdk.gates["order"] = threading.Event()
        first, second = (asyncio.create_task(link.order(**order_params(r))) for r in "ab")
        await eventually(lambda: scripted.sdk.order_calls)
        second.cancel()
        await asyncio.wait([second])
        gate.set()
        await first
        assert (await link.order(**order_params("c"))).order_id > 0
        assert [call[-1] for call in scripted.sdk.order_calls] == ["a", "c"]


async def test_closing_tells_waiting_callers_what_became_of_their_orders(scripted, linked):
    async with linked(factory=scripted, patience=60.0) as link:
        scripted.sdk.gates["order"] = threading.Event()
        orders = [asyncio.create_task(link.order(**order_params(r))) for r in "ab"]
        await eventually(lambda: scripted.sdk.order_calls)
    sent, waiting = await asyncio.gather(*orders, return_exceptions=True)
    assert isinstance(sent, OutcomeUnknown)
    assert isinstance(waiting, NotSent)


async def test_records_of_other_accounts_are_not_ours(scripted, linked):
    async with linked(factory=scripted) as link:
        callback = scripted.sdk.callback
        callback.on_stock_order(XtOrder(account_id="another", order_id=1))
        callback.on_stock_order(XtOrder(account_id=ACCOUNT, order_id=2))
        await eventually(lambda: link.told("order"))
        assert [order.order_id for order in link.told("order")] == [2]


async def test_a_push_that_can_not_be_read_is_logged_and_harms_nobody(scripted, linked):
    class Broken:
        def __getattr__(self, name):
            raise RuntimeError("gone")

    async with linked(factory=scripted) as link:
        scripted.sdk.callback.on_stock_order(Broken())
        assert (await link.order(**order_params("a"))).order_id > 0


async def test_a_constructor_that_hangs_does_not_hang_the_caller(scripted, tmp_path):
    scripted.prepare = lambda sdk: sdk.gates.update(connect=threading.Event())
    with pytest.raises(BrokerUnavailable, match=r"connect\(\) did not return"):
        await Link(tmp_path, factory=scripted, deadline=0.1).open()


async def test_a_trader_that_was_built_too_late_is_stopped(scripted, tmp_path):
    late = threading.Event()

    def build(path, session, callback):
        late.wait(30)
        return scripted(path, session, callback)

    with pytest.raises(BrokerUnavailable, match="building the trader did not return"):
        await Link(tmp_path, factory=build, deadline=0.1).open()
    late.set()
    await eventually(lambda: len(scripted.sdks) == 2)
    await eventually(lambda: all(sdk.stopped.is_set() for sdk in scripted.sdks))


async def test_a_disconnect_is_noticed_while_the_terminal_is_being_asked(scripted, linked):
    async with linked(factory=scripted, deadline=60.0, probe=0.01) as link:
        scripted.sdk.gates["query_account_status"] = threading.Event()
        await eventually(lambda: scripted.sdk.calls.count("query_account_status") > 1)
        scripted.sdk.callback.on_disconnected()
        await eventually(lambda: len(scripted.sdks) == 2 and link.status.ready)


# ------------------------------------------------------------------ processes


def run(code, *arguments):
    # the vendor's own code does what newer Pythons deprecate
    warnings = ["-W", "error", "-W", "ignore::DeprecationWarning"]
    command = [sys.executable, *warnings, "-c", code, *arguments]
    return subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)


HUNG = """
import asyncio, sys
sys.path.insert(0, sys.argv[1])
from qmt import a_terminal, order_params, ACCOUNT, PATH
from qka.brokers.link import TraderLink
from qka.errors import OutcomeUnknown

async def main(terminal):
    link = TraderLink(PATH, ACCOUNT, deadline=0.3)
    await link.open()
    terminal.hang()
    try:
        await link.order(**order_params())
    except OutcomeUnknown:
        print("unknown", flush=True)

with a_terminal() as terminal:
    asyncio.run(main(terminal))
"""

NO_SDK = """
import asyncio, sys
from qka.brokers.link import TraderLink
from qka.errors import ConfigError

async def main():
    try:
        await TraderLink("C:/QMT/userdata_mini", "demo").open()
    except ConfigError as error:
        print(error)

asyncio.run(main())
print("requests" in sys.modules)
"""


def test_a_terminal_that_hangs_does_not_keep_the_program_from_ending():
    if importlib.util.find_spec("xtquant") is None:
        pytest.skip("the vendor's own Python is needed")
    done = run(HUNG, "tests")
    assert (done.returncode, done.stdout.split()) == (0, ["unknown"]), done.stderr


@pytest.mark.skipif(sys.platform == "win32", reason="there the SDK can be loaded")
def test_without_the_sdk_the_user_is_told_what_to_do_and_no_network_is_asked():
    done = run(NO_SDK)
    assert "qka server" in done.stdout, done.stderr
    assert "64-bit Windows" in done.stdout
    assert done.stdout.splitlines()[-1] == "False"


async def test_whatever_goes_wrong_an_order_is_answered_not_sent_or_unknown(tmp_path):
    """And what was said not to be sent is not there, what was said to be taken is."""
    faults = Faults(
        3, reply_lost=0.1, dropped=0.05, push_twice=0.3, push_lost=0.1, refused=0.1,
        disconnect_after={"order": 0.05}, disconnect_before={"order": 0.05}, session_in_use=0.1,
    )  # fmt: skip
    with a_terminal(faults=faults, id_cooldown=0.0) as terminal:
        link = Link(tmp_path, deadline=0.2, probe=0.2, sessions=range(1, 500))
        await link.open(wait=False)
        taken, refused = set(), set()
        for n in range(60):
            await eventually(lambda: link.status.ready)
            remark = f"q{n}"
            try:
                answer = await link.order(**order_params(remark))
            except (NotSent, OutcomeUnknown) as error:
                if isinstance(error, NotSent):
                    refused.add(remark)
                continue
            (taken if answer.order_id > 0 else refused).add(remark)
        await link.close()
        there = {order.remark for order in terminal.books(ACCOUNT).orders}
        assert taken <= there
        assert not refused & there
        assert len(taken) > 20
