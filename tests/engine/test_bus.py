"""The bus, its mailboxes and the door: who hears what, in which order."""

import asyncio
import threading
from functools import partial
from time import perf_counter

import pytest
from builders import DAY, SYMBOL, a_bar, a_fill, a_quote
from hypothesis import given
from hypothesis import strategies as st

from qka.engine.bus import Bus
from qka.engine.door import Door
from qka.engine.mailbox import Mailbox
from qka.errors import StopNow
from qka.model.events import (
    Alert,
    Fill,
    OrderAccepted,
    SessionPhase,
    Severity,
)
from qka.model.market import Bar, Phase, Quote

OTHER = "000001.SZ"


class Owner:
    """Answers for handlers the way a strategy's place does: keeps errors, lets async ones work."""

    name = "owner"

    def __init__(self, **options):
        self.errors = []  # (handler, event, words)
        self.stopped = []
        self.slow = []
        self.box = Mailbox(**options)

    def failed(self, handler, event, error):
        self.errors.append((handler, event, str(error)))

    def returned(self, handler, event, result):
        self.box.put(self, handler, event, result)

    def holds_time(self, handler, waited, until):
        self.slow.append(handler)

    def stop(self, why):
        self.stopped.append(why)
        self.box.drop(self)

    def let(self, handler, event):
        """Let an async handler have the event in its turn."""
        self.returned(handler, event, handler(event))


class Loud(Owner):
    """Hears of no error."""

    def failed(self, handler, event, error):
        raise error


def a_bus():
    """A bus and `hears(kinds, handler, keys)`, whose handlers must not raise."""
    bus, owner = Bus(), Loud()
    return bus, lambda kinds, handler, keys=None: bus.subscribe(kinds, handler, owner, keys)


# ------------------------------------------------------------------ plain handlers


def test_handlers_are_called_in_the_order_they_registered():
    (bus, hears), heard = a_bus(), []
    for name in "cab":
        hears(Quote, lambda quote, name=name: heard.append((name, quote.last)))
    bus.publish(a_quote(10.0))
    bus.publish(a_quote(11.0))
    assert heard == [(name, last) for last in (10.0, 11.0) for name in "cab"]


def test_a_handler_hears_only_the_classes_it_named():
    (bus, hears), heard = a_bus(), []
    hears((Quote, Fill), heard.append)
    quote, fill = a_quote(), a_fill()
    for event in (quote, a_bar(), fill, SessionPhase(1, DAY, Phase.BREAK)):
        bus.publish(event)
    assert heard == [quote, fill]


def test_what_a_handler_publishes_waits_until_everyone_has_heard_this_event():
    (bus, hears), heard = a_bus(), []

    def nosy(quote):
        heard.append("first hears the quote")
        bus.publish(a_fill())
        bus.publish(a_bar())
        heard.append("first is done")

    hears(Quote, nosy)
    hears(Quote, lambda quote: heard.append("second hears the quote"))
    hears(Fill, lambda fill: bus.publish(OrderAccepted(1, "a")))
    hears(Fill, lambda fill: heard.append("fill"))
    hears(Bar, lambda bar: heard.append("bar"))
    hears(OrderAccepted, lambda report: heard.append("accepted"))
    bus.publish(a_quote())
    assert heard == [
        "first hears the quote",
        "first is done",
        "second hears the quote",
        "fill",
        "bar",
        "accepted",
    ]


def test_what_is_posted_is_heard_when_whoever_speaks_has_finished():
    drains, heard = [], []
    bus = Bus(soon=drains.append)
    bus.subscribe((Quote, Fill), lambda event: heard.append(type(event)), Loud())
    bus.post(a_quote())
    bus.post(a_fill())
    assert heard == []
    (drain,) = drains  # asked for once
    drain()
    assert heard == [Quote, Fill]
    drain()
    assert heard == [Quote, Fill]


def test_what_was_posted_comes_before_what_is_published_later():
    (bus, hears), heard = a_bus(), []
    hears(Quote, lambda quote: heard.append(quote.last))
    bus.post(a_quote(1.0))
    bus.post(a_quote(2.0))
    bus.publish(a_quote(3.0))
    assert heard == [1.0, 2.0, 3.0]


def test_the_depth_counts_rounds_of_answers_and_not_events():
    (bus, hears), depths = a_bus(), []

    def answer(quote):
        depths.append(bus.depth())
        if quote.last < 3:
            for _ in range(2):
                bus.publish(a_quote(quote.last + 1))

    hears(Quote, answer)
    bus.publish(a_quote(1.0))
    assert depths == [1, 2, 2, 3, 3, 3, 3]
    bus.publish(a_quote(3.0))
    assert depths[-1] == 1


def test_a_handler_with_symbols_hears_only_those():
    (bus, hears), heard = a_bus(), []
    hears(Quote, heard.append, keys=["600000.SH", "600036.SH", "600000.SH"])
    mine, others = a_quote(), a_quote(symbol=OTHER)
    bus.publish(others)
    bus.publish(mine)
    assert heard == [mine]


def test_no_symbols_means_nobody_rather_than_everybody():
    (bus, hears), heard = a_bus(), []
    hears(Quote, heard.append, keys=[])
    bus.publish(a_quote())
    assert heard == []


def test_a_class_without_symbols_cannot_be_chosen_by_them():
    _, hears = a_bus()
    with pytest.raises(TypeError, match="SessionPhase has no symbol"):
        hears(SessionPhase, print, keys=["600000.SH"])


@given(st.lists(st.sampled_from([None, ("600000.SH",), (OTHER,), ("600000.SH", OTHER)])))
def test_registration_order_holds_across_handlers_with_and_without_symbols(keys):
    (bus, hears), heard = a_bus(), []
    for n, names in enumerate(keys):
        hears(Quote, lambda quote, n=n: heard.append(n), keys=names)
    for symbol in ("600000.SH", OTHER, "600036.SH"):
        heard.clear()
        bus.publish(a_quote(symbol=symbol))
        assert heard == [n for n, names in enumerate(keys) if names is None or symbol in names]


RAISED = [ValueError, SystemExit, KeyboardInterrupt, asyncio.CancelledError, GeneratorExit]


@pytest.mark.parametrize("kind", RAISED)
@pytest.mark.parametrize("company", [0, 2], ids=["alone", "in company"])
def test_whatever_a_handler_raises_goes_to_its_owner_and_the_others_still_hear(kind, company):
    bus, owner, heard = Bus(), Owner(), []

    def broken(quote):
        raise kind(f"no idea what {quote.last} means")

    for _ in range(company):
        bus.subscribe(Quote, lambda quote: heard.append(quote.last), owner)
        bus.subscribe(Quote, broken, owner)
    bus.subscribe(Quote, broken, owner)
    for last in (10.0, 11.0):
        bus.publish(a_quote(last))
    assert heard == [last for last in (10.0, 11.0) for _ in range(company)]
    assert owner.errors == [
        (broken, a_quote(last), f"no idea what {last} means") for last in (10.0, 11.0)
    ]


def test_what_a_handler_published_before_it_raised_is_still_delivered():
    bus, owner, heard = Bus(), Owner(), []

    def half(quote):
        bus.publish(a_fill())
        raise RuntimeError("half way")

    bus.subscribe(Quote, half, owner)
    bus.subscribe(Fill, heard.append, owner)
    bus.publish(a_quote())
    bus.publish(a_quote())
    assert (len(heard), len(owner.errors)) == (2, 2)


def test_only_a_stop_at_once_passes_and_leaves_the_bus_fit_to_go_on_in_order():
    (bus, hears), heard = a_bus(), []

    def interrupted(quote):
        bus.publish(a_fill())
        raise StopNow

    hears(Quote, interrupted)
    hears((Fill, Bar), lambda event: heard.append(type(event)))
    with pytest.raises(StopNow):
        bus.publish(a_quote())
    bus.publish(a_bar())
    assert heard == [Fill, Bar]


def test_the_handlers_of_an_owner_who_left_hear_nothing_more_and_the_others_do():
    bus, heard, other = Bus(), [], []
    leaves, stays = Loud(), Loud()
    bus.subscribe((Quote, Fill), heard.append, leaves)
    bus.subscribe(Quote, other.append, stays, keys=["600000.SH"])
    bus.publish(a_quote())
    bus.leave(leaves)
    bus.publish(a_quote())
    bus.publish(a_fill())
    assert (len(heard), len(other)) == (1, 2)


@pytest.mark.parametrize("many", [1, 2, 3, 4, 5])
def test_however_many_hear_who_fails_is_told_of_and_the_others_hear(many):
    for fails in range(many):
        bus, owner, heard = Bus(), Owner(), []

        def hear(event, heard=heard, fails=fails, number=0):
            if number == fails:
                raise ValueError("no")
            heard.append(number)

        each = [partial(hear, number=number) for number in range(many)]
        for handler in each:
            bus.subscribe(Quote, handler, owner)
        quote = a_quote()
        bus.publish(quote)
        assert heard == [number for number in range(many) if number != fails]
        assert owner.errors == [(each[fails], quote, "no")]


@pytest.mark.parametrize("many", [1, 2, 3, 4, 5])
async def test_however_many_hear_what_each_awaits_is_worked(many):
    bus, owner, heard = Bus(), Owner(), []

    async def hear(event, number):
        heard.append(number)

    for number in range(many):
        bus.subscribe(Quote, partial(hear, number=number), owner)
    bus.publish(a_quote())
    await owner.box.idle()
    assert heard == list(range(many))


def test_a_symbol_may_have_a_handler_of_its_own_in_its_turn_among_others():
    (bus, hears), heard = a_bus(), []
    hears(Quote, lambda quote: heard.append("first"))
    own = {name: partial(lambda name, quote: heard.append(name), name) for name in (SYMBOL, OTHER)}
    bus.subscribe_each(Quote, own.get, Loud())
    hears(Quote, lambda quote: heard.append("last"))
    for name in (OTHER, SYMBOL, "600036.SH"):
        bus.publish(a_quote(symbol=name))
    assert heard == ["first", OTHER, "last", "first", SYMBOL, "last", "first", "last"]


def test_a_class_without_symbols_has_no_handlers_for_each():
    with pytest.raises(TypeError, match="SessionPhase has no symbol"):
        Bus().subscribe_each(SessionPhase, {SYMBOL: print}.get, Loud())


def test_the_bus_says_whether_anybody_hears_of_a_class():
    bus, owner = Bus(), Loud()
    assert not bus.hears(Quote)
    bus.subscribe(Quote, print, owner)
    assert bus.hears(Quote)
    assert not bus.hears(Bar)
    bus.leave(owner)
    assert not bus.hears(Quote)


def test_one_may_subscribe_while_an_event_is_worked_and_hears_the_next():
    (bus, hears), heard = a_bus(), []
    hears(Fill, lambda fill: hears(Quote, heard.append))
    bus.publish(a_fill())
    bus.publish(a_quote())
    assert len(heard) == 1


def test_many_strategies_on_many_symbols_are_subscribed_in_no_time():
    (bus, hears), heard = a_bus(), []
    names = [f"{number:06d}.SZ" for number in range(5000)]
    began = perf_counter()
    for n in range(40):
        hears(Quote, lambda quote, n=n: heard.append(n), keys=names)
    for name in names[:100]:
        bus.publish(a_quote(symbol=name))
    assert perf_counter() - began < 2
    assert len(heard) == 4000


# ------------------------------------------------------------------ async handlers


async def until(done, rounds=10_000):
    """Let the loop run until `done()`."""
    for _ in range(rounds):
        if done():
            return
        await asyncio.sleep(0)
    raise AssertionError("it never came")


async def test_an_async_handler_works_one_event_after_another():
    (bus, hears), heard = a_bus(), []

    async def slow(quote):
        heard.append(("begins", quote.last))
        for _ in range(3):
            await asyncio.sleep(0)
        heard.append(("ends", quote.last))

    hears(Quote, slow)
    for last in (1.0, 2.0, 3.0):
        bus.publish(a_quote(last))
    assert heard == []  # publish never waits
    await until(lambda: len(heard) == 6)
    assert heard == [(word, last) for last in (1.0, 2.0, 3.0) for word in ("begins", "ends")]


async def test_whatever_gives_an_awaitable_back_is_an_async_handler_and_hears_once():
    (bus, hears), heard = a_bus(), []

    class Listener:
        async def __call__(self, quote):
            heard.append(("object", quote.last))

    async def plainly(quote):
        heard.append(("function", quote.last))

    def wrapped(quote):
        return plainly(quote)

    listener = Listener()
    for handler in (listener, wrapped, listener, wrapped):
        hears(Quote, handler)
    bus.publish(a_quote(1.0))
    bus.publish(a_quote(2.0))
    await until(lambda: len(heard) == 4)
    assert heard == [(what, last) for last in (1.0, 2.0) for what in ("object", "function")]


async def test_two_async_handlers_of_one_mailbox_never_overlap():
    (bus, hears), busy, heard = a_bus(), [], []

    async def work(event):
        assert not busy
        busy.append(event)
        await asyncio.sleep(0)
        busy.clear()
        heard.append(type(event))

    async def also(event):
        await work(event)

    hears(Quote, work)
    hears(Fill, also)
    for event in (a_quote(), a_fill(), a_quote(), a_fill()):
        bus.publish(event)
    await until(lambda: len(heard) == 4)
    assert heard == [Quote, Fill, Quote, Fill]


@pytest.mark.parametrize("kind", RAISED)
async def test_whatever_an_async_handler_raises_goes_to_its_owner_and_it_goes_on(kind):
    bus, owner, heard = Bus(), Owner(), []

    async def broken(quote):
        heard.append(quote.last)
        await asyncio.sleep(0)
        if quote.last == 1.0:
            raise kind("not one")

    bus.subscribe(Quote, broken, owner)
    for last in (1.0, 2.0):
        bus.publish(a_quote(last))
    await owner.box.idle()
    assert heard == [1.0, 2.0]
    cancelled = kind is asyncio.CancelledError
    words = "what it awaited was cancelled" if cancelled else "not one"
    assert owner.errors == [(broken, a_quote(1.0), words)]


@pytest.mark.parametrize("whose", ["another's", "its own"])
async def test_an_async_handler_whose_task_was_cancelled_is_reported_and_goes_on(whose):
    owner, heard = Owner(), []

    async def waits(quote):
        if quote.last == 1.0:
            task = asyncio.ensure_future(asyncio.Event().wait())
            (task if whose == "another's" else asyncio.current_task()).cancel()
            await task
        heard.append(quote.last)

    for last in (1.0, 2.0, 3.0):
        owner.let(waits, a_quote(last))
    await owner.box.idle()
    assert heard == [2.0, 3.0]
    assert owner.errors == [(waits, a_quote(1.0), "what it awaited was cancelled")]


async def test_a_slow_handler_gets_the_newest_quote_of_a_symbol_and_every_other_event():
    owner, heard = Owner(limit=3), []

    async def slow(event):
        heard.append(event)

    for last in (1.0, 2.0, 3.0):
        owner.let(slow, a_quote(last))
    owner.let(slow, a_quote(4.0))  # takes the place of 3.0
    owner.let(slow, a_quote(9.0, symbol=OTHER))  # another symbol's is not its to take
    fills = [a_fill(deal_id=str(n)) for n in range(5)]
    bars = [a_bar(float(n)) for n in range(1, 4)]
    for event in (*fills, *bars, Alert(1, Severity.INFO, "x", "y")):
        owner.let(slow, event)
    owner.let(slow, a_quote(5.0))
    await owner.box.idle()
    assert [event.last for event in heard if isinstance(event, Quote)] == [1.0, 2.0, 5.0, 9.0]
    assert [event for event in heard if isinstance(event, Fill)] == fills
    assert [event for event in heard if isinstance(event, Bar)] == bars
    assert isinstance(heard[-1], Alert)


async def test_one_handlers_quote_never_takes_anothers_place():
    owner, heard = Owner(limit=1), []

    async def first(event):
        heard.append(("first", event.last))

    async def second(event):
        heard.append(("second", event.last))

    for last in (1.0, 2.0):
        owner.let(first, a_quote(last))
        owner.let(second, a_quote(last))
    await owner.box.idle()
    assert heard == [("first", 2.0), ("second", 2.0)]


async def test_the_clock_is_told_when_a_mailbox_is_busy_and_when_it_is_idle():
    held = []
    owner = Owner(hold=held.append)

    async def work(event):
        await asyncio.sleep(0)

    owner.let(work, 1)
    owner.let(work, 2)
    assert held == [1]
    await owner.box.idle()
    assert held == [1, -1]
    owner.let(work, 3)
    await owner.box.idle()
    assert sum(held) == 0


async def test_what_is_dropped_is_stopped_and_forgotten_and_the_others_work_on():
    held, began = [], []
    box = Mailbox(held.append)
    leaves, stays = Owner(), Owner()
    leaves.box = stays.box = box

    async def forever(event):
        began.append(event)
        await asyncio.Event().wait()

    async def work(event):
        began.append(event)

    leaves.let(forever, 1)
    leaves.let(forever, 2)
    stays.let(work, 3)
    await until(lambda: began)
    box.drop(leaves)
    assert await box.idle(5)
    assert began == [1, 3]
    assert sum(held) == 0
    assert leaves.errors == []


async def test_a_handler_that_takes_no_end_is_left_behind():
    held = []
    owner, ended = Owner(hold=held.append), asyncio.Event()

    async def stubborn(event):
        while not ended.is_set():
            try:
                await ended.wait()
            except asyncio.CancelledError:
                pass

    owner.let(stubborn, 1)
    assert not await owner.box.idle(0.01)
    owner.box.drop(owner)
    assert await owner.box.idle(5)
    assert sum(held) == 0
    ended.set()


async def test_a_handler_that_holds_time_too_long_is_told_and_then_stopped():
    owner, heard = Owner(), []
    owner.box.patience = (0.01, 0.05)

    async def waits(event):
        heard.append(event)
        if event == 1:
            await asyncio.Event().wait()

    owner.let(waits, 1)
    assert await owner.box.idle(5)
    assert owner.slow == [waits]
    assert owner.stopped == ["an async handler held up time for 0.05 s"]
    owner.let(waits, 2)
    assert await owner.box.idle(5)
    assert heard == [1, 2]


async def test_a_handler_that_only_keeps_its_own_waiting_is_told_of_once_and_goes_on():
    owner, over = Owner(), asyncio.Event()
    owner.box.patience = (0.01, None)

    async def waits(event):
        await over.wait()

    owner.let(waits, 1)
    async with asyncio.timeout(5):
        while not owner.slow:  # noqa: ASYNC110  # it is told by a timer
            await asyncio.sleep(0.002)
    over.set()
    assert await owner.box.idle(5)
    assert (owner.slow, owner.stopped, owner.errors) == ([waits], [], [])


async def test_a_mailbox_dropped_before_its_first_step_lets_the_clock_go_and_can_be_used_again():
    held, heard = [], []
    owner = Owner(hold=held.append)

    async def hear(event):
        heard.append(event)

    owner.let(hear, 1)
    owner.box.drop(owner)
    await owner.box.idle()
    assert (heard, sum(held)) == ([], 0)
    owner.let(hear, 2)
    await owner.box.idle()
    assert (heard, sum(held)) == ([2], 0)


# ------------------------------------------------------------------ the door


async def test_many_threads_lose_nothing_and_each_keeps_its_order():
    heard = []
    door = Door(heard.append)
    start = threading.Barrier(8)

    def talk(name):
        start.wait()
        for n in range(500):
            door.push((name, n))

    threads = [threading.Thread(target=talk, args=(name,)) for name in range(8)]
    door.open()
    for thread in threads:
        thread.start()
    await asyncio.gather(*(asyncio.to_thread(thread.join) for thread in threads))
    await until(lambda: len(heard) == 4000)
    for name in range(8):
        assert [n for who, n in heard if who == name] == list(range(500))


async def test_what_came_before_the_door_opened_comes_first():
    heard = []
    door = Door(heard.append)
    door.push("early")
    assert heard == []
    door.open()
    door.push("late")
    await until(lambda: len(heard) == 2)
    assert heard == ["early", "late"]


async def test_events_are_published_on_the_loops_own_thread():
    threads = []
    door = Door(lambda event: threads.append(threading.current_thread()))
    door.open()
    await asyncio.to_thread(door.push, 1)
    await until(lambda: threads)
    assert threads == [threading.current_thread()]
