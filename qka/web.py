"""HTTP as both of our servers speak it: bounded connections, bodies and patience.

A secret is shown in a header, never in a URL. What a route answers is its server's own business.
"""

import asyncio
import errno
import hmac
import logging
from collections import OrderedDict, deque
from collections.abc import Awaitable, Callable
from hashlib import sha256

from aiohttp import hdrs, web
from aiohttp.abc import AbstractStreamWriter
from aiohttp.http import RawRequestMessage
from aiohttp.streams import StreamReader
from aiohttp.web_protocol import RequestHandler
from loguru import logger

JSON = "application/json"
TEXT = "text/plain; version=0.0.4; charset=utf-8"
BODY_SECONDS = 10.0  # for a body to come in
_IDLE_SECONDS = 75.0  # a connection may be silent for so long
_MOST_ADDRESSES = 4096  # remembered at a time, so that many callers cost bounded memory
LINGER_SECONDS = 2.0  # for the rest of a body that is not wanted

# aiohttp reports every malformed request with a traceback; what matters is logged by the routes
_quiet = logging.getLogger("qka.web")
_quiet.addHandler(logging.NullHandler())
_quiet.propagate = False

Now = Callable[[], float]  # seconds, only ever forward: the loop's time
Answer = Callable[[web.BaseRequest], Awaitable[web.StreamResponse]]


_UNHEARD = {
    errno.EADDRINUSE: "Address already in use",
    errno.EADDRNOTAVAIL: "Cannot assign requested address",
    errno.EACCES: "Permission denied",
}


class BodyRefused(Exception):
    """A body is too long, too slow or broken; `code`: too_large, slow or invalid."""

    def __init__(self, code: str, words: str) -> None:
        super().__init__(words)
        self.code = code


class WebServer(web.Server):
    """aiohttp's server with a bound on its connections, and on what a body may hold.

    `most` connections, `longest` bytes of a body; one connection too many is `refuse`d.
    """

    refused = "further ones are closed"  # what happens then, for the log

    def __init__(self, answer: Answer, *, most: int, longest: int) -> None:
        self._most = most
        self._longest = longest
        self._told = False
        super().__init__(
            answer,
            request_factory=self._request,
            access_log=None,
            logger=_quiet,
            keepalive_timeout=_IDLE_SECONDS,
            lingering_time=LINGER_SECONDS,
            auto_decompress=False,  # a small body that unpacks to a huge one is not JSON to us
        )

    def connection_made(self, handler: RequestHandler, transport: asyncio.Transport) -> None:
        """Count a connection."""
        super().connection_made(handler, transport)
        if len(self._connections) > self._most:
            if not self._told:
                self._told = True
                logger.warning("more than {} connections: {}", self._most, self.refused)
            self.refuse(transport)

    def refuse(self, newest: asyncio.Transport) -> None:
        """There is one connection too many: the newest is closed at once."""
        newest.abort()

    def _request(
        self,
        message: RawRequestMessage,
        payload: StreamReader,
        protocol: RequestHandler,
        writer: AbstractStreamWriter,
        task: "asyncio.Task[None]",
    ) -> web.BaseRequest:
        return web.BaseRequest(
            message, payload, protocol, writer, task, self._loop, client_max_size=self._longest
        )


# ------------------------------------------------------------ requests


def path_of(request: web.BaseRequest) -> str:
    """The path as it was sent, nothing in it resolved, and without the query."""
    return text(request.raw_path.partition("?")[0])


def shown(request: web.BaseRequest) -> str | None:
    """The token of a request: `X-Token`, or `Authorization: Bearer`. Never one in the URL."""
    token = request.headers.get("X-Token")
    if token is None:
        kind, _, secret = request.headers.get(hdrs.AUTHORIZATION, "").partition(" ")
        if kind.lower() == "bearer":
            return secret.strip()
    return token


def hashed(secret: str) -> str:
    """SHA-256 of a secret, hex."""
    # 256 random bits need no salt and no slow hash; a header may hold bytes that are no text
    return sha256(secret.encode("utf-8", "surrogateescape")).hexdigest()


def same(one: str, other: str) -> bool:
    """Whether two hashes are equal; takes as long for a near miss as for a wild guess."""
    return hmac.compare_digest(one, other)


def text(value: str) -> str:
    """What came as bytes, without those that are no text."""
    if value.isascii():
        return value
    return value.encode("utf-8", "surrogateescape").decode("utf-8", "replace")


async def body(request: web.BaseRequest, longest: int) -> bytes:
    """The body of a request, `longest` bytes at most; raises BodyRefused."""
    length = request.content_length
    if length is not None and length > longest:
        raise _too_large(longest)
    if request.headers.get("Expect", "").lower() == "100-continue" and request.transport:
        request.transport.write(b"HTTP/1.1 100 Continue\r\n\r\n")
    try:
        if request.content.is_eof():  # it came in one piece with the headers, as most do
            return await request.read()
        async with asyncio.timeout(BODY_SECONDS):
            return await request.read()
    except web.HTTPRequestEntityTooLarge:
        raise _too_large(longest) from None
    except TimeoutError:
        raise BodyRefused("slow", f"the body did not come within {BODY_SECONDS:g} s") from None
    except (web.RequestPayloadError, ValueError) as error:
        raise BodyRefused("invalid", f"the body is broken: {error}") from None


def _too_large(longest: int) -> BodyRefused:
    return BodyRefused("too_large", f"a body has {longest} bytes at most")


def unheard(error: OSError) -> str:
    """Why nobody can listen there, in the system's words alone.

    asyncio and `socket.create_server` add the address, which whoever tells it names anyway.
    """
    return _UNHEARD.get(error.errno or 0) or error.strerror or str(error)


class Lockout:
    """An address with `limit` wrong tokens in `window` seconds is not heard for `hold` seconds.

    A right token does not help while it lasts, so that a guess can't be told from a hit; links
    that are already open go on.
    """

    def __init__(self, limit: int, window: float, hold: float, now: Now) -> None:
        self._limit = limit
        self._window = window
        self._hold = hold
        self._now = now
        self._failed: OrderedDict[str, deque[float]] = OrderedDict()  # address -> when
        self._locked: OrderedDict[str, float] = OrderedDict()  # address -> until

    def remaining(self, address: str) -> float:
        """Seconds that an address is still locked out; 0.0 when it is not."""
        until = self._locked.get(address)
        if until is None:
            return 0.0
        left = until - self._now()
        if left <= 0:
            del self._locked[address]
            return 0.0
        return left

    def failed(self, address: str) -> bool:
        """A wrong token came from there; whether that locks it out now."""
        now = self._now()
        times = self._failed.setdefault(address, deque(maxlen=self._limit))
        self._failed.move_to_end(address)
        times.append(now)
        if len(self._failed) > _MOST_ADDRESSES:
            self._failed.popitem(last=False)
        if len(times) < self._limit or now - times[0] > self._window:
            return False
        del self._failed[address]
        self._locked[address] = now + self._hold
        if len(self._locked) > _MOST_ADDRESSES:
            self._locked.popitem(last=False)
        return True


# ------------------------------------------------------------ responses


def response(body: bytes, kind: str = JSON, status: int = 200) -> web.Response:
    """An answer of that kind."""
    headers = {hdrs.CONTENT_TYPE: kind, hdrs.SERVER: "qka"}
    return web.Response(body=body, status=status, headers=headers)
