"""The dashboard: the page, who is logged in to it, and its stream."""

from collections.abc import Callable, Mapping
from typing import Any

from aiohttp import web

from qka.engine.engine import Engine
from qka.monitor.curves import Curves
from qka.monitor.guard import Guard, Login, Right
from qka.monitor.panels import Panels
from qka.monitor.recent import Recent
from qka.monitor.route import Route, answer, said
from qka.monitor.site import Site
from qka.monitor.watchers import Watchers
from qka.wire import compact

See = Callable[[], Mapping[str, Any]]


class Dashboard:
    """Of one engine; made before it starts. `status` and `limits` give what their names say."""

    def __init__(self, engine: Engine, status: See, limits: See) -> None:
        recent, curves = Recent(engine), Curves(engine)
        self.watchers = Watchers(Panels(engine, recent, status, limits), curves, recent)
        self.ended: Mapping[str, str] | None = None  # how, and why, for the pages to say
        self._guard: Guard

    def open(self) -> None:
        """The account's books are there: begin to look."""
        self.watchers.open()

    def routes(self, guard: Guard) -> dict[str, Route]:
        """What it answers; `guard` lets people in."""
        self._guard, site = guard, Site()
        return {
            **{path: Route("GET", site.answer, Right.NONE) for path in site.paths},
            "/login": Route("POST", self._login, Right.NONE),
            "/logout": Route("POST", self._logout, Right.NONE),
            "/session": Route("GET", self._session, Right.VIEW),
            "/stream": Route("GET", self._stream, Right.VIEW),
        }

    async def close(self) -> None:
        """End the pages' links, with a word on how the run has ended where that is known."""
        await self.watchers.close(self.ended)

    async def _login(self, request: web.BaseRequest, right: Right) -> web.StreamResponse:
        login = await said(request, Login)
        made = answer({})
        right = self._guard.let_in(login, request, made)
        made.body = compact({"right": right.name.lower()})
        return made

    async def _logout(self, request: web.BaseRequest, right: Right) -> web.StreamResponse:
        made = answer({})
        self._guard.let_out(request, made)
        return made

    async def _session(self, request: web.BaseRequest, right: Right) -> web.StreamResponse:
        return answer({"right": right.name.lower()})

    async def _stream(self, request: web.BaseRequest, right: Right) -> web.StreamResponse:
        return await self.watchers.serve(request, right)
