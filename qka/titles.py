"""What the gate's rules are called, for the reader: the journal keeps what they call themselves.

In English that is shown as it stands. Here each of them has a name that says what is looked at, so
that it reads well behind both "passed" and "refused by".
"""

import re
from functools import lru_cache
from string import Formatter

from qka.language import ENGLISH, chosen, mark, say

_NAMES = {
    "trading_state": mark("trading_state"),
    "what may be traded": mark("list of securities"),
    "instrument": mark("lots and ticks"),
    "order_type": mark("order_type"),
    "suspended": mark("suspended"),
    "hours of trading": mark("phase"),
    "price_limit": mark("the day's limits"),
    "price_cage": mark("price_cage"),
    "closing_price": mark("closing_price"),
    "daily_cap": mark("daily_cap"),
    "known": mark("UNKNOWN orders"),
    "sellable": mark("sellable shares"),
    "cash": mark("available cash"),
    "self_trade": mark("self_trade"),
    "losses": mark("limits of losses"),
}
# those that could be anything come last
_FORMS = (
    mark("price at least {share} below the limit up"),
    mark("price within {share} of the last"),
    mark("quote at most {span} s old"),
    mark("no duplicate in {span} s"),
    mark("at most {count} quick cancels"),
    mark("at most {count} shares a day"),
    mark("at most {money} CNY a day"),
    mark("at most {count} shares"),
    mark("at most {money} CNY"),
    mark("at most {count} holdings"),
    mark("position ratio {share}"),
    mark("cancel ratio {share}"),
    mark("gross exposure {share}"),
    mark("capital {money} CNY"),
    mark("group {name} {share}"),
    mark("{code} {count} in {span} s"),
    mark("{code} {count} a day"),
)
_FREE = {"name": ".+"}  # what a user called something; all else is one word


def named(title: str) -> str:
    """A rule's title in the reader's language; as it stands where it is not known."""
    return title if chosen() == ENGLISH else _named(title)


def _named(title: str) -> str:
    if title in _NAMES:
        return say(_NAMES[title])
    for form, pattern in _patterns():
        if match := pattern.fullmatch(title):
            told = match.groupdict()
            if "code" in told:
                told["code"] = say(told["code"])
            return say(form).format(**told)
    rule, of, whose = title.rpartition(" of ")
    return say("{rule} of {whose}").format(rule=_named(rule), whose=whose) if of else title


@lru_cache(1)
def _patterns() -> list[tuple[str, re.Pattern[str]]]:
    return [(form, re.compile("".join(_pieces(form)))) for form in _FORMS]


def _pieces(form: str) -> list[str]:
    pieces = []
    for text, name, _, _ in Formatter().parse(form):
        pieces.append(re.escape(text))
        if name:
            pieces.append(f"(?P<{name}>{_FREE.get(name, r'[^ ]+')})")
    return pieces
