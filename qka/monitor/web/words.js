// Every word of the page, in both languages. What the engine says itself is shown as it says it.

export const WORDS = {
  zh: {
    token: "token", login: "登录", logout: "退出", why: "原因（写入流水）", yes: "确认", no: "取消",
    login_hint: "在终端执行 qka dashboard 可得到一次性登录链接；token 在运行目录的 control.json 里。",
    code_used: "登录链接已失效，请执行 qka dashboard 重新获取，或输入 token。",
    read_only: "只读", halt: "暂停交易", reduce: "只减仓", resume: "恢复交易",
    active: "正常", reducing: "只减仓", halted: "已暂停", starting: "正在启动或停止",
    held: "账实不符，暂缓下单", because: "原因：", no_day: "非交易日",
    chart: "分时", account_curve: "账户总资产", credit: "图表：", average: "均价", price: "价格",
    strategies: "策略", meters: "风控", positions: "持仓", orders: "未了结委托", quotes: "行情",
    fills: "成交", signals: "信号", denials: "拒单（未发出）", alerts: "告警",
    flatten: "全部清仓", cancel_all: "全部撤单", cancel: "撤单", start: "启动", stop: "停止",
    none: "暂无", total: "总资产", profit: "盈亏", cash: "现金", available: "可用资金",
    market_value: "持仓市值", fees: "费用", symbol: "代码", quantity: "数量", sellable: "可卖",
    today: "今买", cost: "成本", last: "最新价", value: "市值", ratio: "盈亏比例", side: "方向",
    filled: "已成", status: "状态", time: "时间", strategy: "策略", change: "涨跌幅", bid: "买一",
    ask: "卖一", amount: "成交额", wants: "意图", reason: "原因", code: "规则", state: "状态",
    signals_count: "信号", orders_count: "委托", denied_count: "拒单", fills_count: "成交",
    errors: "错误", severity: "级别", source: "来源", message: "内容", others: "非本引擎",
    buy: "买入", sell: "卖出", up: "正常", down: "中断", no_links: "模拟，没有外部连接",
    feed: "行情", broker: "交易", recording: "录制", theme_auto: "跟随系统", theme_light: "浅色",
    theme_dark: "深色", red_up: "红涨绿跌", green_up: "绿涨红跌", running: "运行中", stopped: "已停止",
    warning: "警告", error: "错误", info: "提示", limit: "限额", of: "／",
    away: "与引擎的连接已断开，下方是 {time} 的数据，可能已经过时。正在重连……",
    ended: "已结束",
    ended_done: "运行已结束：行情放完了。下方是 {time} 的最后数据。",
    ended_interrupted: "运行已停止。下方是 {time} 的最后数据；交易所里的委托仍然有效。",
    ended_failed: "运行出错结束：{why}。下方是 {time} 的最后数据；交易所里的委托仍然有效。",
    away_first: "连不上引擎，正在重试……", silent: "引擎已 {seconds} 秒没有消息：可能被某个策略的代码卡住。",
    wrong_token: "token 不正确。", locked_out: "尝试次数过多，请一分钟后再试。",
    done_halt: "已确认：暂停交易（{ms} 毫秒）。交易所里的委托仍然有效，可用“全部撤单”撤回。",
    done_reduce: "已确认：只允许减仓。", done_resume: "已确认：恢复交易。",
    done_cancel: "已申请撤单。", "done_cancel-all": "已对 {count} 笔委托申请撤单。",
    done_flatten: "已确认：开始清仓，交易转为只减仓。", done_start: "策略已启动。", done_stop: "策略已停止。",
    no_answer: "引擎没有应答：“{what}”可能已经执行，也可能没有。若连接不恢复，请在运行它的窗口按两次 Ctrl-C，并到券商终端处理委托。",
    refused: "没有执行：{words}",
    ask_reduce: "只允许减仓？", ask_reduce_words: "之后只有减仓的卖单能发出，直到恢复交易。",
    ask_resume: "恢复交易？", ask_resume_words: "又可以发出新委托。",
    "ask_cancel-all": "撤销全部未了结委托？", "ask_cancel-all_words": "包括所有策略的和非本引擎的委托；撤单确认之前仍可能成交。",
    ask_flatten: "卖出全部持仓？", ask_flatten_words: "先撤掉这些证券的全部未了结委托，再以市价卖出一切可卖的持仓（T+1：今日买入的不可卖）。交易转为只减仓。",
    ask_start: "启动策略 {name}？", ask_start_words: "它会重新收到行情，并可以下单。",
    ask_stop: "停止策略 {name}？", ask_stop_words: "它不再收到任何事件；未了结委托按它的设置处理。",
    meter: { max_daily_loss: "当日亏损", max_drawdown: "回撤", max_losing_trades: "连续亏损", position_ratio: "单票仓位",
      gross_exposure: "总仓位", max_holdings: "持仓只数", rate_1s: "每秒委托", rate_60s: "每分钟委托", programme_1s: "每秒申报（程序化）",
      max_orders_per_day: "当日委托", programme_peak: "最忙一秒申报", programme_day: "当日申报撤单", cancel_ratio: "撤单率", quick_cancels: "一秒内撤单" },
    wanted: { quantity: "{n} 股", target_shares: "目标 {n} 股", target_value: "目标 {n} 元", target_ratio: "目标仓位 {p}" },
  },
  en: {
    token: "Token", login: "Log in", logout: "Log out", why: "Reason, for the journal", yes: "Yes, do it", no: "No",
    login_hint: "Run qka dashboard in a terminal for a link that is good once; the token is in control.json in the run's folder.",
    code_used: "The link was used before: run qka dashboard for another one, or type the token.",
    read_only: "read-only", halt: "HALT", reduce: "Reduce only", resume: "Resume",
    active: "ACTIVE", reducing: "REDUCING", halted: "HALTED", starting: "starting or stopping",
    held: "HELD: the books differ", because: "Because: ", no_day: "no trading day",
    chart: "Today", account_curve: "Account, total", credit: "Charts by ", average: "average", price: "Price",
    strategies: "Strategies", meters: "Risk", positions: "Positions", orders: "Working orders", quotes: "Quotes",
    fills: "Fills", signals: "Signals", denials: "Denials (never sent)", alerts: "Alerts",
    flatten: "Flatten", cancel_all: "Cancel all", cancel: "Cancel", start: "Start", stop: "Stop",
    none: "none", total: "Total", profit: "Profit", cash: "Cash", available: "Available",
    market_value: "Positions", fees: "Fees", symbol: "Symbol", quantity: "Shares", sellable: "Sellable",
    today: "Today", cost: "Cost", last: "Last", value: "Value", ratio: "Profit %", side: "Side",
    filled: "Filled", status: "Status", time: "Time", strategy: "Strategy", change: "Change", bid: "Bid",
    ask: "Ask", amount: "Turnover", wants: "Wants", reason: "Reason", code: "Rule", state: "State",
    signals_count: "Signals", orders_count: "Orders", denied_count: "Denied", fills_count: "Fills",
    errors: "Errors", severity: "Severity", source: "Source", message: "Message", others: "not ours",
    buy: "buy", sell: "sell", up: "up", down: "DOWN", no_links: "simulated, no links",
    feed: "quotes", broker: "broker", recording: "recording", theme_auto: "auto", theme_light: "light",
    theme_dark: "dark", red_up: "red is up", green_up: "green is up", running: "running", stopped: "stopped",
    warning: "warning", error: "error", info: "info", limit: "limit", of: " / ",
    away: "No connection to the engine. What is below was true at {time} and may be stale. Reconnecting …",
    ended: "ended",
    ended_done: "The run has ended: all quotes were played. Below is how it stood at {time}.",
    ended_interrupted: "The run was stopped. Below is how it stood at {time}; orders at the exchange go on working.",
    ended_failed: "The run broke off: {why}. Below is how it stood at {time}; orders at the exchange go on working.",
    away_first: "The engine can't be reached. Trying again …", silent: "Nothing from the engine for {seconds} s: a strategy's code may hold it up.",
    wrong_token: "The token is wrong.", locked_out: "Too many tries: wait a minute.",
    done_halt: "Acknowledged: HALTED, {ms} ms. Orders at the exchange still work; “Cancel all” takes them back.",
    done_reduce: "Acknowledged: only orders that shrink a position.", done_resume: "Acknowledged: trading is active.",
    done_cancel: "The cancel is on its way.", "done_cancel-all": "Cancels of {count} orders are on their way.",
    done_flatten: "Acknowledged: positions are being left, trading is REDUCING.", done_start: "The strategy runs.", done_stop: "The strategy is stopped.",
    no_answer: "The engine did not answer: {what} may have happened or not. If the link stays down, press Ctrl-C twice where it runs, and see to your orders in the broker's terminal.",
    refused: "Not done: {words}",
    ask_reduce: "Reduce only?", ask_reduce_words: "From then on only sells that shrink a position leave, until you resume.",
    ask_resume: "Resume trading?", ask_resume_words: "New orders can leave again.",
    "ask_cancel-all": "Cancel every working order?", "ask_cancel-all_words": "Of all strategies, and those that are not ours. Until a cancel is confirmed its order can still trade.",
    ask_flatten: "Sell everything?", ask_flatten_words: "What works is cancelled first, then all that is sellable is sold at the market (not what was bought today, T+1). Trading becomes REDUCING.",
    ask_start: "Start {name}?", ask_start_words: "It hears quotes again and can place orders.",
    ask_stop: "Stop {name}?", ask_stop_words: "It hears nothing any more; its working orders are treated as its settings say.",
    meter: { max_daily_loss: "Day's loss", max_drawdown: "Drawdown", max_losing_trades: "Losses in a row", position_ratio: "Pos.",
      gross_exposure: "Gross exposure", max_holdings: "Holdings", rate_1s: "Orders a second", rate_60s: "Orders a minute", programme_1s: "Programme, a second",
      max_orders_per_day: "Orders today", programme_peak: "Busiest second", programme_day: "Sent today", cancel_ratio: "Cancel ratio", quick_cancels: "Quick cancels" },
    wanted: { quantity: "{n} shares", target_shares: "target {n} shares", target_value: "target {n} CNY", target_ratio: "target {p}" },
  },
};

let language = localStorage.getItem("qka-language") || (navigator.language.startsWith("zh") ? "zh" : "en");

export const isChinese = () => language === "zh";

export function speak(chosen) {
  language = chosen;
  localStorage.setItem("qka-language", chosen);
}

export function say(word, values = {}) {
  const text = WORDS[language][word] ?? word;
  return text.replace(/\{(\w+)\}/g, (whole, name) => values[name] ?? whole);
}

// A word out of one of the lists: meter, wanted.
export const named = (list, word) => WORDS[language][list][word] ?? word.replaceAll("_", " ");

export function showWords(root = document) {
  document.documentElement.lang = language === "zh" ? "zh-CN" : "en";
  for (const element of root.querySelectorAll("[data-word]")) element.textContent = say(element.dataset.word);
}
