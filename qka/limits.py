"""The gate's rules as a config names them, and a limit that is changed while an engine runs."""

import contextlib
import shlex
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import date
from decimal import Decimal
from hashlib import sha256
from typing import Any

import msgspec
import yaml

from qka import settings
from qka.engine.engine import Engine
from qka.errors import ConfigError
from qka.journal.port import Note
from qka.model.events import OperatorCommand, Severity, TradingState
from qka.model.money import to_cents
from qka.model.times import day_of
from qka.risk.conflicts import Duplicate, self_trade
from qka.risk.losses import Losses
from qka.risk.market import Listed, daily_cap, market
from qka.risk.meter import Meter
from qka.risk.pace import CancelRatio, DayLimit, QuickCancels, RateLimit, SlidingWindow
from qka.risk.quotes import FreshQuote, LimitDistance, PriceDistance
from qka.risk.rules import ForStrategy, ForSymbol, cash, known, sellable, trading_state
from qka.risk.sizes import (
    Capital,
    DailyNotional,
    DailyQuantity,
    GrossExposure,
    GroupRatio,
    MaxHoldings,
    MaxNotional,
    MaxQuantity,
    PositionRatio,
)
from qka.risk.stops import Stops
from qka.risk.verdicts import Rule
from qka.settings import RiskSettings, Settings, StrategySettings
from qka.settings.sections import Softened, SymbolLimits

KEY = "limits"  # of the note of what was changed
_PER_SECOND = "; at 300 in a second an account is a high-frequency one"
_PER_DAY = "; at 20,000 a day an account is a high-frequency one"
# what can be changed of a strategy while it runs; of `risk` all but the switch's first state
_OF_STRATEGIES = (
    "position_ratio",
    "max_quantity",
    "max_notional",
    "max_orders_per_second",
    "max_orders_per_minute",
    "max_orders_per_day",
    "max_quote_age",
    "max_price_distance",
    "min_limit_distance",
)


def rules(
    chosen: Settings,
    names: Sequence[str],
    meter: Meter,
    losses: Losses,
    trades: Callable[[date], bool] = lambda day: True,
) -> list[Rule]:
    """The gate's rules in their order: what is cheap and certain first.

    `names` are those of the strategies, in the order of their entries; `trades` tells trading
    days.
    """
    risk = chosen.risk
    made: list[Rule] = [trading_state]
    if risk.allowed is not None or risk.forbidden:
        made.append(Listed(risk.allowed, risk.forbidden))
    made += [*market(trades), daily_cap, known, sellable, cash]
    made += _of_an_order(risk, risk)
    if risk.self_trade:
        made.append(self_trade)
    if risk.duplicate_within is not None:
        made.append(Duplicate(risk.duplicate_within))
    made += _of_the_account(risk, meter)
    for symbol, own in risk.symbols.items():
        made += [ForSymbol(symbol, rule) for rule in _of_a_symbol(own, risk, meter)]
    made += _paces(risk, risk, meter, None)
    made += _programme(risk, meter)
    for entry, name in zip(chosen.strategies, names, strict=True):
        if entry.position_ratio is not None:
            rule = PositionRatio(entry.position_ratio, capital(risk), warn(risk, "position_ratio"))
            made.append(ForStrategy(name, rule))
        made += [ForStrategy(name, rule) for rule in _of_an_order(entry, risk)]
        made += _paces(entry, risk, meter, name)
    if losses.limited:
        made.append(losses)
    return made


def warn(risk: RiskSettings, key: Softened) -> float:
    """The share of a limit from which on a warning is given; 1 for never."""
    share = risk.soft.get(key, risk.warn_at)
    return 1.0 if share is None else share


def near_losses(risk: RiskSettings) -> tuple[float, float]:
    """The same of the two limits on losses."""
    return warn(risk, "max_daily_loss"), warn(risk, "max_drawdown")


def capital(risk: RiskSettings) -> int | None:
    """Cents that the account behaves as if it had at most."""
    return None if risk.capital is None else to_cents(risk.capital)


def stops(risk: RiskSettings) -> Stops:
    """Where positions are left."""
    return Stops(risk.stop_loss, risk.take_profit, risk.trailing_stop)


def _of_an_order(
    limits: RiskSettings | StrategySettings | SymbolLimits, risk: RiskSettings
) -> Iterable[Rule]:
    if limits.max_quantity is not None:
        yield MaxQuantity(limits.max_quantity, warn(risk, "max_quantity"))
    if limits.max_notional is not None:
        yield MaxNotional(limits.max_notional, warn(risk, "max_notional"))
    if limits.max_quote_age is not None:
        yield FreshQuote(limits.max_quote_age, warn(risk, "max_quote_age"))
    if limits.max_price_distance is not None:
        yield PriceDistance(limits.max_price_distance, warn(risk, "max_price_distance"))
    if limits.min_limit_distance is not None:
        yield LimitDistance(limits.min_limit_distance, warn(risk, "min_limit_distance"))


def _of_a_symbol(
    limits: RiskSettings | SymbolLimits, risk: RiskSettings, meter: Meter
) -> Iterable[Rule]:
    if limits is not risk:
        yield from _of_an_order(limits, risk)
    if limits.position_ratio is not None:
        yield PositionRatio(limits.position_ratio, capital(risk), warn(risk, "position_ratio"))
    if limits.max_daily_quantity is not None:
        yield DailyQuantity(limits.max_daily_quantity, meter, warn(risk, "max_daily_quantity"))
    if limits.max_daily_notional is not None:
        yield DailyNotional(limits.max_daily_notional, meter, warn(risk, "max_daily_notional"))


def _of_the_account(risk: RiskSettings, meter: Meter) -> Iterable[Rule]:
    yield from _of_a_symbol(risk, risk, meter)
    most = capital(risk)
    for group in risk.groups:
        yield GroupRatio(group.name, group.symbols, group.ratio, most, warn(risk, "groups"))
    if risk.gross_exposure is not None:
        yield GrossExposure(risk.gross_exposure, most, warn(risk, "gross_exposure"))
    if most is not None:
        yield Capital(most, warn(risk, "capital"))
    if risk.max_holdings is not None:
        yield MaxHoldings(risk.max_holdings, warn(risk, "max_holdings"))


def _paces(
    limits: RiskSettings | StrategySettings, risk: RiskSettings, meter: Meter, name: str | None
) -> Iterable[Rule]:
    spans: tuple[tuple[Softened, int], ...] = (
        ("max_orders_per_second", 1),
        ("max_orders_per_minute", 60),
    )
    for key, span in spans:
        limit = getattr(limits, key)
        if limit is not None:
            yield RateLimit(SlidingWindow(limit, span), name, warn=_near(limit, risk, key))
    if limits.max_orders_per_day is not None:
        most = limits.max_orders_per_day
        yield DayLimit(most, meter, name, warn=_near(most, risk, "max_orders_per_day"))


def _near(limit: int, risk: RiskSettings, key: Softened) -> int:
    return max(1, int(limit * warn(risk, key)))


def _programme(risk: RiskSettings, meter: Meter) -> Iterable[Rule]:
    own = risk.programme
    if own.per_second is not None:
        yield RateLimit(
            SlidingWindow(own.per_second, 1),
            warn=own.warn_per_second,
            code="programme",
            note=_PER_SECOND,
        )
    if own.per_day is not None:
        yield DayLimit(own.per_day, meter, warn=own.warn_per_day, code="programme", note=_PER_DAY)
    if risk.max_cancel_ratio is not None:
        yield CancelRatio(
            risk.max_cancel_ratio, risk.cancel_ratio_from, meter, warn(risk, "max_cancel_ratio")
        )
    if risk.max_quick_cancels is not None:
        yield QuickCancels(risk.max_quick_cancels, meter, warn(risk, "max_quick_cancels"))


class Changes(msgspec.Struct, frozen=True):
    """Limits that were changed on a day."""

    day: date
    config: str  # the config's own limits then
    made: dict[str, str]  # key -> value, the last one last


class InForce:
    """The limits in force in an engine: the config's, until somebody changes one.

    A change is a command like any, `set KEY=VALUE`: journalled, then heard by the engine. It holds
    while the engine runs, and over a restart on the same day unless the config's own limits were
    edited meanwhile: what was tightened in a bad morning is not loose again after a crash.
    """

    def __init__(self, engine: Engine, chosen: Settings, names: Sequence[str]) -> None:
        """`names` are those of the strategies, in the order of their entries."""
        self.settings = chosen
        self._engine = engine
        self._names = names
        self._config = _own(chosen)
        self._changes: Changes | None = None
        engine.operator.learn("set", self._reads)
        engine.opened = self._go_on

    def change(self, key: str, value: Any, who: str, why: str) -> None:
        """Change one; `value` as in YAML, or text. Raises ConfigError, and nothing was changed."""
        engine = self._engine
        changed(self.settings, key, value)
        if not engine.running:
            raise ConfigError("a limit is changed while the engine runs; else change the config")
        words = shlex.quote(f"{key}={_text(value)}")
        engine.tell(OperatorCommand(engine.clock.now(), "set", words, who, why))

    def _reads(self, words: Sequence[str]) -> Callable[[OperatorCommand], Any]:
        if len(words) != 1 or "=" not in words[0]:
            raise ConfigError("set: KEY=VALUE, such as risk.max_notional=20000")
        key, _, value = words[0].partition("=")
        chosen = changed(self.settings, key, value)

        def deed(event: OperatorCommand) -> Any:
            self._use(chosen)
            self._keep(day_of(event.time), key, value)
            return {"set": key, "value": value}

        return deed

    def _keep(self, day: date, key: str, value: str) -> None:
        before, made = self._changes, dict[str, str]()
        if before is not None and before.day == day:
            made = {name: text for name, text in before.made.items() if name != key}
        self._changes = Changes(day, self._config, {**made, key: value})
        with contextlib.suppress(OSError):  # the journal says so itself
            self._engine.journal.note(Note.RISK, self._changes, KEY, ahead=True)

    def _go_on(self) -> None:
        """With what an earlier run of the day changed; tells a human of it."""
        engine = self._engine
        last = engine.journal.latest(Note.RISK, KEY)
        if last is None:
            return
        found = msgspec.json.decode(last.payload, type=Changes)
        if found.day != day_of(engine.clock.now()):
            return
        names = ", ".join(f"{key}={value}" for key, value in found.made.items())
        if found.config != self._config:
            words = "the config's limits were edited since and hold; set earlier today and gone"
            engine.alert(Severity.WARNING, "risk", f"{words}: {names}")
            return
        self._changes, chosen = found, self.settings
        for key, value in found.made.items():
            chosen = changed(chosen, key, value)
        self._use(chosen)
        engine.alert(Severity.WARNING, "risk", f"limits set earlier today go on: {names}")

    def _use(self, chosen: Settings) -> None:
        engine, risk = self._engine, chosen.risk
        self.settings, engine.switch.on_loss = chosen, TradingState(risk.on_loss)
        breaker = engine.breaker
        near = near_losses(risk)
        breaker.limit(risk.max_daily_loss, risk.max_drawdown, risk.max_losing_trades, near)
        meter, losses = engine.gate.meter, breaker.losses
        engine.use(rules(chosen, self._names, meter, losses, engine.is_trading_day))
        engine.stop_at(stops(risk))


def changed(chosen: Settings, key: str, value: Any) -> Settings:
    """The settings with one limit of `risk` or of a strategy changed; `value` as in YAML, or text.

    Raises ConfigError for a key that is no limit and a value that the config would refuse.
    """
    parts = key.split(".")
    limit = parts[0] == "risk" and parts[1:] != ["trading"] and len(parts) > 1
    own = parts[0] == "strategies" and len(parts) == 3 and parts[2] in _OF_STRATEGIES
    if not (limit or own):
        raise ConfigError(f"{key}: no limit that can be changed while the engine runs")
    found = settings.from_mapping(_given(chosen), [f"{key}={_text(value)}"], option="")
    return chosen.model_copy(update={"risk": found.risk, "strategies": found.strategies})


def _text(value: Any) -> str:
    """A value as it stands behind `KEY=`."""
    if isinstance(value, Decimal):
        value = str(value)
    text = value if isinstance(value, str) else yaml.safe_dump(value, default_flow_style=True)
    return text.removesuffix("\n").removesuffix("\n...")


def _own(chosen: Settings) -> str:
    """The limits of a config, as a text that is another one when one of them is."""
    strategies = [entry.model_dump_json(include=set(_OF_STRATEGIES)) for entry in chosen.strategies]
    return sha256("\n".join([chosen.risk.model_dump_json(), *strategies]).encode()).hexdigest()


def _given(chosen: Settings) -> Mapping[str, Any]:
    """What was given of the parts that hold limits; nothing of it is a secret."""
    return chosen.model_dump(include={"risk", "strategies"}, exclude_unset=True)
