"""A sign of life for a service elsewhere that notices when it stays away.

The loop asks for each one and a thread sends it: a loop that hangs asks for none, and a service
that is slow or away holds up nobody.
"""

import asyncio
import threading
import urllib.request

from loguru import logger

from qka.secrets import mask

TIMEOUT = 10.0  # seconds that one may take


class Heartbeat:
    """Fetches `url` every so many seconds of the world's time while the loop turns."""

    def __init__(self, url: str, every: float) -> None:
        self._url = url
        self._every = every
        self._asked = threading.Event()
        self._over = False
        self._timer: asyncio.TimerHandle | None = None
        self._failing = False
        self._thread = threading.Thread(target=self._run, name="heartbeat", daemon=True)

    def start(self) -> None:
        """Send the first one now. Call it on the loop."""
        self._thread.start()
        self._ask()

    def stop(self) -> None:
        """Send no more."""
        self._over = True
        self._asked.set()
        if self._timer is not None:
            self._timer.cancel()

    def send(self) -> str:
        """Send one now; "" when it was taken, else why not. Blocks."""
        try:
            request = urllib.request.Request(self._url, headers={"User-Agent": "qka"})
            with urllib.request.urlopen(request, timeout=TIMEOUT):
                return ""
        except (OSError, ValueError) as error:
            return mask(str(error) or type(error).__name__)

    def _ask(self) -> None:
        self._asked.set()
        self._timer = asyncio.get_running_loop().call_later(self._every, self._ask)

    def _run(self) -> None:
        while True:
            self._asked.wait()
            self._asked.clear()
            if self._over:
                return
            self._tell(self.send())

    def _tell(self, trouble: str) -> None:
        """Told in the log once, until one is taken again."""
        log = logger.bind(strategy="heartbeat")
        if trouble and not self._failing:
            log.warning("the heartbeat is not taken: {}; it is tried again", trouble)
        elif self._failing and not trouble:
            log.info("the heartbeat is taken again")
        self._failing = bool(trouble)
