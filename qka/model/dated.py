"""A row of a rule book: what holds, from which day on, who says so and how sure that is."""

import enum
from datetime import date

import msgspec


class Confidence(enum.StrEnum):
    """How far a row can be trusted; what is unverified is meant to be checked, or overridden."""

    VERIFIED = "verified"  # quoted from the rule by two sources, or by one and real data
    MEASURED = "measured"  # seen in real market data
    SINGLE = "single"  # one secondary source
    UNVERIFIED = "unverified"  # general market knowledge


class Row(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Base of every row; of rows that cover the same, the one that began last holds."""

    effective_from: date
    source: str
    confidence: Confidence
