"""Fees: shares of an order's turnover."""

from datetime import date
from decimal import Decimal

from qka.ashare.data.words import BONDS, BSE, FUNDS, KNOWN, SHARES, M, V
from qka.ashare.rows import Fee, FeeName
from qka.model.codes import Kind
from qka.model.dated import Confidence
from qka.model.order import Side


def _fee(
    name: FeeName, kinds: tuple[Kind, ...], rate: str, since: date, source: str,
    sure: Confidence = V, sides: tuple[Side, ...] = (Side.BUY, Side.SELL),
) -> Fee:  # fmt: skip
    return Fee(name=name, kinds=kinds, rate=Decimal(rate), sides=sides, effective_from=since,
               source=source, confidence=sure)  # fmt: skip


_SELLS = (Side.SELL,)
_CLEARING = "ChinaClear's fee tables"
_HALVED = "上证发〔2023〕137号, 深证上〔2023〕768号"
_TWO = (Kind.MAIN, Kind.STAR, Kind.CHINEXT)  # of SSE and SZSE
MONEY = (
    _fee(FeeName.STAMP_DUTY, SHARES, "0.001", date(2008, 9, 19), "财政部 2008-09-19", V, _SELLS),
    _fee(
        FeeName.STAMP_DUTY, SHARES, "0.0005", date(2023, 8, 28), "财税公告2023年第39号", V, _SELLS
    ),
    _fee(FeeName.TRANSFER, SHARES, "0.00002", date(2015, 8, 1), _CLEARING),
    _fee(FeeName.TRANSFER, SHARES, "0.00001", date(2022, 4, 29), _CLEARING),
    _fee(FeeName.HANDLING, SHARES, "0.0000487", date(2015, 8, 1), KNOWN, M),
    _fee(FeeName.HANDLING, _TWO, "0.0000341", date(2023, 8, 28), _HALVED),
    _fee(FeeName.HANDLING, BSE, "0.000125", date(2023, 8, 28), "BSE, 2023-08-28"),
    _fee(FeeName.HANDLING, (*FUNDS, *BONDS), "0.00004", date(2023, 8, 28), KNOWN, M),
    _fee(FeeName.LEVY, SHARES, "0.00002", date(2012, 6, 1), "CSRC"),
)
