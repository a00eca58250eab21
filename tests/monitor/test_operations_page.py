"""The page for operations knows every alert by the title that people are shown, and what to do."""

import re
import subprocess
from pathlib import Path
from shutil import which
from typing import get_args

import pytest

from qka.language import CHINESE, speaker
from qka.monitor.messages import ADVICE
from qka.settings.sections import AlertKind

DOCS = Path(__file__).parents[2] / "docs"
PAGES = {"operations.md": str, "operations.zh-CN.md": speaker(CHINESE)}


def titles(page):
    """The first column of its table of alerts."""
    lines = (DOCS / page).read_text(encoding="utf-8").splitlines()
    rows = [line.split("|")[1].strip() for line in lines if line.startswith("| ")]
    return {title.strip() for row in rows for title in re.split("[,、]", row)}


@pytest.mark.parametrize("page", PAGES)
def test_every_alert_is_explained(page):
    assert {PAGES[page](advice.title) for advice in ADVICE.values()} - titles(page) == set()


@pytest.mark.parametrize("page", ["alerts.md", "alerts.zh-CN.md"])
def test_every_kind_that_a_rule_can_name_is_there(page):
    text = (DOCS / page).read_text(encoding="utf-8")
    assert [kind for kind in get_args(AlertKind) if f"| `{kind}` |" not in text] == []


def test_both_languages_have_the_same_commands():
    found = []
    for page in PAGES:
        text = (DOCS / page).read_text(encoding="utf-8")
        found.append(re.findall(r"`(qka [^`]*)`", text))
    english, chinese = found
    assert len(english) > 20
    plain = [[re.sub(r' --why "[^"]*"', "", one) for one in each] for each in (english, chinese)]
    assert sorted(set(plain[0])) == sorted(set(plain[1]))


@pytest.mark.skipif(which("systemd-analyze") is None, reason="systemd is not here")
def test_the_unit_is_one_that_systemd_understands():
    unit = DOCS / "systemd" / "qka-engine.service"
    done = subprocess.run(["systemd-analyze", "verify", unit], capture_output=True, text=True)
    said = [line for line in done.stderr.splitlines() if "is not executable" not in line]
    assert said == []  # of the program, which is not on this machine, it says so
