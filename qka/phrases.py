"""Sentences of the engine that reach people as they were written down: in English.

What a rule says, why a link fell, what became of an order: the journal keeps the sentence, which is
the same everywhere. Here is each of them with names for what differs, so that whoever shows one can
say it in the reader's language. A sentence that is not here is shown as it came.
"""

import re
from collections.abc import Iterator, Sequence
from functools import lru_cache
from unicodedata import east_asian_width

from qka import language
from qka.language import Say, chosen, mark, say, speaker
from qka.mistakes import FOREIGN, MISTAKES

# what these names stand for are our own words again: single ones, or whole sentences
_WORDS = frozenset({"code", "error", "kind", "kinds", "phase", "side", "state", "status", "value"})
_SENTENCES = frozenset({"what", "who", "why"})
# these are of several words, and these are paths and values, which may be; all others are of one
_LONG = frozenset({"error", "handler", "key", "kinds", "names", "place"})
_GIVEN = frozenset({"file", "path", "use", "value"})


# the table that `qka.engine.comparison` makes of what differs: what, ours, theirs, why
_COLUMNS = ("journal", "broker", "explained by")
_TITLES = (mark("in the journal"), mark("at the broker"), mark("explained by"))
_WIDE = 4
_CASH, _NOTHING = mark("cash of the account"), mark("by nothing")
_CELLS = [
    (re.compile(pattern), words)
    for pattern, words in (
        (r"(?P<count>-?\d+) shares", mark("{count} shares")),
        (r"(?P<cash>-?[\d.]+) CNY", mark("{cash} CNY")),
        (r"(?P<cash>-?[\d.]+) CNY traded", mark("{cash} CNY traded")),
        (r"(?P<count>\d+) traded", mark("{count} traded")),
        (r"(?P<count>\d+) (?P<symbol>\S+) traded", mark("{count} {symbol} traded")),
        (
            r"(?P<status>\w+), (?P<count>\d+) (?P<symbol>\S+) open",
            mark("{status}, {count} {symbol} open"),
        ),
        (r"not listed", mark("not listed")),
    )
]


def retold(text: str, say: Say = say) -> str:
    """A sentence of the engine's in the language of `say`; as it stands where it is not known."""
    if say is language.say:
        say = speaker(chosen())
    return text if say is str or not text else _retold(text, say)


@lru_cache(4096)
def _retold(text: str, say: Say) -> str:
    if "\n" in text:
        return "\n".join(_lines(text.split("\n"), say))
    indented = text.removeprefix(" ")
    if indented != text:
        return " " + _retold(indented, say)
    for phrase, known, pattern in patterns():
        if known in text and (match := pattern.fullmatch(text)):
            named = {
                name: _word(told, say) if name in _WORDS | _SENTENCES else told
                for name, told in match.groupdict().items()
            }
            return say(phrase).format(**named)
    # a sentence and what comes of it; a place and what is wrong there
    for between, split in ((mark("; "), str.rpartition), (mark(": "), str.partition)):
        first, found, last = split(text, between)
        parts = (_retold(first, say), _retold(last, say)) if found else ()
        if parts and parts != (first, last):
            asked = parts[0].endswith("？") and between == "; "  # a question ends for itself
            return "".join(parts) if asked else say(between).join(parts)
    return text


def _lines(lines: list[str], say: Say) -> Iterator[str]:
    """Lines of several sentences, and of a table of what differs in the account's books."""
    table: list[list[str]] = []
    for line in lines:
        cells = re.split(" {2,}", line.strip())
        if cells == list(_COLUMNS) and say(_TITLES[0]) != _TITLES[0]:  # else it stands as it is
            table.append(["", *map(say, _TITLES)])
        elif table and line.startswith("  ") and len(cells) == _WIDE:
            table.append([cells[0] if cells[0] != "cash" else say(_CASH)])
            table[-1] += [_cell(cell, say) for cell in cells[1:]]
        else:
            yield from _aligned(table)
            table.clear()
            yield _retold(line, say)
    yield from _aligned(table)


def _cell(text: str, say: Say) -> str:
    if text == "nothing":
        return say(_NOTHING)
    for pattern, words in _CELLS:
        if match := pattern.fullmatch(text):
            named = match.groupdict()
            told = {
                key: _word(value, say) if key in _WORDS else value for key, value in named.items()
            }
            return say(words).format(**told)
    return _word(text, say)


def _aligned(rows: Sequence[Sequence[str]]) -> Iterator[str]:
    """Rows as lines; a Chinese sign takes the room of two letters."""
    widths = [max(map(_width, column)) for column in zip(*rows, strict=True)]
    for row in rows:
        cells = (cell + " " * (w - _width(cell)) for cell, w in zip(row, widths, strict=True))
        yield f"  {'  '.join(cells)}".rstrip()


def _width(text: str) -> int:
    return sum(2 if east_asian_width(letter) in "WF" else 1 for letter in text)


def _word(text: str, say: Say) -> str:
    """A sentence, or a single word of ours as the engine spells it: `opening_call`, `HALTED`."""
    told = _retold(text, say)
    if told != text:
        return told
    parts = text.split(", ")
    if parts != (told_parts := [_word(part, say) for part in parts] if len(parts) > 1 else parts):
        return say(mark(", ")).join(told_parts)
    spelt = (text, text.lower(), text.replace("_", " "))
    return next((told for told in map(say, spelt) if told not in spelt), text)


@lru_cache(1)
def patterns() -> list[tuple[str, str, re.Pattern[str]]]:
    """The phrases, those that say more before those that could be anything.

    With each the longest part that is always in it, which is quicker looked for than a pattern.
    """
    phrases = sorted(PHRASES + MISTAKES + FOREIGN, key=lambda p: -len(_NAME.sub("", p)))
    found = []
    for phrase in phrases:
        parts = _NAME.split(phrase)
        pattern = re.compile("".join(map(_piece, parts)), re.DOTALL)
        found.append((phrase, max(map(plain, parts[::2]), key=len), pattern))
    return found


_NAME = re.compile(r"({\w+})")


def plain(part: str) -> str:
    """A text of a phrase as it stands in a sentence: braces once."""
    return part.replace("{{", "{").replace("}}", "}")


def _piece(part: str) -> str:
    """A part of a phrase as a pattern: a name matches what it may stand for, the rest itself."""
    if not _NAME.fullmatch(part):
        return re.escape(plain(part))
    name, held = part[1:-1], r"[^\s;]*?"
    if name in _SENTENCES:
        held = ".+?"
    elif name in _LONG:
        held = "[^;]+?"
    elif name in _GIVEN:
        held = "(?:(?!: |; ).)+?"
    return f"(?P<{name}>{held})"


PHRASES = (
    # the gate
    mark("trading is reducing: only sells that shrink a position pass"),
    mark("trading is halted: only cancels pass"),
    mark("{kinds} would pass"),
    mark("{symbol} is an index: it has quotes but takes no orders"),
    mark("{symbol} is a B share, traded in USD or HKD: the account is in CNY, it is not supported"),
    mark("{count} shares: a quantity is above zero"),
    mark("{count} of {symbol}: a buy is {least} shares or more in steps of {step}"),
    mark("{count} {symbol}: one {kind} order is {most} shares at most"),
    mark("{symbol} at {price}: no price known yet, or not a price"),
    mark("{price} is not on the tick {tick} of {symbol}"),
    mark("an order of {strategy} on {symbol} is UNKNOWN: resolve it first"),
    mark("{count} shares of {symbol}, {free} sellable (T+1)"),
    mark("{count} of {free} sellable {symbol} breaks the lot rule"),
    mark("{count} {symbol} need {money} CNY with fees, {free} available"),
    mark("{symbol} is not to be traded: risk.forbidden has {name}"),
    mark("{symbol} is not to be traded: it is not in risk.allowed"),
    mark("{symbol} takes no {kind} orders on {day}"),
    mark("{symbol} has no price limits on {day}: its exchange takes no {kind} orders then"),
    mark("{symbol} is halted; it would pass once it trades again"),
    mark("{symbol} is suspended on {day}"),
    mark(
        "{count} shares of {symbol}, an ST security, bought today with this order; {most} "
        "are the limit"
    ),
    mark("{symbol} takes no {kind} orders in {span} ({phase}): the broker keeps it until {what}"),
    mark("{symbol} takes no {kind} orders in {span} ({phase})"),
    mark("the next trading day"),
    mark("on the next one it would pass"),
    mark("no order on it would pass"),
    mark("a sell would pass"),
    mark("it would pass once it trades again"),
    mark("it would pass in {span} s"),
    mark("it would pass tomorrow"),
    mark("then it would pass"),
    mark("once it is quoted a price on its tick would pass"),
    mark("nothing would pass"),
    mark("{kind} orders of {symbol} are not taken while it is halted"),
    mark("{price} is not taken on a day without limits: {low} to {high} are"),
    mark("from {later} on it would pass"),
    mark("on the next trading day it would pass"),
    mark("{day} is no trading day"),
    mark("{price} is above {limit}, {what} of {symbol}"),
    mark("{price} is below {limit}, {what} of {symbol}"),
    mark("today's limit up"),
    mark("today's limit down"),
    mark("the rule book's limit up"),
    mark("the rule book's limit down"),
    mark("the highest price taken without limits"),
    mark("the lowest price taken without limits"),
    mark(
        "{price} is beyond the price cage of {symbol}, {edge} for a market at {reference}: "
        "it waits until the market comes"
    ),
    mark("{price} is beyond the price cage of {symbol}, {edge} for a market at {reference}"),
    mark("{price} is {away} below {limit}, the limit up of {symbol}"),
    mark("{price} does not reach {close}, the closing price of {symbol}"),
    mark("{count} {symbol}, {most} shares an order are the limit"),
    mark("{count} {symbol} come to {money} CNY, {most} an order are the limit"),
    mark("{count} {symbol} today with this order, {most} shares a day are the limit"),
    mark("{money} CNY of {symbol} today with this order, {most} a day are the limit"),
    mark("{count} more {what} exceed {ratio} of {money} CNY"),
    mark("{count} more {what} come near {ratio} of {money} CNY"),
    mark("{symbol} in group {name}"),
    mark("{symbol} and all else"),
    mark("{count} more {what} come to {money} CNY, {most} are the capital"),
    mark("{symbol} would be holding number {count}, {most} are the limit"),
    mark("more of what is held would pass"),
    mark("{count} orders and cancels in {span} s are reached"),
    mark("{count} orders and cancels today are reached"),
    mark("at 300 in a second an account is a high-frequency one"),
    mark("at 20,000 a day an account is a high-frequency one"),
    mark(
        "{count} of {orders} orders of today were cancelled, {most} are the limit; an order "
        "would pass at {more} orders"
    ),
    mark(
        "{count} orders of today were cancelled within a second, {most} are the limit; buys "
        "would pass tomorrow"
    ),
    mark("no quote of {symbol} has come; it would pass after the next quote"),
    mark(
        "the last quote of {symbol} is {age} s old, {most} s are the limit; it would pass "
        "after the next quote"
    ),
    mark(
        "{price} is {away} away from {last}, the last price of {symbol}; {low} to {high} would pass"
    ),
    mark(
        "the same order left {ago} s ago: {side} {count} {symbol} at {price}; it would pass "
        "{span} s after that one"
    ),
    mark(
        "{side} {symbol} at {price} could buy from an order of our own at {near}; {would} or "
        "less would pass"
    ),
    mark(
        "{side} {symbol} at {price} could sell to an order of our own at {near}; {would} or "
        "more would pass"
    ),
    mark("{money} CNY lost today, {most} are the limit"),
    mark("{money} CNY lost from the peak, {most} are the limit"),
    mark("{count} losing trades in a row, {most} are the limit"),
    mark("rule {name} failed: {error}; nothing passes it"),
    mark("the rules failed ({error}): nothing passes them"),
    mark("{strategy} was stopped"),
    mark("the journal can't be written ({why}): no new order leaves, cancels and reports go on"),
    mark(
        "{code} is near its limit, {value} of {limit}: {why} (an order of {strategy}, which "
        "passed; told once a day)"
    ),
    mark("{code}: {why} (an order of {strategy}, which passed; told once a day)"),
    # exits
    mark("stop-loss: {last} is {share} below the cost of {cost}"),
    mark("take-profit: {last} is {share} above the cost of {cost}"),
    mark("trailing stop: {last} is {share} below the best, {best}"),
    mark("trading is HALTED: the exit waits until it is not"),
    mark("{symbol} is halted: the exit waits until it trades"),
    mark("cancelled for the exit of {symbol}: {names}"),
    mark(
        "{today} of {count} {symbol} were bought today and can't be sold before the next "
        "trading day (T+1)"
    ),
    mark(
        "{symbol} is at its limit down, {price}: the exit of {count} waits in the queue "
        "there and may not fill today"
    ),
    mark("the exit of {count} was refused: {why}"),
    mark("its cancel was asked for before"),
    mark("the exchange takes no cancels now: it is asked for as soon as it does"),
    mark("its cancel is asked for"),
    mark("its order {id} stays: it is {status}"),
    mark("{count} of an exit of {whole} were {status}"),
    mark("{count} are promised to sells of which nobody knows the end"),
    mark("{count} of it stay: trading in it is halted; flatten again when it trades"),
    mark("{count} of it wait {seconds} s: the limits have no room for an order now"),
    mark("{count} of it wait: the exchange takes such a sell from {clock} on"),
    mark("the trading was resumed meanwhile: nothing more of it is sold"),
    mark("{symbol} is not left whole: {why}"),
    mark("the engine stops"),
    mark("flatten again after the next start"),
    mark("the engine stops before the exchange takes cancels: {names} work on"),
    mark("cancel them after the next start"),
    mark("{name} asked for {command} at {day} {clock}, and the engine ended: {names} still work"),
    mark("`qka cancel` takes them back"),
    mark(
        "{name} asked for {command} at {day} {clock}, and the engine ended: {names} are still "
        "held, and nothing of them is sold by itself"
    ),
    mark("`qka flatten` begins anew"),
    # what targets leave out
    mark("{symbol}: {side} of {count} left out: {why}"),
    mark("{symbol}: {side} of some left out: {why}"),
    mark("its trading is halted: ask again when it goes on"),
    mark("sealed at its limit up, {price}: nobody sells"),
    mark("sealed at its limit down, {price}: nobody buys"),
    mark("with that price it would wait in the queue"),
    mark("no price is known"),
    mark("{money} CNY with fees at {price}, {free} available"),
    mark("a buy is {least} shares or more in steps of {step}"),
    mark("bought today, and sold on the next trading day at the earliest (T+1)"),
    mark("of {free} sellable shares fewer than {least} go only all at once"),
    mark("worth {count} shares at {price}, and a buy is {least} or more"),
    mark("{count} held, {today} of them bought today (T+1), {frozen} promised to working sells"),
    mark("{ratio} of the total, or the cash, is less than the least buy"),
    mark(
        "{side} {order} of {count} at {price} works against it, and its cancel is not to be had now"
    ),
    mark("a newer target took its place"),
    # what becomes of orders
    mark("the exchange is closed"),
    mark("{kind} orders of {symbol} are not taken now, in {phase}"),
    mark("{count} shares are no legal quantity of {symbol}"),
    mark("{count} shares are above the maximum of {most}"),
    mark("{symbol} is suspended"),
    mark("{kind} orders are not taken on a day without limits"),
    mark("{price} is not on the tick of {symbol}"),
    mark("{price} is outside the day's limits {low} to {high}"),
    mark("{price} is beyond the price cage, which ends at {edge}"),
    mark("there is no price on that side of the book"),
    mark("the rest of a {kind} order is cancelled"),
    mark("it could not trade whole"),
    mark("the day ended"),
    mark("a daily bar trades what was sent before it began: order in on_bar"),
    mark("the run ended before it reached the exchange"),
    mark("the run ended before its cancel reached the exchange"),
    mark("its price was lost with the run"),
    mark("no such order"),
    mark("the order is {status} already"),
    mark("the exchange takes no cancels now"),
    mark("the exchange takes no cancels in 09:20-09:25 and 14:57-15:00; try again after"),
    mark("it is an order of an earlier day: the terminal can't cancel it any more"),
    mark("the engine ended before the broker's answer came"),
    mark("not sent: {why}"),
    mark("not sent: {why}: nothing was sent"),
    mark("the server never had it"),
    mark("the trading was halted before its turn came"),
    mark("it was recalled before its turn came"),
    mark("its engine fell silent before its turn came"),
    mark("the terminal refused the cancel"),
    mark("the terminal refused it and gave no reason"),
    mark("the terminal gives its status as {status}"),
    mark("the order is still {status}"),
    mark("never among the account's orders"),
    mark("no longer among the account's orders"),
    mark(
        "the broker took it, and the account's orders do not have it any more: look for it in "
        "the broker's terminal"
    ),
    mark("a cancel is pending at the terminal"),
    mark("its day ended and nobody saw how; if it traded, the shares say so"),
    mark("the broker failed to take it: {error}"),
    mark("the broker failed to take the cancel: {error}"),
    mark("order {id} of {strategy} works on: {why}"),
    mark("{strategy} stopped: {why}"),
    # the links
    mark("the link was closed"),
    mark("there is no connection"),
    mark("QMT closed the connection"),
    mark("QMT does not answer (asked for {span} s)"),
    mark("{count} calls of the SDK do not return"),
    mark("{name} did not return in {span} s"),
    mark("the link to QMT is connecting"),
    mark("the link to QMT is cooldown"),
    mark("the link to QMT is closed"),
    mark("the link to QMT is lost: {why}"),
    mark("account {id} can't trade: {why}"),
    mark("the server has no terminal: {why}"),
    mark("the account is {why}"),
    mark("no quote for {span} s in trading hours: subscribed again"),
    mark("the terminal closed the connection to its quotes"),
    mark("there is no connection to the terminal's quotes"),
    mark(
        "no server answers at {url} ({error}): is `qka server` running there, and is this its "
        "address?"
    ),
    mark("what answers at {url} speaks http, and not https: correct the url's beginning"),
    mark("no reply from {url} within {span} s"),
    mark("the link to {url} broke ({why})"),
    mark("no link to {url} ({why}): nothing was sent"),
    mark("no link to {url} ({why})"),
    mark("no link to {url}: {why}"),
    mark("the server hung up ({code})"),
    mark("the server hung up ({code} {error})"),
    mark("the link broke ({error})"),
    mark("the server ended the link: {why}"),
    mark("another of the same token and name took its lease over"),
    mark(
        "this one does not connect again: stop it, and give each engine a name of its own "
        "(`name` in the config)"
    ),
    mark("the server is stopping"),
    mark("it was never opened"),
    mark("it was closed"),
    mark(
        "{method}: {why}. It may have been executed: look at the account's orders before you "
        "send anything again"
    ),
    mark(
        "{method}: {why}. It may have been executed: look at the account's orders, or ask "
        "outcome({key}) before you send anything again"
    ),
    mark("{why} (nothing was executed)"),
    mark(
        "the order was handed to QMT, then: {why}. It may have been executed: look it up "
        "among the account's orders, do not send it again"
    ),
    mark(
        "the cancel was handed to QMT, then: {why}. It may have been executed: look it up "
        "among the account's orders, do not send it again"
    ),
    mark("no answer in {span} s"),
    mark("its deadline has passed"),
    mark("{why}, before its turn came"),
    mark("{error}: nothing was sent"),
    mark("no quotes of {names} came though there were: subscribed again"),
    mark(
        "the tick of {symbol} is {tick}, by the rule book {ours}: the terminal's hold; "
        "correct the rule book in rules.file"
    ),
    # the account, the engine
    mark("HALTED: {why}"),
    mark("REDUCING: {why}"),
    mark("ACTIVE by {names}"),
    mark("ACTIVE by {name}: {names}"),
    mark("HALTED by {names}"),
    mark("HALTED by {name}: {names}"),
    mark("REDUCING by {names}"),
    mark("REDUCING by {name}: {names}"),
    mark("REDUCING and flatten by {names}"),
    mark("REDUCING and flatten by {name}: {names}"),
    mark("flatten, {names}"),
    mark("the books agree again: trading is active"),
    mark("the books agree again: trading is halted"),
    mark("the books agree again: trading is reducing"),
    mark("the books agree again"),
    mark("trading is halted since an earlier run: {why}; `qka resume CONFIG` lifts it"),
    mark("trading is reducing since an earlier run: {why}; `qka resume CONFIG` lifts it"),
    mark("no reason kept"),
    mark(
        "order {id} was placed by others: {side} {count} {symbol} at {price}; it counts in "
        "every limit"
    ),
    mark("late fill: order {id} was {status}, {count} booked"),
    mark(
        "deal {deal} proves what a human said of order {id}: its {count} {symbol} are booked "
        "already; compare the cash"
    ),
    mark(
        "order {id} ({side} {count} {symbol}) has been {status} for {span} s: look at it in "
        "the broker's terminal"
    ),
    mark("the account differs from the journal, {what}; its books are taken over:"),
    mark("fees: the broker's are {money} CNY more than broker.fees says"),
    mark("traded while the engine was away: {names}"),
    mark("accepted by the operator"),
    mark("explained"),
    mark(
        "the account is not what the journal says, and nothing explains it. No new order "
        "leaves; working orders stay as they are."
    ),
    mark(
        "Look into the broker's terminal. If the broker is right: `qka accept CONFIG {mark}` "
        "(with this run's config and --set)"
    ),
    mark(
        "the account differs from the journal, and the feed can't say whether that is a "
        "bonus or a dividend ({error}): nothing is explained by one"
    ),
    mark(
        "the feed can't say what goes ex today ({error}): stops and limits on losses take a "
        "dividend or a bonus for a fall; look up the ex-dates of what you hold"
    ),
    mark("comparing the account with the broker's failed: {error}"),
    mark(
        "the feed can't say what companies gave overnight ({error}): dividends and bonus "
        "shares of {day} are not on the account"
    ),
    mark(
        "its targets of {names} wait for order {id}, which is UNKNOWN: look it up in the "
        "broker's terminal"
    ),
    mark("its targets of {names} are dropped: {why}"),
    mark("{side} {id} expired with the day"),
    mark("the day is over and the orders before them still work"),
    mark("the engine stops and the orders before them still work"),
    mark("stopped: {why}"),
    mark("started by {names}"),
    mark("started by {name}: {names}"),
    mark("stopped: by {names}"),
    mark("stopped: by {name}: {names}"),
    mark("{strategy} stopped: by {names}"),
    mark("{strategy} stopped: by {name}: {names}"),
    mark("changed to {key} by {name}"),
    mark("changed to {key} by {name}: {names}"),
    mark("it failed to start"),
    mark("it is answered by {names} without end"),
    mark("{count} errors, the last at {place}"),
    mark("{count} signals not worked yet are dropped"),
    mark("{count} working orders are left"),
    mark("{count} working orders are being cancelled"),
    mark("{count} working orders are cancelled at {time}: until then the exchange takes none"),
    mark("an async handler was cut off: {why}"),
    mark("it did not end within {span} s of the end of the run"),
    mark(
        "it wants {count} {period} bars before the first event, and the feed knows {there} "
        "of {names}"
    ),
    mark(
        "it wants {count} {period} bars before the first event, and the feed knows {there} "
        "of {symbol} and {more} more"
    ),
    mark(
        "its state can't be kept across a restart: {error}; put plain values into "
        "self.state: numbers, text, lists, dicts"
    ),
    mark(
        "timer {name} was due while no engine ran, and is not made up for: decide in "
        "on_start what still makes sense"
    ),
    mark(
        "{handler} has held up time for {span} s: a simulated clock waits for async "
        "handlers, so that no fill and no quote can come before they end; it is stopped "
        "after {until} s"
    ),
    mark(
        "{handler} has not ended for {span} s: no other async handler of the strategy is called "
        "before it does. Give what it awaits a limit (asyncio.timeout); `qka strategy stop` ends "
        "it now"
    ),
    mark(
        "the engine stands still since {span} s at {place}: no quote is heard, no order or cancel "
        "leaves and nothing can be halted until it returns; orders that work go on. If it does "
        "not: Ctrl-C twice here, and see to them in the broker's terminal"
    ),
    mark(
        "the engine stood still for {span} s at {place}: no quote was heard, no order or cancel "
        "left and nothing could be halted meanwhile. A plain handler must return at once; what "
        "takes long belongs into an `async def`, in a thread (asyncio.to_thread)"
    ),
    mark("limits set earlier today go on: {names}"),
    mark("the config's limits were edited since and hold; set earlier today and gone: {names}"),
    mark("the trading calendar ends on {day}, in {count} days: no order leaves after it"),
    mark("the trading calendar has ended on {day}: no order leaves after it"),
    mark(
        "the trading calendar ends on {last} and {day} is after it: no order leaves then, "
        "those that work stay"
    ),
    mark(
        "upgrade exchange_calendars once it has the next year, or say in rules.file which "
        "days are closed and until when (calendar.closed, calendar.until)"
    ),
    mark("the report of {day} can't be written ({error})"),
    mark("{what}: `qka status`, `qka halt` and the like can't reach this run. Trading goes on"),
    mark("monitor.port: {place} can't be listened on ({why})"),
    mark("it could not be closed: {error}"),
    mark("the last records could not be written: {error}"),
    mark("the disk is full"),
    mark("another program holds it (a database browser, a backup)"),
    mark("the file or its folder is read-only"),
    mark("the disk failed"),
)
