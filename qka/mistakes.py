"""Sentences about what a human has to mend: a config, a command, a file, a machine, a terminal.

Like the engine's own in `phrases`, which says how they are found again: an error is worded in
English where it is raised, and said in the reader's language where it is shown. What other
libraries say of the commonest mistakes is `FOREIGN`; whatever is in neither is shown as it came.
"""

from qka.language import mark

MISTAKES = (
    # a config, its keys and values
    mark("{path}: is empty; start with strategies:"),
    mark("the top level is {value}, not keys such as feed:"),
    mark("given twice, first in line {count}"),
    mark("unknown key"),
    mark("{name} (environment)"),
    mark("did you mean {names}?"),
    mark("did you mean {name} or {path}?"),
    mark("did you mean {name} or {path} or {file}?"),
    mark("here can be {names}"),
    mark("is missing"),
    mark("add --set {key}=..."),
    mark("one of {names}"),
    mark("the value is not valid (it is not shown)"),
    mark("{value} is not one of {names}"),
    mark("{value} is not above {limit}"),
    mark("{value} is below {limit}"),
    mark("{value} is not below {limit}"),
    mark("{value} is above {limit}"),
    mark("{value} has more than {count} decimals"),
    mark("{value} is not a whole number"),
    mark("{value} is not a number"),
    mark("{value} is not a finite number"),
    mark("{value} is not text"),
    mark("{value} is not true or false"),
    mark("{value} is not a path"),
    mark("{value} is not a list in [ ]"),
    mark("{value} is not a mapping of keys"),
    mark("a mapping"),
    mark("a list"),
    mark("a secret has no place here: set {name} in the environment or in .env"),
    mark("{name} ({place}): unknown"),
    mark("write key=value, such as feed.seed=2"),
    mark("is not a YAML value"),
    mark("{path} is a list of {count}"),
    mark("write a number from 0"),
    mark("{path} is a plain value, which has no keys"),
    mark("{path}: no such file"),
    mark("{path}: is a folder"),
    mark("can't be read: {error}"),
    mark("byte {count} is not UTF-8"),
    mark("save the file as UTF-8"),
    mark("write NAME=value, one a line"),
    mark("a part of it holds itself, by an alias (*)"),
    mark("a tab"),
    mark("YAML indents with spaces only"),
    mark("{value} is not a date like 2026-01-05"),
    mark("{day} is not between {low} and {high}"),
    mark("start {low} is after end {high}"),
    mark("{value} is too long"),
    mark("{value} has {names}"),
    mark("it names the run's folder: 60 plain characters"),
    mark("{value} is neither max nor a positive number"),
    mark("is empty"),
    mark("it would be the current folder, which `.` says"),
    mark("{value} is not a time of day like 22:00"),
    mark("broker.kind: {kind} trades real money"),
    mark(
        "add --live or set QKA_LIVE=1 in the environment (not in .env) if that is meant, or use "
        "kind: paper"
    ),
    mark(
        "broker.kind: {kind} trades in the world's time and the {name} feed brings its own: use "
        "feed: {{kind: xtdata}} or {{kind: remote}}, or the paper broker"
    ),
    mark("clock: a {name} feed brings its own time"),
    mark("leave clock at auto"),
    mark("clock: a {name} feed lives in the world's time"),
    mark("leave it at auto"),
    mark("{key}.url: name the server"),
    mark("{key}.token: is missing"),
    mark("put {name}=... in .env (the server prints its token when it starts)"),
    mark("rules.file: {path} can't be read ({error})"),
    mark("{value} is not a mapping of tables"),
    mark("{path} stands in line {count} already"),
    mark("not a list of rows"),
    mark("no such table"),
    mark("there are {names}"),
    mark("no date like 2026-07-06"),
    mark("no phase of the day"),
    mark(
        "rules.file: something else in this process trades by other rules now: run this one in a "
        "process of its own, or with the same file"
    ),
    mark("alerts.rules.{count}.targets: there is no target {name}"),
    mark("set {name} in the environment or in .env"),
    mark("alerts.targets.{name}: Apprise does not understand this address (it is not shown)"),
    mark("docs/alerts.md has one for each service"),
    mark("alerts.targets: there is none"),
    mark("set QKA__ALERTS__TARGETS__NAME=... in .env, docs/alerts.md says what for each service"),
    mark("{name}: no such target"),
    mark("nothing was started or sent"),
    mark("run.dir: {path} can't be written ({error}): nothing was started or sent"),
    mark("monitor.port: {place} can't be listened on ({why}): nothing was started or sent"),
    mark("{path}: the log can't be written: {error}"),
    # a symbol
    mark("{value} is not a symbol: write six digits and the exchange, 600000.SH"),
    mark("{value} lacks its exchange (.SH, .SZ or .BJ)"),
    mark("{value}: there is no exchange {name}, only SH, SZ and BJ"),
    mark("{value}: no security on {name} has such a code"),
    # a strategy and its file
    mark("use: {use}: name the class in it too, as in {path}"),
    mark("use: {use}: class {value} does not exist in {path}"),
    mark("use: {use}: class {value} is not a qka.Strategy subclass in {path}"),
    mark("strategies in it: {names}"),
    mark("it holds no strategy"),
    mark("use: {use}: there is no file {path}"),
    mark("use: {use}: there is no module {value} in {path} or on the Python path"),
    mark("use: {use}: no strategy is registered by that name in {path}"),
    mark("did you mean {name}? (or write module:Class, or path.py:Class)"),
    mark("registered: {names} (or write module:Class, or path.py:Class)"),
    mark("none is registered (or write module:Class, or path.py:Class)"),
    mark("none"),
    mark("use: {use}: the file can't be imported: {error}"),
    mark("{place} failed: {error}"),
    mark("params: {error}"),
    mark("parameter {name}: unknown"),
    mark("parameter {name}"),
    mark("its parameters are: {names}"),
    mark("{what} (got {value})"),
    mark("{what} (not shown)"),
    mark("{strategy}: {handler} is a generator: nothing in it would ever run"),
    mark("take the `yield` out"),
    mark("{strategy}: {handler} is no handler"),
    mark("{strategy}: {handler} takes nothing (beside self)"),
    mark("{strategy}: {handler} takes one thing, what happened (beside self)"),
    mark("{strategy} must define generate_signals(data)"),
    mark("{strategy} defines none of {names}: it would never act"),
    mark("{strategy}: warmup: {value} is no number of bars"),
    mark("{strategy}: orders of ours have that name: give it another"),
    mark("two strategies are named {strategy}: give one another `name`"),
    mark("{strategy}: bars: {period} is none of {names}"),
    mark(
        "{strategy} listens to quotes only, the feed brings {period} bars: nothing would ever "
        "reach it"
    ),
    mark("define on_bar, or replay quotes"),
    mark("{strategy} wants {period} bars, the feed brings {name} bars: set its `bars: {there}`"),
    mark("no strategy: name one under `strategies`, or engine.register(...)"),
    mark("@register({name}): {value} has that name already"),
    mark(
        "the strategy is not registered with an engine yet: orders, positions and data are there "
        "from on_start on"
    ),
    mark(
        "history({symbol}, {period}): these bars are not kept. Name the symbol in the strategy's "
        "`symbols` and the period in its `bars` (kept: {names})"
    ),
    mark(
        "history({symbol}, {period}): these bars are not kept. Name the symbol in the strategy's "
        "`symbols` and the period in its `bars` (none are kept)"
    ),
    mark("every({period}): a millisecond is the least"),
    mark("every({period}): {error}"),
    mark("{value} is not a positive time span"),
    mark("{value} is no time span like 30s, 5m or 1h"),
    mark("at({value}): it is no time like 14:50"),
    # recorded data
    mark("feed.path: there is no file or folder {path}"),
    mark("feed.path: {path} holds no {names} file"),
    mark("feed.path: {path} holds {name}, {file} {there}: replay one kind at a time"),
    mark("{path} has no {names}"),
    mark("it has {names}"),
    mark("it has too few cells"),
    mark("it has too few cells, {count} where the head has {limit}"),
    mark("it has too many cells"),
    mark("it has too many cells, {count} where the head has {limit}"),
    mark("{path}: no rows between feed.start and feed.end"),
    mark("row {count}"),
    mark("{column} is {value}, not a usable number"),
    mark("{column} is {value}, not a number"),
    mark("{column} is {value}, not a symbol"),
    mark("{column} is {value}, not a date or a time in ms"),
    mark("{column} is {value}, in seconds, not in ms"),
    mark("{column} is {value}, in microseconds, not in ms"),
    mark("{column} is {value}, in nanoseconds, not in ms"),
    mark("{column} is {value}, not a date like 2026-06-12"),
    mark("{column} is empty"),
    mark("mend or delete the row, or leave such rows out with feed.strict=false"),
    mark("record or copy it again, or leave such rows out with feed.strict=false"),
    mark("{symbol} of this day is in {file} too"),
    mark("left out"),
    mark("left out, with {count} more such"),
    mark("high is below low"),
    mark("volume is negative"),
    mark("amount is negative"),
    mark("a price is negative"),
    mark("a level is negative"),
    mark("last or open is not between low and high"),
    mark("a price is outside the day's limits"),
    mark("a price is not above zero"),
    mark("open or close is not between low and high"),
    mark("{column} goes back"),
    mark("{column} is the same as in a row before: there is one bar"),
    mark("{column} is ahead of the rows after it"),
    mark("the file is cut off here ({error})"),
    mark("the file is damaged here ({error})"),
    mark("record or copy it again"),
    mark("it can't be read: {error}"),
    mark("it is a gzip: name it .csv.gz, or record it again"),
    mark("it is no gzip: name it .csv, or record it again"),
    mark("the file is empty"),
    mark("delete it or record it again"),
    mark("it is no text in UTF-8"),
    mark("save it as csv in UTF-8"),
    mark("the head has no columns: {error}"),
    mark("there are two columns {value}"),
    mark("rename one"),
    mark("there are no rows"),
    mark("delete the file or record it again"),
    mark("no symbol: name the file like 600000.SH.csv, or add a column `symbol`"),
    mark("ticks whose columns are missing: {names}"),
    mark("nearest to ticks, but columns are missing: {names}"),
    mark("nearest to bars, but columns are missing: {names}"),
    mark("period is {value}"),
    mark("the bars are {span} minutes apart"),
    mark("there are {names} (a column `period` says which one it is, where bars are missing)"),
    mark("there is no good row"),
    mark("feed.actions: {path} can't be read ({error})"),
    mark("no csv in UTF-8 ({error})"),
    mark("its first line must name the columns {names}"),
    mark("neither cash nor bonus nor rights"),
    mark("rights need a rights_price, and it needs them"),
    mark("{symbol} on {day} is in row {count} already"),
    mark("no events of {names}"),
    mark("the terminal knows no {names}"),
    mark("feed.days and feed.symbols: at least 1"),
    mark("Saturday"),
    mark("Sunday"),
    mark("feed.day: {day} is a {kind}: the simulated market trades weekdays"),
    mark("{symbol}: no index and no B share in the simulated market"),
    mark("{path} can't be read ({error})"),
    # the journal
    mark(
        "{path} can't be made ({error}): without it two engines could run on one account. "
        "Nothing was started"
    ),
    mark("if another user's engine made it, delete it when none runs"),
    mark(
        "{path} can't be locked ({error}): keep journals on a disk of this machine. Nothing was "
        "started"
    ),
    mark("{what} is in use by {who}: {why}, then start again. Nothing was started here"),
    mark("account {id} ({name})"),
    mark("the engine with pid {id} on {name}, started {day} {time}"),
    mark("another engine, which is just starting or ending"),
    mark("stop it where it runs"),
    mark("stop it with Ctrl-C where it runs, or with `{key}`"),
    mark("{path} can't be opened for writing: {error}. Nothing was started"),
    mark("without a journal no order may leave"),
    mark(
        "{path} is gone, but {file} is still there with its last records: put it back from a "
        "backup. To begin a new one, move {names}* away"
    ),
    mark(
        "{path} is gone, but {file} says that it had {count} records: put it back from a backup. "
        "To begin a new one, move {names}* away"
    ),
    mark(
        "{path} is empty, but {file} says that it had {count} records: put it back from a "
        "backup. To begin a new one, move {names}* away"
    ),
    mark(
        "{path} is the journal of account {id} ({name}), not of {there} ({kind}): correct "
        "account.id, or name that account's own journal. Nothing was started or changed"
    ),
    mark("{path} is not there: name the journal of an account"),
    mark("{path} can't be read: {error}"),
    mark("{path} is not a file: name the journal itself"),
    mark("{path} is empty, so it is no journal"),
    mark("if it never was one, delete it"),
    mark("{path} is a database, but no journal of qka: name another file"),
    mark(
        "{path} was written by a newer qka (its schema is {count}, this one knows {limit}): use "
        "that version, or a newer one. Nothing was changed"
    ),
    mark("{path} is no journal: it is not even a database"),
    mark("{path} is damaged: {what}"),
    mark(
        "no record can be relied on. Restore it (with its -wal and .head files) from a backup. "
        "To begin a new one, move {names}* away"
    ),
    mark(
        "up to record {count} it is whole. Restore it (with its -wal and .head files) from a "
        "backup, or take over what is whole: qka verify {path} --salvage NEW"
    ),
    mark("{path} or a file of it is there already: name a new file"),
    mark("{path} is whole: there is nothing to salvage"),
    mark("{path}: no record can be relied on, not even the first. Begin a new journal"),
    mark("the engine will learn from the broker what there is"),
    mark("{path} can't be made: {error}"),
    mark(
        "this config makes its account up anew for each run, in the run's own folder: there is "
        "no journal that outlives one (journal.dir names one where time is the world's)"
    ),
    mark("{path}: no engine has run on account {id} here yet"),
    mark("the file may not be touched by this user"),
    mark("the file can't be opened here (is the folder there, and may we write?)"),
    mark("there is no memory left"),
    mark("the file is damaged"),
    mark("the file is no database"),
    mark("it takes new records only, one after the other"),
    mark("the file is cut off: it has {count} bytes of {limit}"),
    mark("the file is cut off: it has {count} bytes"),
    mark("it is not what it was"),
    mark("the file's own structure is damaged ({error})"),
    mark("{count} records bear a number below 1"),
    mark("{count} more records are not as they were written"),
    mark("record {count} bears the number {there}"),
    mark(
        "record {count} bears the number {there}, another one stands in its place: they were "
        "swapped"
    ),
    mark(
        "record {count} bears the number {there}, record {id} stands in its place: they were "
        "swapped"
    ),
    mark("record {count} was changed: its link to the one before (prev_hash)"),
    mark("record {there} stands in the place of record {count}, which is missing"),
    mark("record {count} was changed, or is not the one that was written"),
    mark("record {count} was changed: its hash"),
    mark("record {count} was changed: its time, kind, key or payload"),
    mark("record {count} can't be read: {error}"),
    mark("record {count} is missing"),
    mark("records {count} to {last} are missing"),
    mark("record {count} is missing at the end (is the -wal file there, and whole?)"),
    mark("records {count} to {last} are missing at the end (is the -wal file there, and whole?)"),
    mark("what it says of itself (account, schema) was changed"),
    mark("its first record is of another account than the journal"),
    mark("it has no records, not even the first"),
    mark("its tables were changed: {names}"),
    mark("{file} is not there or unreadable: whether records are missing at the end can't be said"),
    mark("record {count} is not the one that {file} remembers: is that file of another journal?"),
    # commands
    mark("--account: name the fund account that QMT is logged in to"),
    mark("--account: name the fund account, or --simulate for a made-up one"),
    mark("--qmt-path: name QMT's folder userdata_mini, or --simulate for a made-up terminal"),
    mark("--as: name the order that it is said of"),
    mark("--filled and --price: nothing below zero"),
    mark("{path} exists and is not empty: name a new folder"),
    mark("no engine runs that keeps its run in {path} and can be asked"),
    mark("name its config with --config, or its folder with --run"),
    mark("{count} engines run here"),
    mark("say which:"),
    mark("--run {path}   account {id}"),
    mark("{what} Without a terminal to ask on, say --yes: nothing was done"),
    mark("{path}: no engine runs that keeps its run there"),
    mark("{path}: this run has ended"),
    mark("{path}: something else listens where this run did: it has ended"),
    mark(
        "{path}: no answer within {span} s. What was asked may have happened, or may happen yet: "
        "look with `qka status`. An engine that says nothing is just starting, or is held up by "
        "a handler of a strategy that does not return: then press Ctrl-C twice where it runs, "
        "and see to its orders in the broker's terminal"
    ),
    mark(
        "{path}: {error}. What was asked may have happened, or may happen yet: look with `qka "
        "status`. An engine that says nothing is just starting, or is held up by a handler of a "
        "strategy that does not return: then press Ctrl-C twice where it runs, and see to its "
        "orders in the broker's terminal"
    ),
    mark("{path} can't be read ({error}): are you its owner?"),
    mark("{path} is damaged: {error}"),
    mark("{value} is no day: write it as 2026-01-05"),
    mark("{value} is no day: write 20260105, or 20260105..20260109"),
    mark("{name}: no such strategy"),
    mark("--expect: {value} is no hash, they are 64 digits and a-f"),
    mark("the run broke off: {error}"),
    mark("{path} has the traceback"),
    mark(
        "this config keeps a journal in each run's own folder: name it with --journal "
        "runs/.../journal.db"
    ),
    mark("the journal is of account {id}, the config names {name}: correct one of them"),
    mark("{path}: there is no recording (journal.record makes one while an engine runs)"),
    mark("{path} has no recording of {day}: days it has: {count}, {low} to {high}"),
    mark(
        "{path} begins in the middle of a run: what the run began with is gone, so it can't be "
        "replayed"
    ),
    mark("{path} is not of the journal {file}, but of another one"),
    mark("{path} has no order {id}"),
    mark("its newest are {names}"),
    mark("{count} orders begin with {id}: {names}"),
    mark("give more of one"),
    mark("{path} has no records of {day}: it has none at all"),
    mark("{path} has no records of {day}: it begins on {low} and ends on {high}"),
    mark("{path} has no records of {name}"),
    mark("{path} can't be written: {error}"),
    mark(
        "{name} is no run and no day: name a run's folder (in {path}), a day such as 20260105, "
        "or 20260105..20260109"
    ),
    mark("{name}: the first day comes after the last one"),
    mark("{name}: there is no such day"),
    mark("{path}: no run is kept there"),
    mark("`qka run CONFIG` makes one, or name a run's folder, or a day and --journal"),
    mark("{path} is no run's folder: name one, or a day and --journal"),
    mark("{path} has {names}: name one with --journal or --config"),
    mark("--lang {name}: a report speaks zh and en"),
    mark("1 run of that day left no recording: what was decided then is not compared"),
    mark("{count} runs of that day left no recording: what was decided then is not compared"),
    mark(
        "the recording ends at {file} before the run does (it was killed, or still runs): "
        "{count} decisions after its last row can't be compared"
    ),
    # what a running engine, or the journal, answers a human
    mark("the last comparison left nothing to accept: nothing was changed"),
    mark("{id} is accepted already, for the next start"),
    mark("{id} is not what the last comparison found, which is {name}: nothing was changed"),
    mark("{id} is not what was found, which is {name}: nothing was changed"),
    mark(
        "the trading is held because the account differs from the journal, and that is what `qka "
        "accept CONFIG {name}` is for"
    ),
    mark("no earlier run halted the trading: nothing was changed"),
    mark(
        "{id} is {status}: the broker has it as {name} and tells the next start what became of it"
    ),
    mark("nothing was changed"),
    mark("the engine is not running: it starts or stops just now"),
    mark("{name} failed half-way, and the trading is halted: see the log"),
    mark("nothing was changed; the trading is held: {why}"),
    mark("the trading is active already: nothing was changed"),
    mark("nothing differs that could be accepted: nothing was changed"),
    mark("resolve: ORDER and how it ended: {names}"),
    mark("{id} is {status}, and not unknown: the broker tells what becomes of it"),
    mark("{id}: no order that works"),
    mark("nothing was cancelled"),
    mark("no order leaves while the trading is held: {why}"),
    mark("{value}: the quantity is a whole number of shares above 0"),
    mark("{value}: the quantity is a whole number of shares"),
    mark("{value}: the price is a number of CNY above 0"),
    mark("without one: at market"),
    mark("{value}: nothing is to follow the command"),
    mark("--as {name}: it is one of {names}"),
    mark("{id}: no such order"),
    mark("those without an end are: {names}"),
    mark("{id} is {status} already: nothing was changed"),
    mark("--price {price}: a {side} at {limit} can't trade there"),
    mark("{count} shares: only {left} of {id} are open"),
    mark(
        "{count} of {left} shares is not filled: say how the rest ended, --as cancelled or --as "
        "expired, with --filled"
    ),
    mark("{key}: write it as KEY=VALUE"),
    mark("{strategy} is stopped already: {why}"),
    mark("{strategy} runs already: nothing was changed"),
    mark("{strategy} was registered by a program, which alone can make it anew"),
    mark("{strategy} has no parameters of a class `Params`"),
    mark("it asks for other symbols or bars now: restart the engine"),
    mark("{key}: no limit that can be changed while the engine runs"),
    mark("set: KEY=VALUE, such as risk.max_notional=20000"),
    mark("this run has no dashboard: start it with monitor.dashboard=true"),
    # QMT, and a server
    mark("QMT is logged in with account {names}, not with {id}: nothing was sent"),
    mark("correct account.id, or log in to the other account"),
    mark(
        "MiniQMT can't be reached ({error}). Check: 1. MiniQMT is running and was logged in with "
        "极简模式 or 独立交易 ticked. 2. The path is its userdata_mini folder: {path}. 3. This "
        "program may write there"
    ),
    mark(
        "QMT under Program Files needs administrator rights. 4. No other program uses session id "
        "{count}. 5. With MiniQMT up, that folder has a file up_queue_xtquant"
    ),
    mark("if not, the broker has not opened this account for programs"),
    mark(
        "{kind} account {id} can't be subscribed to (subscribe() gave {code}): log in to it in QMT"
    ),
    mark("account {id} can't trade now, it is {why}"),
    mark("log in to it in QMT, or wait until it has settled"),
    mark("the terminal gives no asset: is the account logged in?"),
    mark("no terminal gives quotes {place} ({error}): start MiniQMT and log in"),
    mark("with several terminals name the `port` of one"),
    mark(
        "xtquant.{name} can't be loaded ({error}). It needs 64-bit Windows and CPython 3.6 to 3.13"
    ),
    mark(
        "this is {names}. On Windows: pip install xtquant. Elsewhere: run `qka server` on the "
        "machine with QMT and use `broker: {{kind: remote}}`"
    ),
    mark("{value} is no server: write http://host:8000 or https://host:8000"),
    mark("{url}: a fingerprint is checked over https only"),
    mark("fingerprint: write the certificate's SHA-256, 64 hex digits"),
    mark("verify: {path} is no CA file ({error})"),
    mark(
        "{url} refuses this token: put the one that it printed when it started into .env "
        "(QKA__BROKER__TOKEN, or QKA__FEED__TOKEN where the feed has its own), or make a new one "
        "there with `qka server rotate`"
    ),
    mark(
        "{url} lets no program of this machine in: start `qka server` there with --allow and this "
        "machine's address"
    ),
    mark("{url} takes nobody now (HTTP {code})"),
    mark("{url} has no WebSocket at /ws: is it a QMTServer? (HTTP {code})"),
    mark("{url} does not say hello ({error})"),
    mark("{url} speaks another protocol: update qka on both sides"),
    mark("the server has a real account behind it, a simulated one was asked for"),
    mark("account_id is empty: name the fund account that QMT is logged in to"),
    mark(
        "mini_qmt_path is empty: name the folder userdata_mini of your QMT, or simulate=True for "
        "a terminal that is not there"
    ),
    mark("account type {name}: it is one of {names}"),
    mark("allow: {value} is no network"),
    mark("write 192.168.1.0/24 or 192.168.1.20"),
    mark("tls_key without tls_cert: give both, or neither"),
    mark("tls: {path} and {file} can't be used ({error})"),
    mark("{place} can't be listened on ({error}): is a server running there already?"),
    mark("data_dir: {path} can't be made ({error}): nothing was started"),
    mark(
        "{path} is in use: another QMTServer of this account is running. Stop it first; nothing "
        "was started here"
    ),
    mark("{path} can't be opened ({error}): nothing was started"),
    mark("this server serves another account than the one you name"),
    mark("set account.id to the server's"),
    mark("the token {name} has no scope {value}"),
    mark("{url}: the token has no scope {value}"),
    mark("make one that has it there: `qka server add NAME --scope read --scope trade`"),
    mark(
        "{path} is the file of another account: nothing was started. Give this account a data "
        "folder of its own"
    ),
    mark("there is no token {name} in {path}"),
    mark("there is no token {name} in {path} (there: {names})"),
    mark("there is no token {name} in {path} yet: start the server once"),
    mark("{value} is no name of a token: letters, digits, - and _, at most 32"),
    mark("there is a token {name} already: rotate it, or revoke it first"),
    mark("{names} is no scope"),
    mark("a token is printable ASCII and not empty"),
    mark("leave it out for a random one"),
    mark("{path} is damaged ({error}): repair or remove it"),
    mark("speed {value}: above zero"),
    # what a server logs when it starts and goes on
    mark("QMTServer listens on {url}"),
    mark("QMTServer stops: it takes no more orders and finishes its calls"),
    mark(
        "UNENCRYPTED beyond this machine: whoever sees the traffic on {place} gets the token and "
        "can trade. Give tls_cert and tls_key, or stay on 127.0.0.1"
    ),
    mark("the token has only {count} characters: leave it out and the server makes a random one"),
    mark("{path} can be read by others than its owner: chmod 600 it"),
    mark("{error}; the tokens known so far stay valid"),
    mark("{place} showed too many wrong tokens and is locked out for a while"),
    mark(
        "{name} was silent for {span} s: no more orders are taken from it; its working orders: "
        "{what}"
    ),
    mark("{name} does not read what it is sent and is cut off"),
    mark("more than {count} connections: further ones are closed"),
    mark("orders of {name} could not be cancelled: {error}"),
    mark("{name}: order {id} cancelled for it: {error}"),
    mark("quotes could not be subscribed again: {error}"),
    mark("the last quotes can't be had: {error}"),
    # what an engine logs when it starts and goes on
    mark("connected to {url}, account {id}"),
    mark("lost {url}: {why}"),
    mark("{url}: the token and all orders travel unencrypted"),
    mark("use https"),
    mark("the server's token may not trade: every order will be refused"),
    mark(
        "account {id} goes on from its journal, last written {place}: cash {money} CNY, {count} "
        "positions, {orders} orders open"
    ),
    mark(
        "{day} is settled: {orders} orders, {count} deals, cash {money} CNY, all as the broker "
        "has it"
    ),
    mark("the account can't be compared now: {error}"),
    mark("{path} can be written again, and nothing is missing in it"),
    mark("no more quotes: {error}"),
    mark("the account's orders can't be looked up: {error}"),
    mark("what a comparison found can't be written down: {error}"),
    mark("the quotes of {names} are silent ({error})"),
    mark("quotes could not be subscribed to again: {error}"),
    mark("{symbol}: no price limits ({error})"),
    mark("xtdata: the download of {names} failed ({error}): taking what is there"),
    mark("xtdata: the download of {names} failed ({error}): using what is there"),
    mark("the terminal took no subscription"),
    mark("xtdata: {name} failed ({error})"),
    mark("xtdata: {name} did not end in {span} s"),
    mark("{name} ({kind}) does not take alerts: {error}"),
    mark("it is tried again, trading goes on"),
    mark("{name} takes alerts again"),
    mark("alerts that could not be sent: {names}"),
    mark("{path} can be written again"),
    mark(
        "all session ids ({names}, ...) are in use by other processes of this account: stop one "
        "of them, or give this one `sessions` of its own"
    ),
    mark("cancel: ORDER..., as `qka status` names them"),
    mark("{side}: SYMBOL QUANTITY, or SYMBOL QUANTITY PRICE"),
    mark("{id}: {status} after all, order {name}"),
    mark("{id}: could not be looked up: {error}"),
    mark("a limit is changed while the engine runs"),
    mark("else change the config"),
    mark("{method} is no method: name one, as in api('query_stock_asset')"),
    mark(
        "order id {id} is not 1 to {count} ASCII characters: the terminal would cut it, and "
        "nobody could tell the order's reports apart"
    ),
    mark("xtquant is not installed"),
    mark("the SDK has no method {method}"),
    mark("{name}: there is {names}"),
    mark("what the run began with is gone, so it can't be replayed"),
)

FOREIGN = (
    # pydantic
    mark("Input should be a valid number"),
    mark("Input should be a valid number, unable to parse string as a number"),
    mark("Input should be a valid integer"),
    mark("Input should be a valid integer, unable to parse string as an integer"),
    mark("Input should be a valid integer, got a number with a fractional part"),
    mark("Input should be a valid string"),
    mark("Input should be a valid boolean"),
    mark("Input should be a valid boolean, unable to interpret input"),
    mark("Input should be a valid list"),
    mark("Input should be a valid tuple"),
    mark("Input should be a valid dictionary"),
    mark("Input should be a finite number"),
    mark("Input should be greater than {limit}"),
    mark("Input should be greater than or equal to {limit}"),
    mark("Input should be less than {limit}"),
    mark("Input should be less than or equal to {limit}"),
    mark("Input should be {names} or {value}"),
    mark("Field required"),
    mark("Value error, {why}"),
    # PyYAML
    mark("{what} (while {error})"),
    mark("mapping values are not allowed here"),
    mark("could not find expected ':'"),
    mark("expected <block end>, but found {value}"),
    mark("expected ',' or '}}', but got {value}"),
    mark("expected ',' or ']', but got {value}"),
    mark("found character {value} that cannot start any token"),
    mark("found unexpected end of stream"),
    mark("found undefined alias {value}"),
    mark("scanning a simple key"),
    mark("scanning a quoted scalar"),
    mark("scanning for the next token"),
    mark("scanning an alias"),
    mark("parsing a block mapping"),
    mark("parsing a block collection"),
    mark("parsing a flow mapping"),
    mark("parsing a flow sequence"),
    # the system
    mark("No such file or directory"),
    mark("Permission denied"),
    mark("Is a directory"),
    mark("Not a directory"),
    mark("No space left on device"),
    mark("Read-only file system"),
    mark("File exists"),
    mark("Address already in use"),
    mark("Cannot assign requested address"),
    mark("Connection refused"),
    # typer
    mark("Missing argument {value}."),
    mark("Missing option {value}."),
    mark("No such option: {name}"),
    mark("No such option: {name} (Possible options: {names})"),
    mark("No such command {value}."),
    mark("Got unexpected extra argument ({names})"),
    mark("Got unexpected extra arguments ({names})"),
    mark("Got unexpected extra argument(s) ({names})"),
    mark("Invalid value for {names}: {why}"),
    mark("{value} is not a valid integer."),
    mark("{value} is not a valid int."),
    mark("{value} is not a valid float."),
    mark("{value} is not in the range {name}."),
    mark("Option {value} requires an argument."),
    mark("No such command {value}. Did you mean {names}?"),
    mark("Missing command."),
)
