"""What is missing on this machine before the engine, or a QMTServer, can do its work.

Each check looks and changes nothing; it ends in a word (ok, note, fail), what it found, and for
what is not right how to mend it. An order is never sent.
"""

import importlib.metadata
import importlib.util
import os
import platform
import shutil
import socket
import ssl
import struct
import sys
from collections.abc import AsyncIterator, Iterator
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Literal

import msgspec
from msgspec.structs import replace

from qka import settings
from qka.ashare.calendar import NOTHING_OWN, Calendar, OwnDays, exchange_calendar
from qka.clock import WallClock
from qka.errors import QkaError
from qka.model.times import SECOND, day_of, to_datetime
from qka.settings import Settings
from qka.settings.rulefile import named

Verdict = Literal["ok", "note", "fail"]
_PYTHONS = range(6, 14)  # of CPython 3: what the SDK's binaries are built for
_SET_TIME = {"win32": " (w32tm /resync)", "linux": " (timedatectl set-ntp true)"}
_ROOM = 2_000_000_000  # bytes; a session id alone costs the terminal 75 MB
_SKEW = 2.0  # seconds


class Finding(msgspec.Struct, frozen=True):
    """What one check found."""

    what: str
    verdict: Verdict
    words: str
    mend: str = ""  # what to do about it


class Plan(msgspec.Struct, frozen=True):
    """What the machine is looked at for."""

    account: str = ""
    qmt_path: str = ""
    url: str = ""
    token: str = ""
    verify: bool | str = True  # of the server's certificate, as `QMTClient` has it
    fingerprint: str = ""
    host: str = "127.0.0.1"
    port: int | None = None  # that a server is to listen on
    tls_cert: Path | None = None
    tls_key: Path | None = None
    data_dir: Path = Path.home()
    own_days: OwnDays = NOTHING_OWN  # of the rule file


def plan_of(chosen: Settings, root: Path = Path()) -> Plan:
    """What a config needs; `root`: the project it is of. Raises ConfigError for its rule file."""
    broker, feed = chosen.broker, chosen.feed
    own = named(chosen.rules.file, root).calendar
    plan = Plan(chosen.account.id, data_dir=chosen.run.dir, own_days=own)
    if isinstance(broker, settings.XtquantBroker):
        plan = replace(plan, qmt_path=str(broker.path))
    server = broker if isinstance(broker, settings.RemoteBroker) else feed
    return replace(plan, **settings.reach(server)._asdict())


async def examine(plan: Plan) -> list[Finding]:
    """Every check that the plan calls for, in the order in which to mend things."""
    found = [_python(), *_room(plan)]
    if plan.qmt_path:
        found += [_system(), _sdk(), *_folder(Path(plan.qmt_path))]
        if all(finding.verdict != "fail" for finding in found):
            found.append(await _login(plan))
    if plan.port is not None:
        found.append(_port(plan.host, plan.port))
    if plan.tls_cert or plan.tls_key:
        found.append(_tls(plan))
    if plan.url:
        found += [finding async for finding in _server(plan)]
    found.append(_clock())
    if plan.qmt_path or plan.url or plan.port is not None:  # what lives in the world's time
        found.append(days_left(exchange_calendar(plan.own_days), day_of(WallClock().now())))
    return found


# ------------------------------------------------------------------ the machine


def _python() -> Finding:
    version = platform.python_version()
    return Finding("python", "ok", f"CPython {version} on {platform.system()}")


def _room(plan: Plan) -> Iterator[Finding]:
    for what, folder in (("disk", plan.data_dir), ("QMT's disk", Path(plan.qmt_path or "."))):
        if what == "QMT's disk" and not plan.qmt_path:
            continue
        there = next((p for p in (folder, *folder.absolute().parents) if p.exists()), None)
        if there is None:
            yield Finding(
                what, "fail", f"{folder} is on no disk of this machine", "correct the path"
            )
            continue
        free = shutil.disk_usage(there).free
        enough = free >= _ROOM
        yield Finding(
            what,
            "ok" if enough else "fail",
            f"{free / 1e9:.1f} GB free for {folder}",
            "" if enough else "make room: a full disk stops the journal, and with it new orders",
        )


def _clock() -> Finding:
    now = to_datetime(WallClock().now())
    return Finding(
        "clock",
        "note",
        f"it is {now:%Y-%m-%d %H:%M:%S} in Shanghai by this machine",
        f"compare it; let the system set it from a time server{_SET_TIME.get(sys.platform, '')}",
    )


def days_left(calendar: Calendar, today: date) -> Finding:
    """How long the trading calendar goes on."""
    left = (calendar.last - today).days
    soon = calendar.notice(today)
    if not soon:
        return Finding("calendar", "ok", f"trading days are known until {calendar.last}")
    return Finding("calendar", "note" if left >= 0 else "fail", soon, calendar.mend)


def _port(host: str, port: int) -> Finding:
    what = f"port {port}"
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family) as probe:
        try:
            probe.bind((host, port))
        except OSError as error:
            words = f"{host}:{port} can't be listened on ({error.strerror})"
            return Finding(what, "fail", words, "stop what uses it, or choose another --port")
    if host in ("127.0.0.1", "localhost", "::1"):
        return Finding(what, "ok", f"{host}:{port} is free; only this machine will reach it")
    mend = "give --tls-cert and --tls-key, and --allow for the machines that may connect"
    return Finding(what, "note", f"{host}:{port} is free, and other machines will reach it", mend)


def _tls(plan: Plan) -> Finding:
    if not (plan.tls_cert and plan.tls_key):
        return Finding("TLS", "fail", "certificate and key go together", "give both")
    try:
        ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER).load_cert_chain(plan.tls_cert, plan.tls_key)
    except (OSError, ssl.SSLError) as error:
        words = f"{plan.tls_cert} and {plan.tls_key} can't be used ({error})"
        return Finding("TLS", "fail", words, "give the PEM files of one certificate and its key")
    left = _days_left(plan.tls_cert)
    if left is not None and left < 14:
        words = f"the certificate ends in {left} days" if left >= 0 else "the certificate has ended"
        return Finding("TLS", "fail" if left < 0 else "note", words, "renew it")
    return Finding("TLS", "ok", "certificate and key fit each other")


def _days_left(certificate: Path) -> int | None:
    """Days until it ends; None where it can't be read without a library of its own."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    try:
        context.load_verify_locations(certificate)
    except (OSError, ssl.SSLError):
        return None
    ends = [found["notAfter"] for found in context.get_ca_certs() if "notAfter" in found]
    if not ends:
        return None
    end = datetime.fromtimestamp(ssl.cert_time_to_seconds(str(ends[0])), UTC)
    return (end - to_datetime(WallClock().now())).days


# ------------------------------------------------------------------ QMT on this machine


def _system() -> Finding:
    bits = struct.calcsize("P") * 8
    if sys.platform == "win32" and bits == 64:
        return Finding("system", "ok", "64-bit Windows")
    return Finding(
        "system",
        "fail",
        f"{platform.system()}, {bits} bit: QMT's SDK runs on 64-bit Windows only",
        "run `qka server` on the Windows machine with QMT, and use broker: {kind: remote} here",
    )


def _sdk() -> Finding:
    minor = sys.version_info.minor
    if importlib.util.find_spec("xtquant") is None:
        return Finding("xtquant", "fail", "it is not installed", "pip install xtquant")
    version = importlib.metadata.version("xtquant")
    if minor not in _PYTHONS:
        words = f"xtquant {version} has no binaries for Python 3.{minor}"
        return Finding("xtquant", "fail", words, "install Python 3.11 (64 bit) and qka in it")
    return Finding("xtquant", "ok", f"xtquant {version} for Python 3.{minor}")


def _folder(path: Path) -> Iterator[Finding]:
    what = "QMT's folder"
    if not path.is_dir():
        inside = [p for p in (path.parent / "userdata_mini", path / "userdata_mini") if p.is_dir()]
        mend = f"did you mean {inside[0]}?" if inside else "name the folder userdata_mini of QMT"
        yield Finding(what, "fail", f"{path} is no folder", mend)
        return
    if path.name.lower() not in ("userdata_mini", "userdata"):
        inside = [p for p in (path / "userdata_mini",) if p.is_dir()]
        mend = f"did you mean {inside[0]}?" if inside else "it usually ends in userdata_mini"
        yield Finding(what, "note", f"{path} is not called userdata_mini", mend)
    elif not os.access(path, os.W_OK):
        mend = "run as administrator, or install QMT outside C:\\Program Files"
        yield Finding(what, "fail", f"{path} can't be written by this user", mend)
    else:
        yield Finding(what, "ok", f"{path} is there and can be written")
    what = "MiniQMT"
    if (path / "up_queue_xtquant").exists():
        yield Finding(what, "ok", "the terminal has opened its queue for programs")
        return
    yield Finding(
        what,
        "fail",
        f"{path / 'up_queue_xtquant'} is not there",
        "start QMT, tick 极简模式 (minimal mode) and log in; if it is missing still, ask the "
        "broker to permit programme trading for the account",
    )


async def _login(plan: Plan) -> Finding:
    from qka.brokers.link import TraderLink
    from qka.brokers.words import account_status

    link = TraderLink(plan.qmt_path, plan.account, deadline=5.0)
    try:
        await link.open()
        status = link.status.account_status
    except QkaError as error:
        return Finding("account", "fail", str(error), "mend this first, then ask again")
    finally:
        await link.close()
    if status:
        words = f"account {plan.account} is {account_status(status)}"
        return Finding("account", "fail", words, "log in to the account in QMT")
    return Finding("account", "ok", f"{plan.account} is logged in and answers")


# ------------------------------------------------------------------ a QMTServer elsewhere


async def _server(plan: Plan) -> AsyncIterator[Finding]:
    from qka.brokers.client import AsyncQMTClient

    if not plan.token:
        yield Finding(
            "token", "fail", "no token is known for the server",
            "put QKA__BROKER__TOKEN=... in .env; the server prints its token when it starts",
        )  # fmt: skip
        return
    client = AsyncQMTClient(
        plan.url,
        plan.token,
        account=plan.account,
        client="doctor",
        patience=3,
        verify=plan.verify,
        fingerprint=plan.fingerprint,
    )
    try:
        hello = await client.open()
        yield Finding("server", "ok", f"{plan.url} answers, account {hello.account}")
        state = hello.link.get("state", "")
        if state == "ready":
            yield Finding("its terminal", "ok", "ready")
        else:
            why = hello.link.get("reason") or state
            yield Finding("its terminal", "fail", f"{why}", "look at QMT on the server's machine")
        if "trade" in hello.scopes:
            yield Finding("its token", "ok", f"may {', '.join(hello.scopes)}")
        else:
            words = f"may {', '.join(hello.scopes)}, not trade"
            yield Finding("its token", "note", words, "use a token with the scope trade")
        if hello.time is not None:
            skew = hello.time - WallClock().now() / SECOND
            fine = abs(skew) <= _SKEW
            yield Finding(
                "its clock",
                "ok" if fine else "fail",
                f"{skew:+.1f} s beside this machine's",
                "" if fine else "set both from a time server: orders carry deadlines",
            )
    except QkaError as error:
        yield Finding("server", "fail", str(error), "start `qka server` there, check url and token")
    finally:
        await client.close()
