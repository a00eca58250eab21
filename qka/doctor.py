"""What is missing on this machine before the engine, or a QMTServer, can do its work.

Each check looks and changes nothing; it ends in a word (ok, note, fail), what it found, and for
what is not right how to mend it, in the reader's language. An order is never sent.
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
from qka.errors import CallRefused, QkaError
from qka.language import say
from qka.model.times import SECOND, day_of, to_datetime
from qka.phrases import retold
from qka.settings import Settings
from qka.settings.rulefile import named

Verdict = Literal["ok", "note", "fail"]
_PYTHONS = range(6, 14)  # of CPython 3: what the SDK's binaries are built for
_SET_TIME = {"win32": "w32tm /resync", "linux": "timedatectl set-ntp true"}
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
    words = say("CPython {version} on {system}").format(version=version, system=platform.system())
    return Finding(say("python"), "ok", words)


def _room(plan: Plan) -> Iterator[Finding]:
    places = [(say("disk"), plan.data_dir)]
    if plan.qmt_path:
        places.append((say("QMT's disk"), Path(plan.qmt_path)))
    for what, folder in places:
        there = next((p for p in (folder, *folder.absolute().parents) if p.exists()), None)
        if there is None:
            words = say("{folder} is on no disk of this machine").format(folder=folder)
            yield Finding(what, "fail", words, say("correct the path"))
            continue
        free = shutil.disk_usage(there).free
        enough = free >= _ROOM
        yield Finding(
            what,
            "ok" if enough else "fail",
            say("{free:.1f} GB free for {folder}").format(free=free / 1e9, folder=folder),
            ""
            if enough
            else say("make room: a full disk stops the journal, and with it new orders"),
        )


def _clock() -> Finding:
    now = to_datetime(WallClock().now())
    command = _SET_TIME.get(sys.platform)
    how = say(" (`{command}`)").format(command=command) if command else ""
    return Finding(
        say("clock"),
        "note",
        say("it is {now:%Y-%m-%d %H:%M:%S} in Shanghai by this machine").format(now=now),
        say("compare it; let the system set it from a time server") + how,
    )


def days_left(calendar: Calendar, today: date) -> Finding:
    """How long the trading calendar goes on."""
    left = (calendar.last - today).days
    soon = calendar.notice(today)
    if not soon:
        words = say("trading days are known until {day}").format(day=calendar.last)
        return Finding(say("calendar"), "ok", words)
    verdict: Verdict = "note" if left >= 0 else "fail"
    return Finding(say("calendar"), verdict, retold(soon), retold(calendar.mend))


def _port(host: str, port: int) -> Finding:
    what, place = say("port {port}").format(port=port), f"{host}:{port}"
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family) as probe:
        try:
            probe.bind((host, port))
        except OSError as error:
            words = say("{place} can't be listened on ({error})").format(
                place=place, error=retold(error.strerror or str(error))
            )
            return Finding(what, "fail", words, say("stop what uses it, or choose another --port"))
    if host in ("127.0.0.1", "localhost", "::1"):
        words = say("{place} is free; only this machine will reach it").format(place=place)
        return Finding(what, "ok", words)
    words = say("{place} is free, and other machines will reach it").format(place=place)
    mend = say("give --tls-cert and --tls-key, and --allow for the machines that may connect")
    return Finding(what, "note", words, mend)


def _tls(plan: Plan) -> Finding:
    if not (plan.tls_cert and plan.tls_key):
        return Finding("TLS", "fail", say("certificate and key go together"), say("give both"))
    try:
        ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER).load_cert_chain(plan.tls_cert, plan.tls_key)
    except (OSError, ssl.SSLError) as error:
        words = say("{certificate} and {key} can't be used ({error})").format(
            certificate=plan.tls_cert, key=plan.tls_key, error=error
        )
        mend = say("give the PEM files of one certificate and its key")
        return Finding("TLS", "fail", words, mend)
    left = _days_left(plan.tls_cert)
    if left is not None and left < 14:
        words = say("the certificate has ended")
        if left >= 0:
            words = say("the certificate ends in {left} days").format(left=left)
        return Finding("TLS", "fail" if left < 0 else "note", words, say("renew it"))
    return Finding("TLS", "ok", say("certificate and key fit each other"))


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
        return Finding(say("system"), "ok", say("64-bit Windows"))
    words = say("{system}, {bits} bit: QMT's SDK runs on 64-bit Windows only")
    return Finding(
        say("system"),
        "fail",
        words.format(system=platform.system(), bits=bits),
        say(
            "run `qka server` on the Windows machine with QMT, and use broker: {kind: remote} here"
        ),
    )


def _sdk() -> Finding:
    minor = sys.version_info.minor
    if importlib.util.find_spec("xtquant") is None:
        return Finding("xtquant", "fail", say("it is not installed"), "pip install xtquant")
    version = importlib.metadata.version("xtquant")
    if minor not in _PYTHONS:
        words = say("xtquant {version} has no binaries for Python 3.{minor}")
        mend = say("install Python 3.11 (64 bit) and qka in it")
        return Finding("xtquant", "fail", words.format(version=version, minor=minor), mend)
    words = say("xtquant {version} for Python 3.{minor}").format(version=version, minor=minor)
    return Finding("xtquant", "ok", words)


def _folder(path: Path) -> Iterator[Finding]:
    what = say("QMT's folder")
    if not path.is_dir():
        inside = [p for p in (path.parent / "userdata_mini", path / "userdata_mini") if p.is_dir()]
        mend = _meant(inside) or say("name the folder userdata_mini of QMT")
        yield Finding(what, "fail", say("{path} is no folder").format(path=path), mend)
        return
    if path.name.lower() not in ("userdata_mini", "userdata"):
        inside = [p for p in (path / "userdata_mini",) if p.is_dir()]
        mend = _meant(inside) or say("it usually ends in userdata_mini")
        words = say("{path} is not called userdata_mini").format(path=path)
        yield Finding(what, "note", words, mend)
    elif not os.access(path, os.W_OK):
        words = say("{path} can't be written by this user").format(path=path)
        mend = say("run as administrator, or install QMT outside C:\\Program Files")
        yield Finding(what, "fail", words, mend)
    else:
        words = say("{path} is there and can be written").format(path=path)
        yield Finding(what, "ok", words)
    what = "MiniQMT"
    queue = path / "up_queue_xtquant"
    if queue.exists():
        yield Finding(what, "ok", say("the terminal has opened its queue for programs"))
        return
    yield Finding(
        what,
        "fail",
        say("{path} is not there").format(path=queue),
        say(
            "start QMT, tick 极简模式 (minimal mode) and log in; if it is missing still, ask the "
            "broker to permit programme trading for the account"
        ),
    )


def _meant(inside: list[Path]) -> str:
    return say("did you mean {names}?").format(names=inside[0]) if inside else ""


async def _login(plan: Plan) -> Finding:
    from qka.brokers.link import TraderLink
    from qka.brokers.words import account_status

    link = TraderLink(plan.qmt_path, plan.account, deadline=5.0)
    try:
        await link.open()
        status = link.status.account_status
    except QkaError as error:
        mend = say("mend this first, then ask again")
        return Finding(say("account"), "fail", retold(str(error)), mend)
    finally:
        await link.close()
    if status:
        words = say("account {id} is {status}")
        words = words.format(id=plan.account, status=account_status(status))
        return Finding(say("account"), "fail", words, say("log in to the account in QMT"))
    words = say("{id} is logged in and answers").format(id=plan.account)
    return Finding(say("account"), "ok", words)


# ------------------------------------------------------------------ a QMTServer elsewhere


async def _server(plan: Plan) -> AsyncIterator[Finding]:
    from qka.brokers.client import AsyncQMTClient

    if not plan.token:
        words = say("no token is known for the server")
        mend = say("put QKA__BROKER__TOKEN=... in .env; the server prints its token when it starts")
        yield Finding(say("token"), "fail", words, mend)
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
        words = say("{url} answers, account {id}").format(url=plan.url, id=hello.account)
        yield Finding(say("server"), "ok", words)
        state = hello.link.get("state", "")
        if state == "ready":
            yield Finding(say("its terminal"), "ok", say("ready"))
        else:
            why = hello.link.get("reason") or state
            mend = say("look at QMT on the server's machine")
            yield Finding(say("its terminal"), "fail", retold(str(why)), mend)
        scopes = ", ".join(hello.scopes)
        if "trade" in hello.scopes:
            yield Finding(say("its token"), "ok", say("may {scopes}").format(scopes=scopes))
        else:
            words = say("may {scopes}, not trade").format(scopes=scopes)
            yield Finding(say("its token"), "note", words, say("use a token with the scope trade"))
        if hello.time is not None:
            skew = hello.time - WallClock().now() / SECOND
            fine = abs(skew) <= _SKEW
            yield Finding(
                say("its clock"),
                "ok" if fine else "fail",
                say("{skew:+.1f} s beside this machine's").format(skew=round(skew, 1) + 0.0),
                "" if fine else say("set both from a time server: orders carry deadlines"),
            )
    except CallRefused as error:  # says itself what to do
        yield Finding(say("server"), "fail", retold(str(error)))
    except QkaError as error:
        mend = say("start `qka server` there, check url and token")
        yield Finding(say("server"), "fail", retold(str(error)), mend)
    finally:
        await client.close()
