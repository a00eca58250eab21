"""How a QMTServer is reached: where it is, with which token, and whose certificate is trusted."""

from pathlib import Path
from typing import Any, NamedTuple

from pydantic import SecretStr

from qka.settings.sections import RemoteBroker, RemoteFeed, Section


class Reach(NamedTuple):
    """What a client of a server takes."""

    url: str
    token: str
    verify: bool | str
    fingerprint: str


def reach(*sections: Section | None) -> Reach:
    """Of the sections that name a server, what the last says, and the earlier where it is silent.

    Other sections say nothing; what nobody says is empty, and `verify` is True.
    """
    named: dict[str, Any] = {
        "url": "", "token": SecretStr(""), "verify": True, "fingerprint": "",
    }  # fmt: skip
    for section in sections:
        if isinstance(section, RemoteBroker | RemoteFeed):
            named |= {key: said for key in named if (said := getattr(section, key)) is not None}
    verify = named["verify"]
    return Reach(
        named["url"],
        named["token"].get_secret_value(),
        str(verify) if isinstance(verify, Path) else verify,
        named["fingerprint"],
    )
