"""What a report says, in English and Chinese. The English words are the keys.

Codes and states that the engine uses (`position_ratio`, `filled`) are shown as words too. Reasons
and messages of the engine are retold; what a broker or a strategy wrote stays as it is.
"""

from collections.abc import Callable
from functools import partial

from qka.errors import ConfigError
from qka.language import CHINESE, chosen, speaker
from qka.phrases import retold

Words = Callable[[str], str]  # English -> the reader's language

UNKNOWN = (
    "The journal does not say what the account held at first (an older qka wrote it), so nobody "
    "can tell the profit."
)
_CHINESE = {
    ": ": "：",
    # the page
    "Report": "交易报告",
    "account": "账户",
    "journal": "流水",
    "as of": "截至",
    "run": "运行",
    "Equity and drawdown": "资产与回撤",
    "drawdown": "回撤",
    "at the start": "期初资产",
    "at the end": "期末资产",
    "profit": "盈亏",
    "paid in": "净转入",
    "paid in, below zero out": "净转入（负数为转出）",
    "largest drawdown": "最大回撤",
    "fees": "费用",
    "turnover": "成交额",
    "orders": "委托",
    "fills": "成交",
    "fill ratio": "成交率",
    "slippage": "滑点",
    "denied": "拒单",
    "alerts": "告警",
    "signals": "信号",
    "{rate} of the total at the start": "占期初资产 {rate}",
    "against the arrival price": "相对到达价",
    "by the gate": "风控拦截",
    "no price was known": "无到达价",
    # sections
    "Profit by strategy": "策略盈亏",
    "Profit by symbol": "标的盈亏",
    "By strategy and symbol": "按策略与标的",
    "Positions at the end": "期末持仓",
    "Trades": "交易明细（买卖配对）",
    "Orders": "委托",
    "Execution": "执行质量",
    "Denials": "拒单",
    "Programme trading": "程序化交易合规指标",
    "Reconciliation": "对账",
    "Alerts": "告警",
    "Operator": "人工操作",
    "Trading state": "交易状态变化",
    "Runs": "运行记录",
    "Days": "每日盈亏",
    "Return and risk": "收益与风险",
    # columns
    "strategy": "策略",
    "symbol": "标的",
    "bought": "买入额",
    "sold": "卖出额",
    "realised": "已实现盈亏",
    "unrealised": "浮动盈亏",
    "change of unrealised": "浮动盈亏变动",
    "shares": "股数",
    "cost": "成本",
    "value": "市值",
    "time": "时间",
    "day": "日期",
    "opened": "买入时间",
    "closed": "卖出时间",
    "proceeds": "卖出所得",
    "side": "方向",
    "price": "价格",
    "average": "均价",
    "arrival": "到达价",
    "status": "状态",
    "filled": "已成",
    "quantity": "数量",
    "rule": "规则",
    "reason": "原因",
    "severity": "级别",
    "source": "来源",
    "message": "内容",
    "opening": "期初",
    "closing": "期末",
    "return": "收益率",
    "when": "时点",
    "result": "结果",
    "differences": "差异",
    "deals": "成交笔数",
    "cash": "现金",
    "cancels": "撤单",
    "busiest second": "单秒峰值",
    "cancels to orders": "撤单率",
    "cancelled within a second": "一秒内撤单",
    "command": "命令",
    "details": "明细",
    "who": "操作人",
    "began": "开始",
    "ended": "结束",
    "trading": "交易状态",
    "sum": "合计",
    "the account": "账户自有",
    "cash that came of no fill": "与成交无关的资金",
    "held before": "期前持有",
    # execution
    "outcome": "结果分布",
    "from order to the broker's answer": "委托到券商首个回报",
    "from order to first fill": "委托到首笔成交",
    "from order to last fill": "委托到末笔成交",
    "from cancel to its confirmation": "撤单到确认",
    "median": "中位数",
    "95 of 100 within": "95% 不超过",
    "longest": "最长",
    "how many": "笔数",
    "basis points": "基点",
    # trades
    "trades": "笔数",
    "winners": "盈利笔数",
    "win rate": "胜率",
    "average gain": "平均盈利",
    "average loss": "平均亏损",
    "profit factor": "盈利因子（总盈利/总亏损）",
    "best": "最好",
    "worst": "最差",
    # metrics
    "days": "交易日数",
    "annual return": "年化收益率",
    "annual volatility": "年化波动率",
    "Sharpe ratio": "夏普比率",
    "Sortino ratio": "索提诺比率",
    "Calmar ratio": "卡玛比率",
    "value at risk, 95 %": "风险价值（95%）",
    "best day": "最好的一天",
    "worst day": "最差的一天",
    "so few days say little": "交易日太少，仅供参考",
    'these need a library: pip install "qka[report]"': '需要安装：pip install "qka[report]"',
    # notes
    UNKNOWN: "流水没有记录期初持仓（由旧版 qka 写入），无法计算盈亏。",
    "The run has not ended, or was killed: these are the figures so far.": (
        "运行尚未结束，或已被强行结束：以下为截至目前的数据。"
    ),
    "All rows add up to the account's profit, to the cent.": "各行之和等于账户盈亏，分毫不差。",
    "Shares that one order bought and another sold, first in first out; fees are in it.": (
        "一笔委托买入、另一笔委托卖出的股份，先进先出，已含费用。"
    ),
    "What fills cost more than at the price when the signal was made, the middle of bid and ask.": (
        "成交相对信号产生时价格（买一卖一中间价）多付的金额。"
    ),
    "none": "无",
    "the newest {shown} of {all}; all are in the export (--csv, --parquet)": (
        "仅列最近 {shown} 条，共 {all} 条；完整数据请用 --csv 或 --parquet 导出"
    ),
    "made by qka from the journal; money in CNY": "由 qka 依据流水生成；金额单位：元",
    "agree": "一致",
    "explained": "差异已解释",
    "accepted by the operator": "人工认可",
    "differ": "不一致",
    "still runs, or was killed": "仍在运行，或被强行结束",
}
# what the engine spells as a code and means otherwise elsewhere, or nowhere else
_CODES = {
    "partly_filled": "部成部撤",
    "active": "正常",
    "reducing": "只减仓",
    "halted": "已暂停",
    "start": "启动",
    "run": "盘中",
    "end": "日终",
    "info": "提示",
    "warning": "警告",
    "error": "错误",
}


def words(language: str) -> Words:
    """What says a text of ours in a language."""
    return (lambda text: _CHINESE.get(text, text)) if language == "zh" else str


def codes(language: str) -> Words:
    """What says a code of the engine's in a language; one it does not know as it stands."""
    if language == "zh":
        say = speaker(CHINESE)
        return lambda code: _CODES.get(code) or say(code)
    return lambda code: code.replace("_", " ")


def sentences(language: str) -> Words:
    """What says a sentence of the engine's in a language; one it does not know as it stands."""
    return partial(retold, say=speaker(CHINESE) if language == "zh" else str)


def language(asked: str = "") -> str:
    """`zh` or `en`: as asked for, else the reader's.

    Raises ConfigError for a language that a report does not speak.
    """
    if asked and asked not in ("zh", "en"):
        raise ConfigError(f"--lang {asked}: a report speaks zh and en")
    if asked:
        return asked
    return "zh" if chosen() == CHINESE else "en"
