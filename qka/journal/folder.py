"""A run's folder: which journal the run is written in, and from where on."""

from pathlib import Path

import msgspec

from qka.errors import ConfigError
from qka.wire import pretty

OWN = "journal.db"  # a journal of the run alone, in its folder
_BEGUN = "run.json"  # there too, of every run


class Begun(msgspec.Struct, frozen=True):
    """Where a run begins: behind that record of that journal."""

    journal: str
    after: int


def begin(folder: Path, journal: Path, after: int) -> None:
    """Write down where the run begins; raises OSError."""
    path = OWN if journal == folder / OWN else str(journal.resolve())
    (folder / _BEGUN).write_bytes(pretty(Begun(path, after)) + b"\n")


def begun(folder: Path) -> tuple[Path, int] | None:
    """(journal, number of the record before the run's first); None where no run is kept.

    Raises ConfigError when what is written there can't be read.
    """
    path = folder / _BEGUN
    try:
        found = msgspec.json.decode(path.read_bytes(), type=Begun)
    except FileNotFoundError:
        own = folder / OWN  # an older qka wrote no more than that
        return (own, 0) if own.exists() else None
    except (OSError, msgspec.DecodeError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path} can't be read: {error}") from None
    return folder / found.journal, found.after


def kept(folder: Path) -> list[Path]:
    """The folders of the runs in there, the newest first; raises as `begun` does."""
    found = [path for path in folder.glob("*") if path.is_dir() and begun(path) is not None]
    return sorted(found, key=lambda path: (path.name[:15], _began(path)), reverse=True)


def _began(path: Path) -> int:
    file = path / _BEGUN
    return (file if file.exists() else path / OWN).stat().st_mtime_ns
