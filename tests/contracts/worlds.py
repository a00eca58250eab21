"""The adapters, each in its world: the engine's side, the market's time, and the truth behind it.

- `PaperWorld`: the paper broker; its own books are the truth.
- `XtquantWorld`: XtquantBroker over the vendor's own xttrader.py over a simulated terminal.
- `RemoteWorld`: RemoteBroker → a wire that can be cut → a QMTServer in a process of its own, which
  can be killed → a bridge → a simulated terminal here, which outlives it, as QMT does. With
  `vendor` the server reaches its terminal through the vendor's own trader, as in real life.

The engine's side and the terminal share the test's process and nothing else: every byte between
them goes through the server's process.
"""

import asyncio
import importlib.util
from collections import Counter
from contextlib import suppress
from datetime import timedelta
from functools import partial
from itertools import count
from pathlib import Path

import msgspec
import pytest
from bridge import Bridge
from builders import FEES, a_quote, moment
from lives import Life
from moments import Moments
from serving import ACCOUNT, TOKEN, ServerProcess
from wires import Wire

from qka.brokers.client import AsyncQMTClient
from qka.brokers.link import TraderLink
from qka.brokers.paper import PaperBroker
from qka.brokers.remote import RemoteBroker
from qka.brokers.words import FIX_PRICE, STOCK_BUY, status_of
from qka.brokers.xtquant import XtquantBroker
from qka.clock import ManualClock
from qka.engine.ledger import Ledger
from qka.engine.sessions import Sessions
from qka.errors import BrokerUnavailable
from qka.model.money import to_cents
from qka.model.order import FINAL, Order, OrderStatus, Side
from qka.model.times import SECOND, at, day_of
from qka.terminal.books import Opening
from qka.terminal.faults import Faults
from qka.terminal.install import Installed
from qka.terminal.terminal import SimTerminal

HELD, BOUGHT = "000001.SZ", "600000.SH"  # held since yesterday; not held
CASH = 100_000_000  # cents
SHARES = {HELD: 10_000}
WITHIN = 20.0  # seconds that anything may take on a busy machine
TAKEN_WITHIN = 1.0  # seconds after which the server takes an order no more
# what an order can be that is not at the terminal; EXPIRED: nobody knew, and then the day ended
_ABSENT = (OrderStatus.REJECTED, OrderStatus.UNKNOWN, OrderStatus.EXPIRED)
_UNDER_WAY = (OrderStatus.SUBMITTING, OrderStatus.SUBMITTED)
_KNOWN = FINAL | {OrderStatus.ACCEPTED, OrderStatus.UNKNOWN}


class Placed(msgspec.Struct, frozen=True):
    """An order as the truth has it."""

    id: str
    symbol: str
    side: Side
    quantity: int
    status: OrderStatus
    filled: int
    turnover: int  # cents
    fees: int  # cents
    number: str


class Truth(msgspec.Struct, frozen=True):
    """What is so of the account, whatever the engine was told; money in cents."""

    orders: tuple[Placed, ...]
    cash: int
    shares: dict[str, int]
    deals: Counter | None  # (order id, price, shares) -> how many; None: no list of them
    problems: tuple[str, ...] = ()  # of the books themselves


class World:
    """One adapter. The market is at 10.00 when it begins; `quote` moves it on by three seconds."""

    name = ""
    has_terminal = True  # that others may use too, and a link that can fail

    def __init__(
        self, folder: Path, *, latency: float = 0.0, cash: int = CASH, patience: float = 5.0
    ) -> None:
        self.folder = folder
        self.latency = latency
        self.patience = patience  # seconds a client looks for its server
        self.cash = cash
        self.clock = ManualClock(moment("10:00"))
        self.intents: dict[str, Order] = {}  # everything that was ever given to a broker
        self.life: Life | None = None
        self.ticking = False  # time passes while one waits
        self._names = (f"o{number}" for number in count(1))

    async def open(self):
        return await insisting(self.live)

    async def close(self):
        await self.life.close()

    # ------------------------------------------------------------ lives

    async def live(self):
        """A new engine, on what the earlier ones have written down."""
        held = {symbol: (shares, 0) for symbol, shares in SHARES.items()}
        alerts = []
        ledger = Ledger(self.clock, FEES, self.cash, held, publish=alerts.append)
        life = Life(self.folder, self.clock, ledger)
        life.alerts = alerts
        try:
            identity = await life.begin(self.make_broker())
        except BaseException:
            life.dead = True
            await life.close()
            raise
        self.life = life
        Sessions(self.clock, life.on_phase, lambda day: day.weekday() < 5, print).start()
        return identity

    def make_broker(self):
        raise NotImplementedError

    # ------------------------------------------------------------ what a test does

    @property
    def broker(self):
        return self.life.broker

    @property
    def ledger(self):
        return self.life.ledger

    def order(self, order_id="o1") -> Order:
        return self.ledger.order(order_id)

    def submit(self, quantity=1000, price=10.0, *, side=Side.BUY, symbol="", **changes) -> str:
        """Send an order, its id by number unless told; returns the id."""
        symbol = symbol or (BOUGHT if side is Side.BUY else HELD)
        order_id = changes.pop("id", "") or next(self._names)
        time = self.clock.now()
        order = Order(order_id, symbol, side, quantity, price, time=time, signal=1, **changes)
        self.intents[order_id] = order
        self.life.submit(order)
        return order_id

    def cancel(self, order_id="o1"):
        return self.life.cancel(order_id)

    def cancel_all(self) -> int:
        """Ask for the cancel of what works, again if it was refused; how many are left."""
        left = [o for o in self.ledger.working() if o.status is not OrderStatus.UNKNOWN]
        for order in left:
            self.life.cancel(order.id)
        return len(left)

    async def snapshot(self):
        """The account as the broker has it."""
        return await insisting(lambda: self.broker.snapshot())

    def quote(self, last=10.0, symbol="", **changes):
        """Three seconds later somebody offers 1,000 shares on each of five levels, new ones."""
        self.pass_time(3.0)
        now = self.clock.now()
        changes.setdefault("volume", (now - at(day_of(now), "09:00")) // SECOND * 1_000)
        for each in [symbol] if symbol else [BOUGHT, HELD]:
            self.hear_quote(a_quote(last, symbol=each, time=self.clock.now(), **changes))

    def hear_quote(self, quote):
        raise NotImplementedError

    def pass_time(self, seconds: float):
        self.go_to(self.clock.now() + int(seconds * SECOND))

    def go_to(self, when: int):
        self.clock.advance(to=when)

    def day_ends(self):
        """Past the moment at which orders are no more."""
        self.go_to(at(day_of(self.clock.now()), "15:36"))

    def next_day(self):
        """Ten in the morning of the next trading day; the market is at 10.00 again."""
        day = day_of(self.clock.now()) + timedelta(days=1)
        self.go_to(at(day, "10:00"))
        self.quote()

    def breathe(self):
        """Whatever is due by now happens."""
        if self.ticking:
            self.pass_time(0.05)

    async def until(self, condition, within: float = WITHIN):
        """Wait until it holds and return what it gave."""
        async with asyncio.timeout(within):
            while True:
                self.breathe()
                if found := condition():
                    return found
                await asyncio.sleep(0.002)

    async def is_status(self, status: OrderStatus, order_id="o1") -> Order:
        try:
            await self.until(lambda: self.order(order_id).status is status)
        except TimeoutError:
            there = self.order(order_id)
            raise AssertionError(f"{there} is not {status}: {self.life.kinds(order_id)}") from None
        return self.order(order_id)

    async def is_kind(self, kind, order_id="o1"):
        return await self.until(lambda: self.life.of(kind, order_id))

    async def is_answered(self):
        """Until every order has had its first report."""
        await self.until(lambda: self.life.dead or not self.life.under_way())

    async def works(self, price=9.5, **wish) -> str:
        """Send orders until one is accepted; those before it were not sent. The id of that one."""
        for _ in range(1000):
            name = self.submit(100, price, **wish)
            await self.until(lambda name=name: self.order(name).status in _KNOWN)
            if self.order(name).status is OrderStatus.ACCEPTED:
                return name
            await asyncio.sleep(0.01)  # it is being mended
        raise AssertionError(f"no order is accepted: {self.order(name)}")

    async def is_settled(self, order_id):
        """Until it is clear whether the order is at the exchange."""
        await self.until(lambda: self.order(order_id).status not in _UNDER_WAY)

    async def is_true(self):
        """Until the engine's books are the truth; says what is not when they don't become it."""
        try:
            await self.until(lambda: not self.problems())
        except TimeoutError:
            raise AssertionError("\n".join(self.problems())) from None

    # ------------------------------------------------------------ the promises

    def truth(self) -> Truth:
        raise NotImplementedError

    def problems(self) -> list[str]:
        """Where the engine's books are not the truth, and which promise of the port is broken."""
        truth, life, found = self.truth(), self.life, []
        found += truth.problems
        there = {}
        for placed in truth.orders:
            wanted = self.intents.get(placed.id)
            if placed.id in there:
                found.append(
                    f"{placed.id} was sent twice: numbers {there[placed.id].number}, "
                    f"{placed.number}"
                )
            there[placed.id] = placed
            if wanted is None:
                found.append(f"{placed.id!r} is there and nobody sent it")
            elif (placed.symbol, placed.side, placed.quantity) != (
                wanted.symbol,
                wanted.side,
                wanted.quantity,
            ):
                found.append(f"{placed} is not what was sent: {wanted}")
        if set(life.ledger.orders) != set(self.intents):
            lost = set(self.intents) - set(life.ledger.orders)
            found.append(
                f"the engine forgot {lost or 'nothing'}, and knows of "
                f"{set(life.ledger.orders) - set(self.intents) or 'no others'}"
            )
        for order_id in self.intents:
            found += self._problems_of(order_id, there.get(order_id))
        found += [f"told twice: {fill}" for fill in life.twice]
        found += self._wrong_money(truth)
        return found + [alert.message for alert in life.alerts]

    def story(self) -> str:
        """The last that was heard and written, for whoever looks for what went wrong."""
        heard = [str(event) for event in self.life.heard[-30:]]
        logs = [
            line
            for log in sorted(self.folder.glob("server-*.log"))
            for line in [log.name, *log.read_text().splitlines()[-20:]]
        ]
        return "\n".join(["heard last:", *heard, *logs])

    def _problems_of(self, order_id, placed):
        order = self.ledger.order(order_id)
        if order is None:
            return []
        if placed is None:
            fits = order.status in _ABSENT and not order.filled
            return [] if fits else [f"{order_id} is {order.status} and is not there: {order}"]
        found = []
        allowed = {placed.status}
        if placed.status in (OrderStatus.CANCELLED, OrderStatus.REJECTED):
            allowed.add(OrderStatus.EXPIRED)  # the day ended; it may have got there after the close
        if order.status not in allowed:
            found.append(f"{order_id} is {placed.status}, the ledger has {order.status}: {order}")
        ours = (order.filled, to_cents(order.turnover), to_cents(order.fees))
        if ours != (placed.filled, placed.turnover, placed.fees):
            theirs = placed.filled, placed.turnover, placed.fees
            found.append(f"{order_id} filled, turnover, fees: {theirs}, the ledger has {ours}")
        if order.broker_id and order.broker_id != placed.number:
            found.append(f"{order_id} is number {placed.number}, not {order.broker_id}")
        if order.status not in FINAL and not order.broker_id:
            found.append(f"{order_id} works and has no number")
        return found

    def _wrong_money(self, truth):
        ledger, found = self.ledger, []
        if truth.deals is not None:
            booked = Counter((f.order_id, f.price, f.quantity) for f in self.life.fills.values())
            if booked != truth.deals:
                missing, more = dict(truth.deals - booked), dict(booked - truth.deals)
                found.append(f"deals: missing {missing}, too many {more}")
        cash = to_cents(ledger.asset.cash)
        if cash != truth.cash:
            found.append(f"cash is {truth.cash}, the ledger has {cash} cents")
        shares = {p.symbol: p.quantity for p in ledger.positions()}
        if shares != truth.shares:
            found.append(f"shares are {truth.shares}, the ledger has {shares}")
        if not any(ledger.working()) and ledger.asset.frozen:
            found.append(f"nothing works, and {ledger.asset.frozen} CNY are frozen")
        return found


class PaperWorld(World):
    """Everything in one."""

    name = "paper"
    has_terminal = False

    def make_broker(self):
        self.known = {}
        return PaperBroker(self.clock, FEES, ACCOUNT, self.cash, SHARES, latency=self.latency)

    async def open(self):
        identity = await super().open()
        Sessions(self.clock, self._on_phase, lambda day: day.weekday() < 5, print).start()
        self.quote()
        return identity

    def _on_phase(self, event):
        self.orders()  # those of the day that ends are not in its books any more
        self.broker.on_phase(event)

    def hear_quote(self, quote):
        self.broker.on_quote(quote)

    def breathe(self):
        self.clock.advance(by=self.latency)

    def orders(self):
        """Every order the broker ever had, as it stands."""
        self.known |= {order.id: order for order in self.broker.books().orders}
        return self.known.values()

    def truth(self):
        books = self.broker.books()
        orders = tuple(
            Placed(
                o.id,
                o.symbol,
                o.side,
                o.quantity,
                o.status,
                o.filled,
                to_cents(o.turnover),
                to_cents(o.fees),
                o.broker_id,
            )
            for o in self.orders()
        )
        shares = {p.symbol: p.quantity for p in books.positions}
        return Truth(orders, to_cents(books.asset.cash), shares, None)


class TerminalWorld(World):
    """A simulated terminal, with its faults; `moments` of what passes on the way to it."""

    def __init__(self, folder: Path, *, faults: Faults | None = None, **options) -> None:
        super().__init__(folder, **options)
        self.faults = faults or Faults()
        self.moments = Moments()
        opening = Opening(account_id=ACCOUNT, cash=self.cash, positions=SHARES)
        self.terminal = SimTerminal(
            ManualClock(moment("10:00")), [opening], fees=FEES, faults=self.faults,
            latency=self.latency, id_cooldown=0.0,
        )  # fmt: skip
        self.quote()

    async def open(self):
        identity = await super().open()
        await self.until(lambda: self.life.up)
        return identity

    async def close(self):
        await super().close()
        self.terminal.close()

    def hear_quote(self, quote):
        self.terminal.quote(quote)

    def go_to(self, when):
        self.terminal.advance(to=when)
        self.clock.advance(to=when)

    async def is_up(self):
        await self.until(lambda: self.life.up)

    async def is_back(self, since: int):
        """Until the link that had told so many states broke and is there again."""
        links = self.life.links
        await self.until(lambda: False in links[since:] and links[-1])

    def by_hand(self, quantity: int, price: float) -> str:
        """Somebody buys on the terminal's screen; the order's id with us, "" if it was refused."""
        number = self.terminal.order(ACCOUNT, BOUGHT, STOCK_BUY, quantity, FIX_PRICE, price)
        if number <= 0:
            return ""
        order_id = _name("", day_of(self.clock.now()), number)
        self.intents[order_id] = Order(order_id, BOUGHT, Side.BUY, quantity, price)
        return order_id

    def truth(self):
        books = self.terminal.books(ACCOUNT)
        problems = books.problems()
        problems += [
            f"number {order.order_id} was sent without a name"
            for order in books.orders
            if order.session and not order.remark
        ]
        orders = tuple(
            Placed(
                _name(o.remark, o.day, o.order_id), o.symbol, o.side, o.quantity,
                status_of(o.status), o.filled, o.turnover, o.fees, str(o.order_id),
            )
            for o in books.orders
        )  # fmt: skip
        deals = Counter(
            (_name(deal.remark, deal.day, deal.order_id), deal.price, deal.quantity)
            for deal in books.deals
        )
        return Truth(orders, books.cash, books.shares, deals, tuple(problems))


def _name(remark, day, number):
    """What the engine calls an order: by its remark, or by the terminal's number."""
    return remark or f"x{day:%y%m%d}-{number}"


class XtquantWorld(TerminalWorld):
    """The vendor's own Python in between; its terminal is in `installed`, which may be shared."""

    name = "xtquant"
    _numbers = count(1)

    def __init__(self, folder: Path, *, installed: Installed | None = None, **options) -> None:
        need_vendor()
        super().__init__(folder, **options)
        self._own = None if installed else Installed()
        installed = installed or self._own
        number = next(self._numbers)
        self._path = f"C:/QMT/{number}/userdata_mini"
        installed.add(self.terminal, self._path, 20_000 + number)
        if self._own:
            self._own.put()

    async def close(self):
        await super().close()
        if self._own:
            self._own.uninstall()

    def make_broker(self):
        link = TraderLink(
            self._path, ACCOUNT, deadline=0.3, probe=0.2, pause=0.01, patience=0.02,
            sessions=range(1, 500),
        )  # fmt: skip
        link._pool._folder = self.folder
        return XtquantBroker(link, self.clock, FEES)

    async def kill_engine(self):
        """It dies between two lines of its loop."""
        self.life.die()
        await self.life.close()


class RemoteWorld(TerminalWorld):
    """The server in a process of its own; see above."""

    name = "remote"

    def __init__(
        self,
        folder: Path,
        *,
        vendor: bool = False,
        lease: float | None = None,
        deadline: float = 0.3,
        within: float = TAKEN_WITHIN,
        **options,
    ) -> None:
        if vendor:
            need_vendor()
        super().__init__(folder, **options)
        self.vendor = vendor
        self.lease = lease
        self.deadline = deadline  # of each of the server's calls
        self.within = within
        self.bridge = Bridge(self.terminal, self.moments)
        self.bridge.reports = self._report
        self.wire: Wire | None = None  # of the engine that lives
        self.late = []  # what engines have sent that is still on its way
        self.server: ServerProcess | None = None
        self._servers = count(1)
        self._killed = False
        self._ports = {}  # number of a server -> its port

    async def open(self):
        await self.bridge.open()
        await self.serve()
        return await super().open()

    async def close(self):
        await super().close()
        await self.wire.close()
        self.kill_server()
        self.server.bury()
        await self.bridge.close()

    # ------------------------------------------------------------ the server

    async def serve(self):
        """Start the server; it is up when this returns."""
        number = next(self._servers)
        self.server = ServerProcess(
            self.bridge.address, self.folder, vendor=self.vendor, number=number,
            deadline=self.deadline,
        )  # fmt: skip
        self._killed = False
        await self.until(lambda: number in self._ports)
        if self.wire is not None:
            self.wire.port = self._ports[number]

    def _report(self, frame):
        self._ports[frame["number"]] = frame["serving"]

    @property
    def port(self):
        """Of the server that lives, None without one."""
        return self._ports[max(self._ports)] if self.serves else None

    @property
    def serves(self):
        """Whether the server lives, and nobody has killed it."""
        return not self._killed and self.server.lives

    def kill_server(self):
        """SIGKILL, now."""
        self._killed = True
        self.server.kill()
        if self.wire is not None:
            self.wire.port = None

    async def revive_server(self):
        """A new process on what the dead one left on the disk."""
        self.server.bury()
        await self.serve()

    def story(self):
        passed = [f"{direction}: {payload!r}" for direction, payload in self.wire.passed]
        return "\n".join([super().story(), "on the wire last:", *passed])

    # ------------------------------------------------------------ the engine

    async def live(self):
        await self.wire_up()
        try:
            return await super().live()
        except BaseException:
            await self.wire.close()
            raise

    async def jam(self, how_many: int) -> list[str]:
        """Orders at the server: of the first the call does not return, the others wait for it."""
        self.bridge.jam()
        await self.until(lambda: self.bridge.jammed)
        stuck, left = self.bridge.stuck, self.moments.reached["order left"]
        names = [self.submit(price=9.9)]
        await self.until(lambda: self.bridge.stuck > stuck)
        names += [self.submit(price=9.9) for _ in range(how_many - 1)]
        await self.until(lambda: self.moments.reached["order left"] == left + how_many)
        return names

    async def wire_up(self):
        """A wire of its own for the next engine."""
        self.wire = Wire(self.moments, self.late)
        self.wire.port = self.port
        await self.wire.open()

    def make_broker(self):
        return remote_broker(self.wire.url, self.clock, self.patience, self.lease, self.within)

    def kill_engine_now(self):
        """It dies between two lines of its loop: from here on nothing of it gets out."""
        self.wire.die()
        self.life.die()

    async def kill_engine(self):
        if not self.life.dead:
            self.kill_engine_now()
        await self.life.close()
        await self.wire.close()


ADAPTERS = {
    "paper": PaperWorld,
    "xtquant": XtquantWorld,
    "remote": RemoteWorld,
    "remote-vendor": partial(RemoteWorld, vendor=True),
}
WITH_TERMINAL = ("xtquant", "remote", "remote-vendor")
WITH_SERVER = ("remote", "remote-vendor")


class EngineWorld(World):
    """Only the engine's side of a `RemoteWorld`, for a process of its own."""

    def __init__(self, folder: Path, url: str, **options) -> None:
        super().__init__(folder, **options)
        self._url = url
        self._names = (f"p{number}" for number in count(1))

    async def open(self):
        identity = await super().open()
        await self.until(lambda: self.life.up)
        return identity

    def make_broker(self):
        return remote_broker(self._url, self.clock, self.patience)


def remote_broker(url, clock, patience, lease=None, within=TAKEN_WITHIN):
    """A broker on a client that does not wait for long."""
    client = AsyncQMTClient(
        url, TOKEN, account=ACCOUNT, client="engine", timeout=0.6, patience=patience,
        heartbeat=0.5, lease=lease,
    )  # fmt: skip
    return RemoteBroker(client, clock, FEES, within=within)


async def insisting(call):
    """What it gives; on a busy machine the other side may have to be asked more than once."""
    for _ in range(20):
        with suppress(BrokerUnavailable):
            return await call()
    return await call()


def need_vendor():
    """Skip where the vendor's Python is not installed."""
    if importlib.util.find_spec("xtquant") is None:
        pytest.skip("the vendor's own Python is needed: pip install xtquant (any system)")
