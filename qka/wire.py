"""Events as JSON and back: one spelling for journal, server and remote. No sockets.

Encoding an event never fails: what is no text in UTF-8 (a lone surrogate out of a file name) is
escaped, and an object that JSON has no word for is shown as Python would show it.
"""

from decimal import Decimal
from typing import Any

import msgspec

from qka.model.events import Event


def encode(event: object) -> bytes:
    """An event (or any of its parts) as one line of JSON; money is a string, exact."""
    return _encode(_encoder, event)


def decode(line: bytes | str) -> Event:
    """The event a line was made of; raises msgspec.ValidationError on anything else."""
    return _decoder.decode(line)


def canonical(value: Any) -> bytes:
    """A plain value as JSON that is the same everywhere: keys and sets are sorted.

    Raises TypeError for what is not plain: it would not be the same again.
    """
    try:
        return _canonical.encode(value)
    except UnicodeEncodeError:
        plain = msgspec.to_builtins(value, builtin_types=(Decimal,), order="deterministic")
        return _canonical.encode(_all_legible(plain))


def plain(line: bytes | str) -> Any:
    """The plain value a line was made of; raises msgspec.DecodeError on anything but JSON."""
    return msgspec.json.decode(line)


def pretty(value: Any) -> bytes:
    """Indented JSON for people and their scripts; money is a number with two decimals."""
    return msgspec.json.format(compact(value), indent=2)


def compact(value: Any) -> bytes:
    """JSON for a page, in one line; money is a number with two decimals."""
    return _encode(_pretty, value)


def legible(text: str) -> str:
    """The text with what UTF-8 can't carry escaped."""
    return text.encode("utf-8", "backslashreplace").decode("utf-8")


def _encode(encoder: msgspec.json.Encoder, value: object) -> bytes:
    try:
        return encoder.encode(value)
    except UnicodeEncodeError:
        plain = msgspec.to_builtins(value, builtin_types=(Decimal,), enc_hook=_shown)
        return encoder.encode(_all_legible(plain))


def _all_legible(value: Any) -> Any:
    if isinstance(value, str):
        return legible(value)
    if isinstance(value, dict):
        return {_all_legible(key): _all_legible(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_all_legible(item) for item in value]
    return value


def _shown(value: object) -> str:
    try:
        return legible(repr(value))
    except Exception:
        return f"<{type(value).__name__}>"


_encoder = msgspec.json.Encoder(decimal_format="string", enc_hook=_shown)
_canonical = msgspec.json.Encoder(decimal_format="string", order="deterministic")
_pretty = msgspec.json.Encoder(decimal_format="number", enc_hook=_shown)
_decoder: msgspec.json.Decoder[Event] = msgspec.json.Decoder(Event)
