"""Symbols in QMT form (`600000.SH`): exchange, board and kind of security, from the code alone.

The patterns are XT's own table plus the codes it lacks (302, 589, 920, 158).
A prefix never decides limits of funds, new listings, ST or delisting stocks: see `qka.ashare`.
"""

import enum
import re
from functools import lru_cache

from qka.errors import SymbolError


class Board(enum.StrEnum):
    """The board or kind of security, as the rule book tells them apart."""

    MAIN = "main"
    STAR = "star"
    CHINEXT = "chinext"
    BSE = "bse"
    FUND = "fund"
    BOND = "bond"
    REPO = "repo"
    B_SHARE = "b_share"
    INDEX = "index"


# exchange -> (code pattern, board), the first match wins
_PATTERNS: dict[str, tuple[tuple[re.Pattern[str], Board], ...]] = {
    exchange: tuple((re.compile(pattern), board) for pattern, board in rows)
    for exchange, rows in {
        "SH": (
            (r"60\d{4}", Board.MAIN),
            (r"68[89]\d{3}", Board.STAR),
            (r"90\d{4}", Board.B_SHARE),
            (r"000\d{3}", Board.INDEX),
            (r"5(?:0[1268]|1\d|20|30|6\d|8[89])\d{3}", Board.FUND),
            (r"1(?:10|11|13|18)\d{3}", Board.BOND),
            (r"204\d{3}", Board.REPO),
        ),
        "SZ": (
            (r"00[0-4]\d{3}", Board.MAIN),
            (r"30[0-2]\d{3}", Board.CHINEXT),
            (r"20\d{4}", Board.B_SHARE),
            (r"(?:39|98)\d{4}", Board.INDEX),
            (r"(?:15[89]|16\d|18[0-4])\d{3}", Board.FUND),
            (r"12[1-9]\d{3}", Board.BOND),
            (r"131[89]\d{2}|1318\d{2}|1319\d{2}", Board.REPO),
        ),
        "BJ": (
            (r"920\d{3}", Board.BSE),
            (r"(?:4[03]|8[378])\d{4}", Board.BSE),
            (r"899\d{3}", Board.INDEX),
        ),
    }.items()
}


@lru_cache(maxsize=16384)
def board_of(symbol: str) -> Board:
    """The board of a symbol; raises `SymbolError`, which names the nearest right form."""
    code, dot, exchange = symbol.partition(".")
    rows = _PATTERNS.get(exchange)
    if rows is not None:
        for pattern, board in rows:
            if pattern.fullmatch(code):
                return board
    homes = [f"{code}.{e}" for e, r in _PATTERNS.items() if any(p.fullmatch(code) for p, _ in r)]
    hint = f"; did you mean {' or '.join(homes)}?" if homes else ""
    if not re.fullmatch(r"\d{6}", code):
        raise SymbolError(
            f"{symbol!r} is not a symbol: write six digits and the exchange, 600000.SH{hint}"
        )
    if not dot:
        raise SymbolError(f"{symbol!r} lacks its exchange (.SH, .SZ or .BJ){hint}")
    if rows is None:
        raise SymbolError(
            f"{symbol!r}: there is no exchange {exchange!r}, only SH, SZ and BJ{hint}"
        )
    raise SymbolError(f"{symbol!r}: no security on {exchange} has such a code{hint}")


def check_symbol(symbol: str) -> str:
    """The symbol itself when it can exist; raises `SymbolError` otherwise."""
    board_of(symbol)
    return symbol


@lru_cache(maxsize=16384)
def lot_size(symbol: str) -> int:
    """Shares (份, 张) in one 手, the unit of volumes and level sizes in xtdata."""
    return 10 if board_of(symbol) in (Board.BOND, Board.REPO) else 100
