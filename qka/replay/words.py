"""What happened, in one line each, for people."""

from typing import Any

from qka.journal.port import Record
from qka.language import say
from qka.recording.port import Due, Row, Said, Turn
from qka.telling import clock_time, told


def came(what: Row | Record) -> str:
    """A row or a record with its time."""
    if isinstance(what, Row):
        return f"{clock_time(what.time)}  {said(what.entry)}"
    number = say("(record {seq})").format(seq=what.seq)
    return f"{clock_time(what.ts)}  {said(what.event)} {number}"


def said(event: Any) -> str:
    """An event, or a row's entry, in a line."""
    match event:
        case Due(when=when):
            return say("the clock: what was due at {time}").format(time=clock_time(when))
        case Turn(name=name):
            return say("an async handler of {name} has its turn").format(name=name)
        case Said():
            return say("what was said meanwhile is heard")
        case _:
            return told(event)
