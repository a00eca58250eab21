"""Symbols in QMT form (`600000.SH`): exchange, board and kind of security, from the code alone.

What a code is stands in `qka.model.codes`, and a user's rule file may `learn` more. A code never
decides the limits of new listings, ST or delisting stocks: see `qka.ashare`.
"""

import enum
import re
from collections.abc import Iterable
from functools import lru_cache

from qka.errors import SymbolError
from qka.model.codes import CODES, Code, Kind


class Board(enum.StrEnum):
    """The board, or the family of securities: coarser than `Kind`."""

    MAIN = "main"
    STAR = "star"
    CHINEXT = "chinext"
    BSE = "bse"
    FUND = "fund"
    BOND = "bond"
    REPO = "repo"
    B_SHARE = "b_share"
    INDEX = "index"


# kind -> board; funds are the rest
_BOARDS: dict[Kind, Board] = {
    Kind.MAIN: Board.MAIN,
    Kind.STAR: Board.STAR,
    Kind.CHINEXT: Board.CHINEXT,
    Kind.BSE: Board.BSE,
    Kind.CONVERTIBLE: Board.BOND,
    Kind.DIRECTED_BOND: Board.BOND,
    Kind.REPO: Board.REPO,
    Kind.B_SHARE: Board.B_SHARE,
    Kind.INDEX: Board.INDEX,
}


class _Codes:
    """The table, arranged so that the pattern with most digits is found first."""

    def __init__(self, rows: Iterable[Code]) -> None:
        self.rows = tuple(rows)
        self._exact: dict[str, dict[str, Kind]] = {"SH": {}, "SZ": {}, "BJ": {}}
        found: dict[str, list[tuple[int, re.Pattern[str], Kind]]] = {e: [] for e in self._exact}
        for row in self.rows:
            for code in row.codes:
                if "*" in code:
                    pattern = re.compile(code.replace("*", r"\d"), re.ASCII)
                    found[row.exchange].insert(0, (code.count("*"), pattern, row.kind))
                else:
                    self._exact[row.exchange][code] = row.kind
        # sorting keeps the order of equals: the later row stays in front
        self._patterns = {
            exchange: [(p, kind) for _, p, kind in sorted(rows, key=lambda row: row[0])]
            for exchange, rows in found.items()
        }

    def find(self, code: str, exchange: str) -> Kind | None:
        """What the code is there, None for nothing."""
        kind = self._exact[exchange].get(code)
        if kind is not None:
            return kind
        return next((k for p, k in self._patterns[exchange] if p.fullmatch(code)), None)

    @property
    def exchanges(self) -> Iterable[str]:
        """Those there are."""
        return self._exact


_codes = _Codes(CODES)


def codes() -> tuple[Code, ...]:
    """The table in force."""
    return _codes.rows


def learn(rows: Iterable[Code]) -> None:
    """Put the rows of a user after the shipped ones; none: the shipped ones alone."""
    global _codes
    _codes = _Codes((*CODES, *rows))
    for cache in (kind_of, board_of, lot_size):
        cache.cache_clear()


@lru_cache(maxsize=16384)
def kind_of(symbol: str) -> Kind:
    """The kind of security; raises `SymbolError`, which names the nearest right form."""
    code, dot, exchange = symbol.partition(".")
    there = exchange in _codes.exchanges
    kind = _codes.find(code, exchange) if there else None
    if kind is not None:
        return kind
    homes = [f"{code}.{e}" for e in _codes.exchanges if _codes.find(code, e)]
    hint = f"; did you mean {' or '.join(homes)}?" if homes else ""
    if not re.fullmatch(r"\d{6}", code):
        raise SymbolError(
            f"{symbol!r} is not a symbol: write six digits and the exchange, 600000.SH{hint}"
        )
    if not dot:
        raise SymbolError(f"{symbol!r} lacks its exchange (.SH, .SZ or .BJ){hint}")
    if not there:
        raise SymbolError(
            f"{symbol!r}: there is no exchange {exchange!r}, only SH, SZ and BJ{hint}"
        )
    raise SymbolError(f"{symbol!r}: no security on {exchange} has such a code{hint}")


@lru_cache(maxsize=16384)
def board_of(symbol: str) -> Board:
    """The board of a symbol; raises `SymbolError` as `kind_of` does."""
    return _BOARDS.get(kind_of(symbol), Board.FUND)


def check_symbol(symbol: str) -> str:
    """The symbol itself when it can exist; raises `SymbolError` otherwise."""
    board_of(symbol)
    return symbol


@lru_cache(maxsize=16384)
def lot_size(symbol: str) -> int:
    """Shares (份, 张) in one 手, the unit of volumes and level sizes in xtdata."""
    return 10 if board_of(symbol) in (Board.BOND, Board.REPO) else 100
