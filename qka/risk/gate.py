"""The gate: the only way to the broker, and the only maker of `Approved`."""

from collections.abc import Callable, Mapping, Sequence
from datetime import date
from types import FunctionType
from typing import Any

from qka.model.order import Approved, Order
from qka.model.times import day_of
from qka.model.view import View
from qka.risk.meter import Meter
from qka.risk.verdicts import Caution, Counter, Denial, Paced, Rule, Sized


def _nobody(order: Order, caution: Caution) -> None:
    """Hears warnings and tells nobody."""


class Gate:
    """Runs the rules in their order; the first that refuses decides.

    One that raises refuses, and so does one whose verdict is none.

    `warn` hears of a limit that is near, once for each rule and day.
    """

    def __init__(
        self,
        rules: Sequence[Rule],
        view: View,
        meter: Meter | None = None,
        warn: Callable[[Order, Caution], None] = _nobody,
    ) -> None:
        self.meter = meter or Meter()
        self._view = view
        self.refusing = ""  # the rule that refused last
        self._warn = warn
        self._warned: dict[int, date] = {}  # number of a rule -> the last day it warned
        self.counters: tuple[Counter, ...] = ()  # the meter, and the rules that count
        self.use(rules)

    def use(self, rules: Sequence[Rule]) -> None:
        """Go on with these rules; what counted before counts on."""
        kept, every = self.kept(), list[object](rules)
        counting = [rule for rule in every if isinstance(rule, Counter)]
        for counter in counting:
            if counter.key in kept:
                counter.remember(kept[counter.key])
        self._sized = [rule for rule in every if isinstance(rule, Sized)]
        self._paced = [rule for rule in every if isinstance(rule, Paced)]
        self.names = [title(rule) for rule in rules]  # in the order they are asked
        self._rules = tuple(map(plain, rules))
        self.counters = (self.meter, *counting)
        self._sent = tuple(counter.sent for counter in self.counters)
        self._warned.clear()

    def review(self, order: Order) -> Approved | Denial:
        """`Approved`, which a broker takes, or the `Denial` of the first rule that refused."""
        view, rule = self._view, None
        try:
            for rule in self._rules:
                verdict = rule(order, view)
                if verdict is not None:
                    if type(verdict) is Denial:
                        self.refusing = title(rule)
                        return verdict
                    if type(verdict) is not Caution:
                        raise TypeError(f"{verdict!r} is no verdict")
                    self._near(rule, order, verdict)
        except Exception as error:
            self.refusing = title(rule)
            rule = getattr(rule, "__self__", rule)
            name = getattr(rule, "__name__", type(rule).__name__)
            return Denial("rule_fault", f"rule {name} failed: {error!r}; nothing passes it")
        for sent in self._sent:
            sent(order)
        return Approved(order)

    def largest(self, order: Order) -> int:
        """The most shares that such an order may have by itself, whatever it has now."""
        sizes = (rule.largest(order) for rule in self._sized)
        return min((size for size in sizes if size is not None), default=order.quantity)

    def wait(self, order: Order) -> float:
        """Seconds until there is room for such an order in every window, 0.0 when there is."""
        return max((rule.wait(order) for rule in self._paced), default=0.0)

    def sent(self, order: Order) -> None:
        """Count an order that left before."""
        for sent in self._sent:
            sent(order)

    def cancelled(self, strategy: str, made: int, now: int) -> None:
        """Count a cancel, at `now`, of an order that was made then; both in ns."""
        for counter in self.counters:
            counter.cancelled(strategy, made, now)

    def kept(self) -> dict[str, Any]:
        """What the counters remember, as plain values by their keys."""
        return {counter.key: counter.kept() for counter in self.counters}

    def remember(self, kept: Mapping[str, Any]) -> None:
        """Go on from what `kept` gave; a counter that was not there then remembers nothing."""
        for counter in self.counters:
            counter.remember(kept.get(counter.key))

    def _near(self, rule: Rule, order: Order, caution: Caution) -> None:
        number, day = self._rules.index(rule), day_of(order.time)
        if self._warned.get(number) != day:
            self._warned[number] = day
            self._warn(order, caution)


def title(rule: object) -> str:
    """What a rule is called: a function's name, or what an object says of itself."""
    rule = getattr(rule, "__self__", rule)
    return getattr(rule, "__name__", None) or str(rule)


def plain(rule: Rule) -> Rule:
    """The rule as a function or a method: called in half the time that an object takes."""
    if isinstance(rule, FunctionType):
        return rule
    return rule.__call__  # type: ignore[operator,no-any-return]  # mypy knows no __call__ of it
