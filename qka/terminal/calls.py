"""What trading clients ask of the simulated terminal, worked one by one.

Called under the terminal's lock. An answer is given by `reply` before anything is pushed.
"""

from collections.abc import Callable, Mapping
from functools import partial
from itertools import count
from typing import Any

from qka.brokers.records import Record, XtCancelOrderResponse, XtOrderResponse
from qka.errors import ConfigError
from qka.terminal.account import Account
from qka.terminal.counter import REFUSED, Refused, Request
from qka.terminal.faults import Faults
from qka.terminal.links import Links
from qka.terminal.session import Session

Params = Mapping[str, Any]
Reply = Callable[[Any], None]
_Work = Callable[[Session | None, Params, Reply, int], None]


class Calls:
    """The requests by name. `restart` is what the fault of that name does in mid-order."""

    def __init__(
        self,
        accounts: Mapping[str, Account],
        links: Links,
        faults: Faults,
        restart: Callable[[], None],
    ) -> None:
        self._accounts = accounts
        self._links = links
        self._faults = faults
        self._restart = restart
        self._numbers = count(1)  # order ids
        self._works: dict[str, _Work] = {
            "order": self._order,
            "cancel": self._cancel,
            "subscribe": self._subscribe,
            "unsubscribe": self._unsubscribe,
            "asset": self._of_account(lambda account, _: [account.asset()]),
            "orders": self._of_account(_orders),
            "trades": self._of_account(lambda account, _: account.trades()),
            "positions": self._of_account(_positions),
            "account_infos": self._of_all(Account.info),
            "account_status": self._of_all(Account.status_record),
        }

    def check(self, call: str) -> None:
        """Raises ConfigError for a call nobody knows."""
        if call not in self._works:
            known = ", ".join(self._works)
            raise ConfigError(f"the simulated terminal has no call {call!r}, only {known}")

    def work(
        self, call: str, session: Session | None, params: Params, reply: Reply, seq: int = 0
    ) -> None:
        """Do what is asked and reply; no session: it is asked by hand, in the terminal itself."""
        self._works[call](session, params, reply, seq)

    def begin_day(self) -> None:
        """Order ids start again."""
        self._numbers = count(1)

    def _order(self, session: Session | None, params: Params, reply: Reply, seq: int) -> None:
        """A refusal is a response and an error; else an id, and the account tells the rest."""
        asked = dict(params)
        name = asked.pop("account")
        request = Request(**asked, session=session.id if session else 0, seq=seq)
        account = self._accounts.get(name)
        says = partial(
            XtOrderResponse,
            account_id=name,
            strategy_name=request.strategy,
            order_remark=request.remark,
            seq=seq,
        )
        if account is None:
            reply(says(order_id=-1, error_msg=f"account {name} is not logged in here"))
            return
        try:
            if self._faults.strikes("refused"):
                raise Refused(REFUSED, "the counter refused it")
            taken = account.take(request, next(self._numbers))
        except Refused as refused:
            reply(says(order_id=-1, error_msg=refused.reason))
            self._tell(session, "order_error", account.order_error(request, -1, refused))
            return
        if self._faults.strikes("restart"):
            self._restart()
        reply(says(order_id=taken.order_id))
        junked = self._faults.strikes("junked")
        account.send(taken, "the counter found it wanting" if junked else "")

    def _cancel(self, session: Session | None, params: Params, reply: Reply, seq: int) -> None:
        """By the terminal's id, or by the counter's; 0 says that the request was sent."""
        name, sysid = params["account"], params.get("order_sysid", "")
        order_id = params.get("order_id", 0)
        account = self._accounts.get(name)
        says = partial(
            XtCancelOrderResponse, account_id=name, order_id=order_id, order_sysid=sysid, seq=seq
        )
        if account is None:
            reply(says(cancel_result=-1, error_msg=f"account {name} is not logged in here"))
            return
        try:
            if self._faults.strikes("cancel_refused"):
                raise Refused(REFUSED, "the counter refused it")
            taken = account.check_cancel(account.find(order_id, sysid))
        except Refused as refused:
            reply(says(cancel_result=-1, error_msg=refused.reason))
            self._tell(session, "cancel_error", account.cancel_error(order_id, sysid, refused))
            return
        reply(says(cancel_result=0, order_id=taken.order_id))
        account.withdraw(taken)

    def _tell(self, session: Session | None, kind: str, error: Record) -> None:
        self._links.tell(kind, error, session.id if session else None)

    def _subscribe(self, session: Session | None, params: Params, reply: Reply, seq: int) -> None:
        account = self._accounts.get(params["account"])
        if account is None or session is None:
            reply(-1)
            return
        session.accounts.add(account.id)
        reply(0)
        self._links.push(session, "account_status", account.status_record())
        if self._faults.strikes("repushed"):
            account.repush(partial(self._links.push, session))

    def _unsubscribe(self, session: Session | None, params: Params, reply: Reply, seq: int) -> None:
        if session is not None:
            session.accounts.discard(params["account"])
        reply(0)

    def _of_account(self, read: Callable[[Account, Params], list[Any]]) -> _Work:
        """A query of one account; an account that is not here has nothing."""

        def work(session: Session | None, params: Params, reply: Reply, seq: int) -> None:
            account = self._accounts.get(params["account"])
            reply(read(account, params) if account else [])

        return work

    def _of_all(self, read: Callable[[Account], Any]) -> _Work:
        """A query of every account."""

        def work(session: Session | None, params: Params, reply: Reply, seq: int) -> None:
            reply([read(account) for account in self._accounts.values()])

        return work


def _orders(account: Account, params: Params) -> list[Any]:
    return account.orders(params.get("cancelable_only", False), params.get("order_id", 0))


def _positions(account: Account, params: Params) -> list[Any]:
    return account.positions(params.get("stock_code", ""))
