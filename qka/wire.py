"""Events as JSON and back: one spelling for journal, server and remote. No sockets."""

from typing import Any

import msgspec

from qka.model.events import Event

_encoder = msgspec.json.Encoder(decimal_format="string")
_canonical = msgspec.json.Encoder(decimal_format="string", order="deterministic")
_pretty = msgspec.json.Encoder(decimal_format="number")
_decoder: msgspec.json.Decoder[Event] = msgspec.json.Decoder(Event)


def encode(event: object) -> bytes:
    """An event (or any of its parts) as one line of JSON; money is a string, exact."""
    return _encoder.encode(event)


def decode(line: bytes | str) -> Event:
    """The event a line was made of; raises msgspec.ValidationError on anything else."""
    return _decoder.decode(line)


def canonical(value: Any) -> bytes:
    """Any plain value as JSON that is the same everywhere: keys and sets are sorted."""
    return _canonical.encode(value)


def plain(line: bytes | str) -> Any:
    """The plain value a line was made of; raises msgspec.DecodeError on anything but JSON."""
    return msgspec.json.decode(line)


def pretty(value: Any) -> bytes:
    """Indented JSON for people and their scripts; money is a number with two decimals."""
    return msgspec.json.format(_pretty.encode(value), indent=2)
