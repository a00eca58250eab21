"""The other side: which runs can be asked, and asking one. For a command line, so it blocks.

A request is made once and never again: what became of one without an answer is not known.
"""

import json
import socket
from collections.abc import Mapping
from contextlib import closing, suppress
from http.client import HTTPConnection, HTTPException
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import urlsplit

import msgspec

from qka.errors import ConfigError, DataError, OutcomeUnknown

FILE = "control.json"  # in a run's folder
PATIENCE = 10.0  # seconds for an answer
_NEAR = 1.0  # seconds for a connection on this machine


class _Ended(ConfigError):
    """The run is not there any more."""


class _Told(msgspec.Struct, frozen=True):
    """What a run's file says."""

    url: str
    token: str
    account: str = ""
    pid: int = 0


class Running(NamedTuple):
    """A run that can be asked."""

    folder: Path
    host: str
    port: int
    token: str
    account: str

    def ask(
        self,
        verb: str,
        path: str,
        body: Mapping[str, Any] | None = None,
        *,
        patience: float = PATIENCE,  # seconds
    ) -> Any:
        """The answer, as plain values.

        Raises ConfigError with the engine's words, and then nothing was done; OutcomeUnknown when
        no answer came.
        """
        headers = {"X-Token": self.token, "Content-Type": "application/json"}
        given = None if body is None else json.dumps(body)
        with closing(HTTPConnection(self.host, self.port, timeout=patience)) as connection:
            try:
                connection.request(verb, path, given, headers)
                answer = connection.getresponse()
                text = answer.read()
            except ConnectionRefusedError:
                raise _Ended(f"{self.folder}: this run has ended") from None
            except (OSError, HTTPException) as error:
                raise OutcomeUnknown(_silent(self.folder, error)) from None
        return _read(answer.status, text, self.folder)


def at(folder: Path) -> Running | None:
    """The run of that folder, if it can be asked; raises DataError for a file that is damaged."""
    file = folder / FILE
    try:
        told = msgspec.json.decode(file.read_bytes(), type=_Told)
    except FileNotFoundError:
        return None
    except OSError as error:
        raise DataError(f"{file} can't be read ({error.strerror}): are you its owner?") from None
    except msgspec.DecodeError as error:
        raise DataError(f"{file} is damaged: {error}") from None
    url = urlsplit(told.url)
    if url.hostname is None or url.port is None:
        raise DataError(f"{file} is damaged: {told.url} is no address")
    try:
        socket.create_connection((url.hostname, url.port), timeout=_NEAR).close()
    except TimeoutError:
        pass  # it is there, and does not listen now
    except OSError:
        with suppress(OSError):  # it was killed, and left its file behind
            file.unlink()
        return None
    return Running(folder, url.hostname, url.port, told.token, told.account)


def running(folder: Path) -> list[Running]:
    """The runs kept in a folder that can be asked, the newest first.

    A run that was killed left its file, and the next one may listen where it did: the dashboard's
    port stays the same. Only who knows the token is the run.
    """
    names = sorted((file.parent for file in folder.glob(f"*/{FILE}")), reverse=True)
    found = [run for run in map(at, names) if run is not None]
    if len(found) < 2:
        return found
    there = [run for run in found if _is_there(run)]
    # where nobody answers: two can't listen at one address, and who began last is there
    last = {run[1:3]: run for run in sorted(there, key=_began)}
    return [run for run in there if last[run[1:3]] is run]


def _is_there(run: Running) -> bool:
    """Whether nothing speaks against it; the file of one that has ended is removed."""
    try:
        run.ask("GET", "/limits", patience=_NEAR)
    except _Ended:
        with suppress(OSError):
            (run.folder / FILE).unlink()
        return False
    except (ConfigError, OutcomeUnknown):
        pass  # locked out, held up, just starting
    return True


def _began(run: Running) -> int:
    return (run.folder / FILE).stat().st_mtime_ns


def _read(status: int, text: bytes, folder: Path) -> Any:
    try:
        said = json.loads(text)
    except ValueError:
        said = {}
    if status == 200:
        return said
    detail = said.get("detail") if isinstance(said, dict) else None
    if detail is None or status == 401:
        raise _Ended(f"{folder}: something else listens where this run did: it has ended")
    if status >= 500:
        raise OutcomeUnknown(f"{detail}")
    raise ConfigError(str(detail))


def _silent(folder: Path, error: Exception) -> str:
    why = f"no answer within {PATIENCE:g} s" if isinstance(error, TimeoutError) else f"{error!r}"
    return (
        f"{folder}: {why}. What was asked may have happened, or may happen yet: look with "
        "`qka status`. An engine that says nothing is just starting, or is held up by a handler "
        "of a strategy that does not return: then press Ctrl-C twice where it runs, and see to "
        "its orders in the broker's terminal"
    )
