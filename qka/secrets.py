"""What must never be shown: a file for its owner alone, and a mask.

Masked are values of the environment and of `.env` whose names look secret.

Those are the ones with TOKEN, SECRET, PASSWORD, CREDENTIAL or KEY in the name and six characters
or more in the value; every secret of the settings; and the addresses that alerts go to, with the
tokens in them. A real account's id is shortened. Everything that leaves the engine as words passes
`mask`: the log, alerts, the journal's reasons, the console.
"""

import os
import re
import secrets
from collections.abc import Iterable, Mapping
from pathlib import Path
from urllib.parse import unquote, urlsplit

from qka.errors import ConfigError

_NAME = re.compile("TOKEN|SECRET|PASSW|CREDENTIAL|KEY", re.IGNORECASE)
_SHORTEST = 6
_LONG = 12  # characters of a part of an address that may be a token, even without a digit
_known: tuple[str, ...] = ()
_accounts: dict[str, str] = {}  # real ones -> as they are shown


def looks_secret(name: str) -> bool:
    """Whether a value of that name is not for showing."""
    return _NAME.search(name) is not None


def learn(variables: Mapping[str, str | None] | None = None) -> None:
    """Take note of the secrets among variables; the environment's without an argument."""
    found = os.environ if variables is None else variables
    hide(value for name, value in found.items() if value and looks_secret(name))


def hide(values: Iterable[str]) -> None:
    """Take note of secrets: those of six characters or more."""
    global _known
    new = {value for value in values if len(value) >= _SHORTEST}
    # the longest first: one secret may be the head of another
    _known = tuple(sorted({*_known, *new}, key=len, reverse=True))


def hide_address(url: str) -> None:
    """Take note of a URL that holds a secret, and of what in it may be one.

    That is who logs in, what the path and the query hold if it is long or has digits, and a host
    without a dot, where many services have their token.
    """
    parts = urlsplit(url)
    held = [url, *filter(None, (parts.username, parts.password))]
    host, _, port = parts.netloc.rpartition("@")[2].partition(":")
    pieces = re.split(r"[/&?=,]", f"{parts.path}/{parts.query}")
    if "." not in host and host != "localhost":
        held.append(host)
    if not port.isdigit():
        held.append(port)
    held += [p for p in pieces if len(p) >= _LONG or any(c.isdigit() for c in p)]
    hide(text for piece in held for text in (piece, unquote(piece)))


def hide_account(account_id: str) -> None:
    """Take note of a real account: it is shown shortened from now on."""
    if len(account_id) >= _SHORTEST:
        _accounts[account_id] = shortened(account_id)


def shortened(account_id: str) -> str:
    """An account that can be recognised and not used: `10***89`."""
    return f"{account_id[:2]}***{account_id[-2:]}" if len(account_id) >= _SHORTEST else "***"


def shown(account_id: str) -> str:
    """An account as a message may name it: shortened, unless it is too short for a real one."""
    return shortened(account_id) if len(account_id) >= _SHORTEST else account_id


def mask(text: str) -> str:
    """The text with `***` for each secret that was learnt, and real accounts shortened."""
    for secret in _known:
        if secret in text:
            text = text.replace(secret, "***")
    for account, short in _accounts.items():
        if account in text:
            text = text.replace(account, short)
    return text


def forget() -> None:
    """Know no secret any more."""
    global _known
    _known = ()
    _accounts.clear()


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
