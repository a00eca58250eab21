"""What typer itself shows of the command line, in the reader's language: helps and usage errors.

The helps stand at the commands, in English; they are reworded once typer has built the commands. An
error in how a command was called is one line, as every other error is.
"""

import gettext
import os
import re
from typing import Any

import typer
from typer.main import get_command

from qka.language import CHINESE, ENGLISH, FOLDER, Say, chosen, mark, say, speaker
from qka.phrases import retold

# typer's own words, which it looks up by gettext
FRAME = (
    mark("Arguments"),
    mark("Options"),
    mark("Commands"),
    mark("[required]"),
    mark("[default: {}]"),
)
_USAGE = typer.BadParameter.__base__  # of all errors in how a command was called; it has no name


def run(app: typer.Typer) -> None:
    """Run the command line, and exit; raises what the commands raise."""
    command = get_command(app)
    if chosen() != ENGLISH:
        _ask_gettext()
        reworded(command, speaker(CHINESE))
    try:
        code = command.main(standalone_mode=False)
    except typer.Abort:
        typer.echo(say("Aborted."), err=True)
        raise SystemExit(1) from None
    except Exception as error:
        if _USAGE is None or not isinstance(error, _USAGE):
            raise
        raise SystemExit(_misused(error)) from None
    raise SystemExit(code)


def reworded(command: Any, say: Say, above: Any = None) -> None:
    """Say the helps of a command, of its options and of the commands below it."""
    context = command.context_class(command, parent=above, **command.context_settings)
    shown = command.get_help_option(context)
    for each in (command, *command.params, shown):
        if each is not None and getattr(each, "help", None):
            each.help = _said(each.help, say)
    for below in getattr(command, "commands", {}).values():
        reworded(below, say, context)


def _said(text: str, say: Say) -> str:
    """A help: its paragraphs as a whole, and those that keep their lines (`\b`) piece by piece."""
    paragraphs = []
    for paragraph in text.split("\n\n"):
        if paragraph.startswith("\b"):
            pieces = re.split(r"(\n|\s{2,})", paragraph)
            paragraphs.append("".join(say(p) if p.strip("\b \n") else p for p in pieces))
        else:
            words = " ".join(paragraph.split())
            paragraphs.append(say(words))
    return "\n\n".join(paragraphs)


def _misused(error: Any) -> int:
    """Say what is wrong with how a command was called; returns the exit code."""
    words = error.format_message()
    if not words or "\n" in words:  # no error: a command without a word shows its help
        error.show()
        return int(error.exit_code)
    told = retold(words).rstrip(".。")
    path = "qka" if error.ctx is None else error.ctx.command_path
    hint = say("`{command} --help` shows how it is used").format(command=path)
    between = {"?": " ", "？": ""}.get(told[-1], say("; "))  # a question ends for itself
    typer.echo(f"qka: {told}{between}{hint}", err=True)
    return int(error.exit_code)


def _ask_gettext() -> None:
    """Have typer find its own words in our catalogue."""
    os.environ["LANGUAGE"] = CHINESE  # what gettext asks first
    gettext.bindtextdomain("qka", str(FOLDER))
    gettext.textdomain("qka")
