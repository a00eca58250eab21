"""A route: what answers a path, how it is asked, and who may."""

from collections.abc import Awaitable, Callable
from typing import Any, NamedTuple, TypeVar

import msgspec
from aiohttp import hdrs, web

from qka.monitor.guard import Refused, Right
from qka.web import body, response
from qka.wire import pretty

LONGEST = 65_536  # bytes of a body

Asked = Callable[[web.BaseRequest, Right], Awaitable[web.StreamResponse]]
Said = TypeVar("Said")


class Route(NamedTuple):
    """Whoever has the right asks it with this verb; `answer` is told which right that is."""

    verb: str
    answer: Asked
    right: Right


async def said(request: web.BaseRequest, kind: type[Said]) -> Said:
    """The body of a request as what it should be; raises Refused, BodyRefused."""
    if "json" not in request.headers.get(hdrs.CONTENT_TYPE, "").lower():
        raise Refused(415, "invalid", "the body is JSON: say Content-Type: application/json")
    given = await body(request, LONGEST)
    try:
        return msgspec.json.decode(given, type=kind)
    except (msgspec.DecodeError, RecursionError, ValueError) as error:
        raise Refused(400, "invalid", f"the body is no {kind.__name__.lower()}: {error}") from None


def answer(value: Any) -> web.Response:
    """A value as JSON that nobody keeps."""
    made = response(pretty(value))
    made.headers[hdrs.CACHE_CONTROL] = "no-store"
    return made
