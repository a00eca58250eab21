"""The site: the page's files, out of the package, with the headers that keep it to itself."""

from hashlib import sha256
from pathlib import Path
from typing import NamedTuple

from aiohttp import hdrs, web

from qka import charts
from qka.monitor.guard import Right
from qka.monitor.phrasebook import phrasebook
from qka.web import response

FOLDER = Path(__file__).parent / "web"
_TYPES = {
    ".html": "text/html; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".css": "text/css; charset=utf-8",
    ".svg": "image/svg+xml",
    ".webmanifest": "application/manifest+json",
}
# nothing from elsewhere, nothing inline, nobody may frame it
HEADERS = {
    "Content-Security-Policy": "default-src 'none'; script-src 'self'; style-src 'self'; "
    "img-src 'self' data:; connect-src 'self'; manifest-src 'self'; base-uri 'none'; "
    "form-action 'none'; frame-ancestors 'none'",
    "X-Frame-Options": "DENY",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
}


class _File(NamedTuple):
    body: bytes
    kind: str
    tag: str


class Site:
    """The files by their paths, read once."""

    def __init__(self) -> None:
        self._files = {f"/{file.name}": _read(file) for file in FOLDER.iterdir()}
        self._files["/"] = self._files.pop("/index.html")
        self._files["/charts.js"] = _read(charts.SCRIPT)
        self._files["/phrases.json"] = _file(phrasebook(), "application/json")

    @property
    def paths(self) -> list[str]:
        """What there is."""
        return list(self._files)

    async def answer(self, request: web.BaseRequest, right: Right) -> web.StreamResponse:
        """A file; asked for again it is sent only when it is another one."""
        file = self._files[request.path]
        same = request.headers.get(hdrs.IF_NONE_MATCH) == file.tag
        answer = response(b"" if same else file.body, file.kind, 304 if same else 200)
        answer.headers.update(HEADERS)
        answer.headers[hdrs.ETAG] = file.tag
        answer.headers[hdrs.CACHE_CONTROL] = "no-cache"
        return answer


def _read(file: Path) -> _File:
    return _file(file.read_bytes(), _TYPES[file.suffix])


def _file(body: bytes, kind: str) -> _File:
    return _File(body, kind, f'"{sha256(body).hexdigest()[:20]}"')
