"""The bus, its mailboxes and the door: who hears what, in which order."""

import asyncio
import threading

from builders import DAY, a_bar, a_fill, a_quote
from hypothesis import given
from hypothesis import strategies as st

from qka.engine.bus import Bus
from qka.engine.door import Door
from qka.engine.mailbox import Mailbox
from qka.model.events import (
    Alert,
    Fill,
    OrderAccepted,
    SessionPhase,
    Severity,
)
from qka.model.market import Bar, Phase, Quote

OTHER = "000001.SZ"


def loud(handler, event, error):
    raise error


def a_bus():
    """A bus and the list of its errors as (handler, event, words)."""
    errors = []
    return Bus(lambda handler, event, error: errors.append((handler, event, str(error)))), errors


# ------------------------------------------------------------------ plain handlers


def test_handlers_are_called_in_the_order_they_registered():
    bus, heard = Bus(loud), []
    for name in "cab":
        bus.subscribe(Quote, lambda quote, name=name: heard.append((name, quote.last)))
    bus.publish(a_quote(10.0))
    bus.publish(a_quote(11.0))
    assert heard == [(name, last) for last in (10.0, 11.0) for name in "cab"]


def test_a_handler_hears_only_the_classes_it_named():
    bus, heard = Bus(loud), []
    bus.subscribe((Quote, Fill), heard.append)
    quote, fill = a_quote(), a_fill()
    for event in (quote, a_bar(), fill, SessionPhase(1, DAY, Phase.BREAK)):
        bus.publish(event)
    assert heard == [quote, fill]


def test_what_a_handler_publishes_waits_until_everyone_has_heard_this_event():
    bus, heard = Bus(loud), []

    def nosy(quote):
        heard.append("first hears the quote")
        bus.publish(a_fill())
        bus.publish(a_bar())
        heard.append("first is done")

    bus.subscribe(Quote, nosy)
    bus.subscribe(Quote, lambda quote: heard.append("second hears the quote"))
    bus.subscribe(Fill, lambda fill: bus.publish(OrderAccepted(1, "a")))
    bus.subscribe(Fill, lambda fill: heard.append("fill"))
    bus.subscribe(Bar, lambda bar: heard.append("bar"))
    bus.subscribe(OrderAccepted, lambda report: heard.append("accepted"))
    bus.publish(a_quote())
    assert heard == [
        "first hears the quote",
        "first is done",
        "second hears the quote",
        "fill",
        "bar",
        "accepted",
    ]


def test_a_handler_with_symbols_hears_only_those():
    bus, heard = Bus(loud), []
    bus.subscribe(Quote, heard.append, keys=["600000.SH", "600036.SH", "600000.SH"])
    mine, others = a_quote(), a_quote(symbol=OTHER)
    bus.publish(others)
    bus.publish(mine)
    assert heard == [mine]


def test_no_symbols_means_nobody_rather_than_everybody():
    bus, heard = Bus(loud), []
    bus.subscribe(Quote, heard.append, keys=[])
    bus.publish(a_quote())
    assert heard == []


@given(st.lists(st.sampled_from([None, ("600000.SH",), (OTHER,), ("600000.SH", OTHER)])))
def test_registration_order_holds_across_handlers_with_and_without_symbols(keys):
    bus, heard = Bus(loud), []
    for n, names in enumerate(keys):
        bus.subscribe(Quote, lambda quote, n=n: heard.append(n), keys=names)
    for symbol in ("600000.SH", OTHER, "600036.SH"):
        heard.clear()
        bus.publish(a_quote(symbol=symbol))
        assert heard == [n for n, names in enumerate(keys) if names is None or symbol in names]


def test_a_handler_that_raises_is_reported_and_the_others_still_hear_the_event():
    bus, errors = a_bus()
    heard = []

    def broken(quote):
        raise ValueError(f"no idea what {quote.last} means")

    bus.subscribe(Quote, lambda quote: heard.append("before"))
    bus.subscribe(Quote, broken)
    bus.subscribe(Quote, lambda quote: heard.append("between"))
    bus.subscribe(Quote, broken)
    bus.subscribe(Quote, lambda quote: heard.append("after"))
    quote = a_quote(10.0)
    bus.publish(quote)
    assert heard == ["before", "between", "after"]
    assert errors == [(broken, quote, "no idea what 10.0 means")]


def test_what_a_handler_published_before_it_raised_is_still_delivered():
    bus, errors = a_bus()
    heard = []

    def half(quote):
        bus.publish(a_fill())
        raise RuntimeError("half way")

    bus.subscribe(Quote, half)
    bus.subscribe(Fill, heard.append)
    bus.publish(a_quote())
    bus.publish(a_quote())
    assert (len(heard), len(errors)) == (2, 2)


def test_an_unsubscribed_handler_hears_nothing_more_and_the_others_do():
    bus, heard = Bus(loud), []
    other = []
    bus.subscribe((Quote, Fill), heard.append)
    bus.subscribe(Quote, other.append, keys=["600000.SH"])
    bus.publish(a_quote())
    bus.unsubscribe(heard.append)
    bus.publish(a_quote())
    bus.publish(a_fill())
    assert (len(heard), len(other)) == (1, 2)


def test_one_may_subscribe_while_an_event_is_worked_and_hears_the_next():
    bus, heard = Bus(loud), []
    bus.subscribe(Fill, lambda fill: bus.subscribe(Quote, heard.append))
    bus.publish(a_fill())
    bus.publish(a_quote())
    assert len(heard) == 1


# ------------------------------------------------------------------ async handlers


async def until(done, rounds=10_000):
    """Let the loop run until `done()`."""
    for _ in range(rounds):
        if done():
            return
        await asyncio.sleep(0)
    raise AssertionError("it never came")


async def test_an_async_handler_works_one_event_after_another():
    bus, heard = Bus(loud), []

    async def slow(quote):
        heard.append(("begins", quote.last))
        for _ in range(3):
            await asyncio.sleep(0)
        heard.append(("ends", quote.last))

    bus.subscribe(Quote, slow)
    for last in (1.0, 2.0, 3.0):
        bus.publish(a_quote(last))
    assert heard == []  # publish never waits
    await until(lambda: len(heard) == 6)
    assert heard == [(word, last) for last in (1.0, 2.0, 3.0) for word in ("begins", "ends")]


async def test_an_object_with_an_async_call_is_an_async_handler():
    bus, heard = Bus(loud), []

    class Listener:
        async def __call__(self, quote):
            heard.append(quote.last)

    bus.subscribe(Quote, Listener())
    for last in (1.0, 2.0):
        bus.publish(a_quote(last))
    await until(lambda: len(heard) == 2)
    assert heard == [1.0, 2.0]


async def test_two_async_handlers_of_one_mailbox_never_overlap():
    box, busy, heard = Mailbox(loud), [], []
    bus = Bus(loud)

    async def work(event):
        assert not busy
        busy.append(event)
        await asyncio.sleep(0)
        busy.clear()
        heard.append(type(event))

    async def also(event):
        await work(event)

    bus.subscribe(Quote, work, mailbox=box)
    bus.subscribe(Fill, also, mailbox=box)
    for event in (a_quote(), a_fill(), a_quote(), a_fill()):
        bus.publish(event)
    await box.idle()
    assert heard == [Quote, Fill, Quote, Fill]


async def test_an_async_handler_that_raises_is_reported_and_goes_on():
    bus, errors = a_bus()
    heard = []

    async def broken(quote):
        heard.append(quote.last)
        if quote.last == 1.0:
            raise ValueError("not one")

    bus.subscribe(Quote, broken)
    for last in (1.0, 2.0):
        bus.publish(a_quote(last))
    await until(lambda: len(heard) == 2)
    assert [(error[0], error[2]) for error in errors] == [(broken, "not one")]


async def test_an_async_handler_whose_own_task_was_cancelled_is_reported_and_goes_on():
    bus, errors = a_bus()
    heard = []

    async def waits(quote):
        if quote.last == 1.0:
            task = asyncio.ensure_future(asyncio.Event().wait())
            task.cancel()
            await task
        heard.append(quote.last)

    bus.subscribe(Quote, waits)
    for last in (1.0, 2.0, 3.0):
        bus.publish(a_quote(last))
    await until(lambda: len(heard) == 2)
    assert heard == [2.0, 3.0]
    assert errors == [(waits, a_quote(1.0), "what it awaited was cancelled")]


async def test_a_slow_handler_gets_the_newest_quote_of_a_symbol_and_every_other_event():
    box, heard = Mailbox(loud, limit=3), []

    async def slow(event):
        heard.append(event)

    for last in (1.0, 2.0, 3.0):
        box.put(slow, a_quote(last))
    box.put(slow, a_quote(4.0))  # takes the place of 3.0
    box.put(slow, a_quote(9.0, symbol=OTHER))  # another symbol's is not its to take
    fills = [a_fill(deal_id=str(n)) for n in range(5)]
    bars = [a_bar(float(n)) for n in range(1, 4)]
    for event in (*fills, *bars, Alert(1, Severity.INFO, "x", "y")):
        box.put(slow, event)
    box.put(slow, a_quote(5.0))
    await box.idle()
    assert [event.last for event in heard if isinstance(event, Quote)] == [1.0, 2.0, 5.0, 9.0]
    assert [event for event in heard if isinstance(event, Fill)] == fills
    assert [event for event in heard if isinstance(event, Bar)] == bars
    assert isinstance(heard[-1], Alert)


async def test_one_handlers_quote_never_takes_anothers_place():
    box, heard = Mailbox(loud, limit=1), []

    async def first(event):
        heard.append(("first", event.last))

    async def second(event):
        heard.append(("second", event.last))

    for last in (1.0, 2.0):
        box.put(first, a_quote(last))
        box.put(second, a_quote(last))
    await box.idle()
    assert heard == [("first", 2.0), ("second", 2.0)]


async def test_the_clock_is_told_when_a_mailbox_is_busy_and_when_it_is_idle():
    held = []
    box = Mailbox(loud, held.append)

    async def work(event):
        await asyncio.sleep(0)

    box.put(work, 1)
    box.put(work, 2)
    assert held == [1]
    await box.idle()
    assert held == [1, -1]
    box.put(work, 3)
    await box.idle()
    assert sum(held) == 0


async def test_a_closed_mailbox_stops_what_runs_and_forgets_what_waits():
    held, began = [], []
    box = Mailbox(loud, held.append)

    async def forever(event):
        began.append(event)
        await asyncio.Event().wait()

    box.put(forever, 1)
    box.put(forever, 2)
    await until(lambda: began)
    await box.close()
    assert began == [1]
    assert sum(held) == 0
    await box.close()


async def test_a_mailbox_closed_before_its_first_step_lets_the_clock_go_and_can_be_used_again():
    held, heard = [], []
    box = Mailbox(loud, held.append)

    async def hear(event):
        heard.append(event)

    box.put(hear, 1)
    await box.close()
    assert (heard, sum(held)) == ([], 0)
    box.put(hear, 2)
    await box.idle()
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
    assert door.lag == 0
    for name in range(8):
        assert [n for who, n in heard if who == name] == list(range(500))


async def test_what_came_before_the_door_opened_comes_first():
    heard = []
    door = Door(heard.append)
    door.push("early")
    assert (heard, door.lag) == ([], 1)
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
