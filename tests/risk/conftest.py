import re

import pytest

from qka.language import CHINESE, speaker
from qka.phrases import retold
from qka.risk.verdicts import Caution, Denial

# what stays as it is: names that a test gave, what Python says, and how floats are spelt
GIVEN = {"grid", "banks", "star", "fund", "main", "two", "other"}
GIVEN |= {"broken", "assets", "verdict", "inf", "nan"}


@pytest.fixture(autouse=True)
def every_verdict_has_its_chinese(monkeypatch):
    """Whatever a rule says in these tests, it can be said in Chinese."""
    said = set()

    def noting(kind):
        made = kind.__new__

        def new(cls, code, reason, limit=None, value=None):
            said.add(reason)
            return made(cls, code, reason, limit, value)

        return new

    for kind in (Denial, Caution):
        monkeypatch.setattr(kind, "__new__", noting(kind))
    yield
    for reason in said:
        told = retold(reason, speaker(CHINESE))
        assert set(re.findall(r"\b[a-z]{3,}\b", re.sub(r"`[^`]*`", "", told))) <= GIVEN, (
            reason,
            told,
        )
