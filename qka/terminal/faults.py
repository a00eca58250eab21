"""What goes wrong in the simulated terminal, and how often.

Every fault has a stream of chance of its own, drawn from the seed and its name, so switching one
on does not move the others. `about` narrows a fault to a request (`order`, `cancel`, `orders` …)
or to a push (`order`, `trade`, `asset` …).
"""

from collections import Counter
from collections.abc import Mapping
from random import Random

from qka.errors import ConfigError

KNOWN: dict[str, str] = {
    # a connection
    "session_in_use": "connecting is refused: somebody else has the session id",
    "shadowed": "connecting succeeds, but the lock is held elsewhere: nothing is ever answered",
    "repushed": "subscribing pushes every order and trade of the day again",
    # a request
    "hang": "the request lies unread until `resume`; connecting and data calls block till then",
    "dropped": "the request is never read: not executed, no answer",
    "disconnect_before": "the link breaks before the request is read: not executed",
    "disconnect_after": "the link breaks when the request is done: executed, no answer",
    "reply_lost": "the request is done, the answer never comes",
    "reply_late": "the answer comes after what was pushed meanwhile",
    # an order
    "refused": "no order id (-1), and an order error",
    "junked": "an order id, then status 57 with the reason",
    "junk_error": "an order that becomes 57 has an order error too, with its id",
    "restart": "the terminal restarts between taking the order and answering",
    "order_first": "the order's new status is pushed before the trade that made it",
    # a cancel
    "cancel_refused": "the cancel is refused at once",
    # a push
    "push_lost": "never comes",
    "push_twice": "comes twice",
    "push_late": "comes `late_by` seconds of the market's time later",
    "push_swapped": "comes after the push that follows it",
    "disconnect_push": "the link breaks right after the push",
    # a quote
    "quote_lost": "a snapshot is not pushed",
    "quote_twice": "a snapshot is pushed twice",
    "quote_late": "a snapshot is pushed after a later one",
}

Rate = float | Mapping[str, float]


class Faults:
    """Chances from 0 to 1 by name, the same for one seed; `next` plans a single one for certain.

    A chance may be a mapping from what it is about to a number: `push_lost={"trade": 0.5}`.
    Raises ConfigError for a name that is not in `KNOWN`.
    """

    def __init__(self, seed: int = 0, *, late_by: float = 1.0, **rates: Rate) -> None:
        self.seed = seed
        self.late_by = late_by  # seconds of the market's time
        self.struck: Counter[str] = Counter()
        self._rates: dict[str, Rate] = {}
        self._planned: dict[str, list[str]] = {}
        self._chance = {name: Random(f"{seed}:{name}").random for name in KNOWN}
        self.set(**rates)

    def set(self, **rates: Rate) -> None:
        """Change chances from now on; the others stay."""
        for name, rate in rates.items():
            _check(name)
            self._rates[name] = rate

    def next(self, name: str, about: str = "", times: int = 1) -> None:
        """Let it strike the next time (or times) it can, whatever its chance."""
        _check(name)
        self._planned.setdefault(name, []).extend([about] * times)

    def off(self) -> None:
        """Nothing goes wrong any more; what is late or hanging stays so until it is let go."""
        self._rates.clear()
        self._planned.clear()

    def strikes(self, name: str, about: str = "") -> bool:
        """Whether it strikes now; counted in `struck`."""
        struck = self._is_planned(name, about) or self._is_due(name, about)
        if struck:
            self.struck[name] += 1
        return struck

    def _is_planned(self, name: str, about: str) -> bool:
        planned = self._planned.get(name)
        if not planned:
            return False
        for wanted in (about, ""):
            if wanted in planned:
                planned.remove(wanted)
                return True
        return False

    def _is_due(self, name: str, about: str) -> bool:
        rate = self._rates.get(name, 0.0)
        if isinstance(rate, Mapping):
            rate = rate.get(about, 0.0)
        return rate > 0 and self._chance[name]() < rate


def _check(name: str) -> None:
    if name not in KNOWN:
        raise ConfigError(f"there is no fault {name!r}; known are {', '.join(KNOWN)}")
