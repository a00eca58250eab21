"""A stand-in for `xtquant.datacenter`, the binary module under the vendor's `xtdata.py`.

Only what a data client uses: connecting, subscriptions, snapshots, instruments, bars, calendar,
sectors. Rows come on a native thread; structured answers are BSON, by the vendor's own codec.
"""

import json
import struct
from collections.abc import Callable, Sequence
from datetime import date, datetime
from functools import partial
from types import ModuleType
from typing import Any, Protocol

from qka.model.times import SHANGHAI, to_datetime
from qka.terminal.delivery import Delivery
from qka.terminal.history import FIELDS, label
from qka.terminal.quotes import SECTORS, Heard, QuoteLink, Rows
from qka.terminal.terminal import SimTerminal, TerminalGone

_TYPES = {"q": "<i8", "d": "<f8", "i": "<i4"}  # of a column, to numpy


class Codec(Protocol):
    """The vendor's BSON."""

    def encode(self, value: Any) -> bytes:
        """To bytes."""

    def decode(self, value: bytes) -> Any:
        """From bytes."""


class Servers(Protocol):
    """Where data clients find the terminal of an address, and how they are spoken to."""

    codec: Codec
    bson_rows: bool  # rows as BSON bytes, as some builds do, not as dicts

    def listening(self, address: str) -> SimTerminal | None:
        """The terminal at `host:port`, if there is one."""

    def directory(self, address: str) -> str:
        """Its data directory."""


class DataClient:
    """`IPythonApiClient`: one connection. A call on a broken one raises, as the SDK's does."""

    servers: Servers  # set by `data_module`

    def __init__(self) -> None:
        self._address = ""
        self._link: QuoteLink | None = None
        self._terminal: SimTerminal | None = None
        self._delivery = Delivery("qmt-native-quotes")
        self._controls: dict[str, Callable[[Any], None]] = {}

    # ------------------------------------------------------------ connection

    def init(self) -> None:
        """Nothing to do."""

    def load_config(self, file: str, section: str) -> int:
        """Nothing in there matters here."""
        return 0

    def set_config_addr(self, address: str) -> None:
        """Where to connect to, `host:port`."""
        self._address = address.replace("localhost", "127.0.0.1")

    def registerCommonControlCallback(self, name: str, callback: Callable[[Any], None]) -> None:
        """`watchxtquantstatus` hears of connections made and lost."""
        self._controls[name] = callback

    def connect(self) -> tuple[int, str]:
        """(code, words); a negative code is a failure. Blocks while the terminal hangs."""
        terminal = self.servers.listening(self._address)
        if terminal is None:
            return -1, "nobody is listening"
        try:
            self._link = terminal.connect_data(
                partial(self._status, "disconnected"), self._delivery
            )
        except TerminalGone as gone:
            return -1, str(gone)
        self._terminal = terminal
        self._delivery.start()
        self._delivery.put(partial(self._status, "connected"))
        return 0, ""

    def is_connected(self) -> bool:
        """Whether the connection stands."""
        return self._link is not None and self._link.connected

    def shutdown(self) -> None:
        """Close the connection."""
        if self._terminal is not None and self._link is not None:
            self._terminal.leave_data(self._link)
            self._delivery.stop()

    def get_data_dir(self) -> str:
        """Where a real one keeps what was downloaded; nothing is written there."""
        return self.servers.directory(self._address)

    def get_app_dir(self) -> str:
        """Where a real one is installed."""
        return self.get_data_dir()

    def get_peer_addr(self) -> str:
        """The terminal's address."""
        return self._address

    def get_server_tag(self) -> bytes:
        """Who it is."""
        return self.servers.codec.encode({"tag": "qka simulated terminal", "version": "1.0"})

    def _status(self, status: str) -> None:
        if (heard := self._controls.get("watchxtquantstatus")) is not None:
            heard({"address": self._address, "status": status})

    def _there(self) -> SimTerminal:
        if self._terminal is None or not self.is_connected():
            raise RuntimeError("the connection to the simulated terminal is broken")
        return self._terminal

    # ------------------------------------------------------------ subscriptions

    def subscribe_quote(
        self, meta: bytes, region: bytes, param: bytes, callback: Heard | None
    ) -> int:
        """One symbol's rows of a period."""
        wanted = self.servers.codec.decode(meta)
        return self._subscribe([wanted["stockCode"]], callback, wanted["period"])

    def subscribe_whole_quote(
        self, codes: Sequence[str], param: bytes, callback: Heard | None
    ) -> int:
        """Snapshots of symbols or whole exchanges."""
        return self._subscribe(codes, callback, "")

    def unsubscribe_quote(self, number: int) -> None:
        """Hear no more of it."""
        if self._link is not None:
            self._there().unsubscribe_quotes(self._link, number)

    def _subscribe(self, codes: Sequence[str], callback: Heard | None, period: str) -> int:
        terminal = self._there()
        assert self._link is not None
        heard = callback
        if callback is not None and self.servers.bson_rows:
            heard = partial(self._as_bson, callback)
        return terminal.subscribe_quotes(self._link, list(codes), heard, period)

    def _as_bson(self, callback: Callable[[Any], None], rows: Rows) -> None:
        callback(bytes(self.servers.codec.encode(rows)))

    # ------------------------------------------------------------ questions

    def get_full_tick(self, codes: Sequence[str]) -> str:
        """JSON."""
        return json.dumps(self._there().full_tick(codes))

    def get_instrument_detail(self, code: str) -> bytes:
        """BSON, empty for a symbol nobody knows."""
        found = self._there().instrument(code)
        return self.servers.codec.encode(found) if found else b""

    def get_divid_factors(
        self, code: str, start: str = "", end: str = ""
    ) -> dict[str, dict[str, Any]]:
        """Ex-dates, once bars were downloaded."""
        return self._there().factors(code, start, end)

    def get_stock_type(self, code: str) -> dict[str, bool]:
        """Shares, as far as anybody can tell."""
        return {"stock": self._there().instrument(code) is not None}

    def get_trading_dates_by_market(
        self, market: str, start: str, end: str, count: int
    ) -> list[int]:
        """Midnights in ms, up to today."""
        found = self._there().trading_dates(_day(start), _day(end))
        return found[-count:] if count > 0 else found

    def get_holidays(self) -> list[int]:
        """The last Sundays of two years: the simulated market has no other holidays."""
        year = to_datetime(self._there().now()).year
        last = (date(y, 12, 31).toordinal() for y in (year, year + 1))
        sundays = (date.fromordinal(day - day % 7) for day in last)
        return [int(day.strftime("%Y%m%d")) for day in sundays]

    def get_sector_list(self) -> list[str]:
        """Sectors there are."""
        return list(SECTORS)

    def get_stock_list_in_sector(self, name: str, timetag: int) -> list[str]:
        """Symbols of a sector."""
        return self._there().sector(name)

    def get_market_data3(
        self, fields: Sequence[str], codes: Sequence[str], period: str, start: str | int,
        end: str | int, count: int, dividend: str, fill: bool, form: str, local: bool,
        server: bool, debug: int, directory: str,
    ) -> Any:  # fmt: skip
        """Bars: the past once it was downloaded, today's while it is subscribed to.

        `form` v4 is a list of (code, index, columns), v2 is (index, fields). Ticks of the past
        are not kept here.
        """
        terminal = self._there()
        if period == "tick":
            return {}
        names = [name for name in fields if name in FIELDS] or list(FIELDS)
        rows = {c: terminal.bars(c, period, start, end, count, live=server) for c in codes}
        if form == "v2":
            times = sorted({row["time"] for found in rows.values() for row in found})
            at = {code: {row["time"]: row for row in found} for code, found in rows.items()}
            nan = float("nan")
            table = {
                name: [[at[c].get(t, {}).get(name, nan) for t in times] for c in codes]
                for name in names
            }
            return (list(codes), [label(time, period) for time in times]), table
        if form != "v4":
            raise NotImplementedError(f"the simulated terminal has no form {form!r} of bars")
        return [
            (
                code,
                [label(row["time"], period) for row in found],
                [_column(name, [row[name] for row in found]) for name in names],
            )
            for code, found in rows.items()
        ]

    def supply_history_data(self, code: str, period: str, start: str, end: str) -> bool:
        """Fetch the past of a symbol."""
        self._there().download(code, period)
        return True

    def supply_history_data2(
        self, codes: Sequence[str], period: str, start: str, end: str, param: bytes,
        on_progress: Callable[[dict[str, Any]], bool],
    ) -> bool:  # fmt: skip
        """Fetch the past of symbols; progress is told before this returns."""
        terminal = self._there()
        for done, code in enumerate(codes, 1):
            terminal.download(code, period)
            on_progress({"finished": done, "total": len(codes), "stockcode": code, "message": ""})
        if not codes:
            on_progress({"finished": 0, "total": 0, "stockcode": "", "message": ""})
        return True

    def stop_supply_history_data2(self) -> None:
        """It is done already."""

    def commonControl(self, name: str, param: bytes) -> bytes:
        """The SDK's side door; nothing but what data clients need."""
        answers: dict[str, Any] = {"getapiversion": {"downloadversion": 1}}
        if name == "getcurrentsubinfo" and self._link is not None:
            answers[name] = {
                "result": [
                    {"subId": number, "stockCode": ",".join(sorted(there.codes)), "isSub": True}
                    for number, there in self._link.subscriptions.items()
                ]
            }
        return self.servers.codec.encode(answers.get(name, {"result": []}))


def _column(name: str, values: list[Any]) -> tuple[str, str, bytes]:
    kind = FIELDS[name]
    return name, _TYPES[kind], struct.pack(f"<{len(values)}{kind}", *values)


def _day(moment: str) -> date | None:
    if not moment:
        return None
    return datetime.strptime(str(moment)[:8], "%Y%m%d").replace(tzinfo=SHANGHAI).date()


def data_module(servers: Servers) -> ModuleType:
    """The stand-in, with the terminals it can reach."""
    module = ModuleType("xtquant.datacenter", __doc__)
    client = type("IPythonApiClient", (DataClient,), {"servers": servers})
    module.__dict__.update(
        IPythonApiClient=client,
        rpc_init=lambda directory: 0,
        register_create_nparray=lambda function: None,
        get_local_server_port=lambda: 0,
    )
    return module
