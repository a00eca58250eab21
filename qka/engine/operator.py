"""The operator: carries out what a human asks of a running engine.

A command is an event like any other: it is journalled, then heard here. So a replay hears it at
its place in the order of things, and does the same.
"""

import contextlib
import shlex
from collections.abc import Callable, Iterable, Sequence
from typing import TYPE_CHECKING, Any

from qka.ashare.rules import TERMS
from qka.ashare.sessions import cancels_from
from qka.engine import resolving
from qka.engine.comparison import table
from qka.engine.flattener import Flattener
from qka.engine.numbers import MOST_PRICE, MOST_SHARES
from qka.engine.strategies import Strategies, by
from qka.engine.unfinished import LASTING, unfinished
from qka.errors import ConfigError, EngineFault
from qka.journal.port import Note
from qka.model.events import OperatorCommand, Severity, TradingState
from qka.model.order import BUY, SELL, Order, OrderStatus, Side
from qka.model.times import same_day

if TYPE_CHECKING:
    from qka.engine.engine import Engine

NAME = "operator"  # whose orders they are
Words = Sequence[str]
Deed = Callable[[OperatorCommand], Any]  # does it; returns what came of it, as values
Reads = Callable[[Words], Deed]  # changes nothing; raises ConfigError for words without sense
_NOTHING = object()


class Operator:
    """What can be asked: see `commands`. `learn` adds to it."""

    def __init__(self, engine: "Engine") -> None:
        self._engine = engine
        self._trade = engine.desk.trader(NAME)
        self._answer: Any = _NOTHING
        self._reads: dict[str, Reads] = {
            "halt": lambda words: self._switch(words, TradingState.HALTED),
            "reduce": lambda words: self._switch(words, TradingState.REDUCING),
            "resume": self._resume,
            "cancel": self._cancel,
            "cancel-all": self._cancel_all,
            "flatten": self._flatten,
            "buy": lambda words: self._order(words, BUY),
            "sell": lambda words: self._order(words, SELL),
            "accept": self._accept,
            "resolve": self._resolve,
        }
        self.strategies = Strategies(engine)
        self.flattener = Flattener(
            engine.clock,
            engine.ledger,
            self._trade,
            self.withdraw,
            lambda words: engine.alert(Severity.WARNING, NAME, words),
            engine.gate,
        )
        self._reads |= self.strategies.reads()
        self.asked: list[OperatorCommand] = []  # today, of what takes its time

    @property
    def commands(self) -> list[str]:
        """The names of all that can be asked."""
        return list(self._reads)

    def learn(self, command: str, reads: Reads) -> None:
        """One more command."""
        self._reads[command] = reads

    def remind(self, asked: Iterable[OperatorCommand]) -> None:
        """Tell what an earlier run was asked for and did not come to."""
        for words in unfinished(asked, self._engine.ledger):
            self._engine.alert(Severity.WARNING, NAME, words)

    def close(self) -> None:
        """The engine stops: what waits for its time is dropped, and that is told."""
        self.asked.clear()
        self.flattener.close()
        waiting = self._engine.desk.waiting
        if waiting:
            words = f"the engine stops before the exchange takes cancels: {', '.join(waiting)} "
            words += "work on; cancel them after the next start"
            self._engine.alert(Severity.WARNING, NAME, words)

    def ask(self, command: str, words: Words = (), *, who: str, why: str = "") -> Any:
        """Have a command journalled and carried out; returns what came of it.

        Call it on the loop's thread, not from within a handler. Raises ConfigError for what makes
        no sense now, and then nothing was done or written.
        """
        engine = self._engine
        if not engine.running:
            raise ConfigError("the engine is not running: it starts or stops just now")
        self._read(command, words)
        self._answer = _NOTHING
        engine.tell(OperatorCommand(engine.clock.now(), command, shlex.join(words), who, why))
        engine.keeper.flush()  # what is answered outlives a crash
        answer, self._answer = self._answer, _NOTHING
        if answer is _NOTHING:
            raise EngineFault(f"{command} failed half-way, and the trading is halted: see the log")
        if isinstance(answer, Order):  # all that it brought about is heard by now
            return engine.ledger.order(answer.id)
        return answer

    def on_command(self, event: OperatorCommand) -> None:
        """Carry out a command that is journalled."""
        try:
            deed = self._read(event.command, shlex.split(event.args))
        except ConfigError as error:  # of an engine with another config
            words = f"{event.command} {event.args} of {event.who} can't be done here: {error}"
            self._engine.alert(Severity.WARNING, NAME, words)
            return
        if event.command in LASTING:
            today = [one for one in self.asked if same_day(one.time, event.time)]
            self.asked = [*today, event]
        self._answer = deed(event)

    def _read(self, command: str, words: Words) -> Deed:
        reads = self._reads.get(command)
        if reads is None:
            raise ConfigError(f"{command}: there is {', '.join(self._reads)}")
        return reads(words)

    # ------------------------------------------------------------ the switch

    def _switch(self, words: Words, state: TradingState) -> Deed:
        _none(words)

        def deed(event: OperatorCommand) -> Any:
            was = self._engine.switch.trading
            self._engine.set_trading(state, by(event))
            self._engine.alert(Severity.WARNING, NAME, f"{state.upper()} by {by(event)}")
            return {"trading": state, "was": was}

        return deed

    def _resume(self, words: Words) -> Deed:
        _none(words)
        engine, switch = self._engine, self._engine.switch
        if switch.held:
            raise ConfigError(f"nothing was changed; the trading is held: {switch.held}")
        if switch.trading is TradingState.ACTIVE:
            raise ConfigError("the trading is active already: nothing was changed")

        def deed(event: OperatorCommand) -> Any:
            was, why = switch.trading, switch.why
            engine.breaker.anew()
            switch.set(TradingState.ACTIVE, by(event))
            engine.alert(Severity.WARNING, NAME, f"ACTIVE by {by(event)}")
            return {"trading": TradingState.ACTIVE, "was": was, "why": why}

        return deed

    # ------------------------------------------------------------ what nobody knows

    def _accept(self, words: Words) -> Deed:
        reconciler = self._engine.reconciler
        shown = table(reconciler.differences)
        if not reconciler.told:
            raise ConfigError("nothing differs that could be accepted: nothing was changed")
        if list(words) != [reconciler.told]:
            raise ConfigError(
                f"{' '.join(words) or '(missing)'} is not what was found, which is "
                f"{reconciler.told}: nothing was changed\n{shown}"
            )

        def deed(event: OperatorCommand) -> Any:
            taken = {"fingerprint": words[0], "who": event.who, "why": event.why}
            with contextlib.suppress(OSError):  # what can't be written halts anyway
                self._engine.journal.note(Note.ACCEPTED, taken)
            reconciler.accept(words[0])
            return {"accepted": words[0], "table": shown}

        return deed

    def _resolve(self, words: Words) -> Deed:
        if not 2 <= len(words) <= 4:
            raise ConfigError(f"resolve: ORDER and how it ended: {', '.join(resolving.ENDINGS)}")
        engine = self._engine
        filled = _shares(words[2]) if words[2:] and words[2] != "0" else 0
        price = _price(words[3]) if words[3:] else 0.0
        word = resolving.read(engine.ledger, words[0], words[1], filled, price)
        if word.order.status is not OrderStatus.UNKNOWN:
            raise ConfigError(
                f"{words[0]} is {word.order.status}, and not unknown: the broker tells what "
                "becomes of it; nothing was changed"
            )

        def deed(event: OperatorCommand) -> Any:
            now, said = engine.clock.now(), f"{by(event)} says so"
            for report in word.reports(engine.ledger.fees, now, said):
                engine.publish(report)
            return word.order

        return deed

    # ------------------------------------------------------------ orders

    def _cancel(self, words: Words) -> Deed:
        if not words:
            raise ConfigError("cancel: ORDER..., as `qka status` names them")
        ledger = self._engine.ledger
        orders = [order for name in words if (order := ledger.order(name)) and not order.is_final]
        if len(orders) < len(words):
            working = {order.id for order in orders}
            gone = ", ".join(name for name in words if name not in working)
            raise ConfigError(f"{gone}: no order that works; nothing was cancelled")

        def deed(event: OperatorCommand) -> Any:
            return {"orders": [self.withdraw(order, by(event)) for order in orders]}

        return deed

    def _cancel_all(self, words: Words) -> Deed:
        symbols = _symbols(words)

        def deed(event: OperatorCommand) -> Any:
            orders = [
                order
                for order in self._engine.ledger.working()
                if not symbols or order.symbol in symbols
            ]
            return {"orders": [self.withdraw(order, by(event)) for order in orders]}

        return deed

    def _flatten(self, words: Words) -> Deed:
        symbols, switch = _symbols(words), self._engine.switch
        if switch.held:
            raise ConfigError(f"no order leaves while the trading is held: {switch.held}")

        def deed(event: OperatorCommand) -> Any:
            if switch.trading is not TradingState.REDUCING:
                switch.set(TradingState.REDUCING, f"flatten, {by(event)}")
            self._engine.alert(Severity.WARNING, NAME, f"REDUCING and flatten by {by(event)}")
            self.flattener.leave(symbols or self.flattener.symbols(), f"flatten, {by(event)}")
            return {"trading": switch.trading, "exits": self.flattener.rows()}

        return deed

    def withdraw(self, order: Order, why: str) -> dict[str, Any]:
        """Ask for an order's cancel, now or as soon as the exchange takes one."""
        engine = self._engine
        taken = cancels_from(order.symbol, engine.clock.now())
        if order.status is OrderStatus.PENDING_CANCEL:
            what = "its cancel was asked for before"
        elif taken > engine.clock.now():
            what = "the exchange takes no cancels now: it is asked for as soon as it does"
        else:
            what = "its cancel is asked for"
        engine.desk.cancel(order.id, why, later=True)
        return {"id": order.id, "what": what}

    def _order(self, words: Words, side: Side) -> Deed:
        if not 2 <= len(words) <= 3:
            raise ConfigError(f"{side}: SYMBOL QUANTITY, or SYMBOL QUANTITY PRICE")
        (symbol,), shares = _symbols(words[:1]), _shares(words[1])
        price = _price(words[2]) if words[2:] else None

        def deed(event: OperatorCommand) -> Any:
            return self._trade(symbol, side, shares, price, by(event))

        return deed


def _none(words: Words) -> None:
    if words:
        raise ConfigError(f"{' '.join(words)}: nothing is to follow the command")


def _symbols(words: Words) -> list[str]:
    for symbol in words:
        TERMS[symbol]  # raises for one that can't exist
    return list(words)


def _shares(word: str) -> int:
    if not (word.isascii() and word.isdigit() and 0 < len(word) <= 12):
        raise ConfigError(f"{word}: the quantity is a whole number of shares")
    shares = int(word)
    if not 0 < shares <= MOST_SHARES:
        raise ConfigError(f"{word}: the quantity is a whole number of shares above 0")
    return shares


def _price(word: str) -> float:
    try:
        price = float(word)
    except ValueError:
        price = 0.0
    if not 0.0 < price < MOST_PRICE:
        raise ConfigError(f"{word}: the price is a number of CNY above 0; without one: at market")
    return price
