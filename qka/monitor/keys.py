"""The keys that outlive a run: what signs the sessions of pages, and the viewer's token.

In `monitor.json` where the runs are kept, for its owner's eyes only. Whoever deletes it ends every
session and makes the viewer's token void, from the next start on.
"""

import secrets
from pathlib import Path

import msgspec
from loguru import logger

from qka.errors import ConfigError
from qka.secrets import write_private

FILE = "monitor.json"
_BYTES = 32


class Keys(msgspec.Struct, frozen=True):
    """`signing` signs sessions; `viewer` lets in who may look and do nothing."""

    signing: str
    viewer: str


def kept(folder: Path) -> Keys:
    """The keys kept there, made when there are none; raises ConfigError when they can't be."""
    file = folder / FILE
    try:
        return msgspec.json.decode(file.read_bytes(), type=Keys)
    except FileNotFoundError:
        pass
    except (OSError, msgspec.DecodeError) as error:
        logger.warning("{} can't be read ({}): new keys are made, pages log in again", file, error)
    made = Keys(secrets.token_urlsafe(_BYTES), secrets.token_urlsafe(_BYTES))
    write_private(file, msgspec.json.format(msgspec.json.encode(made), indent=2).decode() + "\n")
    try:
        return msgspec.json.decode(
            file.read_bytes(), type=Keys
        )  # another run may have been quicker
    except (OSError, msgspec.DecodeError) as error:
        raise ConfigError(f"{file} can't be read: {error}") from None
