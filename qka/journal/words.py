"""SQLite's errors in words that say what to do."""

import sqlite3

_WORDS = {  # primary error code -> what it means
    "SQLITE_FULL": "the disk is full",
    "SQLITE_BUSY": "another program holds it (a database browser, a backup)",
    "SQLITE_LOCKED": "another program holds it (a database browser, a backup)",
    "SQLITE_READONLY": "the file or its folder is read-only",
    "SQLITE_PERM": "the file may not be touched by this user",
    "SQLITE_CANTOPEN": "the file can't be opened here (is the folder there, and may we write?)",
    "SQLITE_IOERR": "the disk failed",
    "SQLITE_NOMEM": "there is no memory left",
    "SQLITE_CORRUPT": "the file is damaged",
    "SQLITE_NOTADB": "the file is no database",
    "SQLITE_CONSTRAINT": "it takes new records only, one after the other",
}
# what reading a file can raise: a damaged one even has lengths and words that Python can't hold
FILE_ERRORS = (sqlite3.Error, MemoryError, OverflowError, UnicodeDecodeError)
DAMAGED = {"SQLITE_CORRUPT", "SQLITE_NOTADB", "SQLITE_FORMAT"}
HELD = {"SQLITE_BUSY", "SQLITE_LOCKED"}


def code(error: BaseException) -> str:
    """SQLite's primary name for an error; empty for one that is not from the file."""
    parts = getattr(error, "sqlite_errorname", "").split("_")
    return "_".join(parts[:2])


def why(error: BaseException) -> str:
    """The error in words: the same ones as long as the cause is the same."""
    if isinstance(error, OSError):
        return error.strerror or str(error)
    if not isinstance(error, sqlite3.Error):
        return _WORDS["SQLITE_CORRUPT"]
    return _WORDS.get(code(error), "") or str(error) or type(error).__name__


def broken(error: BaseException) -> bool:
    """Whether the error says that what is in the file can't be right."""
    if not isinstance(error, sqlite3.Error):
        return isinstance(error, FILE_ERRORS)
    # a damaged file also breaks the definitions of its tables, and what Python reads of it
    return code(error) in DAMAGED | {"", "SQLITE_ERROR", "SQLITE_MISMATCH", "SQLITE_TOOBIG"}
