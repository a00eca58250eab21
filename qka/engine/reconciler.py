"""Holds the engine's books against the broker's: at the start, now and then, at a day's end.

What differs is explained, accepted by the operator, or holds the trading back until one of these.
"""

import asyncio
from collections.abc import Awaitable, Callable, Coroutine, Sequence
from datetime import date, timedelta
from typing import Any

import msgspec
from loguru import logger

from qka.brokers.port import AtHand, Broker
from qka.clock import Clock
from qka.engine import comparison
from qka.engine.comparison import Difference
from qka.engine.dues import MORNING, OPENING, Due
from qka.engine.ledger import Ledger
from qka.engine.recovery import left_over
from qka.engine.switch import Switch
from qka.errors import QkaError
from qka.journal.port import Journal, Note
from qka.model.account import AccountSnapshot
from qka.model.actions import CorporateAction
from qka.model.events import LinkState, OrderExpired, SessionPhase, Severity, WentEx
from qka.model.market import Phase
from qka.model.order import Order, OrderStatus
from qka.model.times import SECOND, at, day_of

_CLOSED = Phase.CLOSED
TRIES = 3  # looks at an account that moves while it is looked at
PAUSE = 1.0  # seconds between them
EVERY = 60.0  # seconds between two looks while the engine runs in the world's time
FRESH = 600.0  # seconds that an answer of the feed's holds
KEPT = 15  # days that something may still come of a corporate action
LINGERS = 30.0  # seconds after which an order on its way is worth a word
_ON_ITS_WAY = {
    OrderStatus.SUBMITTING,
    OrderStatus.SUBMITTED,
    OrderStatus.PENDING_CANCEL,
    OrderStatus.UNKNOWN,
}


class Settled(msgspec.Struct, frozen=True):
    """What a comparison with the broker found."""

    day: date
    when: str  # start, run or end
    clean: bool
    fingerprint: str  # of the differences
    differences: list[Difference]
    orders: int
    deals: int
    fees: str  # CNY, of the day as we count them
    cash: str  # CNY, as the broker has it
    accepted: bool = False  # by the operator
    compliance: dict[str, Any] = {}  # at a day's end: what programme trading is watched by


class Reconciler:
    """`checkpoint` puts down where the engine stands; `alert` tells a human; `trades` says on which
    days the exchanges trade; `actions` is the feed's, of some symbols from one day to another;
    `figures` are the day's, of what was sent; `shifted` is told the cents that an operator's word
    put into the account, or took out.
    """

    def __init__(
        self,
        clock: Clock,
        ledger: Ledger,
        broker: Broker,
        journal: Journal,
        switch: Switch,
        *,
        publish: Callable[[Any], None],
        alert: Callable[[Severity, str], None],
        checkpoint: Callable[[], None],
        trades: Callable[[date], bool],
        actions: Callable[[Sequence[str], date, date], Awaitable[Sequence[CorporateAction]]],
        figures: Callable[[], dict[str, Any]],
        shifted: Callable[[int], None],
    ) -> None:
        self._clock = clock
        self._ledger = ledger
        self._broker = broker
        self._books = broker.books if isinstance(broker, AtHand) else None
        self._journal = journal
        self._switch = switch
        self._publish = publish
        self._alert = alert
        self._checkpoint = checkpoint
        self._trades = trades
        self._actions = actions
        self.dues: Sequence[Due] = ()  # of corporate actions, as far as they were needed
        # the day from which on the feed is asked, see `_learn`: the deals since then are known
        self._since: date | None = None
        self._asked: tuple[list[str], date, date] | None = None  # symbols, from, to
        self._found: Sequence[CorporateAction] = ()  # the answer
        self._again = 0  # ns, when the same may be asked again
        self._learnt = False  # the feed has told of all the days up to today
        self._day = date.min  # whose morning was thought of
        self._in_vain: date | None = None  # the day on which it was told that the feed can't say
        self._figures = figures
        self._shifted = shifted
        self._seen = ""  # fingerprint of the last look's differences
        self.told = ""  # fingerprint of what a human was told, and may accept
        self.differences: Sequence[Difference] = ()  # those
        self._waiting: dict[str, tuple[OrderStatus, int]] = {}  # order -> state, since when
        self._tasks: set[asyncio.Task[None]] = set()
        # orders of earlier days, until the books agree: they may have traded
        self._over: list[str] = []
        self._turn = asyncio.Lock()  # one comparison at a time
        self._running = False  # in the world's time
        self._closed = False

    @property
    def since(self) -> date | None:
        """The feed has told of all the days before; None where nobody asks."""
        return (self._since or day_of(self._clock.now())) if self.asks else None

    # ------------------------------------------------------------ at the start

    async def begin(self, accepted: str, since: date, dues: Sequence[Due]) -> None:
        """The account as it is against the journal's; raises BrokerUnavailable.

        `accepted`: the fingerprint of what the operator takes over, "" for nothing. `since`: the
        day on which the books were good, and `dues` what corporate actions were to bring then.
        """
        known = {due.key for due in dues}
        # what went ex after the last checkpoint was told, and is in the journal
        self._since = since
        self.dues = [*dues, *(due for due in self._ledger.dues if due.key not in known)]
        snapshot, differences, left = await self._examine()
        self._judge("start", snapshot, differences, left, accepted)
        if self.asks and not (self._learnt or self._switch.held):
            await self._ask_what_goes_ex()  # while it is held the looks ask

    async def _examine(
        self, *, ask: bool = False
    ) -> tuple[AccountSnapshot, list[Difference], Sequence[Due]]:
        """The account as it is, what differs, as far as possible with a reason, and what is due.

        A start, a link that is back the next day and a day's end are alike: an order of an earlier
        day that nobody saw the end of is over, and may have traded. `ask` the feed also when
        nothing differs.
        """
        self._learnt = False
        snapshot, differences = await self._compare()
        self._end_left_over()
        if not differences and not ask:
            return snapshot, [], self.dues
        dues, silent = await self._learn()
        if not differences:
            return snapshot, [], dues
        # the account went on while the feed was asked: what is taken over is what it is now
        snapshot, differences = await self._compare()
        if not differences:
            return snapshot, [], dues
        today, over = day_of(self._clock.now()), self._may_have_traded()
        found, left = comparison.by_actions(differences, self._ledger, snapshot, over, dues, today)
        if silent and comparison.unexplained(found):
            self._warn_in_vain(silent, today)
        return snapshot, found, left

    def _end_left_over(self) -> None:
        """What of earlier days the broker has not told the end of by now is over."""
        now = self._clock.now()
        for order in left_over(self._ledger, day_of(now), self._trades):
            self._over.append(order.id)
            words = "its day ended and nobody saw how; if it traded, the shares say so"
            self._publish(OrderExpired(now, order.id, words))

    def _may_have_traded(self) -> list[Order]:
        """Those, as they stand: what the broker tells of them after all explains nothing twice."""
        return [self._ledger.orders[name] for name in self._over]

    async def _learn(self) -> tuple[list[Due], str]:
        """What is due, with what the feed knows of the days since it was last asked.

        And why it could not say, "" when it could.
        """
        ledger, today = self._ledger, day_of(self._clock.now())
        since = self._since or today
        # the feed tells of the days from `since` on again: what came then must be known
        kept = min(since, today - timedelta(KEPT))
        dues = [due for due in self.dues if due.action.day >= kept]
        known = {(due.action.symbol, due.action.day) for due in dues}
        symbols = {position.symbol for position in ledger.positions()}
        symbols |= {deal.symbol for deal in ledger.deals.since(since)}
        symbols |= {order.symbol for order in self._may_have_traded()}
        try:
            actions = await self._told_by_feed(sorted(symbols), since, today)
        except QkaError as error:
            return dues, str(error)
        except Exception as error:  # what was found without the answer counts, whatever it is
            logger.opt(exception=error).error("the feed could not be asked for ex-dates")
            return dues, repr(error)
        self._learnt = True
        dues += [
            Due(action, ledger.held_before(action.symbol, action.day))
            for action in actions
            if (action.symbol, action.day) not in known
        ]
        self.dues = self._tell_ex(dues)
        return self.dues, ""

    def _tell_ex(self, dues: Sequence[Due]) -> list[Due]:
        """What went ex is told, once, where shares were held over the night before it.

        Returns them as they are known now.
        """
        if not self.asks:
            return list(dues)
        ledger, known = self._ledger, []
        told = {due.key for due in ledger.dues}
        for due in sorted(dues, key=lambda due: due.action.day):
            if due.held <= 0:  # there may be shares that nobody knew of
                held = ledger.held_before(due.action.symbol, due.action.day)
                due = msgspec.structs.replace(due, held=held)
            known.append(due)
            is_open = due.held > 0 and (due.shares or due.cash)
            if is_open and due.key not in told and due.action.day > ledger.begun:
                self._publish(WentEx(self._clock.now(), due.action, due.held))
        self._owe(known)
        return known

    def _owe(self, dues: Sequence[Due]) -> None:
        """What comes no more, after so many days, is no loss of the day that gives it up."""
        if self._ledger.dues:
            before = self._ledger.total_cents
            self._ledger.owe(dues)
            self._shifted(self._ledger.total_cents - before)

    def _warn_in_vain(self, error: str, today: date) -> None:
        """Once a day."""
        if self._in_vain != today:
            self._in_vain = today
            self._alert(
                Severity.WARNING,
                "the account differs from the journal, and the feed can't say whether that is a "
                f"bonus or a dividend ({error}): nothing is explained by one",
            )

    async def _told_by_feed(
        self, symbols: list[str], since: date, until: date
    ) -> Sequence[CorporateAction]:
        """Its actions; while trading is held it is asked for the same every ten minutes only."""
        asked, now = (symbols, since, until), self._clock.now()
        if asked != self._asked or now >= self._again:
            self._found = await self._actions(symbols, since, until) if symbols else ()
            self._asked, self._again = asked, now + int(FRESH * SECOND)
        return self._found

    def _judge(
        self,
        when: str,
        snapshot: AccountSnapshot,
        differences: Sequence[Difference],
        dues: Sequence[Due],
        accepted: str = "",
    ) -> None:
        """Write down what was found; go on from the broker's books, or hold.

        `dues`: what is to come if these are the books.
        """
        day, mark = day_of(self._clock.now()), comparison.fingerprint(differences)
        open_ = comparison.unexplained(differences) if differences else []
        agreed = bool(open_) and accepted == mark
        self._journal.note(
            Note.RECONCILED,
            Settled(
                day,
                when,
                not open_,
                mark,
                list(differences),
                len(snapshot.orders),
                len(snapshot.deals),
                f"{comparison.charged(snapshot.deals)}",
                f"{snapshot.asset.cash}",
                agreed,
                self._figures() if when == "end" else {},
            ),
        )
        if open_ and not agreed:
            self.told, self.differences = mark, differences
            self._switch.hold(self._refusal(differences, mark))
            return
        # what an operator takes over may have been due in part: nobody can tell
        self.dues = [due.over() for due in dues] if agreed else dues
        if agreed or self._learnt:
            self._since = day
        if differences:
            words = "accepted by the operator" if agreed else "explained"
            self._alert(
                Severity.WARNING,
                f"the account differs from the journal, {words}; its books are taken over:\n"
                + comparison.table(differences),
            )
            before = self._ledger.total_cents
            self._ledger.settle(snapshot.positions, snapshot.asset.cash, self.dues)
            if agreed:  # a transfer is neither profit nor loss, and nothing of before is to come
                self._shifted(self._ledger.total_cents - before)
                self._ledger.begun = day
            self.dues = self._tell_ex(self.dues)  # also of what was bought unseen
        else:
            self._owe(self.dues)
        self.told, self._over = "", []
        self._switch.release()
        self._checkpoint()

    def _refusal(self, differences: Sequence[Difference], mark: str) -> str:
        return (
            "the account is not what the journal says, and nothing explains it. No new order "
            "leaves; working orders stay as they are.\n"
            f"{comparison.table(differences)}\n"
            "Look into the broker's terminal. If the broker is right: "
            f"`qka accept CONFIG {mark}` (with this run's config and --set)"
        )

    async def _compare(self) -> tuple[AccountSnapshot, list[Difference]]:
        """Shares and cash that differ, also after a second and a third look."""
        differences: list[Difference] = []
        for number in range(TRIES):
            if number and not self._clock.waits:
                await self._pause(PAUSE)
            snapshot = await self._broker.snapshot()
            differences = self._differences(snapshot)
            if not differences:
                break
        return snapshot, differences

    def _differences(self, snapshot: AccountSnapshot) -> list[Difference]:
        """Shares and cash."""
        return [
            *comparison.holdings(self._ledger, snapshot),
            *comparison.money(self._ledger, snapshot, day_of(self._clock.now())),
        ]

    async def _pause(self, seconds: float) -> None:
        over = asyncio.get_running_loop().create_future()

        def end() -> None:
            if not over.done():
                over.set_result(None)

        self._clock.call_at(self._clock.now() + int(seconds * SECOND), end)
        await over

    # ------------------------------------------------------------ while it runs

    def start(self) -> None:
        """Look at the account every now and then; only the world's time moves it unseen."""
        now = self._clock.now()
        today = day_of(now)
        self._since = self._since or today  # the first run begins with it
        if now > at(today, MORNING):
            self._day = today  # it has been asked
        if not self._clock.waits:
            self._running = True
            self._every_now_and_then()

    def _every_now_and_then(self) -> None:
        def again() -> None:
            self._look_soon()
            if self._running:
                self._every_now_and_then()

        self._clock.call_at(self._clock.now() + int(EVERY * SECOND), again)

    def _look_soon(self) -> None:
        if self._running:
            self._spawn(self.look())

    def on_link(self, event: LinkState) -> None:
        """The broker is back: what happened meanwhile is looked at."""
        if event.up and event.link == "broker" and self._running:
            self._clock.call_at(self._clock.now() + int(PAUSE * SECOND), self._look_soon)

    async def look(self) -> None:
        """Shares against the broker's, and orders that are long on their way.

        Cash is left to the day's end: brokers book their fees when they please. What differs in
        two looks is examined, as is what a day's end has found, until it is explained.
        """
        if self._turn.locked():
            return  # an account that moves looks the same to two looks at once
        async with self._turn:
            snapshot = await self._broker.snapshot()
            self._look_at_orders()
            mark = comparison.fingerprint(comparison.holdings(self._ledger, snapshot))
            steady, self._seen = mark == self._seen, mark
            over = left_over(self._ledger, day_of(self._clock.now()), self._trades)
            if over or self._switch.held or (mark and steady):
                await self._look_closely()

    async def _look_closely(self) -> None:
        snapshot, differences, dues = await self._examine()
        differences = [*differences, *self._still_open(snapshot)]
        if comparison.unexplained(differences):
            others = [found for found in differences if found.what != "cash"]
            if self.told in map(comparison.fingerprint, (others, differences)):
                return  # also where nothing was told, and nothing but cash differs
            differences = others or differences
        self._judge("run", snapshot, differences, dues)

    def _still_open(self, snapshot: AccountSnapshot) -> list[Difference]:
        """Of the orders that a day's end has told of, those that differ yet."""
        named = {found.what for found in self.differences} if self.told else set()
        return [found for found in self._orders(snapshot) if found.what in named]

    def _orders(self, snapshot: AccountSnapshot) -> list[Difference]:
        """Today's orders and deals, as at the day's end."""
        close = at(day_of(self._clock.now()), "15:00")
        return comparison.orders(self._ledger, snapshot, close)

    def _look_at_orders(self) -> None:
        now, before, self._waiting = self._clock.now(), self._waiting, {}
        for order in self._ledger.working():
            if order.status not in _ON_ITS_WAY:
                continue
            status, since = before.get(order.id, (order.status, now))
            if status is not order.status:
                since = now
            self._waiting[order.id] = order.status, since
            waited = (now - since) / SECOND
            if LINGERS <= waited < LINGERS + EVERY:
                self._alert(
                    Severity.WARNING,
                    f"order {order.id} ({order.side} {order.quantity} {order.symbol}) has been "
                    f"{order.status} for {waited:.0f} s: look at it in the broker's terminal",
                )

    def accept(self, fingerprint: str) -> None:
        """A human takes the broker's books over: compare anew, and go on if just this differs."""
        self._spawn(self._accept(fingerprint))

    async def _accept(self, fingerprint: str) -> None:
        async with self._turn:
            await self._take_over(fingerprint)

    async def _take_over(self, fingerprint: str) -> None:
        self._learnt = False
        snapshot, differences = await self._compare()
        found, shares = differences, comparison.holdings(self._ledger, snapshot)
        orders = self._orders(snapshot)
        # while it runs only shares are looked at, at a day's end orders too
        for each in (shares, [*shares, *orders], [*differences, *orders]):
            if comparison.fingerprint(each) == fingerprint:
                found = each
        self._judge("run", snapshot, found, self.dues, fingerprint)

    # ------------------------------------------------------------ in the morning

    @property
    def asks(self) -> bool:
        """Whether what goes ex must be asked for; a simulated account is given it: `Overnight`."""
        return self._books is None

    def on_morning(self, event: SessionPhase) -> None:
        """Of each day that begins while it runs."""
        if event.day != self._day:
            self._day = event.day
            # not at the full moment: there may be timers of strategies, and recordings of them
            self._clock.call_at(at(event.day, MORNING) + 1, self._ask_soon)

    def _ask_soon(self) -> None:
        if self._running:
            self._spawn(self._ask_what_goes_ex())

    async def _ask_what_goes_ex(self) -> None:
        """Before it trades; what the feed can't say it is asked again each minute until then."""
        async with self._turn:
            self._again = 0  # an answer of before may be an old one
            _, silent = await self._learn()
        now = self._clock.now()
        if not silent:
            self._since = day_of(now)
        elif (again := now + int(EVERY * SECOND)) < at(day_of(now), OPENING):
            self._clock.call_at(again, self._ask_soon)
        else:
            self._alert(
                Severity.WARNING,
                f"the feed can't say what goes ex today ({silent}): stops and limits on losses "
                "take a dividend or a bonus for a fall; look up the ex-dates of what you hold",
            )

    # ------------------------------------------------------------ at a day's end

    def on_phase(self, event: SessionPhase) -> None:
        """When a day has ended it is settled, ten minutes after its last phase began."""
        if event.phase is _CLOSED:
            day = event.day
            self._clock.call_at(at(day, "15:40"), lambda: self.settle(day))

    def settle(self, day: date, *, late: bool = False) -> None:
        """Orders, deals, shares, cash and fees of a day against the broker's, to the cent.

        What is at hand and agrees is settled at once: a replay of years has many days. Where that
        lifts a hold it is not: what is said then is heard at its time, not with the next event.
        `late`: the broker did not answer before.
        """
        if self._closed or day != day_of(self._clock.now()):
            return
        try:
            if self._books is not None and not self._switch.held:
                snapshot = self._books()
                if not self._orders(snapshot) and not self._differences(snapshot):
                    self._end(day, snapshot, (), self.dues)
                    return
            self._spawn(self._settle(day, late))
        except Exception as error:
            self._failed(error)

    def _settle_again(self, day: date, *, late: bool) -> None:
        """A little later, as long as it is the day."""
        again = self._clock.now() + int(EVERY * SECOND)
        self._clock.call_at(again, lambda: self.settle(day, late=late))

    async def _settle(self, day: date, late: bool) -> None:
        async with self._turn:
            try:
                found = await self._examine(ask=self._books is None)
            except QkaError:
                self._settle_again(day, late=True)
                raise
            snapshot, differences, dues = found
            orders = self._orders(snapshot)
            if late and orders:  # the link is just back: their end is being looked up
                self._settle_again(day, late=False)
                return
            self._end(day, snapshot, [*differences, *orders], dues)

    def _end(
        self,
        day: date,
        snapshot: AccountSnapshot,
        differences: Sequence[Difference],
        dues: Sequence[Due],
    ) -> None:
        self._judge("end", snapshot, differences, dues)
        if not differences and not self._clock.waits:
            logger.info(
                "{} is settled: {} orders, {} deals, cash {} CNY, all as the broker has it",
                day,
                len(snapshot.orders),
                len(snapshot.deals),
                snapshot.asset.cash,
            )

    # ------------------------------------------------------------ inside

    def _spawn(self, work: Coroutine[Any, Any, None]) -> None:
        """Time that waits for handlers waits for this too."""

        async def guarded() -> None:
            try:
                await work
            except Exception as error:
                self._failed(error)
            finally:
                self._clock.hold(-1)

        self._clock.hold(1)
        task = asyncio.create_task(guarded())
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    def _failed(self, error: Exception) -> None:
        match error:
            case QkaError():
                logger.warning("the account can't be compared now: {}", error)
            case OSError():
                logger.error("what a comparison found can't be written down: {}", error)
            case _:  # ours: nothing is certain any more
                logger.opt(exception=error).error("comparing the account failed")
                words = f"comparing the account with the broker's failed: {error!r}"
                if self._switch.held != words:
                    self._switch.hold(words)

    async def close(self) -> None:
        """End what is under way."""
        self._running, self._closed = False, True
        tasks = list(self._tasks)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
