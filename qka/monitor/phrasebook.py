"""The engine's sentences for the page, which says them in the reader's language by itself."""

from qka import telling
from qka.language import CHINESE, speaker
from qka.phrases import patterns, plain
from qka.wire import compact

_TABLES = (
    telling.PHASES, telling.LINKS, telling.STATES, telling.STATUSES, telling.TYPES, telling.SIDES,
    telling.TRADING,
)  # fmt: skip


def phrasebook() -> bytes:
    """JSON: `phrases`, a pattern as JavaScript has them and its Chinese, those that say more first;
    `words`, single ones by their English."""
    say = speaker(CHINESE)
    words = [*telling.CODES, *(word for table in _TABLES for word in table.values())]
    return compact(
        {
            "phrases": [
                [pattern.pattern.replace("(?P<", "(?<"), plain(say(phrase))]
                for phrase, _, pattern in patterns()
            ],
            "words": {word: say(word) for word in words},
        }
    )
