"""The rule book as a page in two languages, out of the rows themselves.

`python -m qka.ashare.page docs` writes the tables between the marks of docs/rules*.md anew.
"""

import sys
from collections.abc import Callable
from decimal import Decimal
from pathlib import Path
from typing import Any

from qka.ashare import book
from qka.ashare.data.words import ETFS, FUNDS, LOFS, SHARES
from qka.ashare.rows import TABLES, Scoped, Taking
from qka.model.codes import Code, Kind
from qka.model.dated import Row

BEGIN, END = "<!-- rules -->", "<!-- end of rules -->"
PAGES = {"rules.md": 0, "rules.zh-CN.md": 1}  # page -> its language's place in the pairs below
Pair = tuple[str, str]

_KINDS: dict[str, Pair] = {
    "main": ("main board", "主板"),
    "star": ("STAR", "科创板"),
    "chinext": ("ChiNext", "创业板"),
    "bse": ("BSE", "北交所"),
    "etf": ("ETF of stocks", "股票 ETF"),
    "etf_20": ("ETF of STAR or ChiNext", "科创板或创业板 ETF"),
    "etf_cross_border": ("cross-border ETF", "跨境 ETF"),
    "etf_gold": ("gold ETF", "黄金 ETF"),
    "etf_commodity": ("commodity ETF", "商品期货 ETF"),
    "etf_bond": ("bond ETF", "债券 ETF"),
    "etf_money": ("money fund", "货币 ETF"),
    "lof": ("LOF, closed-end fund", "LOF 与封闭式基金"),
    "lof_cross_border": ("cross-border LOF", "跨境 LOF"),
    "reit": ("REIT", "REIT"),
    "convertible": ("convertible bond", "可转债"),
    "directed_bond": ("directed convertible bond", "定向可转债"),
    "repo": ("repo", "债券回购"),
    "b_share": ("B share", "B 股"),
    "index": ("index", "指数"),
}
_GROUPS: tuple[tuple[tuple[Kind, ...], Pair], ...] = (
    (SHARES, ("all A shares", "全部 A 股")),
    (FUNDS, ("all funds", "全部基金")),
    (ETFS, ("all ETFs", "全部 ETF")),
    (LOFS, ("LOFs, REITs", "LOF 与 REIT")),
)
_EXCHANGES: dict[str | None, Pair] = {
    "SH": ("SSE", "上交所"),
    "SZ": ("SZSE", "深交所"),
    "BJ": ("BSE", "北交所"),
    None: ("all", "全部"),
}
_SURE: dict[str, Pair] = {
    "verified": ("verified", "已核实"),
    "measured": ("measured in real data", "实测"),
    "single": ("one source", "单一来源"),
    "unverified": ("unverified", "未核实"),
}
_TITLES: dict[str, Pair] = {
    "codes": ("Codes", "代码"),
    "ticks": ("Price ticks", "最小变动价位"),
    "lots": ("Quantities", "数量"),
    "limits": ("Daily limits", "涨跌幅限制"),
    "reaches": ("Prices on days without limits", "无涨跌幅限制日的有效申报价格范围"),
    "cages": ("Price cage", "价格笼子"),
    "days": ("The trading day", "交易时段"),
    "order_types": ("Order types", "申报类型"),
    "turnaround": ("Selling what was bought today", "当日买入能否当日卖出"),
    "fees": ("Fees", "费用"),
    "daily_caps": ("ST securities: most shares bought in a day", "风险警示证券单日买入上限"),
}
_PHASES: dict[str, str] = {
    "pre_open": "盘前",
    "opening_call": "开盘集合竞价",
    "continuous": "连续竞价",
    "break": "休市",
    "closing_call": "收盘集合竞价",
    "post_close": "盘后固定价格交易",
    "closed": "闭市",
}
_AND: Pair = (", ", "、")
_HEAD: Pair = (
    "| for | exchange | rule | since | source | how sure |",
    "| 品种 | 交易所 | 规则 | 生效日 | 来源 | 可信度 |",
)
_ORDER_TYPES: dict[str, Pair] = {
    "limit": ("limit", "限价"),
    "market": ("best five, rest cancelled", "最优五档即时成交剩余撤销"),
    "best_5_limit": ("best five, rest to limit", "最优五档即时成交剩余转限价"),
    "peer": ("best of the other side", "对手方最优价格"),
    "own": ("best of the own side", "本方最优价格"),
    "fill_cancel": ("fill at once, rest cancelled", "即时成交剩余撤销"),
    "all_or_none": ("all at once or none", "全额成交或撤销"),
    "fixed": ("post-close fixed price", "盘后固定价格"),
}
_WORDS: dict[str, Pair] = {
    "normal": ("", ""),
    "st": ("ST: ", "ST："),
    "new": ("first {n} sessions: ", "上市前 {n} 个交易日："),
    "delisting": ("first {n} sessions of the delisting period: ", "退市整理期前 {n} 个交易日："),
    "no limit": ("no limit", "不设涨跌幅"),
    "stamp_duty": ("stamp duty", "印花税"),
    "transfer": ("transfer fee", "过户费"),
    "handling": ("exchange handling fee", "经手费"),
    "levy": ("CSRC levy", "证管费"),
    "buy": ("buys", "买入"),
    "sell": ("sells", "卖出"),
    "limit": ("limit", "限价"),
    "fixed": ("post-close fixed price", "盘后固定价格"),
    "cancel": ("cancels", "撤单"),
    "market": ("market", "市价"),
}


def _share(number: Decimal) -> str:
    return f"{(number * 100).normalize():f}%"


def _limit(row: Any, n: int) -> str:
    prefix = _WORDS[row.status][n].format(n=row.sessions)
    if row.up is None or row.down is None:
        return prefix + _WORDS["no limit"][n]
    same = row.up == row.down
    return prefix + (f"±{_share(row.up)}" if same else f"+{_share(row.up)} / -{_share(row.down)}")


def _reach(row: Any, n: int) -> str:
    share = _share(row.share)
    return (
        f"opening call: up to {_share(row.opening)} of the previous close; then within {share} of "
        "the last price",
        f"开盘集合竞价：不高于前收盘价的 {_share(row.opening)}；此后：最近成交价上下 {share}",
    )[n]


def _cage(row: Any, n: int) -> str:
    ticks = (f" or {row.ticks} ticks", f"或 {row.ticks} 个价位")[n] if row.ticks else ""
    beyond = {
        "refused": ("beyond: refused", "超出则拒单"),
        "parked": ("beyond: parked", "超出则暂存"),
    }
    return f"{_share(row.share)}{ticks}{('; ', '；')[n]}{beyond[row.beyond][n]}"


def _day(row: Any, n: int) -> str:
    taken = (": ", "：")[n]
    lines = []
    for span in row.spans:
        names = [
            _WORDS[name][n]
            for name in ("limit", "market", "fixed", "cancel")
            if getattr(span, name) is Taking.TAKEN
        ]
        phase = (str(span.phase), _PHASES[str(span.phase)])[n]
        lines.append(f"{span.start} {phase}{taken}{_AND[n].join(names) or '-'}")
    return "<br>".join(lines)


def _order(row: Any, n: int) -> str:
    words = [_ORDER_TYPES[row.name][n]]
    if row.protected:
        words.append(("with a protection price", "须带保护限价")[n])
    if not row.on_no_limit_days:
        words.append(("not on days without limits", "无涨跌幅限制日不可用")[n])
    return (", ", "，")[n].join(words)


def _fee(row: Any, n: int) -> str:
    name, sides = _WORDS[row.name][n], _AND[n].join(_WORDS[side][n] for side in row.sides)
    return (f"{name}: {row.rate:f} ({sides})", f"{name}：{row.rate:f}（{sides}）")[n]


def _lot(row: Any, n: int) -> str:
    most = f"{row.most:,}" + (f" / {row.most_market:,}" if row.most_market != row.most else "")
    return (
        f"from {row.least}, step {row.step}, at most {most}",
        f"起点 {row.least}，递增 {row.step}，上限 {most}",
    )[n]


_RULES: dict[str, Callable[[Any, int], str]] = {
    "codes": lambda row, n: " ".join(f"`{code}`" for code in row.codes),
    "ticks": lambda row, n: str(row.tick),
    "lots": _lot,
    "limits": _limit,
    "reaches": _reach,
    "cages": _cage,
    "days": _day,
    "order_types": _order,
    "turnaround": lambda row, n: (("yes (T+0)", "能（T+0）") if row.same_day else
                                  ("no (T+1)", "不能（T+1）"))[n],
    "fees": _fee,
    "daily_caps": lambda row, n: f"{row.shares:,}",
}  # fmt: skip


def _kinds(kinds: tuple[Kind, ...], n: int) -> str:
    left, names = set(kinds), []
    for group, pair in _GROUPS:
        if left.issuperset(group):
            names.append(pair[n])
            left -= set(group)
    return _AND[n].join([*names, *(_KINDS[kind][n] for kind in kinds if kind in left)])


def _line(table: str, row: Row, n: int) -> str:
    assert isinstance(row, Code | Scoped)
    kinds = (row.kind,) if isinstance(row, Code) else row.kinds
    cells = (
        _kinds(kinds, n), _EXCHANGES[row.exchange][n], _RULES[table](row, n),
        str(row.effective_from), row.source, _SURE[row.confidence][n],
    )  # fmt: skip
    return f"| {' | '.join(cells)} |"


def tables(n: int) -> str:
    """The rows in force as Markdown; `n`: 0 English, 1 Chinese."""
    rows = book.everything()
    parts = []
    for name, shape in TABLES.items():
        lines = [_line(name, row, n) for row in rows if type(row) is shape]
        parts += [f"### {_TITLES[name][n]} (`{name}`)\n", _HEAD[n], "|---|---|---|---|---|---|"]
        parts += [*lines, ""]
    return "\n".join(parts)


def renewed(text: str, n: int) -> str:
    """A page with its tables as they are now; raises ValueError when its marks are missing."""
    before, _, rest = text.partition(BEGIN)
    _, mark, after = rest.partition(END)
    if not mark:
        raise ValueError(f"the page lacks {BEGIN} … {END}")
    return f"{before}{BEGIN}\n\n{tables(n)}\n{END}{after}"


def main() -> None:
    """Write the pages of a folder anew."""
    for name, n in PAGES.items():
        page = Path(sys.argv[1]) / name
        page.write_text(renewed(page.read_text(encoding="utf-8"), n), encoding="utf-8")


if __name__ == "__main__":
    main()
