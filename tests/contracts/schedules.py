"""A seed → what happens, step by step: orders, cancels, quotes, and everything that goes wrong.

The same seed is the same schedule for ever on every machine. How the threads and processes that
it troubles take turns is theirs, so that two runs of one seed may differ within a step.
"""

from random import Random
from typing import Any, NamedTuple

from moments import OF_A_REQUEST, OF_AN_EVENT, ON_THE_WIRE

# kind -> how many of ten schedules; `vendor` is remote to a server over the vendor's own trader
_SHARES = {"paper": 1, "xtquant": 3, "remote": 4, "vendor": 2}
_REMOTE = ("remote", "vendor")

# weather -> chances of the terminal's faults
WEATHER: dict[str, dict[str, Any]] = {
    "pushes": {
        "push_lost": 0.2, "push_twice": 0.25, "push_swapped": 0.2, "push_late": 0.2,
        "order_first": 0.4,
    },
    "answers": {
        "reply_lost": {"order": 0.1, "cancel": 0.1, "orders": 0.05},
        "reply_late": {"order": 0.2, "cancel": 0.2, "orders": 0.1},
        "dropped": {"order": 0.06, "cancel": 0.1},
    },
    "refusals": {
        "refused": 0.1, "junked": 0.1, "junk_error": 0.5, "cancel_refused": 0.25,
    },
    "breaks": {
        "disconnect_before": {"order": 0.06, "cancel": 0.06},
        "disconnect_after": {"order": 0.06, "cancel": 0.06},
        "disconnect_push": 0.02, "restart": 0.03, "session_in_use": 0.1, "shadowed": 0.03,
        "repushed": 0.4,
    },
}  # fmt: skip
_PUSHES = ("push_lost", "push_twice", "push_swapped", "push_late")
_HANGS = ((), ("order",), ("cancel",), ("order", "cancel"), ("orders", "trades"))


def _about_orders(rate):
    return dict.fromkeys(("order", "trade", "order_error", "cancel_error"), rate)


class Step(NamedTuple):
    """Something that happens."""

    what: str
    args: dict[str, Any]

    def __str__(self) -> str:
        return f"{self.what}({', '.join(f'{name}={value!r}' for name, value in self.args.items())})"


class Schedule(NamedTuple):
    """A life of some orders."""

    kind: str
    seed: int
    options: dict[str, Any]  # of the world
    rates: dict[str, Any]  # of the terminal's faults
    steps: list[Step]

    @property
    def name(self) -> str:
        return f"{self.kind}:{self.seed}"

    @property
    def is_deadly(self) -> bool:
        """Whether somebody is killed."""
        return any(step.what.startswith("kill") for step in self.steps)


def kind_of(seed: int) -> str:
    """Which adapter the seeds of the campaign are for."""
    turn = seed % sum(_SHARES.values())
    for kind, share in _SHARES.items():
        if turn < share:
            return kind
        turn -= share
    raise AssertionError


def schedule(kind: str, seed: int) -> Schedule:
    """The schedule of a seed."""
    return _Author(kind, seed).write()


class _Author:
    """Writes one schedule."""

    def __init__(self, kind: str, seed: int) -> None:
        self.kind = kind
        self.seed = seed
        self.random = Random(f"{kind}:{seed}")
        self.halts = Random(f"halts:{kind}:{seed}")  # of their own: all else stays as it is
        self.steps: list[Step] = []
        self.later: list[tuple[int, Step]] = []  # (after so many steps, what ends a trouble)
        self.ticks = {"600000.SH": 0, "000001.SZ": 0}  # how far from 10.00 the market is

    def write(self) -> Schedule:
        draw = self.random
        options: dict[str, Any] = {"latency": draw.choice([0.0, 0.0, 1.0])}
        rates: dict[str, Any] = {}
        if self.kind != "paper":
            for weather in draw.sample(sorted(WEATHER), draw.randint(0, 3)):
                rates |= WEATHER[weather]
        if self.kind == "remote":  # this back end is told of logins, and never asks
            rates |= {name: _about_orders(rates[name]) for name in _PUSHES if name in rates}
        if self.kind in _REMOTE and draw.random() < 0.2:
            options["lease"] = 1.0
        self.deadly = self.kind != "paper" and draw.random() < 0.4
        length = draw.randint(14, 30)
        night = draw.randrange(length) if draw.random() < 0.08 else -1
        for number in range(length):
            if number == night:
                self._night()
            self._step()
            if self.halts.random() < 0.05:
                self._halt()
        self._end_troubles(all_of_them=True)
        return Schedule(self.kind, self.seed, options, rates, self.steps)

    def _step(self):
        draw = self.random.random()
        if draw < 0.42:
            self._order()
        elif draw < 0.59:
            self._quote()
        elif draw < 0.62:
            self._nibble()
        elif draw < 0.74:
            self._add("cancel", nth=self.random.randrange(100))
        elif draw < 0.84:
            self._add(self.random.choice(["wait", "settle"]))
        elif self.kind != "paper":
            self._trouble()
        self._end_troubles()

    def _add(self, what, **args):
        self.steps.append(Step(what, args))

    def _later(self, what, **args):
        self.later.append((len(self.steps) + self.random.randint(1, 3), Step(what, args)))

    def _end_troubles(self, *, all_of_them=False):
        due = [item for item in self.later if all_of_them or item[0] <= len(self.steps)]
        self.later = [item for item in self.later if item not in due]
        self.steps += [step for _, step in due]

    # ------------------------------------------------------------ an ordinary day

    def _order(self):
        draw = self.random
        side = draw.choice(["buy", "buy", "sell"])
        symbol = "600000.SH" if side == "buy" else "000001.SZ"
        if draw.random() < 0.1:
            symbol = "600000.SH"  # T+1, when it is a sell
        quantity = draw.choice([100, 200, 300, 700, 1000, 1500, 2500])
        if draw.random() < 0.04:
            quantity = 1_000_000  # more than there is of anything
        away = draw.choice([-3, -1, 1, 1, 2, 3]) * (1 if side == "buy" else -1)
        market = draw.random() < 0.12
        self._add(
            "order", side=side, symbol=symbol, quantity=quantity,
            price=None if market else round(10 + (self.ticks[symbol] + away) / 100, 2),
        )  # fmt: skip

    def _quote(self):
        draw = self.random
        symbol = draw.choice(sorted(self.ticks))
        self.ticks[symbol] += draw.randint(-2, 2)
        last = round(10 + self.ticks[symbol] / 100, 2)
        self._add("quote", symbol=symbol, last=last, lots=draw.choice([1, 3, 10, 10, 50]))

    def _night(self):
        self._end_troubles(all_of_them=True)
        self._add("tomorrow")
        self.ticks = dict.fromkeys(self.ticks, 0)

    def _halt(self):
        """What has not left yet is taken back; often something is about to, or stands in a jam."""
        self.random, self.halts = self.halts, self.random
        draw = self.random
        if self.kind in _REMOTE and draw.random() < 0.6:
            trouble = draw.choice(["jam", "jam", "late", "cut"])
            if trouble == "late":
                self._late()
            else:
                self._add(trouble)
            for _ in range(draw.randint(1, 4)):
                self._order()
            if trouble == "jam":
                self._later("unjam")
        elif draw.random() < 0.7:
            self._order()
        if draw.random() < 0.2:
            self._add("wait")
        if self.deadly and self.kind in _REMOTE and draw.random() < 0.4:
            who, where = draw.choice(["server", "engine"]), draw.choice(ON_THE_WIRE)
            self._add("kill", who=who, moment=f"recall {where}")
        self._add("recall")
        self.random, self.halts = self.halts, self.random

    def _nibble(self):
        """An order that trades in part and is cancelled."""
        price = round(10 + (self.ticks["600000.SH"] + 3) / 100, 2)
        self._add("order", side="buy", symbol="600000.SH", quantity=2500, price=price)
        self._add("wait")
        self._add("quote", symbol="600000.SH", last=round(price - 0.03, 2), lots=1)
        self._add("cancel", nth=-1)
        self._add("wait")

    # ------------------------------------------------------------ and what is not

    def _trouble(self):
        troubles = [self._at_the_terminal] * 3
        if self.kind in _REMOTE:
            troubles += [self._on_the_wire] * 3
        if self.deadly:
            troubles += [self._death] * 4
        self.random.choice(troubles)()

    def _at_the_terminal(self):
        draw = self.random
        silent = draw.random() < 0.3
        match draw.choice(["hang", "stop", "restart", "disconnect", "logout", "flush", "hand"]):
            case "hang":
                self._add("hang", calls=draw.choice(_HANGS))
                self._later("resume")
            case "stop":
                self._add("stop", silent=silent)
                self._later("start")
            case "logout":
                self._add("logout")
                self._later("login")
            case "flush":
                self._add("flush")
            case "hand":
                self._add(draw.choice(["order_by_hand", "cancel_by_hand"]), nth=draw.randrange(100))
            case what:
                self._add(what, silent=silent)

    def _on_the_wire(self):
        draw = self.random
        match draw.choice(["cut", "stall", "late", "late", "next", "next", "next"]):
            case "cut":
                self._add("cut")
            case "stall":
                self._add("stall")
                self._later("flow")
            case "late":
                self._late()
                self._order()
            case _:
                self._add(
                    "next", fault=draw.choice(["cut", "half", "twice", "after"]),
                    direction=draw.choice(["up", "down"]),
                    about=draw.choice(["order", "order", "cancel", "event", ""]),
                )  # fmt: skip
                self._order()

    def _late(self):
        self._add("next", fault="late", direction="up", about="order")
        if self.random.random() < 0.3:  # else it is there when it is asked for
            self._later("arrive")

    def _death(self):
        draw = self.random
        who = draw.choice(["server", "engine"]) if self.kind in _REMOTE else "engine"
        if self.kind in _REMOTE and draw.random() < 0.7:
            what = draw.choice(["order", "order", "cancel", "event"])
            where = draw.choice(OF_AN_EVENT if what == "event" else OF_A_REQUEST)
            if who == "engine" and draw.random() < 0.3:  # the last that it did gets there after all
                what, where = "order", "left"
                self._late()
            self._add("kill", who=who, moment=f"{what} {where}")
            self._order()
            return
        self._add("kill", who=who, moment="")
        if who == "server" and draw.random() < 0.5:
            self._add("leave_down")
            self._later("serve")
