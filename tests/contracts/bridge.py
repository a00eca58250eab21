"""The simulated terminal over a loopback socket, so that it outlives the server that uses it.

`Bridge` is the terminal's end, in the test's process; `RemoteTerminal` is the other end, in the
server's: what `SimulatedBackend` and the stand-in under the vendor's trader ask of a `SimTerminal`.
One connection a trading session, as one pipe a client has to a real QMT; when its process dies the
connection breaks and the session is left. Frames are pickles with their length in front.
"""

import asyncio
import pickle
import socket
import struct
import threading
from functools import partial
from itertools import count

from moments import Moments

from qka.model.times import day_of
from qka.terminal.delivery import Delivery
from qka.terminal.terminal import SimTerminal, TerminalGone

_LENGTH = struct.Struct(">I")
_TOLD = {"order", "trade", "order_error", "cancel_error"}  # pushes about orders


def _packed(frame):
    body = pickle.dumps(frame)
    return _LENGTH.pack(len(body)) + body


class Bridge:
    """Lets other processes at a terminal. `reports` hears of servers that have come up."""

    def __init__(self, terminal: SimTerminal, moments: Moments) -> None:
        self._terminal = terminal
        self._moments = moments
        self.reports = lambda frame: None
        self.address = ("", 0)
        self.jammed = False  # as the newest session has confirmed
        self.stuck = 0  # calls that have come to a jam
        self._jams = False
        self._writers = set()  # of the sessions

    async def open(self):
        self._loop = asyncio.get_running_loop()
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        self.address = self._server.sockets[0].getsockname()

    async def close(self):
        self._server.close()
        await self._server.wait_closed()

    def jam(self, jammed: bool = True) -> None:
        """From now on a call that hands an order over blocks at the server's end, or goes on."""
        self._jams = jammed
        for writer in self._writers:
            self._say(writer, {"jammed": jammed})

    async def _serve(self, reader, writer):
        try:
            first = await _read(reader)
            if "session" in first:
                await self._trade(reader, writer, first["session"])
            else:
                self.reports(first)
                await reader.read()
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        except asyncio.CancelledError:
            pass  # the test ends
        finally:
            writer.transport.abort()

    async def _trade(self, reader, writer, number):
        def later(call, *arguments):  # from the terminal's thread
            try:
                self._loop.call_soon_threadsafe(call, *arguments)
            except RuntimeError:
                pass  # the loop has closed

        push = partial(later, self._push, writer)
        gone = partial(later, self._say, writer, {"gone": True})
        connected = self._loop.create_future()

        def connect():  # a terminal that hangs blocks it
            try:
                session = self._terminal.connect(number, push, gone)
            except TerminalGone as error:
                later(connected.set_result, str(error))
            else:
                later(connected.set_result, session)

        threading.Thread(target=connect, daemon=True).start()
        session = await connected
        if isinstance(session, str):
            self._say(writer, {"refused": session})
            return
        self._say(writer, {"connected": number})
        self._say(writer, {"jammed": self._jams})
        self._writers.add(writer)
        try:
            while True:
                frame = await _read(reader)
                if "jammed" in frame:
                    self.jammed = frame["jammed"]
                elif "stuck" in frame:
                    self.stuck += 1
                else:
                    self._ask(writer, session, later, **frame)
        finally:
            self._writers.discard(writer)
            self._terminal.leave(session)

    def _ask(self, writer, session, later, call, params, number, seq):
        self._moments.reach(f"{call} asked")
        answer = partial(later, self._answer, writer, call, number)
        self._terminal.ask(session, call, params, answer, seq)
        self._moments.reach(f"{call} worked")

    def _answer(self, writer, call, number, value):
        self._say(writer, {"answer": number, "value": value})
        self._moments.reach(f"{call} answered")

    def _push(self, writer, kind, record):
        self._say(writer, {"push": kind, "record": record})
        if kind in _TOLD:
            self._moments.reach("event pushed")

    def _say(self, writer, frame):
        if not writer.transport.is_closing():
            writer.write(_packed({**frame, "now": self._terminal.now()}))


async def _read(reader):
    (length,) = _LENGTH.unpack(await reader.readexactly(_LENGTH.size))
    return pickle.loads(await reader.readexactly(length))


# ------------------------------------------------------------------ the server's end


class _Session:
    """A connection of the server's to the terminal."""

    def __init__(self, line, push, gone, delivery):
        self.line = line
        self.lock = threading.Lock()
        self.numbers = count(1)
        self.answers = {}  # number -> who waits for it
        self.flows = threading.Event()  # orders can be handed over
        self.flows.set()
        self.push, self.gone = push, gone
        self.delivery = delivery

    def call(self, what):
        self.delivery.put(what)


class RemoteTerminal:
    """A `SimTerminal` in another process, as far as trading goes; it has no quotes."""

    def __init__(self, address) -> None:
        self._address = tuple(address)
        self._now = 0

    def now(self):
        return self._now

    def instrument(self, symbol):
        """Master data that knows no limits: prices are another contract."""
        day = day_of(self.now()).strftime("%Y%m%d")
        return {
            "InstrumentID": symbol[:6],
            "TradingDay": day,
            "UpStopPrice": 1.7976931348623157e308,
        }

    def report(self, frame):
        """Tell the bridge something; the line stays open as long as this process lives."""
        self._line = socket.create_connection(self._address)
        self._line.sendall(_packed(frame))

    def connect(self, session, push, gone, delivery=None):
        try:
            line = socket.create_connection(self._address)
            line.sendall(_packed({"session": session}))
            first = self._read(line)
        except OSError as error:
            raise TerminalGone(str(error)) from None
        if first is None or "refused" in first:
            line.close()
            raise TerminalGone(first["refused"] if first else "the connection broke")
        if delivery is None:
            delivery = Delivery("qmt-native")
            delivery.start()
        made = _Session(line, push, gone, delivery)
        threading.Thread(target=self._listen, args=(made,), daemon=True).start()
        return made

    def ask(self, session, call, params, answer, seq=0):
        if call == "order" and not session.flows.is_set():
            self._send(session, {"stuck": True})
            session.flows.wait(10)
        number = next(session.numbers)
        session.answers[number] = answer
        frame = {"call": call, "params": dict(params), "number": number, "seq": seq}
        self._send(session, frame)

    def _send(self, session, frame):
        with session.lock:
            try:
                session.line.sendall(_packed(frame))
            except OSError:
                pass  # nobody is there to read it

    def leave(self, session):
        session.flows.set()
        try:
            session.line.shutdown(socket.SHUT_RDWR)
        except OSError:
            pass
        session.line.close()
        session.delivery.stop()

    def close(self):
        """Nothing: it is another process's."""

    def _listen(self, session):
        while (frame := self._read(session.line)) is not None:
            if "answer" in frame:
                session.call(partial(session.answers.pop(frame["answer"]), frame["value"]))
            elif "push" in frame:
                session.call(partial(session.push, frame["push"], frame["record"]))
            elif "jammed" in frame:
                (session.flows.clear if frame["jammed"] else session.flows.set)()
                self._send(session, frame)
            elif "gone" in frame:
                session.call(session.gone)

    def _read(self, line):
        head = self._exactly(line, _LENGTH.size)
        body = head and self._exactly(line, _LENGTH.unpack(head)[0])
        if not body:
            return None
        frame = pickle.loads(body)
        self._now = max(self._now, frame["now"])
        return frame

    def _exactly(self, line, length):
        found = b""
        while len(found) < length:
            try:
                more = line.recv(length - len(found))
            except OSError:
                return None
            if not more:
                return None
            found += more
        return found
