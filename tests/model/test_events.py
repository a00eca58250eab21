"""What events say of themselves."""

from builders import an_order

from qka.model.events import Rebalanced, Shortfall
from qka.model.order import Side


def test_a_rebalance_can_be_read_in_a_line():
    left = Shortfall("000001.SZ", Side.BUY, 50, "lot", "a lot is 100 shares")
    worked = Rebalanced(0, "S", (an_order(),), (left,), ("600036.SH",))
    assert str(worked) == (
        "buy 1000 600000.SH new; 000001.SZ: buy of 50 left out: a lot is 100 shares; "
        "600036.SH still to come"
    )
    assert str(Rebalanced(0, "S")) == "nothing to order"
