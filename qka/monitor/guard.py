"""The guard: where a request comes from, who sends it, and what they may do.

A browser on this machine can be made to send requests by any page it shows. So a request must be
meant for our own address and must not come from a page that is not ours. A program shows a token in
a header, which no foreign page can add; our page has a session in a cookie that no script can read,
and whatever changes something must say that it comes from our page.
"""

import enum
import hmac
import secrets
from collections.abc import Callable, Collection
from hashlib import sha256
from ipaddress import ip_address

import msgspec
from aiohttp import hdrs, web

from qka.clock import WallClock
from qka.model.times import SECOND
from qka.monitor.keys import Keys
from qka.web import Lockout, hashed, same, shown

SESSION = 7 * 86_400  # seconds that a page stays logged in
CODE = 3600.0  # seconds that a one-time code is good for
_MOST_CODES = 32
_WRONG = (10, 60.0, 60.0)  # wrong tokens, in so many seconds, lock an address out for so many


class Right(enum.IntEnum):
    """What whoever was let in may do."""

    NONE = 0
    VIEW = 1
    OPERATE = 2


class Refused(Exception):
    """A request is refused: HTTP's status, a word for programs, a sentence for people."""

    def __init__(self, status: int, code: str, words: str) -> None:
        super().__init__(words)
        self.status = status
        self.code = code


class Login(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """How a page logs in: with a token, or with a code that is good once."""

    token: str = ""
    code: str = ""


class Guard:
    """Of one engine's monitor. `token` is the run's, `port` the one it listens on.

    `origins`: further addresses under which a browser reaches it, such as `https://trade.home`.
    `beyond`: it listens on more than this machine. `read_only`: pages may look and nothing else.
    """

    def __init__(
        self,
        token: str,
        keys: Keys,
        port: int,
        now: Callable[[], float],
        *,
        origins: Collection[str] = (),
        beyond: bool = False,
        read_only: bool = False,
    ) -> None:
        self.cookie = f"qka-{port}"
        self._tokens = ((hashed(token), Right.OPERATE), (hashed(keys.viewer), Right.VIEW))
        self._key = keys.signing.encode()
        self._now = now
        self._port = port
        self._beyond = beyond
        self._most = Right.VIEW if read_only else Right.OPERATE
        self._hosts = {f"{name}:{port}" for name in ("127.0.0.1", "localhost", "[::1]")}
        self._origins = {f"http://{host}" for host in self._hosts} | set(origins)
        self._hosts |= {origin.partition("://")[2] for origin in origins}
        self._codes: dict[str, float] = {}  # hash of a one-time code -> when it is void
        self._lockout = Lockout(*_WRONG, now)

    # ------------------------------------------------------------ where from

    def check_origin(self, request: web.BaseRequest) -> None:
        """Raises Refused for a request that is meant for others, or that a foreign page sends."""
        host = request.headers.get(hdrs.HOST, "")
        origin = request.headers.get(hdrs.ORIGIN)
        if host not in self._hosts and not self._is_ours(host):
            raise Refused(403, "foreign", "the request is meant for another host")
        if origin is not None and origin not in self._origins and origin != f"http://{host}":
            raise Refused(403, "foreign", "the request comes from a page that is not ours")

    def _is_ours(self, host: str) -> bool:
        """Whether it is a number with our port: no foreign name can stand for it."""
        name, _, port = host.rpartition(":")
        if not self._beyond or port != str(self._port):
            return False
        try:
            ip_address(name.strip("[]"))
        except ValueError:
            return False
        return True

    # ------------------------------------------------------------ who

    def right(self, request: web.BaseRequest) -> Right:
        """What whoever sends this may do. Raises Refused for a change by a page not known as ours.

        A session counts for a request that changes something, or opens a socket, only where its
        browser says that our own page sends it.
        """
        given = shown(request)
        if given:
            return self._of_token(given)
        right = min(self._of_session(request.cookies.get(self.cookie, "")), self._most)
        needs = request.method != "GET" or hdrs.UPGRADE in request.headers
        if right and needs and hdrs.ORIGIN not in request.headers:
            raise Refused(403, "foreign", "the request does not say which page it comes from")
        return right

    def _of_token(self, given: str) -> Right:
        found, digest = Right.NONE, hashed(given)
        for kept, right in self._tokens:
            if same(kept, digest):
                found = right
        return found

    def _of_session(self, cookie: str) -> Right:
        word, _, signature = cookie.rpartition(".")
        if not same(hashed(self._signed(word)), hashed(signature)):  # hashes: it may hold anything
            return Right.NONE
        right, _, until = word.partition(".")
        return Right.NONE if int(until) < WallClock().now() // SECOND else Right(int(right))

    def _signed(self, word: str) -> str:
        return hmac.new(self._key, word.encode("utf-8", "replace"), sha256).hexdigest()

    # ------------------------------------------------------------ letting in

    def code(self) -> str:
        """A code that lets a page in once, within the hour."""
        now = self._now()
        self._codes = {kept: until for kept, until in self._codes.items() if until > now}
        while len(self._codes) >= _MOST_CODES:
            del self._codes[next(iter(self._codes))]
        code = secrets.token_urlsafe(24)
        self._codes[hashed(code)] = now + CODE
        return code

    def let_in(self, login: Login, request: web.BaseRequest, answer: web.Response) -> Right:
        """Give a page its session. Raises Refused for a wrong token, or after too many."""
        address = request.remote or ""
        left = self._lockout.remaining(address)
        if left:
            raise Refused(429, "locked_out", f"too many wrong tokens: try again in {left:.0f} s")
        right = self._of_code(login.code) if login.code else self._of_token(login.token)
        if not right:
            self._lockout.failed(address)
            raise Refused(401, "unauthorized", "the token is wrong, or the code was used before")
        right = min(right, self._most)
        word = f"{int(right)}.{WallClock().now() // SECOND + SESSION}"
        self._set(request, answer, f"{word}.{self._signed(word)}", SESSION)
        return right

    def let_out(self, request: web.BaseRequest, answer: web.Response) -> None:
        """Take the session back from the browser."""
        self._set(request, answer, "", 0)

    def _set(self, request: web.BaseRequest, answer: web.Response, value: str, age: int) -> None:
        tls = request.headers.get(hdrs.ORIGIN, "").startswith("https://")
        answer.set_cookie(
            self.cookie, value, max_age=age, path="/", httponly=True, samesite="Strict", secure=tls
        )

    def _of_code(self, code: str) -> Right:
        until = self._codes.pop(hashed(code), 0.0)  # 192 random bits, hashed: no way to feel for it
        return Right.OPERATE if until > self._now() else Right.NONE
