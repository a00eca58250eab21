"""Replays by a config: its strategies and rules, over a recorded day."""

from pathlib import Path

from qka import settings
from qka.app import build_strategies, project, put_rules_in_force, wire
from qka.brokers.port import Broker
from qka.edges import Edges, fees_of, paper
from qka.errors import ConfigError
from qka.journals import account_path
from qka.limits import InForce
from qka.replay import day as days
from qka.replay.stage import ReplayedEngine, SilentBroker
from qka.settings import Settings
from qka.settings.rulefile import named


def journal_path(chosen: Settings) -> Path:
    """Where the account's journal is; raises ConfigError where each run has one of its own."""
    path = account_path(chosen)
    if path is None:
        raise ConfigError(
            "this config keeps a journal in each run's own folder: name it with "
            "--journal runs/.../journal.db"
        )
    return path


def builder(chosen: Settings, config: Path) -> days.Build:
    """Engines as the config says, over what was recorded. A paper account trades again itself."""
    root = project(config)

    def build(edges: days.Edges) -> ReplayedEngine:
        if edges.account_id != chosen.account.id:
            raise ConfigError(
                f"the journal is of account {edges.account_id}, the config names "
                f"{chosen.account.id}: correct one of them"
            )
        fees = fees_of(chosen)
        broker: Broker = SilentBroker(edges.account_id)
        if isinstance(chosen.broker, settings.PaperBroker):
            broker = paper(chosen, edges.clock, fees)
        strategies = build_strategies(chosen, root)
        built = wire(
            ReplayedEngine,
            chosen,
            strategies,
            Edges(edges.clock, edges.feed, broker, fees),
            edges.journal,
            edges.recorder,
            put_rules_in_force(chosen, named(chosen.rules.file, root), edges.clock).is_trading_day,
        )
        InForce(built, chosen, [each.strategy.name for each in strategies])
        return built

    return build
