"""The HTTP side: one door, `answer`, which asks for the token before it looks at anything else.

Routes are in one table, so nothing can be reached around the door. `/health` alone is open.
"""

import asyncio
import math
from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import NamedTuple
from urllib.parse import unquote

import msgspec
from aiohttp import hdrs, web
from loguru import logger

from qka.clock import wall_time
from qka.server import openapi
from qka.server.audit import Audit, Call
from qka.server.caller import Caller
from qka.server.failure import Failure
from qka.server.health import Health
from qka.server.limits import Addresses
from qka.server.service import Service
from qka.server.tokens import Token, Tokens
from qka.server.ws import Sessions
from qka.web import TEXT, BodyRefused, Lockout, body, path_of, response, shown, text


class Guard:
    """Who is let in: addresses, lock-out, tokens. Shared by both transports."""

    def __init__(
        self, tokens: Tokens, addresses: Addresses, lockout: Lockout, audit: Audit, service: Service
    ) -> None:
        self.tokens = tokens
        self._addresses = addresses
        self._lockout = lockout
        self._audit = audit
        self._metrics = service.metrics
        self._now = wall_time

    def check_address(self, ip: str) -> None:
        """Raises Failure for an address that may not connect."""
        if not self._addresses.allowed(ip):
            raise Failure("forbidden", "this address is not on the server's list")

    def check_locked(self, ip: str) -> None:
        """Raises Failure while the address is locked out."""
        left = self._lockout.remaining(ip)
        if left:
            raise Failure("locked_out", "too many wrong tokens from this address", retry_after=left)

    def admit(self, ip: str, given: str | None, what: str) -> Token:
        """The token that was shown. Raises Failure; a wrong one counts against its address."""
        self.check_locked(ip)
        token = self.tokens.check(given)
        if token is not None:
            return token
        locked = False
        if given:  # none at all is no guess
            self._metrics.refused_tokens.inc()
            locked = self._lockout.failed(ip)
            call = Call(self._now(), "-", ip, "", what[:64], "unauthorized")
            self._audit.note(call)
        if locked:
            self._metrics.lockouts.inc()
            logger.warning("{} showed too many wrong tokens and is locked out for a while", ip)
        raise unauthorized()


def unauthorized() -> Failure:
    """The one answer to no token and to a wrong one."""
    return Failure("unauthorized", "无效的Token: the X-Token header is missing or wrong")


class Asked(NamedTuple):
    """A request that was let in."""

    request: web.BaseRequest
    token: Token
    ip: str
    tail: str  # of the path, after the route


Handler = Callable[[Asked], Awaitable[web.StreamResponse]]


class Route(NamedTuple):
    """What answers a path."""

    verb: str
    handler: Handler


class Http:
    """The routes of one server. `longest`: bytes of a request's body."""

    def __init__(
        self, service: Service, guard: Guard, health: Health, sessions: Sessions, longest: int
    ) -> None:
        self._service = service
        self._guard = guard
        self._health = health
        self.sessions = sessions
        self._longest = longest
        self._openapi = openapi.document()
        self.routes: dict[str, Route] = {
            "api": Route("POST", self._call),
            "outcome": Route("GET", self._outcome),
            "metrics": Route("GET", self._metrics),
            "openapi.json": Route("GET", self._describe),
            "ws": Route("GET", self._websocket),
        }

    # ------------------------------------------------------------ the door

    async def answer(self, request: web.BaseRequest) -> web.StreamResponse:
        """Answer a request, whatever it is."""
        try:
            return await self._routed(request)
        except Failure as failure:
            return _failed(failure)
        except (ConnectionError, asyncio.CancelledError):
            raise
        except Exception as error:
            logger.exception("{} {}: {}", request.method, request.path, error)
            return _failed(Failure("failed", "the server itself failed; its log says more"))

    async def _routed(self, request: web.BaseRequest) -> web.StreamResponse:
        ip = request.remote or "-"
        self._guard.check_address(ip)
        path = path_of(request)
        if path == "/health":
            return self._healthy(request)
        head, _, tail = path[1:].partition("/")
        route = self.routes.get(head)
        given = shown(request)
        if given is None and route is not None and head == "ws" and _upgrades(request):
            self._guard.check_locked(ip)
            return await self.sessions.serve(request, ip, None)  # its first frame brings it
        token = self._guard.admit(ip, given, path)
        if route is None or (tail and head not in ("api", "outcome")):
            raise Failure("not_found", f"there is nothing at {path[:80]!r}")
        if request.method != route.verb:
            raise Failure("method", f"{path[:80]} is asked with {route.verb}")
        return await route.handler(Asked(request, token, ip, tail))

    # ------------------------------------------------------------ routes

    async def _call(self, asked: Asked) -> web.StreamResponse:
        request = asked.request
        headers = request.headers
        kind = headers.get(hdrs.CONTENT_TYPE)
        if kind is not None and "json" not in kind.lower():
            raise Failure(
                "invalid", "the body is a JSON object: say Content-Type: application/json"
            )
        body = await self._body(request)
        deadline = _seconds(headers.get("X-Deadline"))
        key = text(headers.get("Idempotency-Key", ""))
        caller = Caller(asked.token, asked.ip, "http")
        data = await self._service.call(caller, asked.tail.rstrip("/"), body, key, deadline)
        return response(b'{"success":true,"data":%b}' % data)

    async def _outcome(self, asked: Asked) -> web.StreamResponse:
        caller = Caller(asked.token, asked.ip, "http")
        body = msgspec.json.encode({"key": unquote(asked.tail)})
        data = await self._service.call(caller, "outcome", body)
        return response(b'{"success":true,"data":%b}' % data)

    async def _metrics(self, asked: Asked) -> web.StreamResponse:
        _check_read(asked)
        return response(self._service.measure(), TEXT)

    async def _describe(self, asked: Asked) -> web.StreamResponse:
        return response(self._openapi)

    async def _websocket(self, asked: Asked) -> web.StreamResponse:
        if not _upgrades(asked.request):
            raise Failure("invalid", "/ws is a WebSocket")
        return await self.sessions.serve(asked.request, asked.ip, asked.token)

    def _healthy(self, request: web.BaseRequest) -> web.StreamResponse:
        if request.method not in ("GET", "HEAD"):
            raise Failure("method", "/health is asked with GET")
        given = shown(request)
        known = False
        if given:
            with suppress(Failure):  # who shows a wrong one is a stranger, and is counted
                known = bool(self._guard.admit(request.remote or "-", given, "/health"))
        return response(self._health.report(in_full=known))

    async def _body(self, request: web.BaseRequest) -> bytes:
        try:
            return await body(request, self._longest)
        except BodyRefused as refused:
            raise Failure(refused.code, str(refused)) from None


# ------------------------------------------------------------ requests


def _upgrades(request: web.BaseRequest) -> bool:
    return request.method == "GET" and (
        request.headers.get(hdrs.UPGRADE, "").lower() == "websocket"
    )


def _check_read(asked: Asked) -> None:
    if "read" not in asked.token.scopes:
        raise Failure("forbidden", f"the token {asked.token.name!r} has no scope 'read'")


def _seconds(text: str | None) -> float | None:
    if text is None:
        return None
    try:
        return float(text)
    except ValueError:
        return math.nan  # refused where it matters; a cancel has no deadline


def _failed(failure: Failure) -> web.Response:
    answer = response(failure.body(), status=failure.status)
    if failure.retry_after is not None:
        answer.headers[hdrs.RETRY_AFTER] = str(int(failure.retry_after) + 1)
    if failure.code in ("too_large", "slow"):
        answer.force_close()
    return answer
