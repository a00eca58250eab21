"""`qka run` and `qka check`."""

import asyncio
import contextlib
import signal
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from types import FrameType
from typing import Annotated, Any

import typer
from loguru import logger
from rich.cells import set_cell_size

from qka.cli import screen
from qka.errors import STANDING, EngineFault, QkaError, StopNow
from qka.language import say
from qka.phrases import retold
from qka.secrets import mask

Config = Annotated[Path, typer.Argument(help="YAML file, such as config/paper.yaml")]
Set = Annotated[
    list[str] | None,
    typer.Option("--set", help="Set any key: --set risk.position_ratio=0.2 (repeatable)"),
]
Live = Annotated[
    bool, typer.Option("--live", help="Needed for a broker that trades real money; else refused")
]


def run(config: Config, set_: Set = None, live: Live = False) -> None:
    """Run the strategies of a config until its feed ends, or Ctrl-C.

    \b
    Examples:
      qka run config/paper.yaml
      qka run config/paper.yaml --set feed.seed=7 --set account.cash=500000
      qka run config/replay.yaml --set feed.path=my/ticks
    """  # \b is click's mark for text that keeps its lines
    from qka import logs  # late: --help and --version must be quick
    from qka.app import Engine

    engine = Engine.from_config(config, overrides=set_ or (), live=live)
    logs.setup(engine.settings.log.level, None)
    try:
        error, stopped_by = asyncio.run(_run(engine))
    except KeyboardInterrupt:
        logs.flush()
        words = say("stopped at once; orders already sent keep working, see {run}").format(
            run=engine.folder
        )
        typer.echo(f"qka: {words}", err=True)
        raise typer.Exit(130) from None
    screen.show(engine.summary(), engine.tally.alerts)
    if error is not None:
        typer.echo(mask(f"qka: {retold(str(error))}"), err=True)
    raise typer.Exit(_code(engine, error, stopped_by))


def check(config: Config, set_: Set = None, live: Live = False) -> None:
    """Check a config: import its strategies, open its data, build everything, send nothing."""
    from qka import logs
    from qka.app import Engine
    from qka.feeds.replay import ReplayFeed

    engine = Engine.from_config(config, overrides=set_ or (), live=live)
    logs.setup(engine.settings.log.level, None)
    symbols = asyncio.run(engine.check())
    chosen = engine.settings
    names = ", ".join(strategy.name for strategy in engine.strategies)
    typer.echo(say("{config} is fine; nothing was started or sent.").format(config=config))
    if chosen.broker.kind == "paper":
        money = say(", {cash:,} CNY at first").format(cash=chosen.account.cash)
    else:
        money = say(", with what the broker has")
    feed = engine.feed
    count = say("{count} symbols").format(count=len(symbols))
    what = feed.describe() if isinstance(feed, ReplayFeed) else count
    for heading, words in (
        (say("account"), mask(chosen.account.id) + money),
        (say("feed"), say("{kind}, {what}").format(kind=chosen.feed.kind, what=what)),
        (say("broker"), chosen.broker.kind),
        (say("strategies"), names),
    ):
        typer.echo(f"  {set_cell_size(heading, 12)}{words}")
    options = "".join(f" --set {each}" for each in set_ or ()) + (" --live" if live else "")
    command = f"qka run {config}{options}"
    typer.echo(say("Run it with: {command}").format(command=command))


async def _run(engine: Any) -> tuple[QkaError | None, int]:
    """Run with a progress bar; returns what went wrong and the signal that stopped it, or 0."""
    error: QkaError | None = None
    engine.begun = partial(screen.announce, engine)  # before a fast feed is half through
    with _signals(engine) as seen:
        async with engine:
            bar = asyncio.create_task(screen.progress(engine))
            try:
                await engine.wait()
            except QkaError as raised:
                error = raised
            except Exception as raised:
                logger.exception("the run broke off")
                error = EngineFault(
                    f"the run broke off: {type(raised).__name__}: {raised}; "
                    f"{engine.folder / 'log.jsonl'} has the traceback"
                )
            finally:
                bar.cancel()
                await asyncio.wait([bar])
    return error, seen[0] if seen else 0


def _code(engine: Any, error: QkaError | None, stopped_by: int) -> int:
    """The exit code of a run that has ended."""
    if isinstance(error, STANDING):
        return 2
    if error is not None or engine.faults:
        return 1
    if stopped_by:
        return 128 + stopped_by
    return 3 if engine.halted else 0


@contextlib.contextmanager
def _signals(engine: Any) -> Iterator[list[int]]:
    """The first Ctrl-C (or request to terminate) stops cleanly, the second one at once."""
    seen: list[int] = []
    loop = asyncio.get_running_loop()

    def stop(number: int, frame: FrameType | None) -> None:
        seen.append(number)
        if len(seen) > 1:
            raise StopNow
        typer.echo(say("\nqka: stopping; press Ctrl-C again to stop at once"), err=True)
        loop.call_soon_threadsafe(engine.request_stop)

    names = ("SIGINT", "SIGTERM", "SIGBREAK")  # the last one is Windows' own
    numbers = [getattr(signal, name) for name in names if hasattr(signal, name)]
    before = [signal.signal(number, stop) for number in numbers]
    try:
        yield seen
    finally:
        for number, handler in zip(numbers, before, strict=True):
            signal.signal(number, handler)
