"""`qka doctor`: what is missing on this machine, and how to mend it."""

import asyncio
from pathlib import Path
from typing import Annotated

import typer
from rich.cells import cell_len, set_cell_size

from qka.errors import ConfigError
from qka.language import mark, say
from qka.secrets import mask

_MARKS = {"ok": mark("ok"), "note": mark("note"), "fail": mark("FAIL")}


def doctor(
    config: Annotated[
        Path | None, typer.Argument(help="A config whose broker and feed are looked at")
    ] = None,
    account: Annotated[str, typer.Option("--account", help="Fund account")] = "",
    qmt_path: Annotated[str, typer.Option("--qmt-path", help="QMT's folder userdata_mini")] = "",
    url: Annotated[str, typer.Option("--url", help="A QMTServer to reach")] = "",
    host: Annotated[str, typer.Option("--host", help="Address for a server here")] = "127.0.0.1",
    port: Annotated[int | None, typer.Option("--port", help="Port for a server here")] = None,
    tls_cert: Annotated[Path | None, typer.Option("--tls-cert", help="Its certificate")] = None,
    tls_key: Annotated[Path | None, typer.Option("--tls-key", help="Its key")] = None,
) -> None:
    """Look at this machine and say what is missing for QMT, a server or a remote engine.

    \b
    Examples:
      qka doctor config/live.yaml
      qka doctor --account 8880012345 --qmt-path "D:\\QMT\\userdata_mini" --port 8000
      qka doctor config/remote.yaml

    Nothing is changed and no order is sent. Exit code 1 when something fails.
    """
    import os

    from msgspec.structs import replace

    from qka import doctor as room
    from qka import logs, settings
    from qka.app import project

    logs.setup("WARNING", None)
    plan = room.plan_of(settings.load(config), project(config)) if config else room.Plan()
    given = {
        "account": account, "qmt_path": qmt_path, "url": url, "port": port,
        "tls_cert": tls_cert, "tls_key": tls_key,
    }  # fmt: skip
    plan = replace(plan, host=host, **{name: value for name, value in given.items() if value})
    if url and not plan.token:
        plan = replace(plan, token=os.environ.get("QKA__BROKER__TOKEN", ""))
    if plan.qmt_path and not plan.account:
        raise ConfigError("--account: name the fund account that QMT is logged in to")
    findings = asyncio.run(room.examine(plan))
    for finding in findings:
        verdict = set_cell_size(say(_MARKS[finding.verdict]), 4)
        what = finding.what + " " * max(0, 14 - cell_len(finding.what))
        typer.echo(mask(f"{verdict}  {what} {finding.words}"))
        if finding.mend:
            typer.echo(f"      {'':14} -> {finding.mend}")
    failed = [finding.what for finding in findings if finding.verdict == "fail"]
    if failed:
        typer.echo("\n" + say("not ready: {names}").format(names=say(", ").join(failed)))
        raise typer.Exit(1)
    typer.echo("\n" + say("ready"))
