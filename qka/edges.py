"""What differs between paper, replay and live: the clock, the feed and the broker.

Adapters to the outside are imported when a config names them and not before.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from qka import settings
from qka.ashare.fees import FeeSchedule
from qka.brokers.paper import PaperBroker
from qka.brokers.port import Broker
from qka.clock import Clock, ReplayClock, WallClock
from qka.engine.strategy import Strategy
from qka.errors import ConfigError
from qka.feeds.port import Feed
from qka.feeds.replay import ReplayFeed
from qka.feeds.simulated import SimulatedFeed
from qka.model.money import to_cents
from qka.model.times import since_midnight
from qka.settings import Settings

if TYPE_CHECKING:
    from qka.brokers.channel import Hello
    from qka.brokers.client import AsyncQMTClient


@dataclass(frozen=True)
class Edges:
    """Everything of a running engine that is not the same in every mode."""

    clock: Clock
    feed: Feed
    broker: Broker
    fees: FeeSchedule
    # while it lasts nobody who connects is taken for an engine that trades
    looking: Callable[[], AbstractContextManager[None]] = nullcontext


def edges(chosen: Settings, strategies: Sequence[Strategy], root: Path) -> Edges:
    """The edges that a config names; nothing is opened yet. Raises ConfigError."""
    feed, broker = chosen.feed, chosen.broker
    fees = fees_of(chosen)
    if isinstance(feed, settings.SimulatedFeed | settings.ReplayFeed):
        if not isinstance(broker, settings.PaperBroker):
            raise ConfigError(
                f"broker.kind: {broker.kind} trades in the world's time and the {feed.kind} feed "
                "brings its own: use feed: {kind: xtdata} or {kind: remote}, or the paper broker"
            )
        if chosen.clock == "live":
            raise ConfigError(f"clock: a {feed.kind} feed brings its own time; leave clock at auto")
        clock = ReplayClock(
            speed=None if feed.speed == "max" else float(feed.speed),
            paced_from=since_midnight(feed.paced_from),
        )
        return Edges(clock, _past(feed, clock, root), paper(chosen, clock, fees), fees)
    if chosen.clock == "simulated":
        raise ConfigError(f"clock: a {feed.kind} feed lives in the world's time; leave it at auto")
    wall = WallClock()
    clients = _Clients(chosen, wall)
    return Edges(
        wall,
        _live_feed(feed, wall, clients, _warm(strategies)),
        _broker(chosen, wall, clients, fees),
        fees,
        clients.looking,
    )


def fees_of(chosen: Settings) -> FeeSchedule:
    """What the config says that its broker charges."""
    fees = chosen.broker.fees
    return FeeSchedule(fees.commission, fees.minimum, net=fees.net)


def _past(
    feed: settings.SimulatedFeed | settings.ReplayFeed, clock: ReplayClock, root: Path
) -> Feed:
    if isinstance(feed, settings.SimulatedFeed):
        return SimulatedFeed(
            clock, seed=feed.seed, day=feed.day, days=feed.days, symbols=feed.symbols
        )
    return ReplayFeed(
        _found(feed.path, root),
        clock,
        strict=feed.strict,
        volume=feed.volume,
        start=feed.start,
        end=feed.end,
        actions=None if feed.actions is None else _found(feed.actions, root),
    )


def _found(path: Path, root: Path) -> Path:
    """A path as it is given, or in the project."""
    given = path.expanduser()
    return given if given.exists() else root / given


def paper(chosen: Settings, clock: Clock, fees: FeeSchedule) -> PaperBroker:
    """The simulated account that a config names."""
    account = chosen.account
    broker = chosen.broker
    assert isinstance(broker, settings.PaperBroker)
    return PaperBroker(
        clock,
        fees,
        account.id,
        to_cents(account.cash),
        {symbol: held.quantity for symbol, held in account.positions.items()},
        latency=broker.latency,
        jitter=broker.jitter,
        seed=broker.seed,
        participation=broker.participation,
        queue=broker.queue,
        auction=broker.auction,
    )


def _warm(strategies: Sequence[Strategy]) -> dict[str, int]:
    """Period -> the most bars that a strategy wants before the first event."""
    warm: dict[str, int] = {}
    for strategy in strategies:
        for period in [strategy.bars] if isinstance(strategy.bars, str) else strategy.bars:
            warm[period] = max(warm.get(period, 0), strategy.warmup)
    return {period: count for period, count in warm.items() if count > 0}


class _Clients:
    """The connections to QMTServers: feed and broker share one where they name the same."""

    def __init__(self, chosen: Settings, clock: WallClock) -> None:
        self._chosen = chosen
        self._clock = clock
        self._made: dict[tuple[str, str], AsyncQMTClient] = {}

    def client(self, feed: settings.RemoteFeed | None = None) -> "AsyncQMTClient":
        """The client of a feed's server, or of the broker's: what a feed leaves out is its."""
        from qka.brokers.client import AsyncQMTClient

        broker, lease = self._chosen.broker, dict[str, Any]()
        if isinstance(broker, settings.RemoteBroker):
            lease = {"lease": broker.lease, "cancel_on_silence": broker.cancel_on_silence}
        way = settings.reach(broker, feed)
        if not way.url or not way.token:
            section = "broker" if isinstance(broker, settings.RemoteBroker) else "feed"
            missing = f"{section}.url: name the server" if not way.url else _no_token(section)
            raise ConfigError(missing)
        made = self._made.get((way.url, way.token))
        if made is None:
            made = self._made[way.url, way.token] = AsyncQMTClient(
                way.url,
                way.token,
                account=self._chosen.account.id,
                client=self._chosen.name or "qka",
                verify=way.verify,
                fingerprint=way.fingerprint,
                **lease,
            )
            made.listen(hello=self._on_hello)
        return made

    @contextmanager
    def looking(self) -> Iterator[None]:
        """No lease is taken meanwhile: an engine that trades with the same config keeps its own."""
        with ExitStack() as all_of_them:
            for made in self._made.values():
                all_of_them.enter_context(made.looking())
            yield

    def _on_hello(self, hello: "Hello") -> None:
        if hello.simulated:
            self._clock.follow(hello.now, hello.speed)


def _no_token(section: str) -> str:
    return (
        f"{section}.token: is missing; put QKA__{section.upper()}__TOKEN=... in .env (the server "
        "prints its token when it starts)"
    )


def _live_feed(
    feed: settings.XtdataFeed | settings.RemoteFeed,
    clock: WallClock,
    clients: _Clients,
    warm: Mapping[str, int],
) -> Feed:
    if isinstance(feed, settings.XtdataFeed):
        from qka.feeds.xtdata import XtdataFeed

        return XtdataFeed(clock, port=feed.port, warm=warm, silence=feed.silence)
    from qka.feeds.remote import RemoteFeed

    return RemoteFeed(clients.client(feed), clock, warm=warm, silence=feed.silence)


def _broker(chosen: Settings, clock: WallClock, clients: _Clients, fees: FeeSchedule) -> Broker:
    broker = chosen.broker
    if isinstance(broker, settings.PaperBroker):
        return paper(chosen, clock, fees)
    if isinstance(broker, settings.RemoteBroker):
        from qka.brokers.remote import RemoteBroker

        return RemoteBroker(clients.client(), clock, fees, only_simulated=broker.simulated)
    from qka.brokers.link import TraderLink
    from qka.brokers.xtquant import XtquantBroker

    link = TraderLink(
        str(broker.path), chosen.account.id, broker.account_type, deadline=broker.deadline
    )
    return XtquantBroker(link, clock, fees)
