"""Plays schedules, lets the dust settle, and then wants the engine's books to be the truth.

What must hold, whatever happened: each order is at the terminal once at most, under its own name
and as it was sent; one that is there has its true status, number, fills and fees in the ledger;
one that is not there is rejected, or unknown where nobody could ever tell; each fill was told once;
the ledger's cash and shares are the truth's to the cent. And life goes on: a new order is accepted,
fills, and every order that works can be cancelled.
"""

import asyncio
import tempfile
from pathlib import Path

from schedules import Schedule, Step
from serving import ACCOUNT
from worlds import BOUGHT, TAKEN_WITHIN, PaperWorld, RemoteWorld, World, XtquantWorld, insisting

from qka.model.events import Fill
from qka.model.money import to_cents
from qka.model.order import OrderStatus, OrderType, Side
from qka.terminal.faults import Faults
from qka.terminal.install import Installed

AT_ONCE = 12  # schedules played side by side: most of the time each waits for something


async def play_all(schedules, at_once: int = AT_ONCE) -> list[str]:
    """Play them side by side; what went wrong, in words, for each that failed."""
    room, failures = asyncio.Semaphore(at_once), []
    installed = Installed() if any(each.kind == "xtquant" for each in schedules) else None
    if installed is not None:
        installed.put()

    async def one(schedule):
        async with room:
            try:
                await play(schedule, installed)
            except Exception as error:
                failures.append(_told(schedule, error))

    try:
        await asyncio.gather(*(one(schedule) for schedule in schedules))
    finally:
        if installed is not None:
            installed.uninstall()
    return failures


async def play(schedule: Schedule, installed: Installed | None = None) -> None:
    """Play one; raises AssertionError, or whatever broke."""
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder:
        world = _world(schedule, Path(folder), installed)
        player = Player(world, schedule)
        try:
            await world.open()
            if world.has_terminal:
                world.faults.set(**schedule.rates)
            for step in schedule.steps:
                player.now = step
                await player.mend()
                await getattr(player, step.what)(**step.args)
            player.now = "the end"
            await player.heal()
            await world.is_true()
            await player.goes_on()
        except BaseException as error:
            error.add_note(f"at {player.now}, lives {player.lives}")
            error.add_note(world.story())
            raise
        finally:
            await world.close()


def _world(schedule, folder, installed) -> World:
    options = dict(schedule.options)
    if schedule.kind == "paper":
        return PaperWorld(folder, **options)
    options["faults"] = Faults(schedule.seed)
    if schedule.kind == "xtquant":
        return XtquantWorld(folder, installed=installed, **options)
    return RemoteWorld(folder, vendor=schedule.kind == "vendor", **options)


class Player:
    """Does what the steps say. A method a step."""

    def __init__(self, world: World, schedule: Schedule) -> None:
        self.world = world
        self.schedule = schedule
        self.now: Step | str = "the beginning"
        self.lives = 1
        self.sent = 0.0  # when the last order was, in the loop's seconds
        self.server_stays_down = False
        self.blocked: set[str] = set()  # what keeps a new engine from connecting

    # ------------------------------------------------------------ the dead and the living

    async def mend(self):
        """Whoever was killed is there again, as far as nothing stands in the way."""
        await insisting(self._mend)  # it may be killed once more

    async def _mend(self):
        world = self.world
        if isinstance(world, RemoteWorld) and not world.serves and not self.server_stays_down:
            await world.revive_server()
        if world.life.dead and not self.blocked and not self.server_stays_down:
            await world.kill_engine()  # what is left of it
            await world.live()
            self.lives += 1

    def _somebody_is_dead(self):
        return self.world.life.dead or not getattr(self.world, "serves", True)

    # ------------------------------------------------------------ an ordinary day

    async def order(self, side, symbol, quantity, price):
        if not self.world.life.dead:
            kind = OrderType.LIMIT if price else OrderType.MARKET
            worst = price or (10.9 if side == "buy" else 9.1)
            self.sent = asyncio.get_running_loop().time()
            self.world.submit(quantity, worst, side=Side(side), symbol=symbol, type=kind)

    async def quote(self, symbol, last, lots):
        self.world.quote(last, symbol, ask_lots=[lots] * 5, bid_lots=[lots] * 5)

    async def cancel(self, nth):
        """Mostly of one that works."""
        world = self.world
        if world.life.dead:
            return
        works = [] if nth % 10 == 0 else [order.id for order in world.ledger.working()]
        names = works or list(world.ledger.orders)
        if names:
            world.cancel(names[nth % len(names)])

    async def recall(self):
        """A halt."""
        if not self.world.life.dead:
            self.world.broker.recall()

    async def wait(self):
        await self.world.is_answered()

    async def settle(self):
        """Until the link is up again, if nothing holds it down, and all orders are answered."""
        world = self.world
        await world.is_answered()
        if world.has_terminal and not self.blocked and not self.server_stays_down:
            await world.until(lambda: world.life.up or self._somebody_is_dead())

    async def tomorrow(self):
        """The day ends in peace: every order of it is over, and the next one begins."""
        world = self.world
        await self.heal()
        await self._lands()
        await world.is_true()
        world.day_ends()
        if world.truth().orders:  # an empty list proves nothing of an order that nobody knows
            await self._comes(lambda: not list(world.ledger.working()))
        await world.is_true()
        world.next_day()
        world.ticking = False
        if world.has_terminal:
            world.faults.set(**self.schedule.rates)

    async def _lands(self):
        """No order is on its way over night: it is there, or its deadline has passed."""
        if isinstance(self.world, RemoteWorld):
            loop, landed = asyncio.get_running_loop(), self.sent + TAKEN_WITHIN + 0.5
            await self.world.until(lambda: loop.time() > landed)

    # ------------------------------------------------------------ at the terminal

    async def hang(self, calls):
        self.blocked.add("hang")
        self.world.terminal.hang(*calls)

    async def resume(self):
        self.blocked.discard("hang")
        self.world.terminal.resume()

    async def stop(self, silent):
        self.blocked.add("stop")
        self.world.terminal.stop(silent=silent)

    async def start(self):
        self.blocked.discard("stop")
        self.world.terminal.start()

    async def restart(self, silent):
        self.world.terminal.restart(silent=silent)

    async def disconnect(self, silent):
        self.world.terminal.disconnect(silent=silent)

    async def logout(self):
        self.blocked.add("logout")
        self.world.terminal.set_account_status(ACCOUNT, 2)

    async def login(self):
        self.blocked.discard("logout")
        self.world.terminal.set_account_status(ACCOUNT, 0)

    async def jam(self):
        self.world.bridge.jam()

    async def unjam(self):
        self.world.bridge.jam(False)

    async def flush(self):
        self.world.terminal.flush()

    async def order_by_hand(self, nth):
        self.world.by_hand(100 + 100 * (nth % 9), 10.01)

    async def cancel_by_hand(self, nth):
        works = [o.order_id for o in self.world.terminal.orders(ACCOUNT, cancelable_only=True)]
        if works:
            self.world.terminal.cancel(ACCOUNT, works[nth % len(works)])

    # ------------------------------------------------------------ on the wire

    async def cut(self):
        self.world.wire.cut()

    async def stall(self):
        self.blocked.add("stall")
        self.world.wire.stall()

    async def flow(self):
        self.blocked.discard("stall")
        self.world.wire.flow()

    async def arrive(self):
        self.world.wire.arrive()

    async def next(self, fault, direction, about):
        self.world.wire.next(fault, direction, about)

    # ------------------------------------------------------------ death

    async def kill(self, who, moment):
        world = self.world
        if moment:
            world.moments.plan(moment, self._kill_server if who == "server" else self._kill_engine)
        elif who == "server":
            self._kill_server()
        elif not world.life.dead:
            await world.kill_engine()

    def _kill_server(self):
        self.world.kill_server()

    def _kill_engine(self):
        if not self.world.life.dead:
            self.world.kill_engine_now()

    async def leave_down(self):
        self.server_stays_down = True
        self.world.kill_server()

    async def serve(self):
        self.server_stays_down = False

    # ------------------------------------------------------------ the end

    async def heal(self):
        """Nothing goes wrong any more, what was held back comes, and everybody lives."""
        world = self.world
        self.server_stays_down = False
        self.blocked.clear()
        if world.has_terminal:
            world.faults.off()
            world.terminal.resume()
            world.terminal.start()
            world.terminal.set_account_status(ACCOUNT, 0)
            world.moments.forget()
        if isinstance(world, RemoteWorld):
            world.wire.heal()
            world.bridge.jam(False)
        world.ticking = world.latency > 0
        await self.mend()
        await world.is_answered()
        if world.has_terminal:
            await world.is_up()
            await self._arrives()
            world.terminal.flush()
            world.broker.missed()  # what a silent half minute would make it do

    async def _arrives(self):
        """What is late comes when the server was asked for it, or when nobody asks."""
        world = self.world
        if isinstance(world, RemoteWorld) and world.late:
            unknown = OrderStatus.UNKNOWN
            await world.until(
                lambda: (
                    not world.late or all(o.status is not unknown for o in world.ledger.working())
                )
            )
            world.wire.arrive()

    async def goes_on(self):
        """An ordinary end of an ordinary day."""
        world = self.world
        name = await world.works(9.2, side=Side.BUY, symbol=BOUGHT)
        world.quote(10.0)  # its cage decides what may be bid
        buys = await world.works(10.15, side=Side.BUY, symbol=BOUGHT)
        world.quote(10.0, ask_lots=[10_000] * 5)
        await self._comes(lambda: world.order(buys).status is OrderStatus.FILLED)
        assert world.life.of(Fill, buys)
        await self._comes(lambda: not world.cancel_all())
        assert world.order(name).status is OrderStatus.CANCELLED
        await world.is_true()
        snapshot = await world.snapshot()
        if world.has_terminal:
            books = world.terminal.books(ACCOUNT)
            shares = {position.symbol: position.quantity for position in snapshot.positions}
            assert (to_cents(snapshot.asset.cash), shares) == (books.cash, books.shares)

    async def _comes(self, condition):
        try:
            await self.world.until(condition)
        except TimeoutError:
            told = [str(order) for order in self.world.ledger.working()]
            raise AssertionError("\n".join(["it does not go on:", *told])) from None


def _told(schedule, error) -> str:
    steps = "\n".join(f"  {step}" for step in schedule.steps)
    notes = "\n".join(getattr(error, "__notes__", ()))
    return (
        f"schedule {schedule.name} {schedule.options} {schedule.rates}\n{steps}\n"
        f"{type(error).__name__}: {error}\n{notes}\n"
        f"once more: pytest tests/contracts/test_campaign.py --schedule {schedule.name}\n"
    )
