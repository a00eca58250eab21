"""What each order type does when it meets an order book, in the exchanges' words.

`LIMIT` takes what is good for it and rests. The market types take the book as they find it:

    MARKET         five levels, the rest is cancelled           最优五档即时成交剩余撤销
    BEST_5_LIMIT   five levels, the rest stays as a limit       最优五档即时成交剩余转限价
    PEER           becomes a limit at the other side's best     对手方最优
    OWN            becomes a limit at the own side's best       本方最优
    FILL_CANCEL    every level, the rest is cancelled           即时成交剩余撤销
    ALL_OR_NONE    whole, or cancelled                          全额成交或撤销

None goes beyond its protection, `Order.price`. A snapshot has five levels: no type sees more.
(SSE and SZSE trading rules, 3.3; what becomes of a BEST_5_LIMIT that found nothing, and of a PEER
or OWN order that found no price, is market practice.)
"""

from qka.brokers.exchange.sight import Sight
from qka.brokers.exchange.working import Working
from qka.model.order import OrderType

NO_REST = frozenset({OrderType.MARKET, OrderType.FILL_CANCEL, OrderType.ALL_OR_NONE})
OVER = "the day ended"
NO_BAR = "a daily bar trades what was sent before it began: order in on_bar"
NO_PRICE = "there is no price on that side of the book"


def price_at(entry: Working, sight: Sight) -> str:
    """Give an order that meets the book its price; why it is cancelled instead, "" for not."""
    kind = entry.order.type
    if kind is OrderType.PEER or kind is OrderType.OWN:
        side = sight.other if kind is OrderType.PEER else sight.own
        if not side:
            return NO_PRICE
        entry.limit = min(entry.limit, side[0][0])
    return ""


def rest_at(entry: Working, sight: Sight, reached: int | None) -> str:
    """What becomes of the rest of an order that has met the book; why it is cancelled, or "".

    `reached`: the last price it took, in mills; None when it took nothing.
    """
    kind = entry.order.type
    if kind in NO_REST:
        return f"the rest of a {kind} order is cancelled"
    if kind is OrderType.BEST_5_LIMIT:
        if reached is None and not sight.own:
            return NO_PRICE
        entry.limit = min(entry.limit, sight.own[0][0] if reached is None else reached)
    return ""
