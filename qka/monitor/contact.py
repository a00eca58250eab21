"""What an engine's run has to do with people elsewhere: its alerts and its sign of life."""

import asyncio
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from qka.monitor.digest import digest
from qka.monitor.pages import Pages
from qka.settings import Settings

if TYPE_CHECKING:
    from qka.monitor.alerts import Alerts
    from qka.monitor.heartbeat import Heartbeat


class Contact:
    """The alerts and the heartbeat of a run, each if there is one."""

    def __init__(
        self, alerts: "Alerts | None" = None, heartbeat: "Heartbeat | None" = None
    ) -> None:
        self.alerts = alerts
        self.heartbeat = heartbeat

    def start(self) -> None:
        """Begin to send. Call it on the loop."""
        if self.alerts is not None:
            self.alerts.start()
        if self.heartbeat is not None:
            self.heartbeat.start()

    def broke_off(self, error: Exception) -> None:
        """The run could not start, or did not come to its end."""
        if self.alerts is not None:
            self.alerts.tell("failed", str(error) or type(error).__name__)

    async def stop(self) -> None:
        """Let the last alerts leave, for a few seconds at most."""
        if self.heartbeat is not None:
            self.heartbeat.stop()
        if self.alerts is not None:
            await asyncio.to_thread(self.alerts.close)


def contact(
    chosen: Settings, engine: Any, summary: Callable[[], dict[str, Any]], *, send: bool
) -> Contact:
    """What the settings want of an engine, listening to it; `send`: where they don't say whether.

    Raises ConfigError for a target that is none.
    """
    told = chosen.alerts
    if not (send if told.send is None else told.send):
        return Contact()
    alerts, heartbeat = None, None
    if told.targets or told.rules:
        from qka.monitor.alerts import Alerts  # late: few runs need what it loads
        from qka.monitor.messages import Writer

        names = {strategy.name for strategy in engine.strategies}
        writer = Writer(chosen.name or "run", chosen.account.id, names)
        alerts = Alerts(told, writer, engine.clock.now, lambda: digest(summary()), Pages(engine))
        alerts.watch(engine)
    if told.heartbeat.url is not None:
        from qka.monitor.heartbeat import Heartbeat

        heartbeat = Heartbeat(told.heartbeat.url.get_secret_value(), told.heartbeat.every)
    return Contact(alerts, heartbeat)
