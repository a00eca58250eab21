"""How long requests travel to the exchange: constant, or with a seeded tail."""

from random import Random

from qka.model.times import SECOND


class Latency:
    """`seconds`, and at random up to `jitter` seconds more; the same seed gives the same ones.

    One wire: no request overtakes an earlier one.
    """

    def __init__(self, seconds: float, jitter: float = 0.0, seed: int = 1) -> None:
        self._least = int(seconds * SECOND)
        self._jitter = jitter * SECOND
        self._random = Random(f"{seed}:latency").random
        self._latest = 0

    def arrival(self, now: int) -> int:
        """When (ns) a request sent now reaches the exchange."""
        late = int(self._random() * self._jitter) if self._jitter else 0
        self._latest = max(self._latest, now + self._least + late)
        return self._latest
