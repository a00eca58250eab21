"""What must never be shown: a file for its owner alone, and a mask.

Masked are values of the environment and of `.env` whose names look secret.

Those are the ones with TOKEN, SECRET, PASSWORD, CREDENTIAL or KEY in the name and six characters
or more in the value. Everything that leaves the engine as words passes `mask`: the log, alerts,
the journal's reasons, the summary.
"""

import os
import re
import secrets
from collections.abc import Mapping
from pathlib import Path

from qka.errors import ConfigError

_NAME = re.compile("TOKEN|SECRET|PASSW|CREDENTIAL|KEY", re.IGNORECASE)
_SHORTEST = 6
_known: tuple[str, ...] = ()


def looks_secret(name: str) -> bool:
    """Whether a value of that name is not for showing."""
    return _NAME.search(name) is not None


def learn(variables: Mapping[str, str | None] | None = None) -> None:
    """Take note of the secrets among variables; the environment's without an argument."""
    global _known
    found = os.environ if variables is None else variables
    new = {
        value
        for name, value in found.items()
        if value and len(value) >= _SHORTEST and looks_secret(name)
    }
    # the longest first: one secret may be the head of another
    _known = tuple(sorted({*_known, *new}, key=len, reverse=True))


def mask(text: str) -> str:
    """The text with `***` for each secret that was learnt."""
    for secret in _known:
        if secret in text:
            text = text.replace(secret, "***")
    return text


def forget() -> None:
    """Know no secret any more."""
    global _known
    _known = ()


def write_private(file: Path, text: str) -> None:
    """Replace a file by one that only its owner may read. Raises ConfigError."""
    fresh = file.with_name(f"{file.name}.{secrets.token_hex(4)}.new")
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        # 0600 from its first moment; on Windows the folder of the user's profile sees to it
        handle = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(handle, "w", encoding="utf-8") as out:
            out.write(text)
            out.flush()
            os.fsync(out.fileno())
        os.replace(fresh, file)
    except OSError as error:
        fresh.unlink(missing_ok=True)
        raise ConfigError(f"{file} can't be written: {error.strerror}") from None
