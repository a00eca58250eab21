"""`SimTerminal`: a QMT terminal that isn't there, with everything that a real one does to you.

Thread-safe under one lock. Time is the clock it is handed and moves by `advance`, by quotes, or
with `time`, a reading of the market's time that every call catches up with first. Requests are
worked on the thread that asks; answers and pushes come on each session's own thread.

What a real terminal does is modelled from the vendor's documents and users' reports; see the
docstrings for what is known and what is made up.
"""

import threading
from collections.abc import Callable, Sequence
from datetime import date, timedelta
from decimal import Decimal
from functools import partial
from types import TracebackType
from typing import Any

from qka.ashare.fees import FeeSchedule
from qka.ashare.rules import TERMS
from qka.ashare.sessions import phases_of
from qka.brokers.records import (
    XtAccountInfo,
    XtAccountStatus,
    XtAsset,
    XtCancelOrderResponse,
    XtOrder,
    XtOrderResponse,
    XtPosition,
    XtTrade,
)
from qka.clock import SimulatedClock
from qka.errors import QkaError
from qka.model.actions import CorporateAction
from qka.model.events import SessionPhase
from qka.model.market import Bar, Phase, Quote
from qka.model.times import MILLISECOND, SECOND, at, day_of, midnight
from qka.terminal.account import Account
from qka.terminal.books import Books, Opening
from qka.terminal.calls import Calls, Params
from qka.terminal.delivery import Delivery
from qka.terminal.faults import Faults
from qka.terminal.history import History, Past, trading_days
from qka.terminal.links import Links
from qka.terminal.quotes import Heard, QuoteBoard, QuoteLink, Tick
from qka.terminal.session import Gone, Push, Session, nothing

Answer = Callable[[Any], None]

FEES = FeeSchedule(Decimal("0.00025"), Decimal(5))


class TerminalGone(QkaError):
    """The terminal is down, refuses the session, or broke off; a native client says -1."""


class SimTerminal:
    """A terminal with these accounts, logged in and up.

    `latency`: seconds to the exchange. `past`: what was before the first quote, as
    `SimulatedFeed.history` makes it up. `time`: the market's time in ns where it passes by itself;
    `woken` is told that something may be due earlier than it was. `id_cooldown`: seconds until a
    session id that was let go can be used again (the vendor says 3); one whose link broke is
    locked until its client stops.
    `tells_assets`: push money and positions after each change (nobody knows when a real one does).
    `tells_expiry`: unfilled orders become 53 or 54 at the end of the day, else they stay as they
    are and are gone the next day. `shares_late`: bonus shares come a session after the ex-date, as
    in some brokers' records. `remarks_survive`: a restart keeps remark and strategy of
    earlier orders (some brokers' do not).
    """

    def __init__(
        self,
        clock: SimulatedClock,
        accounts: Sequence[Opening] = (),
        *,
        fees: FeeSchedule = FEES,
        faults: Faults | None = None,
        latency: float = 0.0,
        past: Past | None = None,
        time: Callable[[], int] | None = None,
        woken: Callable[[], None] = nothing,
        id_cooldown: float = 3.0,
        tells_assets: bool = True,
        tells_expiry: bool = True,
        shares_late: bool = False,
        remarks_survive: bool = True,
    ) -> None:
        self.faults = faults or Faults()
        self._time = time or clock.now
        self._woken = woken
        self._clock = clock
        self._lock = threading.RLock()
        self._thaw = threading.Condition(self._lock)
        self._resumes = 0
        self._remarks_survive = remarks_survive
        self._shares_late = shares_late
        self._quotes = QuoteBoard(self.faults, History(past))
        self._links = Links(clock, self.faults, id_cooldown)
        self._accounts = {
            opening.account_id: Account(
                opening, clock, fees, self.faults, self._quotes.quotes, self._links.tell,
                latency=latency, tells_assets=tells_assets, tells_expiry=tells_expiry,
            )
            for opening in accounts
        }  # fmt: skip
        self._calls = Calls(self._accounts, self._links, self.faults, self.restart)
        self._deliveries: list[Delivery] = []
        self._up = True
        self._closed = False
        self._hanging: set[str] = set()  # requests that lie unread, "" for all
        self._unread: list[Callable[[], None]] = []
        clock.on_day(self._begin_day)
        self._advance(clock.now())

    # ------------------------------------------------------------ time and market

    @property
    def due(self) -> int:
        """Nothing happens by itself before this moment (ns)."""
        with self._lock:
            return self._clock.due

    def now(self) -> int:
        """The market's time in ns."""
        return self._time()

    def advance(self, *, to: int | None = None, by: float = 0.0) -> None:
        """Move to a moment (ns), or by seconds: whatever is due happens now."""
        with self._lock:
            self._advance(to if to is not None else self._clock.now() + int(by * SECOND))

    def quote(self, *quotes: Quote) -> None:
        """New snapshots in the order of their time, pushed together; the clock comes along."""
        with self._lock:
            for quote in quotes:
                self._advance(quote.time)
                self._quotes.apply(quote)
                for account in self._accounts.values():
                    account.on_quote(quote)
            self._advance(self._clock.now())
            if self._up and not self._is_hanging("quotes"):
                self._quotes.publish(dict.fromkeys(quote.symbol for quote in quotes))

    def enlist(
        self, symbol: str, prev_close: float = 0.0, name: str = "",
        limits: tuple[float, float] | None = None, suspended: int = 0,
    ) -> None:  # fmt: skip
        """Make an instrument known before its first quote. Raises SymbolError."""
        with self._lock:
            day = day_of(self._clock.now())
            self._quotes.enlist(symbol, day, prev_close, name, limits, suspended)

    def put_bars(self, symbol: str, period: str, bars: Sequence[Bar]) -> None:
        """A past by hand, oldest first."""
        with self._lock:
            self._quotes.history.put(symbol, period, bars)

    def declare(self, *actions: CorporateAction) -> None:
        """Corporate actions to come: on the morning of its ex-date an account has what it brings.

        See `shares_late`.
        """
        with self._lock:
            self._quotes.actions += actions

    # ------------------------------------------------------------ a trading client

    def connect(
        self, session: int, push: Push = nothing, gone: Gone = nothing,
        delivery: Delivery | None = None,
    ) -> Session:  # fmt: skip
        """Connect a client; `push` and `gone` are called on a thread of its own.

        Raises TerminalGone when the terminal is down or the id can't be used.
        """
        with self._lock:
            self._catch_up()
            self._wait("connect")
            refusal = self._links.refusal(session) if self._is_up else "it is not running"
            if refusal:
                raise TerminalGone(f"the terminal refuses to connect: {refusal}")
            return self._links.connect(session, self._thread(delivery), push, gone)

    def leave(self, session: Session) -> None:
        """The client stopped: its id is free again after `id_cooldown`."""
        with self._lock:
            self._links.leave(session)
            self._end(session.delivery)

    def ask(
        self, session: Session, call: str, params: Params, answer: Answer, seq: int = 0
    ) -> None:
        """Hand a request in; returns at once. The answer comes on the session's thread, or never.

        Calls and their params (`account` is an account id): `subscribe`, `unsubscribe`, `asset`,
        `trades`, `account_infos`, `account_status`; `orders` (cancelable_only, order_id);
        `positions` (stock_code); `order` (stock_code, order_type, order_volume, price_type,
        price, strategy_name, order_remark); `cancel` (order_id, or market and order_sysid).
        `order` and `cancel` are answered with an XtOrderResponse or XtCancelOrderResponse,
        (un)subscribe with 0 or -1, the others with a list of records. `seq` is echoed.
        """
        self._calls.check(call)
        with self._lock:
            self._catch_up()
            self._receive(session, call, params, answer, seq)
            self._advance(self._clock.now())
            self._woken()

    # ------------------------------------------------------------ by hand, in the terminal itself

    def order(
        self, account: str, stock_code: str, order_type: int, order_volume: int, price_type: int,
        price: float, strategy_name: str = "", order_remark: str = "",
    ) -> int:  # fmt: skip
        """Place an order as its user would on the screen: the order id, -1 when refused.

        Faults of links and answers do not touch it; sessions get the pushes.
        """
        params = {
            "account": account, "stock_code": stock_code, "order_type": order_type,
            "order_volume": order_volume, "price_type": price_type, "price": price,
            "strategy_name": strategy_name, "order_remark": order_remark,
        }  # fmt: skip
        response: XtOrderResponse = self._by_hand("order", params)
        return response.order_id

    def cancel(self, account: str, order_id: int) -> int:
        """Cancel on the screen: 0 when the request was sent, -1 when it was refused."""
        params = {"account": account, "order_id": order_id}
        response: XtCancelOrderResponse = self._by_hand("cancel", params)
        return response.cancel_result

    def orders(self, account: str, *, cancelable_only: bool = False) -> list[XtOrder]:
        """Orders of today."""
        found: list[XtOrder] = self._by_hand(
            "orders", {"account": account, "cancelable_only": cancelable_only}
        )
        return found

    def trades(self, account: str) -> list[XtTrade]:
        """Deals of today."""
        found: list[XtTrade] = self._by_hand("trades", {"account": account})
        return found

    def positions(self, account: str) -> list[XtPosition]:
        """Shares held."""
        found: list[XtPosition] = self._by_hand("positions", {"account": account})
        return found

    def asset(self, account: str) -> XtAsset | None:
        """Money, None for an account that is not here."""
        found: list[XtAsset] = self._by_hand("asset", {"account": account})
        return found[0] if found else None

    def account_status(self) -> list[XtAccountStatus]:
        """Of every account."""
        found: list[XtAccountStatus] = self._by_hand("account_status", {})
        return found

    def account_infos(self) -> list[XtAccountInfo]:
        """Of every account."""
        found: list[XtAccountInfo] = self._by_hand("account_infos", {})
        return found

    def set_account_status(self, account: str, status: int) -> None:
        """The account's login at the broker changes; orders are taken on 0 only."""
        with self._lock:
            there = self._accounts[account]
            there.status = status
            self._links.tell("account_status", there.status_record())

    def books(self, account: str) -> Books:
        """The truth about an account, whatever clients were told."""
        with self._lock:
            self._catch_up()
            return self._accounts[account].books()

    # ------------------------------------------------------------ a data client

    def connect_data(
        self, lost: Callable[[], None] = nothing, delivery: Delivery | None = None
    ) -> QuoteLink:
        """Connect to the quotes; raises TerminalGone when the terminal is down."""
        with self._lock:
            self._wait("connect_data")
            if not self._is_up:
                raise TerminalGone("the terminal is not running")
            link = QuoteLink(self._thread(delivery), lost)
            self._quotes.links.append(link)
            return link

    def leave_data(self, link: QuoteLink) -> None:
        """The data client closed its connection."""
        with self._lock:
            link.connected = False
            link.subscriptions.clear()
            if link in self._quotes.links:
                self._quotes.links.remove(link)
            self._end(link.delivery)

    def subscribe_quotes(
        self, link: QuoteLink, codes: Sequence[str], heard: Heard | None, period: str = ""
    ) -> int:
        """Snapshots of symbols or whole exchanges: first what there is, then what changes.

        `heard` gets `{code: tick}`. With a period (`tick`, `1m`, `1d` …) it gets `{code: [row]}`,
        live rows only. Returns the number to unsubscribe by, -1 without a connection.
        """
        with self._lock:
            self._wait("subscribe_quotes")
            if not link.connected:
                return -1
            return self._quotes.subscribe(link, codes, heard, period)

    def unsubscribe_quotes(self, link: QuoteLink, number: int) -> None:
        """Hear no more of it."""
        with self._lock:
            link.subscriptions.pop(number, None)

    def silence_quotes(self, silent: bool = True) -> None:
        """Stop pushing quotes without a word, as after a change of quote servers."""
        with self._lock:
            self._quotes.silent = silent

    def full_tick(self, codes: Sequence[str]) -> dict[str, Tick]:
        """The last snapshots, by xtdata's names."""
        with self._lock:
            self._wait("full_tick")
            return self._quotes.ticks(codes)

    def instrument(self, symbol: str) -> dict[str, Any] | None:
        """Master data by xtdata's names, None for a symbol that is not listed."""
        with self._lock:
            self._wait("instrument")
            return self._quotes.detail(symbol)

    def factors(self, symbol: str, start: str = "", end: str = "") -> dict[str, dict[str, Any]]:
        """Ex-dates from start to end (`YYYYMMDD`) by xtdata's names, once bars were downloaded."""
        with self._lock:
            self._wait("factors")
            return self._quotes.factors(symbol, start, end)

    def download(self, symbol: str, period: str) -> None:
        """Fetch the past, so that `bars` has it."""
        with self._lock:
            self._wait("download")
            self._quotes.download(symbol, period)

    def bars(
        self, symbol: str, period: str, start: str | int = "", end: str | int = "",
        count: int = -1, *, live: bool = True,
    ) -> list[dict[str, Any]]:  # fmt: skip
        """Bars by xtdata's names: the past once downloaded, today's while it is subscribed to."""
        with self._lock:
            self._wait("bars")
            return self._quotes.bars(symbol, period, start, end, count, live=live)

    def sector(self, name: str) -> list[str]:
        """Symbols of a sector such as 沪深A股."""
        with self._lock:
            self._wait("sector")
            return self._quotes.sector(name)

    def trading_dates(self, first: date | None = None, last: date | None = None) -> list[int]:
        """Trading days up to today, a year of them unless told, as ms of their midnights."""
        with self._lock:
            self._wait("trading_dates")
            today = day_of(self._clock.now())
        last = min(last or today, today)
        days = trading_days(first or last - timedelta(days=365), last)
        return [midnight(day) // MILLISECOND for day in days]

    # ------------------------------------------------------------ what goes wrong

    def hang(self, *calls: str) -> None:
        """Go silent: these requests lie unread; without names everything does, pushes too.

        The exchange goes on. Connecting and data calls block their caller until `resume`.
        """
        with self._lock:
            self._hanging.update(calls or ("",))
            if not calls:
                for session in self._links.connected.values():
                    session.pause()

    def resume(self) -> None:
        """Go on: what was held back is delivered, what lay unread is worked now."""
        with self._lock:
            self._catch_up()
            self._hanging.clear()
            for session in self._links.connected.values():
                session.resume()
            unread, self._unread = self._unread, []
            for work in unread:
                work()
            self._advance(self._clock.now())
            self._release()
            self._woken()

    def stop(self, *, silent: bool = False) -> None:
        """The terminal closes: clients hear `gone`, or nothing; unread requests are lost.

        The exchange goes on and orders stay; nothing can connect until `start`.
        """
        with self._lock:
            self._up = False
            self._unread.clear()
            self._hanging.clear()
            self.disconnect(silent=silent)
            self.disconnect_data()
            self._release()

    def start(self) -> None:
        """The terminal is there again, with today's orders from the counter."""
        with self._lock:
            if not self._up and not self._remarks_survive:
                for account in self._accounts.values():
                    account.forget()
            self._up = True

    def restart(self, *, silent: bool = False) -> None:
        """Close and come back at once: every client has to connect again, with another id."""
        with self._lock:
            self.stop(silent=silent)
            self.start()

    def disconnect(self, session: int | None = None, *, silent: bool = False) -> None:
        """Break the link of one session, or of all; the terminal itself stays."""
        with self._lock:
            there = self._links.connected.values()
            self._links.lose([s for s in there if session in (None, s.id)], silent=silent)

    def disconnect_data(self) -> None:
        """Break the connections of data clients; their subscriptions are gone."""
        with self._lock:
            for link in self._quotes.links:
                link.lose()
            self._quotes.links.clear()

    def flush(self) -> None:
        """Deliver what faults hold back: late answers and pushes."""
        with self._lock:
            for session in self._links.connected.values():
                session.flush()

    def settle(self, timeout: float = 5.0) -> bool:
        """Wait (seconds of the wall) until everything delivered so far has been called."""
        with self._lock:
            there = list(self._deliveries)
        return all(delivery.settle(timeout) for delivery in there)

    def close(self) -> None:
        """Let everything go: nobody blocks in here any more, and no thread of ours is left."""
        with self._lock:
            self._closed = True
            self.stop(silent=True)
            for delivery in self._deliveries:
                delivery.stop()
            self._deliveries.clear()

    def __enter__(self) -> "SimTerminal":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:  # fmt: skip
        self.close()

    # ------------------------------------------------------------ inside: time

    def _advance(self, to: int) -> None:
        while self._clock.fire(max(to, self._clock.now())):
            pass

    def _catch_up(self) -> None:
        self._advance(self._time())

    def _begin_day(self, day: date) -> None:
        TERMS.live(day)
        if not trading_days(day, day):
            return
        now = self._clock.now()
        for when, phase in phases_of(day):
            if when >= now:
                event = SessionPhase(when, day, phase)
                self._clock.call_at(when, partial(self._begin_phase, event))
        if at(day, "09:00") >= now:
            self._clock.call_at(at(day, "09:00"), partial(self._quotes.on_morning, day))

    def _begin_phase(self, event: SessionPhase) -> None:
        if event.phase is Phase.PRE_OPEN:
            self._calls.begin_day()
            actions = [action for action in self._quotes.actions if action.day == event.day]
            for account in self._accounts.values():
                account.on_actions(actions, self._shares_late)
        for account in self._accounts.values():
            account.on_phase(event)

    # ------------------------------------------------------------ inside: requests

    def _receive(
        self, session: Session, call: str, params: Params, answer: Answer, seq: int
    ) -> None:
        if not session.alive or session.shadowed or not self._is_up:
            return  # nobody is there to read it
        work = partial(self._work, session, call, params, answer, seq)
        if self._is_hanging(call) or self.faults.strikes("hang", call):
            self._unread.append(work)
        elif self.faults.strikes("disconnect_before", call):
            self._links.lose([session])
        elif not self.faults.strikes("dropped", call):
            work()

    def _work(self, session: Session, call: str, params: Params, answer: Answer, seq: int) -> None:
        def reply(value: Any) -> None:
            if self.faults.strikes("disconnect_after", call):
                self._links.lose([session])
            session.answer(call, partial(answer, value))

        self._calls.work(call, session, params, reply, seq)

    def _by_hand(self, call: str, params: Params) -> Any:
        answers: list[Any] = []
        with self._lock:
            self._catch_up()
            self._calls.work(call, None, params, answers.append)
            self._advance(self._clock.now())
            self._woken()
        return answers[0]

    # ------------------------------------------------------------ inside: up, hanging, threads

    @property
    def _is_up(self) -> bool:
        return self._up and not self._closed

    def _is_hanging(self, call: str) -> bool:
        return "" in self._hanging or call in self._hanging

    def _wait(self, call: str) -> None:
        """Block the caller while the terminal hangs; other threads get the lock meanwhile."""
        if self._is_hanging(call) or self.faults.strikes("hang", call):
            seen = self._resumes
            while seen == self._resumes and not self._closed:
                self._thaw.wait()

    def _release(self) -> None:
        self._resumes += 1
        self._thaw.notify_all()

    def _thread(self, delivery: Delivery | None) -> Delivery:
        """A client's own native thread, or one of ours for a client that has none."""
        if delivery is None:
            delivery = Delivery("qmt-native")
            delivery.start()
        self._deliveries.append(delivery)
        return delivery

    def _end(self, delivery: Delivery) -> None:
        delivery.stop()
        if delivery in self._deliveries:
            self._deliveries.remove(delivery)
