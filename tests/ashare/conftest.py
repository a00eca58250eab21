"""Every test begins with the shipped rows and no day lived."""

from datetime import date

import pytest

from qka.ashare import book
from qka.ashare.rules import TERMS


@pytest.fixture(autouse=True)
def shipped_rules():
    book.use()
    TERMS.live(date.max)
    yield
    book.use()
    TERMS.live(date.max)
