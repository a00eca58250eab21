"""What a client may say on the WebSocket: one JSON object a frame, told apart by `op`."""

from typing import Annotated

import msgspec
from msgspec import Meta

from qka.server.leases import OnSilence

PROTOCOL = 1
MOST_SYMBOLS = 12_000  # of one client

Name = Annotated[str, Meta(max_length=64, pattern=r"^[^\x00-\x1f\x7f]*\Z")]
Symbol = Annotated[str, Meta(min_length=2, max_length=16, pattern=r"^[0-9A-Za-z.]+\Z")]
Symbols = Annotated[list[Symbol], Meta(max_length=MOST_SYMBOLS)]
Id = Annotated[int, Meta(ge=-(2**53), le=2**53)]


class Resume(msgspec.Struct):
    """Where a client was."""

    epoch: str
    seq: Annotated[int, Meta(ge=0)]


class Hello(msgspec.Struct, tag_field="op", tag="hello"):
    """The first frame."""

    protocol: int
    token: str | None = None
    account: str | None = None
    client: Name = ""
    resume: Resume | None = None
    lease: Annotated[float, Meta(ge=1, le=3600)] | None = None
    on_silence: OnSilence = "leave"


class Call(msgspec.Struct, tag_field="op", tag="call"):
    """A method to call."""

    id: Id
    method: str
    params: msgspec.Raw = msgspec.Raw(b"{}")
    key: str | None = None
    deadline: float | None = None


class Subscribe(msgspec.Struct, tag_field="op", tag="subscribe"):
    """Quotes to hear."""

    id: Id
    symbols: Symbols


class Unsubscribe(msgspec.Struct, tag_field="op", tag="unsubscribe"):
    """Quotes to hear no more."""

    id: Id
    symbols: Symbols


class Ping(msgspec.Struct, tag_field="op", tag="ping"):
    """A sign of life."""

    id: Id = 0


class Release(msgspec.Struct, tag_field="op", tag="release"):
    """Goodbye: the lease is given back, and nothing is done about working orders."""

    id: Id = 0


Frame = Hello | Call | Subscribe | Unsubscribe | Ping | Release

read: "msgspec.json.Decoder[Frame]" = msgspec.json.Decoder(Frame)
read_hello: "msgspec.json.Decoder[Hello]" = msgspec.json.Decoder(Hello)
_fields = msgspec.json.Decoder(dict[str, msgspec.Raw])


def id_of(text: str) -> int | None:
    """The id of a frame that is not understood, None if even that is not."""
    try:
        return msgspec.json.decode(_fields.decode(text)["id"], type=Id)
    except (msgspec.DecodeError, KeyError, RecursionError):
        return None
