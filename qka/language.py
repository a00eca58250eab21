"""The language in which people are told things: English, or Chinese by `QKA_LANG` or the locale.

The texts are in the code, in English; `locale/` has the catalogues, made by gettext's own tools.
What programs read (the journal, the JSON lines, `summary.json`) is English everywhere.
"""

import gettext
import os
import sys
from collections.abc import Callable
from functools import lru_cache
from pathlib import Path

FOLDER = Path(__file__).parent / "locale"
ENGLISH, CHINESE = "en", "zh_CN"
_preferred = ""  # what a project's `.env` says
_CHINESE_UI = 0x04  # Windows' primary language id

Say = Callable[[str], str]  # a text in English -> in the reader's language


def say(text: str) -> str:
    """A text of ours in the reader's language; as it stands where there is no translation."""
    return speaker(chosen())(text)


def mark(text: str) -> str:
    """A text that is said elsewhere: the catalogues have to have it. Returns it as it is."""
    return text


def chosen() -> str:
    """The reader's language: of `QKA_LANG` (`zh`, `en`), of `prefer`, else of the locale."""
    told = os.environ.get("QKA_LANG") or _preferred or _of_the_system()
    return CHINESE if told.lower().startswith(("zh", "chinese")) else ENGLISH


def prefer(told: str | None) -> None:
    """Take the language that a `.env` names, where the environment names none."""
    global _preferred
    _preferred = told or ""


@lru_cache
def speaker(language: str) -> Say:
    """What says a text of ours in a language; English for one without a catalogue."""
    return gettext.translation("qka", FOLDER, [language], fallback=True).gettext


def _of_the_system() -> str:
    for name in ("LC_ALL", "LC_MESSAGES", "LANG"):
        if told := os.environ.get(name):
            return told
    if sys.platform == "win32":
        import ctypes

        ui = ctypes.windll.kernel32.GetUserDefaultUILanguage()
        return CHINESE if ui & 0x3FF == _CHINESE_UI else ENGLISH
    return ENGLISH
