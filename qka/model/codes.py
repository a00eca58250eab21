"""Codes and the kind of security behind each: the shipped table, data only.

A pattern is six digits with `*` for any. The more digits a pattern names, the more it weighs; of
equal ones the later row does. `effective_from` is the first day of the board or product, from
general knowledge: a code means the same on any day. XT is
xtquant's own table (config/xtstocktype.lua of 250807).
"""

import enum
from datetime import date
from typing import Literal

from qka.model.dated import Confidence, Row

Exchange = Literal["SH", "SZ", "BJ"]


class Kind(enum.StrEnum):
    """The kind of security, as finely as any rule tells them apart."""

    MAIN = "main"
    STAR = "star"
    CHINEXT = "chinext"
    BSE = "bse"
    ETF = "etf"
    ETF_20 = "etf_20"  # holds nothing but STAR or ChiNext stocks: ±20%
    ETF_CROSS_BORDER = "etf_cross_border"
    ETF_GOLD = "etf_gold"
    ETF_COMMODITY = "etf_commodity"
    ETF_BOND = "etf_bond"
    ETF_MONEY = "etf_money"
    LOF = "lof"  # and closed-end funds
    LOF_CROSS_BORDER = "lof_cross_border"
    REIT = "reit"
    CONVERTIBLE = "convertible"
    DIRECTED_BOND = "directed_bond"  # convertible, placed privately
    REPO = "repo"
    B_SHARE = "b_share"
    INDEX = "index"


class Code(Row, frozen=True, kw_only=True):
    """Codes of one kind on one exchange."""

    exchange: Exchange
    codes: tuple[str, ...]
    kind: Kind


_XT = "XT xtstocktype.lua"
_V, _D = Confidence.VERIFIED, Confidence.MEASURED
_S, _M = Confidence.SINGLE, Confidence.UNVERIFIED


def _row(
    exchange: Exchange, codes: str, kind: Kind, since: tuple[int, int, int],
    source: str = _XT, confidence: Confidence = _S,
) -> Code:  # fmt: skip
    return Code(
        exchange=exchange, codes=tuple(codes.split()), kind=kind,
        effective_from=date(*since), source=source, confidence=confidence,
    )  # fmt: skip


CODES: tuple[Code, ...] = (
    # ---------------------------------------------------------------- Shanghai
    _row("SH", "60****", Kind.MAIN, (1990, 12, 19), f"{_XT}; real data", _V),
    _row("SH", "688*** 689***", Kind.STAR, (2019, 7, 22), f"{_XT}; real data", _V),
    _row("SH", "90****", Kind.B_SHARE, (1992, 2, 21)),
    _row("SH", "000***", Kind.INDEX, (1991, 7, 15)),
    _row("SH", "51**** 520*** 530*** 56****", Kind.ETF, (2005, 2, 23)),
    _row("SH", "588***", Kind.ETF_20, (2020, 11, 16), "XT; daily bars of 588000", _D),
    _row("SH", "589***", Kind.ETF_20, (2020, 11, 16), "not in XT 250807", _M),
    _row(
        "SH", "513**0 510900 5205** 5206** 5207** 5208** 5209**",
        Kind.ETF_CROSS_BORDER, (2012, 10, 22),
    ),
    _row("SH", "518**0", Kind.ETF_GOLD, (2013, 7, 29)),
    _row("SH", "511***", Kind.ETF_BOND, (2013, 3, 25)),
    _row("SH", "5116** 5117** 5118** 5119**", Kind.ETF_MONEY, (2013, 1, 28)),
    _row("SH", "501*** 502*** 506***", Kind.LOF, (2005, 1, 1)),
    _row("SH", "500***", Kind.LOF, (1998, 4, 7), f"{_XT}, closed-end funds", _S),
    _row(
        "SH", "501018 501021 501023 501025 50130* 501310 501311 501313",
        Kind.LOF_CROSS_BORDER, (2015, 1, 1),
    ),
    _row("SH", "508***", Kind.REIT, (2021, 6, 21), "market knowledge", _M),
    _row("SH", "110*** 111*** 113*** 118***", Kind.CONVERTIBLE, (1998, 11, 2)),
    _row("SH", "1108** 1109** 1185** 1186**", Kind.DIRECTED_BOND, (2018, 11, 1)),
    _row("SH", "204***", Kind.REPO, (2006, 5, 8)),
    # ---------------------------------------------------------------- Shenzhen
    _row(
        "SZ", "000*** 001*** 002*** 003*** 004***", Kind.MAIN, (1991, 7, 3), f"{_XT}; real data", _V
    ),
    _row("SZ", "300*** 301*** 302***", Kind.CHINEXT, (2009, 10, 30), f"{_XT}; real data", _V),
    _row("SZ", "3098** 3099**", Kind.CHINEXT, (2020, 8, 24), f"{_XT}, depositary receipts"),
    _row("SZ", "20****", Kind.B_SHARE, (1992, 2, 28)),
    _row("SZ", "39**** 98****", Kind.INDEX, (1991, 4, 4)),
    _row("SZ", "158*** 159***", Kind.ETF, (2006, 4, 24)),
    _row("SZ", "159915 159949", Kind.ETF_20, (2020, 8, 24), "SZSE list; daily bars of 159949", _D),
    _row(
        "SZ",
        "159603 159675 159676 159681 159682 159780 159781 159782 159783 159810 159821 159836 "
        "159908 159948 159952 159955 159956 159957 159958 159964 159966 159967 159971 159977 "
        "159991",
        Kind.ETF_20, (2020, 8, 24), "funds of ChiNext or of STAR and ChiNext indices, by name", _M,
    ),
    _row(
        "SZ",
        "159302 159303 159312 159318 159329 159331 159333 159501 159502 159506 159509 159513 "
        "159518 159519 159529 159567 159568 159569 159570 159577 159605 159607 159612 159615 "
        "159632 159636 159655 159659 159660 159687 159688 159691 159696 159699 159711 159712 "
        "159718 159726 159735 159740 159741 159742 159747 159750 159751 159776 159788 159792 "
        "159822 159823 159850 159866 159892 159920 159941 159954 159960",
        Kind.ETF_CROSS_BORDER, (2012, 10, 22),
    ),
    _row("SZ", "159812 159830 159831 159834 159934 159937", Kind.ETF_GOLD, (2013, 12, 16)),
    _row("SZ", "159980 159981 159985", Kind.ETF_COMMODITY, (2019, 12, 5)),
    _row("SZ", "159649 159650 159651 159816 159972", Kind.ETF_BOND, (2018, 9, 1)),
    _row("SZ", "1590**", Kind.ETF_MONEY, (2014, 11, 4)),
    _row("SZ", "16****", Kind.LOF, (2004, 12, 20)),
    _row(
        "SZ",
        "160125 160138 160140 160216 160322 160416 160644 160717 160719 160723 160922 160923 "
        "160924 161116 161124 161125 161126 161127 161128 161129 161130 161210 161229 161714 "
        "161815 161831 162411 162415 162416 162719 163208 164701 164705 164815 164824 164906 "
        "165510 165513",
        Kind.LOF_CROSS_BORDER, (2010, 1, 1),
    ),
    _row("SZ", "180***", Kind.REIT, (2021, 6, 21)),
    _row("SZ", "181*** 182*** 183*** 184***", Kind.LOF, (1998, 4, 7), "closed-end funds", _M),
    _row("SZ", "1210** 1211** 1212** 1213** 1214** 123*** 127*** 128***",
         Kind.CONVERTIBLE, (1998, 9, 2)),
    _row("SZ", "121*** 122*** 125*** 126*** 129***", Kind.CONVERTIBLE, (1998, 9, 2),
         "older convertible bonds", _M),
    _row("SZ", "124***", Kind.DIRECTED_BOND, (2018, 11, 1)),
    _row("SZ", "1318** 1319**", Kind.REPO, (2006, 12, 1), "market knowledge", _M),
    # ---------------------------------------------------------------- Beijing
    _row("BJ", "920***", Kind.BSE, (2021, 11, 15)),
    _row("BJ", "40**** 43**** 83**** 87**** 88****", Kind.BSE, (2021, 11, 15),
         "codes before 2025-10, for history", _M),
    _row("BJ", "899***", Kind.INDEX, (2022, 11, 21)),
)  # fmt: skip
