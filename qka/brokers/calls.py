"""Calls to a QMTServer: what a reply means, and how one is got over HTTP.

A query may be asked again. An order never leaves twice but under its key: every order has one,
the caller's or one made for the call, and when a reply is lost the server is asked under it what
became of the order. What then is still not known is raised as `OutcomeUnknown`.
"""

import asyncio
import ssl
from collections.abc import Mapping
from email.utils import parsedate_to_datetime
from random import random
from secrets import token_hex
from typing import Any, Literal
from urllib.parse import quote, urlsplit

import aiohttp
import msgspec
from loguru import logger

from qka.brokers.answers import CANCELS, ORDERS, answer
from qka.clock import WallClock
from qka.errors import (
    AccessDenied,
    BrokerUnavailable,
    CallRefused,
    ConfigError,
    NotSent,
    OutcomeUnknown,
    QkaError,
)
from qka.model.times import SECOND

FIRST_WAIT, LONGEST_WAIT = 0.1, 2.0  # seconds between two tries
_LOOPBACK = {"localhost", "127.0.0.1", "::1"}


class Reply(msgspec.Struct, frozen=True):
    """A server's answer to one call, on either transport."""

    success: bool = False
    data: Any = None
    detail: Any = ""
    code: str = ""  # the server's word for what went wrong
    outcome: Literal["", "executed", "not_executed", "unknown"] = ""
    retry_after: float | None = None  # seconds

    @property
    def refused(self) -> bool:
        """The call came through and the broker said no: `detail` has its words."""
        return not self.success and self.data == -1

    @property
    def passing(self) -> bool:
        """It may be worth asking again in a moment."""
        return self.code in ("unavailable", "rate", "deadline")


# HTTP status -> code, for replies that do not bring their own
_CODES = {
    401: "unauthorized",
    403: "forbidden",
    404: "not_found",
    405: "not_found",
    409: "other_account",
    422: "invalid",
    429: "rate",
    503: "unavailable",
    504: "deadline",
}


class Fate(msgspec.Struct, frozen=True):
    """What a server knows of an order by its key."""

    # executed, refused, not_executed, unknown, pending or never_seen
    state: str = "unknown"
    order_id: int | None = None
    detail: str = ""


def is_query(method: str) -> bool:
    """Whether it may be asked twice: a query, or a recall, which the second time finds nothing."""
    return method.startswith(("query_", "get_")) or method in ("outcome", "recall")


def error_of(method: str, reply: Reply, key: str = "") -> QkaError:
    """What a failed call is to the caller: the server's own words and what they mean."""
    told = str(reply.detail or reply.code or "the server gave no reason")
    if not told.startswith(method):
        told = f"{method}: {told}"
    if reply.code in ("unauthorized", "forbidden"):
        return AccessDenied(f"{told} (nothing was executed)", reply.code)
    if reply.outcome in ("unknown", "executed"):  # executed, and its answer was lost
        return OutcomeUnknown(f"{told} (its key: {key})" if key else told)
    if reply.passing:
        kind = BrokerUnavailable if is_query(method) else NotSent
        return kind(told if is_query(method) else f"{told} (nothing was executed)")
    return CallRefused(f"{told} (nothing was executed)", reply.code)


def unknown(method: str, why: str, key: str = "") -> OutcomeUnknown:
    """An order (or another deed) of which nobody can say whether it was done."""
    by_key = f", or ask outcome({key!r})" if key else ""
    return OutcomeUnknown(
        f"{method}: {why}. It may have been executed: look at the account's orders{by_key} "
        "before you send anything again"
    )


def packed(method: str, params: Mapping[str, Any]) -> bytes:
    """Named arguments as JSON; raises CallRefused for one that is no plain value."""
    try:
        return _encoder.encode(params)
    except (TypeError, ValueError, OverflowError):
        plain = {}  # one by one, to say which it is
    for name, value in params.items():
        try:
            plain[name] = msgspec.Raw(_encoder.encode(value))
        except (TypeError, ValueError, OverflowError) as error:
            raise CallRefused(
                f"{method}: {name}={value!r} can't be sent ({error}): nothing was sent", "invalid"
            ) from None
    return _encoder.encode(plain)


def _plain(value: Any) -> Any:
    """Numbers of numpy and subclasses of int, as plain ones."""
    if hasattr(value, "item"):
        return value.item()
    if isinstance(value, int):
        return int(value)
    if isinstance(value, float):
        return float(value)
    raise TypeError(f"{type(value).__name__} is neither text nor number")


_encoder = msgspec.json.Encoder(enc_hook=_plain, decimal_format="number")


class Line:
    """The way to one server: its address, the token, TLS; one pool of connections.

    `verify`: True, the path of a CA file, or False; `fingerprint`: SHA-256 of the server's own
    certificate, which is then the only one trusted. Raises ConfigError.
    """

    def __init__(
        self,
        base_url: str,
        token: str,
        *,
        timeout: float = 15.0,
        verify: bool | str = True,
        fingerprint: str = "",
    ) -> None:
        self.base_url = base_url.strip().rstrip("/")
        self.timeout = timeout
        self.ahead = 0.0  # seconds the server's clock is ahead of ours
        self.known = False  # whether that is known
        self.date = ""  # the server's clock, as it last came
        self._token = token.strip()
        self._ssl = _trust(self.base_url, verify, fingerprint)
        self._session: aiohttp.ClientSession | None = None

    def __repr__(self) -> str:
        return self.base_url  # never the token

    @property
    def session(self) -> aiohttp.ClientSession:
        """The pool, made on the running loop when it is first used."""
        if self._session is None or self._session.closed:
            self._session = aiohttp.ClientSession(
                connector=aiohttp.TCPConnector(ssl=self._ssl, limit=0),
                headers={"X-Token": self._token},
                timeout=aiohttp.ClientTimeout(
                    total=self.timeout, sock_connect=min(5.0, self.timeout)
                ),
            )
        return self._session

    async def close(self) -> None:
        """Close the pool; using it again makes another."""
        if self._session is not None:
            await self._session.close()
            self._session = None

    def heard_at(self, unix: float) -> None:
        """The server's clock said this just now."""
        self.ahead, self.known = unix - WallClock().now() / SECOND, True

    def deadline(self, after: float) -> float | None:
        """The moment in so many seconds by the server's clock; None until that is known."""
        return WallClock().now() / SECOND + self.ahead + after if self.known else None


def _trust(
    base_url: str, verify: bool | str, fingerprint: str
) -> bool | ssl.SSLContext | aiohttp.Fingerprint:
    parts = urlsplit(base_url)
    if parts.scheme not in ("http", "https") or not parts.hostname or parts.username:
        raise ConfigError(f"{base_url!r} is no server: write http://host:8000 or https://host:8000")
    if fingerprint:
        if parts.scheme != "https":
            raise ConfigError(f"{base_url}: a fingerprint is checked over https only")
        try:
            digest = bytes.fromhex(fingerprint.replace(":", ""))
            return aiohttp.Fingerprint(digest)
        except ValueError:
            words = "fingerprint: write the certificate's SHA-256, 64 hex digits"
            raise ConfigError(words) from None
    if parts.scheme == "http" and parts.hostname not in _LOOPBACK:
        logger.warning("{}: the token and all orders travel unencrypted; use https", base_url)
    if isinstance(verify, str):
        try:
            return ssl.create_default_context(cafile=verify)
        except (OSError, ssl.SSLError) as error:
            raise ConfigError(f"verify: {verify} is no CA file ({error})") from None
    return verify


class _Unreached(Exception):
    """Nothing was sent: there is no connection."""


class _Lost(Exception):
    """Something was sent and no whole reply came back."""


class Calls:
    """Calls over HTTP. `patience`: seconds that what may be tried again is tried for."""

    def __init__(self, line: Line, *, patience: float = 5.0) -> None:
        self._line = line
        self._patience = patience

    async def call(
        self, method: str, params: Mapping[str, Any], *, key: str = "", deadline: float = 0.0
    ) -> Any:
        """A method's answer. `deadline`: Unix seconds after which an order is refused.

        Raises AccessDenied, CallRefused, BrokerUnavailable (NotSent for what is no query) or
        OutcomeUnknown; never anything of the transport's own.
        """
        if not (isinstance(method, str) and method.isidentifier()):
            raise CallRefused(f"{method!r} is no method: name one, as in api('query_stock_asset')")
        if method == "outcome":
            params, key = {"key": key}, ""  # it is this method's argument
        body = packed(method, params)
        headers = {"Content-Type": "application/json"}
        if method in ORDERS:
            key = key or token_hex(11)
            limit = deadline or self._line.deadline(self._line.timeout)
            if limit:
                headers["X-Deadline"] = f"{limit:.3f}"
        if key:
            headers["Idempotency-Key"] = key
        reply = await self._insist(method, key, "POST", f"/api/{method}", body, headers)
        if reply.success or reply.refused:
            return answer(method, reply.data, "" if reply.success else str(reply.detail))
        raise error_of(method, reply, key)

    async def outcome(self, key: str) -> Fate:
        """What the server knows of an order by its key; raises BrokerUnavailable, AccessDenied."""
        return fate_of(await self._insist("outcome", "", "GET", _outcome(key)))

    async def _insist(self, method: str, key: str, *request: Any) -> Reply:
        """One reply, asked for again where that is harmless."""
        tries = Tries(self._patience)
        while True:
            pause, lost = 0.0, False
            try:
                reply = await self._send(*request)
                lost = reply.outcome == "unknown" and method in ORDERS
                if not lost and not (reply.passing and is_query(method)):
                    return reply
                problem, pause = error_of(method, reply, key), reply.retry_after or 0.0
            except _Unreached as error:
                kind = BrokerUnavailable if is_query(method) else NotSent
                problem = kind(f"{method}: {error}: nothing was sent")
            except _Lost as error:
                problem = unknown(method, str(error), key)
                if is_query(method) or method in CANCELS:
                    problem = BrokerUnavailable(f"{method}: {error}")
                elif method not in ORDERS:
                    raise problem from None
                lost = method in ORDERS
            if lost:
                found = await self._settled(key)
                if found is None:
                    raise problem
                if found.code != "never_seen":
                    return found
            if not await tries.another(pause):
                raise problem

    async def _settled(self, key: str) -> Reply | None:
        """What became of an order whose reply was lost; None when it can't be found out."""
        tries = Tries(self._patience)
        while True:
            try:
                fate = fate_of(await self._send("GET", _outcome(key)))
            except (_Unreached, _Lost):
                fate = Fate()
            except QkaError:
                return None  # a server that keeps no outcomes
            match fate.state:
                case "executed" if fate.order_id is not None:
                    return Reply(True, fate.order_id)
                case "refused":
                    return Reply(False, -1, fate.detail)
                case "not_executed":
                    return Reply(detail=fate.detail, code="unavailable", outcome="not_executed")
                case "never_seen":  # sent again it is executed once: the key is the same
                    return Reply(code="never_seen")
            if not await tries.another():
                return None

    async def _send(
        self,
        verb: str,
        path: str,
        body: bytes | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> Reply:
        url = self._line.base_url + path
        try:
            async with self._line.session.request(
                verb, url, data=body, headers=headers, allow_redirects=False
            ) as response:
                payload = await response.read()
                _note_time(self._line, response.headers.get("Date", ""))
                return _reply(response.status, payload)
        except (aiohttp.ClientConnectorError, aiohttp.ServerTimeoutError) as error:
            raise _Unreached(unanswered(self._line, error)) from None
        except aiohttp.ServerFingerprintMismatch:
            raise BrokerUnavailable(
                f"{self._line} shows another certificate than the one that is pinned: "
                "nothing was sent; compare its fingerprint with the server's"
            ) from None
        except TimeoutError:
            raise _Lost(f"no reply from {self._line} within {self._line.timeout:g} s") from None
        except (aiohttp.ClientError, OSError) as error:
            raise _Lost(f"the link to {self._line} broke ({_reason(error)})") from None


def unanswered(line: Line, error: Exception) -> str:
    """What to say, and what to look at, where no server answers."""
    if "WRONG_VERSION_NUMBER" in str(error):
        return f"what answers at {line} speaks http, and not https: correct the url's beginning"
    return (
        f"no server answers at {line} ({_reason(error)}): is `qka server` running there, and is "
        "this its address?"
    )


def _outcome(key: str) -> str:
    return f"/outcome/{quote(key, safe='')}"


def fate_of(reply: Reply) -> Fate:
    """What a server's answer to `outcome` says; raises what the call failed with."""
    if reply.code == "never_seen":
        return Fate("never_seen")
    if not reply.success:
        raise error_of("outcome", reply)
    return msgspec.convert(reply.data, Fate)


class Tries:
    """Tries with growing, scattered pauses inside a budget of seconds."""

    def __init__(self, patience: float) -> None:
        self._loop = asyncio.get_running_loop()
        self._ends = self._loop.time() + patience
        self._wait = FIRST_WAIT

    @property
    def left(self) -> float:
        """Seconds of the budget that are left."""
        return max(0.0, self._ends - self._loop.time())

    async def another(self, pause: float = 0.0) -> bool:
        """Wait, at least `pause` seconds; False when the budget is spent."""
        wait = max(pause, self._wait * (0.5 + random() / 2))
        if self._loop.time() + wait > self._ends:
            return False
        await asyncio.sleep(wait)
        self._wait = min(self._wait * 2, LONGEST_WAIT)
        return True


def _reason(error: Exception) -> str:
    return str(error) or type(error).__name__


def _note_time(line: Line, date: str) -> None:
    if date == line.date:
        return  # still the same second
    line.date = date
    try:
        line.heard_at(parsedate_to_datetime(date).timestamp())
    except (TypeError, ValueError):
        pass  # no date, no knowledge


def _reply(status: int, payload: bytes) -> Reply:
    """A reply as it came; one that is no JSON of a QMTServer's is told by its status."""
    try:
        reply = msgspec.json.decode(payload, type=Reply)
    except msgspec.DecodeError:
        words = payload[:200].decode("utf-8", "replace").strip()
        reply = Reply(detail=f"HTTP {status} {words}".strip())
    if reply.success:
        return reply
    code = reply.code or _CODES.get(status, "failed")
    detail = reply.detail if isinstance(reply.detail, str) else msgspec.json.encode(reply.detail)
    outcome = reply.outcome or ("unknown" if status >= 500 and status != 503 else "not_executed")
    if isinstance(detail, bytes):
        detail = detail.decode()
    return Reply(False, reply.data, detail or f"HTTP {status}", code, outcome, reply.retry_after)
