"""The HTTP side: one door, which looks at where a request comes from and at its token first.

A browser on this machine can be made to send requests by any page it shows. So a request must be
meant for our own address, must not come from a page that is not ours, and must bring the token in a
header, which no foreign page can add. There is no lock-out: 256 random bits are not guessed, and
the owner comes from the same address as whoever guesses.
"""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any, NamedTuple

import msgspec
from aiohttp import hdrs, web
from loguru import logger

from qka.errors import ConfigError
from qka.monitor.control import Command, Control
from qka.web import BodyRefused, WebServer, body, hashed, path_of, response, same, shown
from qka.wire import pretty

MOST = 64  # connections
LONGEST = 65_536  # bytes of a body
_STATUS = {"too_large": 413, "slow": 408, "invalid": 400}  # code of a refused body -> HTTP's

Asked = Callable[[web.BaseRequest], Awaitable[web.StreamResponse]]


class Refused(Exception):
    """A request is refused: HTTP's status, a word for programs, a sentence for people."""

    def __init__(self, status: int, code: str, words: str) -> None:
        super().__init__(words)
        self.status = status
        self.code = code


class Route(NamedTuple):
    """What answers a path, and how it is asked."""

    verb: str
    answer: Asked


class Http:
    """The routes of one engine's monitor; `port` is the one it listens on."""

    def __init__(self, control: Control, token: str, port: int) -> None:
        self._control = control
        self._token = hashed(token)
        self._hosts = {f"{name}:{port}" for name in ("127.0.0.1", "localhost")}
        self._origins = {f"http://{host}" for host in self._hosts}
        self.routes: dict[str, Route] = {
            "/status": Route("GET", self._status),
            "/limits": Route("GET", self._limits),
            "/command": Route("POST", self._command),
        }

    async def answer(self, request: web.BaseRequest) -> web.StreamResponse:
        """Answer a request, whatever it is."""
        try:
            return await self._routed(request)
        except Refused as refused:
            return _refused(refused.status, refused.code, str(refused))
        except BodyRefused as refused:
            answer = _refused(_STATUS[refused.code], refused.code, str(refused))
            answer.force_close()
            return answer
        except ConfigError as error:
            return _refused(422, "refused", str(error))
        except (ConnectionError, asyncio.CancelledError):
            raise
        except Exception as error:
            logger.exception("{} {}: {}", request.method, request.path, error)
            return _refused(500, "failed", f"{type(error).__name__}: {error}; see the run's log")

    async def _routed(self, request: web.BaseRequest) -> web.StreamResponse:
        self._check_origin(request)
        given = shown(request)
        if not given or not same(self._token, hashed(given)):
            raise Refused(401, "unauthorized", "the token is in the run's folder, in control.json")
        path = path_of(request)
        route = self.routes.get(path)
        if route is None:
            raise Refused(404, "not_found", f"there is nothing at {path[:80]!r}")
        if request.method != route.verb:
            raise Refused(405, "method", f"{path} is asked with {route.verb}")
        return await route.answer(request)

    def _check_origin(self, request: web.BaseRequest) -> None:
        origin = request.headers.get(hdrs.ORIGIN)
        if request.headers.get(hdrs.HOST) not in self._hosts:
            raise Refused(403, "foreign", "the request is meant for another host")
        if origin is not None and origin not in self._origins:
            raise Refused(403, "foreign", "the request comes from a page that is not ours")

    # ------------------------------------------------------------ routes

    async def _status(self, request: web.BaseRequest) -> web.StreamResponse:
        return _json(self._control.status())

    async def _limits(self, request: web.BaseRequest) -> web.StreamResponse:
        return _json(self._control.limits())

    async def _command(self, request: web.BaseRequest) -> web.StreamResponse:
        if "json" not in request.headers.get(hdrs.CONTENT_TYPE, "").lower():
            raise Refused(415, "invalid", "the body is JSON: say Content-Type: application/json")
        given = await body(request, LONGEST)
        try:
            asked = msgspec.json.decode(given, type=Command)
        except (msgspec.DecodeError, RecursionError, ValueError) as error:
            raise Refused(400, "invalid", f"the body is no command: {error}") from None
        return _json(await self._control.command(asked))


class MonitorServer(WebServer):
    """A server that its owner can always reach: too many connections close the oldest ones."""

    refused = "the oldest are closed"

    def refuse(self, newest: asyncio.Transport) -> None:
        """The oldest one goes; who opens a thousand closes his own."""
        # those that were closed just now are still in the list
        next(each for each in self._connections.values() if not each.is_closing()).abort()


def _json(value: Any) -> web.Response:
    return response(pretty(value))


def _refused(status: int, code: str, words: str) -> web.Response:
    return response(msgspec.json.encode({"error": code, "detail": words}), status=status)
