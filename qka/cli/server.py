"""`qka server`: QMT's account for programs on other machines, and the tokens they need."""

from pathlib import Path
from typing import Annotated

import typer

from qka.errors import ConfigError
from qka.language import say

app = typer.Typer(
    help="""Serve the account of this machine's QMT to engines and scripts elsewhere.

\b
Examples:
  qka server --simulate
  qka server --account 8880012345 --qmt-path "D:\\QMT\\userdata_mini"
  qka server rotate --account 8880012345
""",
    add_completion=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)

Account = Annotated[str, typer.Option("--account", help="Fund account that QMT is logged in to")]
DataDir = Annotated[
    Path | None,
    typer.Option("--data-dir", help="What must survive a restart  [~/.qka/server/ACCOUNT]"),
]
TokenFile = Annotated[
    Path | None, typer.Option("--token-file", help="File with the token, read by its owner only")
]
Name = Annotated[str, typer.Argument(help="Name of the token")]


@app.callback(invoke_without_command=True)
def serve(
    context: typer.Context,
    account: Account = "",
    qmt_path: Annotated[str, typer.Option("--qmt-path", help="QMT's folder userdata_mini")] = "",
    host: Annotated[str, typer.Option("--host", help="Address to listen on")] = "127.0.0.1",
    port: Annotated[
        int, typer.Option("--port", min=0, max=65_535, help="Port to listen on")
    ] = 8000,
    simulate: Annotated[
        bool, typer.Option("--simulate", help="A made-up terminal and market: no QMT needed")
    ] = False,
    speed: Annotated[
        float, typer.Option("--speed", help="With --simulate: seconds of the market in a second")
    ] = 1.0,
    read_only: Annotated[bool, typer.Option("--read-only", help="Take no orders")] = False,
    account_type: Annotated[str, typer.Option("--account-type", help="STOCK or CREDIT")] = "STOCK",
    token_file: TokenFile = None,
    tls_cert: Annotated[
        Path | None, typer.Option("--tls-cert", help="Certificate (PEM); serves https")
    ] = None,
    tls_key: Annotated[Path | None, typer.Option("--tls-key", help="Its key (PEM)")] = None,
    allow: Annotated[
        list[str] | None,
        typer.Option("--allow", help="Network that may connect: 192.168.1.0/24 (repeatable)"),
    ] = None,
    rules: Annotated[
        Path | None,
        typer.Option("--rules", help="Rows and trading days laid over the shipped ones (YAML)"),
    ] = None,
    data_dir: DataDir = None,
) -> None:
    """Serve until Ctrl-C."""
    if context.invoked_subcommand is not None:
        return
    from qka import logs  # late: --help must be quick
    from qka.brokers.server import QMTServer

    logs.setup("INFO", None)
    if not account and not simulate:
        raise ConfigError("--account: name the fund account, or --simulate for a made-up one")
    if not qmt_path and not simulate:
        raise ConfigError(
            "--qmt-path: name QMT's folder userdata_mini, or --simulate for a made-up terminal"
        )
    QMTServer(
        account or "demo",
        qmt_path,
        host,
        port,
        account_type=account_type,
        simulate=simulate,
        speed=speed,
        read_only=read_only,
        token_file=token_file,
        tls_cert=tls_cert,
        tls_key=tls_key,
        allow=allow or (),
        rules_file=rules,
        data_dir=data_dir,
    ).start()


@app.command()
def rotate(
    name: Name = "default",
    account: Account = "demo",
    data_dir: DataDir = None,
    token_file: TokenFile = None,
) -> None:
    """Make a new token in place of an old one, which is void at once."""
    from qka.brokers import server

    fresh = server.rotate(account, name, data_dir=data_dir, token_file=token_file)
    typer.echo(say("the new token of {name}: {token}").format(name=name, token=fresh))


@app.command()
def add(
    name: Name,
    account: Account = "demo",
    scope: Annotated[
        list[str] | None,
        typer.Option("--scope", help="read, trade, transfer or admin (repeatable)  [read]"),
    ] = None,
    data_dir: DataDir = None,
) -> None:
    """Make a further token that may do less."""
    from qka.brokers import server

    made = server.add(server.data_folder(account, data_dir), name, scope or ["read"])
    typer.echo(say("the token of {name}: {token}").format(name=name, token=made))


@app.command()
def revoke(name: Name, account: Account = "demo", data_dir: DataDir = None) -> None:
    """Take a token away; it is void at once."""
    from qka.brokers import server

    server.revoke(server.data_folder(account, data_dir), name)
    typer.echo(say("{name} is void").format(name=name))


@app.command("tokens")
def list_tokens(account: Account = "demo", data_dir: DataDir = None) -> None:
    """Show the tokens there are, never themselves."""
    from qka.brokers import server

    for token in server.listed(server.data_folder(account, data_dir)):
        typer.echo(f"{token.name:20} {', '.join(token.scopes)}")
