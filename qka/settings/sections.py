"""The sections of the configuration: every key, its type, its default and a word about it."""

from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, SecretStr
from pydantic import model_validator as check_model
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource, SettingsConfigDict

from qka.settings.values import (
    Amount,
    Count,
    Day,
    Given,
    Name,
    Number,
    Period,
    Ratio,
    Seconds,
    Secret,
    Speed,
    Symbol,
    TimeOfDay,
    Tradable,
    Whole,
    listed,
)


class Section(BaseModel):
    """Base of the sections: frozen, and an unknown key is an error."""

    model_config = ConfigDict(
        extra="forbid", frozen=True, allow_inf_nan=False, coerce_numbers_to_str=True
    )


class OpeningPosition(Section):
    """What the paper account holds of a symbol when it starts, all of it sellable."""

    quantity: Annotated[Whole, Field(gt=0, le=10**10)] = Field(description="Shares (股, 份, 张).")
    cost: Annotated[Amount, Field(gt=0, le=10**6)] = Field(description="Average cost, CNY a share.")


class AccountSettings(Section):
    """The account that trades."""

    id: str = Field("demo", description="Account id; for a live broker the fund account.")
    cash: Annotated[Amount, Field(ge=0, le=10**12, decimal_places=2)] = Field(
        Decimal(1_000_000), description="Cash of the paper account at the start, CNY."
    )
    positions: dict[Symbol, OpeningPosition] = Field(
        default_factory=dict, description="Positions of the paper account at the start, by symbol."
    )


class SimulatedFeed(Section):
    """A made-up market; the same seed gives the same quotes."""

    kind: Literal["simulated"] = "simulated"
    seed: Whole = Field(1, description="Seed of the random walk.")
    day: Day = Field(date(2026, 1, 5), description="First trading day.")
    days: Annotated[Count, Field(le=10_000)] = Field(1, description="Trading days to run.")
    symbols: Annotated[Count, Field(le=10_000)] = Field(
        12, description="Number of symbols of the market when strategies name none."
    )
    speed: Speed = Field("max", description="Seconds of the market in a second; max never waits.")
    paced_from: TimeOfDay = Field(
        "09:30", description="From when on a day `speed` holds; what is before passes at once."
    )


class ReplayFeed(Section):
    """Recorded quotes."""

    kind: Literal["replay"] = "replay"
    path: Given = Field(description="File or folder of recorded quotes.")
    start: Day | None = Field(None, description="First day played; none: the first recorded.")
    end: Day | None = Field(None, description="Last day played; none: the last recorded.")
    actions: Given | None = Field(
        None, description="File of corporate actions, a csv; none: companies give nothing."
    )
    strict: bool = Field(True, description="Stop at a damaged row instead of leaving it out.")
    volume: Literal["auto", "lots", "shares"] = Field(
        "auto", description="Unit of bars' volume; auto: by their turnover, shares without one."
    )
    speed: Speed = Field("max", description="Seconds of the market in a second; max never waits.")
    paced_from: TimeOfDay = Field(
        "09:30", description="From when on a day `speed` holds; what is before passes at once."
    )

    @check_model(mode="after")
    def _in_order(self) -> "ReplayFeed":
        if self.start and self.end and self.start > self.end:
            raise ValueError(f"start {self.start} is after end {self.end}")
        return self


class XtdataFeed(Section):
    """Live quotes of the QMT terminal on this machine."""

    kind: Literal["xtdata"] = "xtdata"
    port: Annotated[Whole, Field(ge=1, le=65_535)] | None = Field(
        None, description="Port of its data service; none: the terminal's own choice, 58610."
    )
    silence: Seconds = Field(
        30.0, description="Seconds without a quote in trading hours until they are asked for again."
    )


class RemoteFeed(Section):
    """Live quotes of a QMTServer."""

    kind: Literal["remote"] = "remote"
    url: str | None = Field(None, description="The server; none: the broker's.")
    token: Secret | None = Field(None, description="Its token; none: the broker's.")
    verify: bool | Path | None = Field(
        None, description="As `broker.verify`; none: the broker's, or true."
    )
    fingerprint: str | None = Field(
        None, description="As `broker.fingerprint`; none: the broker's, or empty."
    )
    silence: Seconds = Field(
        30.0, description="Seconds without a quote in trading hours until they are asked for again."
    )


class Fees(Section):
    """The broker's own fees; duty and transfer fee are the exchanges' rules."""

    commission: Annotated[Amount, Field(ge=0, le=0.003)] = Field(
        Decimal("0.00025"), description="Commission, share of the traded value; 0.003 at most."
    )
    minimum: Annotated[Amount, Field(ge=0)] = Field(
        Decimal(5), description="Least commission, CNY an order."
    )
    net: bool = Field(
        False, description="Whether exchange handling fee and CSRC levy come on top (净佣)."
    )


class PaperBroker(Section):
    """The simulated broker."""

    kind: Literal["paper"] = "paper"
    latency: Annotated[Number, Field(ge=0, le=600)] | None = Field(
        None,
        description="Seconds from sending an order to its reaching the market; "
        "none: 0.05 with quotes, 0 with bars.",
    )
    jitter: Annotated[Number, Field(ge=0, le=600)] = Field(
        0.0, description="Up to so many seconds more, at random; no request overtakes another."
    )
    seed: Whole = Field(1, description="Seed of what is random.")
    participation: Ratio = Field(
        0.25,
        description="Share of what trades, between two quotes or in a bar, that orders may have.",
    )
    queue: Literal["behind", "anywhere"] = Field(
        "behind", description="Whose orders in a queue are taken to cancel: those behind, or any."
    )
    auction: Literal["shared", "better", "never"] = Field(
        "shared",
        description="Who trades at the print of a call: those with a better limit and, at its "
        "price, a share of what the other side left; only those with a better one; or nobody.",
    )
    dividend_tax: Annotated[Amount, Field(ge=0, le=1)] = Field(
        Decimal("0.2"),
        description="Part of a cash dividend on shares that is withheld: 0.2 is due of shares held "
        "up to a month, 0.1 up to a year, 0 of longer.",
    )
    fees: Fees = Field(default_factory=Fees, description="What the broker charges.")


class XtquantBroker(Section):
    """QMT on this machine."""

    kind: Literal["xtquant"] = "xtquant"
    path: Path = Field(description="QMT's userdata_mini folder.")
    account_type: Literal["STOCK", "CREDIT"] = Field("STOCK", description="Kind of the account.")
    deadline: Seconds = Field(10.0, description="Seconds that one call of the SDK may take.")
    fees: Fees = Field(default_factory=Fees, description="What the broker charges.")


class RemoteBroker(Section):
    """QMT behind a QMTServer."""

    kind: Literal["remote"] = "remote"
    url: str = Field("http://127.0.0.1:8000", description="The server.")
    token: Secret = Field(SecretStr(""), description="Its token.")
    verify: bool | Path = Field(
        True, description="Check the server's certificate; or the file of its own CA."
    )
    fingerprint: str = Field(
        "", description="SHA-256 of the server's certificate, then the only one trusted."
    )
    simulated: bool = Field(
        False, description="Take a simulated server only; then --live is not needed."
    )
    lease: Seconds | None = Field(
        None, description="Seconds of our silence after which the server takes no more orders."
    )
    cancel_on_silence: bool = Field(
        False, description="Whether it then cancels what works; needs a lease."
    )
    fees: Fees = Field(default_factory=Fees, description="What the broker charges.")


Softened = Literal[
    "position_ratio", "gross_exposure", "max_holdings", "groups", "capital", "max_quantity",
    "max_notional", "max_daily_quantity", "max_daily_notional", "max_quote_age",
    "max_price_distance", "min_limit_distance", "max_orders_per_second", "max_orders_per_minute",
    "max_orders_per_day",
    "max_cancel_ratio", "max_quick_cancels", "max_daily_loss", "max_drawdown",
]  # fmt: skip
Money = Annotated[Amount, Field(gt=0, le=10**12, decimal_places=2)]


class SymbolLimits(Section):
    """Tighter limits of one symbol."""

    position_ratio: Ratio | None = Field(
        None, description="Largest share of total assets in the symbol."
    )
    max_quantity: Count | None = Field(None, description="Shares an order.")
    max_notional: Money | None = Field(None, description="CNY an order.")
    max_daily_quantity: Count | None = Field(None, description="Shares of its orders a day.")
    max_daily_notional: Money | None = Field(None, description="CNY of its orders a day.")
    max_quote_age: Seconds | None = Field(
        None, description="Seconds that its last quote may be old."
    )
    max_price_distance: Ratio | None = Field(
        None, description="Largest distance of a limit price from the last."
    )
    min_limit_distance: Ratio | None = Field(
        None, description="Least distance of a buy's price from the day's limit up."
    )


class GroupLimit(Section):
    """Symbols that share a limit: a sector, an index, a theme."""

    name: str = Field(description="What the group is called.")
    symbols: tuple[Symbol, ...] = Field(description="Its symbols.")
    ratio: Ratio = Field(description="Largest share of total assets in all of them together.")


class ProgrammeLimits(Section):
    """Orders and cancels of the account, below the figures of high-frequency trading."""

    per_second: Annotated[Count, Field(le=299)] | None = Field(
        100, description="Orders and cancels in any second; 300 make an account high-frequency."
    )
    warn_per_second: Annotated[Count, Field(le=299)] | None = Field(
        None, description="From how many on a warning is given."
    )
    per_day: Annotated[Count, Field(le=19_999)] | None = Field(
        15_000, description="Orders and cancels a day; 20,000 make an account high-frequency."
    )
    warn_per_day: Annotated[Count, Field(le=19_999)] | None = Field(
        5_000, description="From how many on a warning is given."
    )


class RiskSettings(Section):
    """Limits of the whole account; `null` takes a limit away."""

    allowed: tuple[Tradable, ...] | None = Field(
        None, description="Symbols and boards (`star`) that may be traded; none: all."
    )
    forbidden: tuple[Tradable, ...] = Field(
        (), description="Symbols and boards that no order is placed on, no sell either."
    )
    position_ratio: Ratio | None = Field(
        0.1, description="Largest share of total assets in one symbol."
    )
    gross_exposure: Ratio | None = Field(
        None, description="Largest share of total assets in all that is held or being bought."
    )
    max_holdings: Count | None = Field(None, description="Symbols held or being bought.")
    groups: tuple[GroupLimit, ...] = Field((), description="Symbols that share a limit.")
    capital: Money | None = Field(
        None, description="The account behaves as if it had so many CNY at most."
    )
    max_quantity: Count | None = Field(None, description="Shares an order.")
    max_notional: Money | None = Field(None, description="CNY an order.")
    max_daily_quantity: Count | None = Field(
        None, description="Shares of a symbol's orders a day; only buys are refused."
    )
    max_daily_notional: Money | None = Field(
        None, description="CNY of a symbol's orders a day; only buys are refused."
    )
    symbols: dict[Symbol, SymbolLimits] = Field(
        default_factory=dict, description="Tighter limits, by symbol."
    )
    max_quote_age: Seconds | None = Field(
        None, description="Seconds that a symbol's last quote may be old."
    )
    max_price_distance: Ratio | None = Field(
        None, description="Largest distance of a limit price from the last, share of the last."
    )
    min_limit_distance: Ratio | None = Field(
        None,
        description="Least distance of a buy's price from the day's limit up, share of the limit; "
        "only buys are refused.",
    )
    max_orders_per_minute: Count | None = Field(60, description="Orders in any minute.")
    max_orders_per_second: Count | None = Field(10, description="Orders in any second.")
    max_orders_per_day: Count | None = Field(None, description="Orders and cancels a day.")
    programme: ProgrammeLimits = Field(
        default_factory=ProgrammeLimits, description="Programme trading."
    )
    max_cancel_ratio: Annotated[Number, Field(gt=0, le=1)] | None = Field(
        None, description="Cancels for each order of the day; only buys are refused."
    )
    cancel_ratio_from: Count = Field(
        20, description="Orders in a day from which on the cancel ratio is judged."
    )
    max_quick_cancels: Count | None = Field(
        None, description="Cancels a day within a second of their order; only buys are refused."
    )
    duplicate_within: Seconds | None = Field(
        None, description="Seconds in which the same order leaves only once."
    )
    self_trade: bool = Field(
        True, description="Refuse what could trade with an own order that works."
    )
    stop_loss: Annotated[Number, Field(gt=0, lt=1)] | None = Field(
        None, description="A position is sold so far below its cost, share of the cost."
    )
    take_profit: Annotated[Number, Field(gt=0)] | None = Field(
        None, description="A position is sold so far above its cost, share of the cost."
    )
    trailing_stop: Annotated[Number, Field(gt=0, lt=1)] | None = Field(
        None, description="A position is sold so far below the best price seen, share of that."
    )
    max_daily_loss: Ratio | None = Field(
        None, description="Largest loss of a day, share of the total it began with."
    )
    max_drawdown: Ratio | None = Field(
        None, description="Largest loss from the peak, share of the peak."
    )
    max_losing_trades: Count | None = Field(
        None, description="Round trips that lose money in a row."
    )
    on_loss: Literal["reducing", "halted"] = Field(
        "reducing", description="State of the switch when a loss is too great, until `qka resume`."
    )
    warn_at: Ratio | None = Field(
        None, description="Share of a limit from which on a warning is given, once a rule and day."
    )
    soft: dict[Softened, Ratio] = Field(
        default_factory=dict, description="The same of one limit, by its key; wins over `warn_at`."
    )
    trading: Literal["active", "reducing", "halted"] = Field(
        "active", description="State of the switch at the start; reducing only closes positions."
    )


class RulesSettings(Section):
    """The exchanges' rules and their calendar."""

    file: Path | None = Field(
        None, description="Rows and trading days laid over the shipped ones; see docs/rules.md."
    )


class ExecutorSettings(Section):
    """How signals become orders."""

    ratio: Ratio = Field(
        0.05, description="Share of total assets asked for by a buy signal without a quantity."
    )


class StrategySettings(Section):
    """One strategy."""

    use: str = Field(description="module:Class or path.py:Class.")
    name: str = Field("", description="Name in logs and orders; empty: the class name.")
    symbols: tuple[Symbol, ...] = Field((), description="Symbols it hears; empty: its own choice.")
    bars: Annotated[tuple[Period, ...] | None, BeforeValidator(listed)] = Field(
        None, description="Bar period or periods it hears; none: the class's choice."
    )
    params: dict[str, Any] = Field(default_factory=dict, description="Parameters of the class.")
    on_error: Literal["leave", "cancel"] = Field(
        "cancel", description="Its working orders when it is stopped for errors."
    )
    max_errors: Count = Field(3, description="Errors after which it is stopped.")
    max_orders_per_minute: Count | None = Field(None, description="Its own tighter limit.")
    max_orders_per_second: Count | None = Field(None, description="Its own tighter limit.")
    max_orders_per_day: Count | None = Field(None, description="Its own tighter limit.")
    max_quantity: Count | None = Field(None, description="Its own tighter limit.")
    max_notional: Money | None = Field(None, description="Its own tighter limit, CNY.")
    position_ratio: Ratio | None = Field(
        None, description="Its own tighter limit, share of total assets in one symbol."
    )
    max_quote_age: Seconds | None = Field(None, description="Its own tighter limit, seconds.")
    max_price_distance: Ratio | None = Field(
        None, description="Its own tighter limit, share of the last price."
    )
    min_limit_distance: Ratio | None = Field(
        None, description="Its own wider distance from the limit up; only buys are refused."
    )


class RunSettings(Section):
    """Where a run is kept, and how much it remembers."""

    dir: Path = Field(Path("runs"), description="Folder that gets a folder for each run.")
    history: Count = Field(1000, description="Bars kept in memory per symbol and period.")


class JournalSettings(Section):
    """The account's journal."""

    dir: Path | None = Field(
        None,
        description="Folder of the account's journal where time is the world's; none: `journals`, "
        "or the run's own folder for a simulated server. Other runs keep theirs in their folder.",
    )
    record: bool | None = Field(
        None,
        description="Whether quotes and bars are recorded beside it, for `qka replay` and "
        "`qka why`; none: where time is the world's.",
    )


class MonitorSettings(Section):
    """How a running engine is asked and told: `qka status`, `qka halt` and the like."""

    enabled: bool | None = Field(
        None,
        description="Whether it listens, on this machine alone; none: unless it runs at full "
        "speed. With true a run that can't listen does not start.",
    )
    port: Annotated[Whole, Field(ge=1, le=65_535)] | None = Field(
        None,
        description="Port; none: any free one, which the run's folder names, with a dashboard or "
        "metrics 8750 if that is free.",
    )
    host: str = Field(
        "127.0.0.1",
        description="Address to listen on; beyond this machine, mind who reaches it.",
    )
    dashboard: bool = Field(False, description="Whether there is a page to look at and to act on.")
    metrics: bool = Field(False, description="Whether Prometheus can read `/metrics`.")
    read_only: bool = Field(False, description="Pages may look and nothing else.")
    origins: tuple[str, ...] = Field(
        (), description="Further addresses under which browsers reach it: `https://trade.home`."
    )


class LogSettings(Section):
    """The log."""

    level: Literal["DEBUG", "INFO", "WARNING", "ERROR"] = Field(
        "INFO", description="Least level shown and written."
    )
    megabytes: Annotated[Count, Field(le=10_000)] = Field(
        100, description="Size of the run's log from which on it goes on in a new file, MB."
    )
    keep: Count = Field(10, description="Such files that are kept of a run; older ones go.")


AlertKind = Literal[
    "halt", "account", "risk", "unknown", "rejected", "link", "strategy", "engine", "day",
    "fill", "denied",
]  # fmt: skip


class AlertRule(Section):
    """Which alerts go where."""

    kinds: tuple[AlertKind, ...] = Field((), description="Kinds that go; empty: all.")
    severity: Literal["info", "warning", "error"] = Field(
        "warning", description="Least severity that goes."
    )
    targets: tuple[str, ...] = Field((), description="Targets they go to; empty: all.")


class QuietHours(Section):
    """When nobody is woken but by an error; what waits is told in one message afterwards."""

    start: TimeOfDay = Field(description="From when on, Shanghai time.")
    end: TimeOfDay = Field(description="Until when; may be on the next day.")


class HeartbeatSettings(Section):
    """A sign of life for a service that notices silence."""

    url: Secret | None = Field(None, description="URL that is fetched; none: no heartbeat.")
    every: Seconds = Field(60.0, description="Seconds between two of them.")


class AlertSettings(Section):
    """Who is told, and of what."""

    send: bool | None = Field(
        None, description="Whether alerts and heartbeats leave; none: where time is the world's."
    )
    targets: dict[str, Secret] = Field(
        default_factory=dict, description="Where alerts go: a name, and Apprise's URL for it."
    )
    rules: tuple[AlertRule, ...] = Field(
        (), description="What goes where; none: warnings and errors of all kinds to all targets."
    )
    most: Count = Field(5, description="Messages of a kind in a window; the rest is counted.")
    window: Seconds = Field(300.0, description="Length of the window, seconds.")
    quiet: QuietHours | None = Field(None, description="Quiet hours; none: there are none.")
    digest: bool = Field(False, description="Whether each day's figures are sent when it closes.")
    report: bool = Field(False, description="Whether each day's report is sent when it is settled.")
    heartbeat: HeartbeatSettings = Field(
        default_factory=HeartbeatSettings, description="A sign of life."
    )


Feed = Annotated[SimulatedFeed | ReplayFeed | XtdataFeed | RemoteFeed, Field(discriminator="kind")]
Broker = Annotated[PaperBroker | XtquantBroker | RemoteBroker, Field(discriminator="kind")]


class Settings(BaseSettings):
    """All settings of an engine. Made by `load` or `from_mapping`, which add the sources."""

    model_config = SettingsConfigDict(
        extra="forbid", frozen=True, coerce_numbers_to_str=True, env_prefix="QKA__"
    )

    name: Name = Field("", description="Name of the run; empty: the file's name.")
    account: AccountSettings = Field(default_factory=AccountSettings, description="The account.")
    clock: Literal["auto", "live", "simulated"] = Field(
        "auto", description="Whose time it is; auto follows the feed."
    )
    feed: Feed = Field(default_factory=SimulatedFeed, description="Where quotes come from.")
    broker: Broker = Field(default_factory=PaperBroker, description="Where orders go.")
    risk: RiskSettings = Field(default_factory=RiskSettings, description="Limits.")
    rules: RulesSettings = Field(default_factory=RulesSettings, description="The exchanges' rules.")
    executor: ExecutorSettings = Field(
        default_factory=ExecutorSettings, description="Signals to orders."
    )
    strategies: tuple[StrategySettings, ...] = Field((), description="What trades.")
    run: RunSettings = Field(default_factory=RunSettings, description="The run's folder.")
    journal: JournalSettings = Field(
        default_factory=JournalSettings, description="What outlives a run."
    )
    monitor: MonitorSettings = Field(
        default_factory=MonitorSettings, description="A human's way in while it runs."
    )
    log: LogSettings = Field(default_factory=LogSettings, description="The log.")
    alerts: AlertSettings = Field(default_factory=AlertSettings, description="Who is told.")

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Only what is passed: `load` merges the sources, to know where each value is from."""
        return (init_settings,)
