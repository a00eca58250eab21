"""When a position is to be left: a loss, a profit, or a fall from its best price; pure."""

from typing import NamedTuple

from qka.model.account import Position


class Stops(NamedTuple):
    """Shares of 1, None for none: of the cost below and above it, and of the best price seen."""

    loss: float | None = None
    profit: float | None = None
    trailing: float | None = None

    def due(self, position: Position, last: float, best: float) -> str:
        """Why a position is to be left at `last`, "" when it is not; prices in CNY a share.

        Where nobody knows the cost only the best price counts.
        """
        cost = position.cost
        if self.loss is not None and cost > 0 and last <= cost * (1 - self.loss):
            return f"stop-loss: {last:g} is {1 - last / cost:.2%} below the cost of {cost:g}"
        if self.profit is not None and cost > 0 and last >= cost * (1 + self.profit):
            return f"take-profit: {last:g} is {last / cost - 1:.2%} above the cost of {cost:g}"
        if self.trailing is not None and last <= best * (1 - self.trailing):
            return f"trailing stop: {last:g} is {1 - last / best:.2%} below the best, {best:g}"
        return ""


NO_STOPS = Stops()
