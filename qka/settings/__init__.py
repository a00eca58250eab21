"""Settings: one YAML file, `.env`, the environment and `--set`, checked as a whole.

Every problem is told at once, each with its place and the nearest right key, in one
`ConfigError`. Nothing but the file and `.env` is opened. Each module imports only earlier ones:

    yamls       text → values and their lines
    values      what a value can be
    sections    every key
    schema      what can stand where
    problems    what is wrong, in words
    layers      the sources laid over one another
    sources     load, from_mapping
    live        require_live, trades_real_money
    reach       how a server is reached
    table       the documentation's table of keys
"""

from qka.settings.live import require_live, trades_real_money
from qka.settings.reach import Reach, reach
from qka.settings.sections import (
    AccountSettings,
    AlertRule,
    AlertSettings,
    Broker,
    ExecutorSettings,
    Feed,
    Fees,
    LogSettings,
    OpeningPosition,
    PaperBroker,
    RemoteBroker,
    RemoteFeed,
    ReplayFeed,
    RiskSettings,
    RunSettings,
    Section,
    Settings,
    SimulatedFeed,
    StrategySettings,
    XtdataFeed,
    XtquantBroker,
)
from qka.settings.sources import from_mapping, load
from qka.settings.table import Reference, reference

__all__ = [
    "AccountSettings",
    "AlertRule",
    "AlertSettings",
    "Broker",
    "ExecutorSettings",
    "Feed",
    "Fees",
    "LogSettings",
    "OpeningPosition",
    "PaperBroker",
    "Reach",
    "Reference",
    "RemoteBroker",
    "RemoteFeed",
    "ReplayFeed",
    "RiskSettings",
    "RunSettings",
    "Section",
    "Settings",
    "SimulatedFeed",
    "StrategySettings",
    "XtdataFeed",
    "XtquantBroker",
    "from_mapping",
    "load",
    "reach",
    "reference",
    "require_live",
    "trades_real_money",
]
