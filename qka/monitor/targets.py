"""Where alerts go: a thread each, so that one that is slow or away holds up nobody."""

import threading
from concurrent.futures import Future
from typing import Any

from loguru import logger
from tenacity import (
    RetryCallState,
    Retrying,
    retry_if_result,
    sleep_using_event,
    stop_after_attempt,
    stop_any,
    stop_when_event_set,
    wait_exponential,
)

from qka.errors import ConfigError
from qka.language import say
from qka.model.events import Severity
from qka.monitor.messages import Message
from qka.monitor.outbox import Outbox
from qka.secrets import mask

ROOM = 100  # messages that wait for one target
FIRST, LONGEST = 1.0, 60.0  # seconds between tries
TRIES = 6  # of a message
TRIES_OF_AN_ERROR = 60  # about an hour


class Target:
    """One address. Its thread begins with `start`; `finish` lets it send what waits and end."""

    def __init__(
        self, name: str, url: str, *, first: float = FIRST, longest: float = LONGEST
    ) -> None:
        """Raises ConfigError when the URL is none that Apprise understands."""
        from qka.monitor import bots  # late: it loads Apprise

        self.name = name
        self._bots = bots
        self._service: Any = bots.service(url)
        if self._service is None:
            raise ConfigError(
                f"alerts.targets.{name}: Apprise does not understand this address (it is not "
                "shown); docs/alerts.md has one for each service"
            )
        self.done: Future[None] = Future()  # when everything was sent or given up
        self._outbox: Outbox[Message] = Outbox(ROOM)
        self._over = threading.Event()
        self._down = False
        self._lost = 0
        self._sending = 0  # messages being tried
        self._wait = wait_exponential(multiplier=first, max=longest)
        self._thread = threading.Thread(target=self._run, name=f"alerts {name}", daemon=True)

    @property
    def service(self) -> str:
        """What stands behind it, such as `DingTalk`."""
        return str(self._service.service_name)

    def start(self) -> None:
        """Begin to send."""
        self._thread.start()

    def put(self, message: Message) -> None:
        """Send it when its turn comes; never waits."""
        self._outbox.put(message, message.severity is Severity.ERROR)

    def finish(self) -> None:
        """Nothing more comes."""
        self._outbox.close()

    def give_up(self) -> int:
        """Try no more; how many messages were not sent."""
        unsent = self._sending + len(self._outbox) + self._lost + self._outbox.lost()
        self._over.set()
        return unsent

    def send(self, message: Message) -> str:
        """Send one message now; "" when it was taken, else why not. Blocks."""
        try:
            said = self._bots.send(
                self._service, message.title, message.body, str(message.severity), message.page
            )
        except Exception as error:  # whatever a service's plugin raises stays here
            said = f"{type(error).__name__}: {error}"
        return mask(said)

    def _run(self) -> None:
        try:
            while not self._over.is_set():
                message = self._outbox.take()
                if message is None:
                    break
                self._deliver(message)
        finally:
            self.done.set_result(None)

    def _deliver(self, message: Message) -> None:
        """Try until it is taken, or was tried often enough."""
        missed = self._lost + self._outbox.lost()
        self._lost, self._sending = 0, missed + 1
        if missed:
            words = say("{count} earlier messages could not be sent").format(count=missed)
            message = message._replace(body=f"{message.body}\n{words}")
        most = TRIES_OF_AN_ERROR if message.severity is Severity.ERROR else TRIES
        refused = Retrying(
            retry=retry_if_result(bool),
            stop=stop_any(stop_after_attempt(most), stop_when_event_set(self._over)),
            wait=self._wait,
            sleep=sleep_using_event(self._over),
            before_sleep=self._is_down,
            retry_error_callback=self._refused,
        )(self.send, message)
        self._sending = 0
        if refused:
            self._lost = missed + 1
        elif self._down:
            self._down = False
            logger.bind(strategy="alerts").info("{} takes alerts again", self.name)

    def _refused(self, state: RetryCallState) -> bool:
        self._is_down(state)
        return True

    def _is_down(self, state: RetryCallState) -> None:
        """Told in the log once, until it takes one again."""
        why = state.outcome.result() if state.outcome else ""
        if not self._down:
            self._down = True
            logger.bind(strategy="alerts").warning(
                "{} ({}) does not take alerts: {}; it is tried again, trading goes on",
                self.name,
                self.service,
                why,
            )
