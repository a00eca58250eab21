"""Where alerts arrive in tests: an HTTP server that behaves as it is told, and a mail server."""

import asyncio
import threading
from collections import deque
from contextlib import contextmanager
from typing import Any, NamedTuple

from aiohttp import web
from scripted import looping


class Got(NamedTuple):
    """One request."""

    path: str
    query: dict[str, str]
    body: dict[str, Any]


class Receiver:
    """Takes everything; `answers` come first: a status, or None to hang until the end."""

    def __init__(self) -> None:
        self.got: list[Got] = []
        self.answers: deque[int | None] = deque()
        self.always: int | None = 200  # when there are no more answers
        self.says: dict[str, Any] = {"code": 0, "errcode": 0, "ok": True}
        self.port = 0
        self._change = threading.Condition()
        self._end = asyncio.Event()
        self._runner: web.AppRunner | None = None

    async def start(self) -> None:
        app = web.Application()
        app.router.add_route("*", "/{path:.*}", self._take)
        self._runner = web.AppRunner(app, shutdown_timeout=0.1)
        await self._runner.setup()
        site = web.TCPSite(self._runner, "127.0.0.1", self.port)
        await site.start()
        self.port = self._runner.addresses[0][1]

    async def stop(self) -> None:
        self._end.set()
        await self._runner.cleanup()

    async def _take(self, request: web.Request) -> web.Response:
        body = await request.json() if request.can_read_body else {}
        answer = self.answers.popleft() if self.answers else self.always
        with self._change:
            self.got.append(Got(request.path, dict(request.query), body))
            self._change.notify_all()
        if answer is None:
            await self._end.wait()
        return web.json_response(self.says, status=answer or 200)

    def wait_for(self, enough, within: float = 20.0) -> None:
        """Wait, on another thread, until what came is enough."""
        with self._change:
            assert self._change.wait_for(lambda: enough(self.got), within), self.got

    @property
    def address(self) -> str:
        """Apprise's URL for it."""
        return f"json://127.0.0.1:{self.port}/tokenX12345"

    @property
    def titles(self) -> list[str]:
        return [got.body["title"] for got in self.got]

    @property
    def words(self) -> str:
        """All that came, one message under the other."""
        told = [got.body for got in self.got if got.body]
        return "\n".join(f"{body['title']}\n{body['message']}" for body in told)


@contextmanager
def receiving():
    """A receiver on a thread of its own."""
    with looping() as run:
        receiver = Receiver()
        run(receiver.start())
        receiver.run = run
        try:
            yield receiver
        finally:
            run(receiver.stop())


class MailServer:
    """As much of SMTP as one mail needs."""

    def __init__(self) -> None:
        self.mails: list[str] = []
        self.port = 0

    async def start(self) -> None:
        self._server = await asyncio.start_server(self._talk, "127.0.0.1", 0)
        self.port = self._server.sockets[0].getsockname()[1]

    async def stop(self) -> None:
        self._server.close()

    async def _talk(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        def say(text: str) -> None:
            writer.write(f"{text}\r\n".encode())

        say("220 here")
        while line := (await reader.readline()).decode().strip().upper():
            if line == "DATA":
                say("354 go on")
                self.mails.append((await reader.readuntil(b"\r\n.\r\n")).decode())
            say("221 bye" if line == "QUIT" else "250 fine")
            if line == "QUIT":
                break
        writer.close()


@contextmanager
def mailing():
    """A mail server on a thread of its own."""
    with looping() as run:
        server = MailServer()
        run(server.start())
        try:
            yield server
        finally:
            run(server.stop())
