"""The HTTP side: one door, with the guard before it."""

import asyncio
from collections.abc import Collection, Mapping

import msgspec
from aiohttp import web
from loguru import logger

from qka.errors import ConfigError
from qka.monitor.control import Command, Control
from qka.monitor.guard import Guard, Refused, Right
from qka.monitor.route import LONGEST, Route, answer, said
from qka.web import Answer, BodyRefused, WebServer, path_of, response

MOST = 64  # connections
_STATUS = {"too_large": 413, "slow": 408, "invalid": 400}  # code of a refused body -> HTTP's


class Http:
    """The routes of one engine's monitor; `more` are those of others in the room."""

    def __init__(self, control: Control, guard: Guard, more: Mapping[str, Route]) -> None:
        self._control = control
        self._guard = guard
        self.routes = {
            "/status": Route("GET", self._status, Right.VIEW),
            "/limits": Route("GET", self._limits, Right.VIEW),
            "/command": Route("POST", self._command, Right.OPERATE),
            "/code": Route("POST", self._code, Right.OPERATE),
            **more,
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
        self._guard.check_origin(request)
        path = path_of(request)
        route = self.routes.get(path)
        right = Right.NONE
        if route is None or route.right:
            right = self._guard.right(request)
            if not right:
                words = "the token is in the run's folder, in control.json"
                raise Refused(401, "unauthorized", words)
            if route is not None and right < route.right:
                raise Refused(403, "read_only", "this token, or this page, may only look")
        if route is None:
            raise Refused(404, "not_found", f"there is nothing at {path[:80]!r}")
        if request.method != route.verb:
            raise Refused(405, "method", f"{path} is asked with {route.verb}")
        return await route.answer(request, right)

    # ------------------------------------------------------------ routes

    async def _status(self, request: web.BaseRequest, right: Right) -> web.StreamResponse:
        return answer(self._control.status())

    async def _limits(self, request: web.BaseRequest, right: Right) -> web.StreamResponse:
        return answer(self._control.limits())

    async def _command(self, request: web.BaseRequest, right: Right) -> web.StreamResponse:
        return answer(await self._control.command(await said(request, Command)))

    async def _code(self, request: web.BaseRequest, right: Right) -> web.StreamResponse:
        if "/login" not in self.routes:
            raise ConfigError("this run has no dashboard: start it with monitor.dashboard=true")
        return answer({"code": self._guard.code()})


class MonitorServer(WebServer):
    """A server that its owner can always reach: too many connections close the oldest ones.

    `pages`: connections that are known and few, and are left alone.
    """

    refused = "the oldest are closed"

    def __init__(self, answer: Answer, *, pages: Collection[object] = ()) -> None:
        super().__init__(answer, most=MOST, longest=LONGEST)
        self._pages = pages

    def refuse(self, newest: asyncio.Transport) -> None:
        """The oldest one goes; who opens a thousand closes his own."""
        # those that were closed just now are still in the list
        strangers = (each for each in self._connections.values() if each not in self._pages)
        next(each for each in strangers if not each.is_closing()).abort()


def _refused(status: int, code: str, words: str) -> web.Response:
    return response(msgspec.json.encode({"error": code, "detail": words}), status=status)
