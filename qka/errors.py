"""What can go wrong, by who can act on it.

::

    QkaError
    ├── ConfigError          the user edits a file or a command line        exit code 2
    │   └── SymbolError      a symbol that does not exist
    ├── DataError            recorded input is damaged: file and row        exit code 2
    ├── BrokerUnavailable    the link is down: the engine retries
    │   └── NotSent          the request certainly never left: nothing was executed
    ├── OutcomeUnknown       the request left, no answer came: look it up, never send it again
    ├── CallRefused          a server answered no: the caller corrects the call;
    │   │                        a start is refused                         exit code 2
    │   └── AccessDenied     the token is wrong or not allowed to: a human hands out another
    └── EngineFault          stop, keep what is known, tell a human         exit code 1
        └── JournalDamaged   the record of the account is not whole: restore it or salvage it;
                             a start is refused                         exit code 2

A refused order is none of these: it is the event `OrderDenied` (ours) or
`OrderRejected` (theirs), and the strategy decides what to do about it. `StopNow` is no error at
all: it is a human's second Ctrl-C.
"""


class QkaError(Exception):
    """Base of every error that qka raises on purpose; its text is meant for the user."""


class ConfigError(QkaError):
    """The configuration, a strategy file or a command line is wrong; nothing was started."""


class SymbolError(ConfigError, ValueError):
    """The text is not a symbol that trades on an exchange we know."""


class DataError(QkaError):
    """Recorded market data is damaged; the message names the file and the row."""


class BrokerUnavailable(QkaError):
    """The broker can't be reached now. Orders already sent keep their last known state.

    `retry_after`: seconds until it may be worth asking again, 0 when nobody knows.
    """

    def __init__(self, message: str, retry_after: float = 0.0) -> None:
        super().__init__(message)
        self.retry_after = retry_after


class NotSent(BrokerUnavailable):
    """The request never reached the terminal: certainly not executed, it may be repeated."""


class OutcomeUnknown(QkaError):
    """The request was handed over and no answer came: it may or may not have been executed.

    Never send it again: the answer is in the account's orders, under the remark.
    """


class CallRefused(QkaError):
    """A QMTServer refused a call; nothing was executed. `code` is its reason in one word."""

    def __init__(self, message: str, code: str = "") -> None:
        super().__init__(message)
        self.code = code


class AccessDenied(CallRefused):
    """The token is not one of the server's, or does not reach so far."""


class EngineFault(QkaError):
    """The engine can't go on safely: no new order leaves until a human has looked."""


class JournalDamaged(EngineFault):
    """The journal is not whole. `last_good`: up to this record everything is as it was written."""

    def __init__(self, message: str, last_good: int = 0) -> None:
        super().__init__(message)
        self.last_good = last_good


# what the same start would meet again: a human mends something first, so the exit code is 2
STANDING = (ConfigError, DataError, CallRefused, JournalDamaged)


class StopNow(KeyboardInterrupt):
    """Whoever runs the engine wants it to end at once: the one thing that passes every guard.

    Anything else that code of a strategy raises, a KeyboardInterrupt of its own too, is its error.
    """
