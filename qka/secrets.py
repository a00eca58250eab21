"""What must never be shown: values of the environment and of `.env` whose names look secret.

Those are the ones with TOKEN, SECRET, PASSWORD, CREDENTIAL or KEY in the name and six characters
or more in the value. Everything that leaves the engine as words passes `mask`: the log, alerts,
the journal's reasons, the summary.
"""

import os
import re
from collections.abc import Mapping

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
