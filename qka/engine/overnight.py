"""Overnight: what companies gave to the shares of an account that nobody else keeps, on paper.

In the morning of an ex-date, before the first auction, the feed is asked, again when it is away
(terminals are restarted about then). What it knows becomes
`Distributed`, which the ledger and the paper broker book, each by its own shares. A real account
is told by its broker instead.
"""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from datetime import date, timedelta
from decimal import Decimal

from loguru import logger
from msgspec.structs import replace

from qka.clock import Clock
from qka.engine.dues import MORNING, OPENING
from qka.engine.guest import words
from qka.engine.ledger import Ledger
from qka.errors import QkaError
from qka.model.actions import CorporateAction
from qka.model.codes import Kind
from qka.model.events import Distributed, SessionPhase
from qka.model.symbol import kind_of
from qka.model.times import MINUTE, at, day_of

_SHARES = frozenset({Kind.MAIN, Kind.STAR, Kind.CHINEXT, Kind.BSE})


class Overnight:
    """`actions` is the feed's; `last`: the moment (ns) of an earlier run's last word, if any.

    `tax`: part of the dividends on shares that is withheld at once; those of funds are not taxed.
    """

    def __init__(
        self,
        clock: Clock,
        ledger: Ledger,
        actions: Callable[[Sequence[str], date, date], Awaitable[Sequence[CorporateAction]]],
        *,
        last: Callable[[], int | None],
        tell: Callable[[Distributed], None],
        warn: Callable[[str], None],
        tax: Decimal = Decimal(0),
    ) -> None:
        self._clock = clock
        self._ledger = ledger
        self._actions = actions
        self._last = last
        self._tell = tell
        self._warn = warn
        self._tax = tax
        self._day: date | None = None  # the last day whose night is settled
        self._tasks: set[asyncio.Task[None]] = set()

    def on_phase(self, event: SessionPhase) -> None:
        """A day that has not been lived yet is settled in its morning; the first one has no night.

        What an account begins with is what it holds then.
        """
        if self._day is None:
            self._day = self._settled() or event.day
        if event.day > self._day:
            since, self._day = self._day, event.day
            when = max(self._clock.now(), at(event.day, MORNING))
            self._clock.call_at(when, lambda: self._spawn(since, event.day))

    def _settled(self) -> date | None:
        """The last day whose night an earlier run has settled."""
        last = self._last()
        if last is None:
            return None
        day = day_of(last)
        return day if last >= at(day, MORNING) else day - timedelta(1)

    def _spawn(self, since: date, day: date) -> None:
        self._clock.hold(1)  # time that waits for handlers waits for this too
        task = asyncio.create_task(self._settle(since, day))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _settle(self, since: date, day: date) -> None:
        """The ex-dates after `since`, up to `day`."""
        try:
            held = [position.symbol for position in self._ledger.positions()]
            found = await self._actions(held, since + timedelta(1), day) if held else ()
        except QkaError as error:
            self._in_vain(since, day, str(error))
        except Exception as error:  # an account without its dividends is told of, whatever it is
            logger.opt(exception=error).error("the feed could not be asked for ex-dates")
            self._in_vain(since, day, words(error))
        else:
            for action in sorted(found, key=lambda one: (one.day, one.symbol)):
                if kind_of(action.symbol) in _SHARES:
                    action = replace(action, tax=self._tax)
                self._tell(Distributed(self._clock.now(), action))
        finally:
            self._clock.hold(-1)

    def _in_vain(self, since: date, day: date, why: str) -> None:
        """Ask again in a minute, as long as nothing can trade."""
        again = self._clock.now() + MINUTE
        if again < at(day, OPENING):
            self._clock.call_at(again, lambda: self._spawn(since, day))
            return
        self._warn(
            f"the feed can't say what companies gave overnight ({why}): dividends and "
            f"bonus shares of {day} are not on the account"
        )
