"""The gate: the only way to the broker, and the only maker of `Approved`."""

from collections.abc import Mapping, Sequence
from types import FunctionType

from qka.model.order import Approved, Order
from qka.model.view import View
from qka.risk.rules import Denial, RateLimit, Rule


class Gate:
    """Runs the rules in their order; the first that refuses decides, one that raises refuses."""

    def __init__(self, rules: Sequence[Rule], view: View) -> None:
        self._rules = tuple(map(_plain, rules))
        self._view = view
        self._rates = tuple(rule for rule in rules if isinstance(rule, RateLimit))
        self._records = tuple(rate.record for rate in self._rates)
        self.names = [title(rule) for rule in rules]  # in the order they are asked
        self.refusing = ""  # the rule that refused last

    def review(self, order: Order) -> Approved | Denial:
        """`Approved`, which a broker takes, or the `Denial` of the first rule that refused."""
        view, rule = self._view, None
        try:
            for rule in self._rules:
                denial = rule(order, view)
                if denial is not None:
                    self.refusing = title(rule)
                    return denial
        except Exception as error:
            self.refusing = title(rule)
            rule = getattr(rule, "__self__", rule)
            name = getattr(rule, "__name__", type(rule).__name__)
            return Denial("rule_fault", f"rule {name} failed: {error!r}; nothing passes it")
        for record in self._records:
            record(order.strategy, order.time)
        return Approved(order)

    def rates(self) -> dict[str, list[int]]:
        """What the rate limits remember: their key -> moments in ns."""
        return {rate.key: list(rate.window.times) for rate in self._rates}

    def remember(self, rates: Mapping[str, Sequence[int]]) -> None:
        """Go on from what `rates` gave; a limit that was not there then remembers nothing."""
        for rate in self._rates:
            rate.window.times.clear()
            rate.window.times.extend(rates.get(rate.key, ()))

    def count(self, strategy: str, now: int) -> None:
        """Count an order or a cancel that leaves at `now` (ns)."""
        for record in self._records:
            record(strategy, now)


def title(rule: object) -> str:
    """What a rule is called: a function's name, or what an object says of itself."""
    rule = getattr(rule, "__self__", rule)
    return getattr(rule, "__name__", None) or str(rule)


def _plain(rule: Rule) -> Rule:
    """The rule as a function or a method: called in half the time that an object takes."""
    if isinstance(rule, FunctionType):
        return rule
    return rule.__call__  # type: ignore[operator,no-any-return]  # mypy knows no __call__ of it
