"""QMTServer: QMT's account for programs on other machines, as the trading guide has it.

server = QMTServer(account_id="…", mini_qmt_path=r"C:\\…\\userdata_mini")
server.start()      # prints the token for QMTClient, and serves until Ctrl-C
"""

import asyncio
import re
import signal
import sys
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

from loguru import logger

from qka.clock import WallClock
from qka.errors import ConfigError
from qka.language import mark, say
from qka.secrets import hide_account
from qka.server import tokens
from qka.server.backend import Backend
from qka.server.caller import Policy
from qka.server.server import DEFAULT_HOST, DEFAULT_PORT, Limits, Server
from qka.server.tokens import add, listed, revoke
from qka.settings.rulefile import read

__all__ = ["QMTServer", "add", "data_folder", "listed", "revoke", "rotate"]


def data_folder(account_id: str, data_dir: Path | str | None = None) -> Path:
    """Where a server keeps what must survive a restart: `~/.qka/server/<account>` unless told."""
    if data_dir is not None:
        return Path(data_dir)
    name = re.sub(r"[^0-9A-Za-z_-]", "_", account_id)
    return Path.home() / ".qka" / "server" / name


def rotate(
    account_id: str,
    name: str = tokens.DEFAULT,
    *,
    data_dir: Path | str | None = None,
    token_file: Path | str | None = None,
) -> str:
    """A new token in place of an old one, which is void at once, also on a running server.

    Returns the new one, which is also written to the token's file. Raises ConfigError.
    """
    file = Path(token_file) if token_file else None
    return tokens.rotate(data_folder(account_id, data_dir), name, token_file=file)


class QMTServer(Server):
    """Serves one account of the MiniQMT at `mini_qmt_path` to QMTClient and to remote engines.

    `host`: 127.0.0.1 unless told otherwise; beyond this machine give `tls_cert` and `tls_key`,
    and `allow`, the networks that may connect (`["192.168.1.0/24"]`). `token`: instead of the
    random one that is made at the first start and kept. `read_only`: no orders. `transfers`:
    money and shares may be moved between accounts. `simulate`: a simulated terminal in place of
    MiniQMT, with a market of its own, `speed` times as fast as the world. `quote_port`: of
    MiniQMT's quotes, only where several terminals run. `backend`: another terminal altogether.
    `rules_file`: rows and trading days laid over the shipped ones, see docs/rules.md.
    Raises ConfigError.
    """

    def __init__(
        self,
        account_id: str,
        mini_qmt_path: str | Path = "",
        host: str = DEFAULT_HOST,
        port: int = DEFAULT_PORT,
        token: str | None = None,
        *,
        account_type: str = "STOCK",
        simulate: bool = False,
        speed: float = 1.0,
        quote_port: int | None = None,
        read_only: bool = False,
        transfers: bool = False,
        token_file: str | Path | None = None,
        tls_cert: str | Path | None = None,
        tls_key: str | Path | None = None,
        allow: Sequence[str] = (),
        data_dir: str | Path | None = None,
        backend: Backend | None = None,
        policy: Policy | None = None,
        limits: Limits | None = None,
        rules_file: str | Path | None = None,
    ) -> None:
        if not account_id:
            raise ConfigError("account_id is empty: name the fund account that QMT is logged in to")
        if backend is None and not simulate and not str(mini_qmt_path):
            raise ConfigError(
                "mini_qmt_path is empty: name the folder userdata_mini of your QMT, "
                "or simulate=True for a terminal that is not there"
            )
        if not simulate:
            hide_account(account_id)  # in the log, and in whatever else is said
        self.account_id = account_id
        self.mini_qmt_path = str(mini_qmt_path)
        super().__init__(
            backend
            or _backend(
                account_id,
                account_type,
                self.mini_qmt_path,
                simulate=simulate,
                speed=speed,
                quote_port=quote_port,
            ),
            data_dir=data_folder(account_id, data_dir),
            host=host,
            port=port,
            token=token,
            token_file=Path(token_file) if token_file else None,
            tls_cert=Path(tls_cert) if tls_cert else None,
            tls_key=Path(tls_key) if tls_key else None,
            allow=allow,
            policy=policy or Policy(read_only=read_only, transfers=transfers),
            limits=limits,
            rules=read(Path(rules_file)) if rules_file else None,
        )

    def start(self) -> None:
        """Serve until Ctrl-C or SIGTERM. Prints the token. Raises ConfigError."""
        with suppress(KeyboardInterrupt):
            asyncio.run(self.serve())

    async def serve(self, stop: asyncio.Event | None = None) -> None:
        """Serve until told to stop, in a loop of your own. Prints the token. Raises ConfigError."""
        stop = stop or asyncio.Event()
        loop = asyncio.get_running_loop()
        caught = []
        for number in (signal.SIGINT, signal.SIGTERM):
            # not on Windows, where Ctrl-C raises, nor on another thread than the main one
            with suppress(NotImplementedError, RuntimeError, ValueError):
                loop.add_signal_handler(number, stop.set)
                caught.append(number)
        try:
            async with self:
                self._print_token()
                if self.backend.simulated:
                    _say(say(_REHEARSAL).format(account=self.account_id, url=self.url))
                    _say(f"  {self.command}\n")
                await stop.wait()
                logger.info("QMTServer stops: it takes no more orders and finishes its calls")
        finally:
            for number in caught:
                loop.remove_signal_handler(number)

    @property
    def command(self) -> str:
        """What runs the shipped config on this server: with what it does not say itself."""
        where = "" if self.url == _SHIPPED_URL else f" --set broker.url={self.url}"
        account = "" if self.account_id == "demo" else f" --set account.id={self.account_id}"
        return f"QKA__BROKER__TOKEN=... qka run config/remote.yaml{where}{account}"

    def _print_token(self) -> None:
        if self.token is None:
            _say(say("the token is kept as a hash only: `qka server rotate` makes a new one"))
        else:
            _say(f"\n授权Token: {self.token}\n")


_REHEARSAL = mark(
    "A made-up terminal and market: no QMT, no real money. "
    "模拟终端与行情，不连接 QMT，没有真实资金。\n"
    "Account {account}, at {url}. With the token above, in another window / "
    "在另一个窗口用上面的 token："
)
_SHIPPED_URL = "http://127.0.0.1:8000"  # of config/remote.yaml


def _say(text: str) -> None:
    """Print, also on a console that knows no Chinese."""
    out = sys.stdout
    out.write(
        text.encode(out.encoding or "ascii", "replace").decode(out.encoding or "ascii") + "\n"
    )
    out.flush()


def _backend(
    account_id: str,
    account_type: str,
    path: str,
    *,
    simulate: bool,
    speed: float,
    quote_port: int | None,
) -> Backend:
    made: Any
    if simulate:
        from qka.server.simulated import SimulatedBackend
        from qka.terminal.books import Opening
        from qka.terminal.market import SimulatedMarket

        opening = Opening(account_id=account_id, account_type=account_type)
        made = SimulatedBackend(SimulatedMarket([opening], speed=speed), account_id, account_type)
    else:
        from qka.brokers.link import TraderLink
        from qka.feeds.xtdata import Xtdata
        from qka.server.link import LinkBackend

        quotes = Xtdata(WallClock().now, port=quote_port)
        made = LinkBackend(TraderLink(path, account_id, account_type), quotes)
    backend: Backend = made
    return backend
