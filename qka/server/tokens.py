"""Who may ask, and for what: named tokens with scopes, kept as hashes.

`tokens.json` in the server's data folder holds names, scopes and hashes; a token in clear is in
`NAME.token` beside it, a file that only its owner may read. Both can change under a running
server: `rotate`, `add` and `revoke` are for a command line, and the server notices within a second.
"""

import os
import re
import secrets
from collections.abc import Iterable
from pathlib import Path

import msgspec
from loguru import logger

from qka.errors import ConfigError
from qka.secrets import write_private
from qka.server.methods import SCOPES, Scope
from qka.web import hashed, same

DEFAULT = "default"
DEFAULT_SCOPES: tuple[Scope, ...] = ("read", "trade")
_BITS = 256
_SHORT = 24  # characters; a shorter one that was chosen by hand is easily guessed
_NAME = re.compile(r"[A-Za-z0-9_-]{1,32}\Z")


class Token(msgspec.Struct, frozen=True):
    """A token by everything but itself."""

    name: str
    scopes: tuple[Scope, ...]
    hash: str  # SHA-256, hex
    engine: bool = False  # its orders' remarks are their keys, over HTTP too


class _File(msgspec.Struct):
    tokens: list[Token] = []


class Tokens:
    """The tokens of one server. `check` is all that a request needs."""

    def __init__(self, folder: Path, token_file: Path | None = None) -> None:
        self._file = folder / "tokens.json"
        self._clear = token_file or clear_file(folder, DEFAULT)
        self._given: Token | None = None
        self._kept: list[Token] = []
        self._hashes: list[tuple[str, Token]] = []
        self._stamp: tuple[int, int] = (0, 0)

    def open(self, given: str | None = None) -> str | None:
        """Make ready; the default token in clear, or None when only its hash is kept.

        `given` is used instead of a random one and is not written down. Raises ConfigError.
        """
        if given is not None:
            given = given.strip()
            check_strength(given)
            self._given = _token(DEFAULT, given, DEFAULT_SCOPES, engine=False)
            self.refresh()
            return given
        held = _read_clear(self._clear)
        self._kept = _load(self._file)
        known = next((token for token in self._kept if token.name == DEFAULT), None)
        if held is None and known is None:
            held = secrets.token_urlsafe(_BITS // 8)
            write_private(self._clear, held + "\n")
        if held is not None and (known is None or known.hash != hashed(held)):
            check_strength(held)
            scopes = known.scopes if known else DEFAULT_SCOPES
            _keep(self._file, _token(DEFAULT, held, scopes, engine=bool(known and known.engine)))
        self.refresh()
        return held

    def refresh(self) -> bool:
        """Read the file again if it changed; whether the tokens are other ones now."""
        try:
            found = self._file.stat()
            stamp = (found.st_mtime_ns, found.st_size)
        except OSError:
            stamp = (0, 0)
        if stamp == self._stamp and self._hashes:
            return False
        try:
            self._kept = _load(self._file)
        except ConfigError as error:
            logger.error("{}; the tokens known so far stay valid", error)
            self._stamp = stamp
            return False
        self._stamp = stamp
        before = self._hashes
        kept = [t for t in self._kept if self._given is None or t.name != DEFAULT]
        self._hashes = [(t.hash, t) for t in (*kept, *([self._given] if self._given else []))]
        return before != self._hashes

    def check(self, given: str | None) -> Token | None:
        """The token this is, or None. Takes as long for a near miss as for a wild guess."""
        if not given:
            return None
        digest = hashed(given)
        found = None
        for kept, token in self._hashes:
            if same(kept, digest):
                found = token
        return found

    def valid(self, token: Token) -> bool:
        """Whether it still is one of ours, unchanged."""
        return any(token == kept for _, kept in self._hashes)


def rotate(folder: Path, name: str = DEFAULT, *, token_file: Path | None = None) -> str:
    """A new secret for a token; the old one is void at once. Raises ConfigError for no such name.

    The new one is written to the token's clear file and returned.
    """
    known = {token.name: token for token in _load(folder / "tokens.json")}
    if name not in known:
        missing = f"there is no token {name!r} in {folder}"
        there = f" (there: {', '.join(known)})" if known else " yet: start the server once"
        raise ConfigError(missing + there)
    old = known[name]
    return _issue(folder, name, old.scopes, old.engine, token_file)


def add(folder: Path, name: str, scopes: Iterable[str], *, engine: bool = False) -> str:
    """A further token; its secret is written to its clear file and returned. Raises ConfigError."""
    if not _NAME.match(name):
        raise ConfigError(f"{name!r} is no name of a token: letters, digits, - and _, at most 32")
    if any(token.name == name for token in _load(folder / "tokens.json")):
        raise ConfigError(f"there is a token {name!r} already: rotate it, or revoke it first")
    return _issue(folder, name, check_scopes(scopes), engine, None)


def revoke(folder: Path, name: str) -> None:
    """Take a token away; it is void at once. Raises ConfigError for no such name."""
    file = folder / "tokens.json"
    tokens = _load(file)
    if not any(token.name == name for token in tokens):
        raise ConfigError(f"there is no token {name!r} in {folder}")
    _save(file, [token for token in tokens if token.name != name])
    clear_file(folder, name).unlink(missing_ok=True)


def listed(folder: Path) -> list[Token]:
    """The tokens of a data folder. Raises ConfigError when its file is damaged."""
    return _load(folder / "tokens.json")


def clear_file(folder: Path, name: str) -> Path:
    """Where a token is kept in clear."""
    return folder / f"{name}.token"


def check_scopes(scopes: Iterable[str]) -> tuple[Scope, ...]:
    """Scopes in their usual order. Raises ConfigError for one there is not."""
    asked = set(scopes)
    unknown = asked - set(SCOPES)
    if unknown or not asked:
        raise ConfigError(
            f"{', '.join(sorted(unknown)) or 'nothing'} is no scope; there are {', '.join(SCOPES)}"
        )
    return tuple(scope for scope in SCOPES if scope in asked)


def check_strength(secret: str) -> None:
    """Raises ConfigError for an empty token, warns of one that can be guessed."""
    if not secret or not secret.isascii() or not secret.isprintable():
        raise ConfigError("a token is printable ASCII and not empty; leave it out for a random one")
    if len(secret) < _SHORT:
        logger.warning(
            "the token has only {} characters: leave it out and the server makes a random one",
            len(secret),
        )


def _issue(
    folder: Path, name: str, scopes: tuple[Scope, ...], engine: bool, token_file: Path | None
) -> str:
    secret = secrets.token_urlsafe(_BITS // 8)
    write_private(token_file or clear_file(folder, name), secret + "\n")
    _keep(folder / "tokens.json", _token(name, secret, scopes, engine=engine))
    return secret


def _token(name: str, secret: str, scopes: tuple[Scope, ...], *, engine: bool) -> Token:
    return Token(name, scopes, hashed(secret), engine)


def _keep(file: Path, token: Token) -> None:
    _save(file, [*(t for t in _load(file) if t.name != token.name), token])


def _save(file: Path, tokens: list[Token]) -> None:
    write_private(file, msgspec.json.format(msgspec.json.encode(_File(tokens))).decode() + "\n")


def _load(file: Path) -> list[Token]:
    try:
        return msgspec.json.decode(file.read_bytes(), type=_File).tokens
    except FileNotFoundError:
        return []
    except OSError as error:
        raise ConfigError(f"{file} can't be read: {error.strerror}") from None
    except msgspec.DecodeError as error:
        raise ConfigError(f"{file} is damaged ({error}): repair or remove it") from None


def _read_clear(file: Path) -> str | None:
    try:
        secret = file.read_text(encoding="utf-8").strip()
        mode = file.stat().st_mode
    except FileNotFoundError:
        return None
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"{file} can't be read ({error})") from None
    if os.name == "posix" and mode & 0o077:
        logger.warning("{} can be read by others than its owner: chmod 600 it", file)
    return secret or None
