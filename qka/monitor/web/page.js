// The page: what the engine sends is shown, what a human asks is sent. It decides nothing.

import { Chart } from "./chart.js";
import { Link, command, login, logout } from "./link.js";
import { learn, retold, spelt } from "./phrases.js";
import { Table } from "./tables.js";
import { isChinese, named, say, showWords, speak } from "./words.js";

const $ = (id) => document.getElementById(id);
const state = {}; // panel -> as it was sent last
let chart = null;

// ------------------------------------------------------------ numbers

const money = (number, digits = 2) =>
  number.toLocaleString("en", { minimumFractionDigits: digits, maximumFractionDigits: digits });
const signed = (number, digits = 2) => (number > 0 ? "+" : "") + money(number, digits);
const whole = (number) => number.toLocaleString("en");
const percent = (share, digits = 2) => `${(share * 100).toFixed(digits)}%`;
const gained = (share) => (share > 0 ? "+" : "") + percent(share);
const price = (number) => (number ? number.toFixed(Math.max(2, (String(number).split(".")[1] ?? "").length)) : "–");
const big = (number) => {
  const [unit, size] = isChinese()
    ? number >= 1e8 ? ["亿", 1e8] : ["万", 1e4]
    : number >= 1e9 ? ["bn", 1e9] : ["m", 1e6];
  return `${(number / size).toFixed(2)} ${unit}`;
};
const moved = (number) => (number > 0 ? "up" : number < 0 ? "down" : "");
const bought = ({ side }) => (side === "buy" ? "up" : side === "sell" ? "down" : "");
const clock = ({ time }) => time.slice(11);

// ------------------------------------------------------------ tables

const time = { name: "time", text: clock, left: true, title: (row) => row.time };
const symbol = { name: "symbol", text: (row) => row.symbol, left: true };
const strategy = { name: "strategy", text: (row) => row.strategy || say("others"), left: true };
const side = { name: "side", text: (row) => (row.side ? say(row.side) : ""), kind: bought, left: true };
const words = (name) => ({ name, text: (row) => retold(row[name]), left: true, kind: () => "words", title: (row) => retold(row[name]) });
const gain = (row) => row.profit / Math.max(0.01, row.value - row.profit);
const change = (row) => (row.prev_close ? row.last / row.prev_close - 1 : 0);
const limits = (row) => (row.last && row.last === row.limit_up ? "up sealed" : row.last && row.last === row.limit_down ? "down sealed" : moved(change(row)));

const about = ({ symbols, params }) => [symbols.join(" "), ...Object.entries(params).map(([name, value]) => `${name} ${JSON.stringify(value)}`)].join("\n");

const tables = {
  positions: new Table("positions", [
    symbol,
    { name: "quantity", text: (row) => whole(row.quantity) },
    { name: "sellable", text: (row) => whole(row.sellable) },
    { name: "today", minor: true, text: (row) => (row.today ? whole(row.today) : "") },
    { name: "cost", minor: true, text: (row) => row.cost.toFixed(3) },
    { name: "last", text: (row) => price(row.price) },
    { name: "value", minor: true, text: (row) => money(row.value) },
    { name: "profit", text: (row) => signed(row.profit), kind: (row) => moved(row.profit) },
    { name: "ratio", text: (row) => gained(gain(row)), kind: (row) => moved(row.profit) },
  ], (row) => row.symbol),
  orders: new Table("orders", [
    time, symbol, side,
    { name: "quantity", text: (row) => whole(row.quantity) },
    { name: "price", text: (row) => price(row.price) },
    { name: "filled", minor: true, text: (row) => whole(row.filled) },
    { name: "status", text: (row) => spelt(row.status), left: true, kind: (row) => (row.status === "unknown" ? "bad" : ""), title: (row) => retold(row.reason) },
    strategy,
    { buttons: (row) => (row.status === "pending_cancel" || !can("cancel") ? [] : [{ ask: "cancel", argument: row.id, word: "cancel" }]) },
  ], (row) => row.id),
  quotes: new Table("quotes", [
    symbol,
    { name: "last", text: (row) => price(row.last), kind: limits },
    { name: "change", text: (row) => (row.prev_close ? gained(change(row)) : ""), kind: limits },
    { name: "bid", minor: true, text: (row) => price(row.bid) },
    { name: "ask", minor: true, text: (row) => price(row.ask) },
    { name: "amount", text: (row) => big(row.amount) },
    { name: "time", text: (row) => row.time },
  ], (row) => row.symbol),
  fills: new Table("fills", [
    time, symbol, side,
    { name: "quantity", text: (row) => whole(row.quantity) },
    { name: "price", text: (row) => price(row.price) },
    { name: "fees", minor: true, text: (row) => money(row.fees) },
    strategy,
  ], (row) => row.id),
  signals: new Table("signals", [
    time, symbol, side,
    { name: "wants", text: (row) => wants(row), left: true },
    words("reason"),
    { ...strategy, minor: true },
  ], (row) => String(row.id)),
  denials: new Table("denials", [
    time, symbol, side,
    { name: "quantity", minor: true, text: (row) => whole(row.quantity) },
    { name: "price", minor: true, text: (row) => price(row.price) },
    { name: "code", text: (row) => spelt(row.code), left: true, title: (row) => row.code },
    words("reason"),
    { ...strategy, minor: true },
  ], (row) => row.id),
  alerts: new Table("alerts", [
    { ...time, text: (row) => row.time.slice(5) },
    { name: "severity", text: (row) => say(row.severity), left: true, kind: (row) => (row.severity === "error" ? "bad" : "warn") },
    { name: "source", text: (row) => row.source, left: true },
    { ...words("message"), kind: () => "words long" },
  ], (row) => row.key),
  strategies: new Table("strategies", [
    { name: "strategy", text: (row) => row.name, left: true, title: about },
    { name: "state", text: (row) => (row.state ? say(row.state) : ""), left: true, kind: (row) => (row.state === "stopped" ? "bad" : "good"), title: (row) => retold(row.why) },
    { name: "orders_count", minor: true, text: (row) => whole(row.orders) },
    { name: "denied_count", minor: true, text: (row) => whole(sum(row.denied)), title: (row) => Object.entries(row.denied).map(([code, count]) => `${spelt(code)} ${count}`).join(", ") },
    { name: "fills_count", text: (row) => whole(row.fills) },
    { name: "profit", text: (row) => signed(row.profit), kind: (row) => moved(row.profit) },
    { buttons: (row) => (row.state && can("start") ? [{ ask: row.state === "running" ? "stop" : "start", argument: row.name, word: row.state === "running" ? "stop" : "start" }] : []) },
  ], (row) => row.name),
};

const sum = (counts) => Object.values(counts).reduce((all, one) => all + one, 0);

function wants({ wants, much }) {
  return wants ? named("wanted", wants).replace("{n}", whole(much)).replace("{p}", percent(much, 1)) : "";
}

// ------------------------------------------------------------ panels

const show = {
  head({ time, trading, phase, running, progress }) {
    $("clock").textContent = time;
    $("phase").textContent = phase ? spelt(phase.phase) : say("no_day");
    const word = trading.held ? "held" : trading.state;
    $("state").textContent = say(running ? word : state.ended ? "ended" : "starting");
    $("state").dataset.state = trading.state;
    document.body.dataset.state = trading.state;
    $("resume").hidden = trading.state === "active";
    $("reduce").hidden = trading.state !== "active";
    const why = [trading.state === "active" ? "" : trading.why, ...trading.faults].filter(Boolean);
    $("why").hidden = !why.length;
    $("why").textContent = why.length ? say("because") + why.map(retold).join(" · ") : "";
    $("progress").firstChild.style.width = percent(progress);
  },
  ended: () => state.head && show.head(state.head),
  right(right) {
    $("right").hidden = right === "operate";
    document.body.classList.toggle("views", right !== "operate");
  },
  commands() {
    for (const button of document.querySelectorAll("[data-ask]")) button.classList.toggle("unknown", !can(button.dataset.ask));
  },
  links(links) {
    $("links").replaceChildren(
      ...(links.length ? links : [{}]).map(({ link, up, since, why }) => {
        const light = document.createElement("span");
        light.className = link ? (up ? "light good" : "light bad") : "light none";
        light.textContent = link ? `${say(link)} ${say(up ? "up" : "down")}` : say("no_links");
        light.title = [since, retold(why)].filter(Boolean).join("  ");
        return light;
      }),
    );
  },
  account(account) {
    $("account").textContent = account.id;
    const tile = (name, text, kind = "") => {
      const box = document.createElement("div");
      const label = document.createElement("span");
      const figure = document.createElement("b");
      label.textContent = say(name);
      figure.textContent = text;
      figure.className = kind;
      figure.dataset.figure = name;
      box.append(label, figure);
      return box;
    };
    $("money").replaceChildren(
      tile("total", money(account.total)),
      tile("profit", signed(account.profit), moved(account.profit)),
      tile("cash", money(account.cash)),
      tile("available", money(account.available)),
      tile("market_value", money(account.market_value)),
      tile("fees", money(account.fees)),
    );
  },
  positions: (rows) => tables.positions.show(rows),
  orders: (rows) => tables.orders.show(rows),
  strategies: (rows) => tables.strategies.show(rows),
  signals: (rows) => tables.signals.show(newest(rows)),
  denials: (rows) => tables.denials.show(newest(rows)),
  alerts: (rows) => tables.alerts.show(newest(rows.map((row, i) => ({ ...row, key: `${row.time} ${row.source} ${row.message}` })).filter(once))),
  fills(rows) {
    tables.fills.show(newest(rows));
    chart?.add(rows);
  },
  quotes(rows) {
    tables.quotes.show(rows);
    choices(rows);
  },
  meters(rows) {
    $("meters").replaceChildren(...rows.map(meter));
  },
  chart(piece) {
    chart ??= new Chart($("chart"), $("reading"));
    const quote = state.quotes?.find((row) => row.symbol === piece.symbol);
    chart.take(piece, quote?.prev_close);
  },
};

// What one panel can't show must not keep the others from being shown.
function draw(panel, value) {
  try {
    show[panel]?.(value);
  } catch (error) {
    console.error(panel, error);
  }
}

const newest = (rows) => [...rows].reverse();
const once = (row, i, rows) => rows.findIndex((other) => other.key === row.key) === i;

function meter({ name, of, used, limit, unit }) {
  const box = document.createElement("div");
  const label = document.createElement("span");
  const figure = document.createElement("span");
  const bar = document.createElement("i");
  const told = (number) => (unit === "ratio" ? percent(number) : whole(number));
  box.className = "meter";
  label.textContent = `${named("meter", name)} ${of}`.trim();
  figure.textContent = limit === null ? told(used) : `${told(used)}${say("of")}${told(limit)}`;
  const share = limit ? Math.max(0, Math.min(1, used / limit)) : 0;
  bar.style.width = percent(share);
  bar.className = share >= 1 ? "bad" : share >= 0.8 ? "warn" : "";
  box.dataset.meter = name;
  if (limit === null) box.classList.add("unlimited");
  box.append(label, figure, bar);
  return box;
}

function choices(rows) {
  const wanted = ["", ...rows.map((row) => row.symbol)];
  const select = $("symbol");
  const there = [...select.options].map((option) => option.value);
  if (there.join() === wanted.join()) return;
  const chosen = select.value;
  select.replaceChildren(
    ...wanted.map((name) => {
      const option = document.createElement("option");
      option.value = name;
      option.textContent = name || say("account_curve");
      return option;
    }),
  );
  select.value = wanted.includes(chosen) ? chosen : "";
}

// ------------------------------------------------------------ what a human asks

function note(text, kind) {
  const line = document.createElement("p");
  line.className = kind;
  line.textContent = text;
  line.onclick = () => line.remove();
  $("notes").prepend(line);
  setTimeout(() => line.remove(), kind === "good" ? 8000 : 30000);
  while ($("notes").children.length > 5) $("notes").lastChild.remove();
}

// What a button asks -> the command, and its words.
const COMMANDS = {
  halt: () => ["halt", []],
  reduce: () => ["reduce", []],
  resume: () => ["resume", []],
  cancel: (order) => ["cancel", [order]],
  "cancel-all": () => ["cancel-all", []],
  flatten: () => ["flatten", []],
  start: (name) => ["start", [name]],
  stop: (name) => ["stop", [name]],
};

// Whether the engine knows the command behind a button.
const can = (asked) => !state.commands || state.commands.includes(COMMANDS[asked]("")[0]);

async function give(asked, argument, why) {
  const [name, args] = COMMANDS[asked](argument);
  const began = performance.now();
  try {
    const { status, said } = await command(name, args, why);
    const ms = Math.round(performance.now() - began);
    if (status === 200 && asked === "start" && said.state === "stopped") note(say("refused", { words: retold(said.why) }), "bad");
    else if (status === 200) note(say(`done_${asked}`, { ms, count: said.orders?.length ?? 0 }), "good");
    else note(say("refused", { words: retold(said.detail) ?? status }), "bad");
    for (const { symbol, left } of said.exits ?? []) for (const words of left) note(`${symbol}: ${retold(words)}`, "bad");
  } catch {
    note(say("no_answer", { what: say(asked.replace("-", "_")) }), "bad");
  }
}

function ask(asked, argument = "") {
  if (asked === "cancel") return give(asked, argument, "");
  $("ask-title").textContent = say(`ask_${asked}`, { name: argument });
  $("ask-words").textContent = say(`ask_${asked}_words`);
  $("ask-why").value = "";
  const dialog = $("ask");
  dialog.returnValue = "no";
  dialog.onclose = () => dialog.returnValue === "yes" && give(asked, argument, $("ask-why").value.trim());
  dialog.showModal();
}

document.addEventListener("click", (event) => {
  const button = event.target.closest("[data-ask]");
  if (button) ask(button.dataset.ask, button.dataset.argument);
});
$("halt").onclick = () => give("halt");
$("symbol").onchange = () => link.show($("symbol").value);

// ------------------------------------------------------------ tastes, kept in the browser

const THEMES = ["auto", "light", "dark"];
const taste = (name, fallback) => localStorage.getItem(`qka-${name}`) || fallback;

function dress() {
  const theme = taste("theme", "auto");
  document.documentElement.dataset.theme = theme;
  document.documentElement.dataset.colours = taste("colours", "red");
  $("theme").textContent = say(`theme_${theme}`);
  $("colours").textContent = say(`${taste("colours", "red")}_up`);
  $("language").textContent = isChinese() ? "EN" : "中文";
  chart?.dress();
}

function anew() {
  showWords();
  for (const table of Object.values(tables)) table.words();
  for (const option of $("symbol").options) if (!option.value) option.textContent = say("account_curve");
  for (const [panel, value] of Object.entries(state)) if (panel !== "chart") draw(panel, value);
  dress();
}

$("language").onclick = () => {
  speak(isChinese() ? "en" : "zh");
  anew();
};
$("theme").onclick = () => {
  localStorage.setItem("qka-theme", THEMES[(THEMES.indexOf(taste("theme", "auto")) + 1) % THEMES.length]);
  dress();
};
$("colours").onclick = () => {
  localStorage.setItem("qka-colours", taste("colours", "red") === "red" ? "green" : "red");
  dress();
};
matchMedia("(prefers-color-scheme: dark)").addEventListener("change", dress);

// ------------------------------------------------------------ the link

const link = new Link({
  taken(panels) {
    $("login").hidden = true;
    $("page").hidden = false;
    document.body.classList.remove("away");
    $("banner").hidden = true;
    if (!panels.ended) delete state.ended; // another run has begun
    Object.assign(state, panels);
    for (const [panel, value] of Object.entries(panels)) draw(panel, value);
  },
  away() {
    document.body.classList.add("away");
    $("page").hidden = false;
    $("login").hidden = true;
    banner(farewell() || (state.head ? say("away", { time: state.head.time }) : say("away_first")));
  },
  stranger: admit,
});

// What a run said of its end, if it said anything: else nobody knows.
function farewell() {
  const { ended, head } = state;
  return ended && head ? say(`ended_${ended.how}`, { time: head.time, why: retold(ended.why) }) : "";
}

function banner(text) {
  $("banner").classList.toggle("calm", text === farewell() && state.ended.how !== "failed");
  $("banner").textContent = text;
  $("banner").hidden = false;
}

setInterval(() => {
  const silent = (performance.now() - link.heard) / 1000;
  if (!document.body.classList.contains("away") && link.heard && silent > 5) banner(say("silent", { seconds: Math.round(silent) }));
}, 1000);

// A link that is good once brings its code behind the #, which no server and no log sees.
let code = new URLSearchParams(location.hash.slice(1)).get("code");
if (code) history.replaceState(null, "", location.pathname);

// Until a token, or the code of a link that is good once, lets us in.
function admit() {
  $("page").hidden = true;
  $("login").hidden = false;
  return new Promise((done) => {
    const attempt = async (body, wrong) => {
      try {
        const { status } = await login(body);
        if (status === 200) return done();
        $("login-error").textContent = say(status === 429 ? "locked_out" : wrong);
      } catch {
        $("login-error").textContent = say("away_first");
      }
    };
    if (code) attempt({ code }, "code_used");
    code = null;
    $("login").onsubmit = (event) => {
      event.preventDefault();
      attempt({ token: $("token").value.trim() }, "wrong_token").then(() => ($("token").value = ""));
    };
  });
}

$("logout").onclick = async () => {
  await logout().catch(() => {});
  location.reload();
};

anew();
link.run();
learn().then(anew, () => {}); // else sentences of the engine stay English
