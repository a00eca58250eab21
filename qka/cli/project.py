"""`qka init`: a new project."""

from importlib.resources import as_file, files
from pathlib import Path
from shutil import copytree, ignore_patterns
from typing import Annotated

import typer

from qka.errors import ConfigError
from qka.language import say


def init(
    folder: Annotated[Path, typer.Argument(help="A new folder for the project")],
) -> None:
    """Make a project: a config, a commented strategy, .env.example and .gitignore."""
    try:
        if folder.exists() and any(folder.iterdir() if folder.is_dir() else [folder]):
            raise ConfigError(f"{folder} exists and is not empty: name a new folder")
        with as_file(files("qka") / "templates" / "project") as template:
            copytree(template, folder, dirs_exist_ok=True, ignore=ignore_patterns("__pycache__"))
        for name in ("env.example", "gitignore"):
            (folder / name).rename(folder / f".{name}")
    except OSError as error:
        raise ConfigError(f"{folder} can't be made: {error.strerror or error}") from None
    shown = f'"{folder}"' if " " in str(folder) else folder
    typer.echo(say("Made {folder}. Now:").format(folder=folder))
    typer.echo(f"  cd {shown}\n  qka run config/paper.yaml")
