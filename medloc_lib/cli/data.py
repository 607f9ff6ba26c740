"""`medloc data`: what data sets there are, and their files."""

from __future__ import annotations

from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table

from medloc_lib.data import registry

app = typer.Typer(help="Data sets: what there is, what may be done with it, its files.", no_args_is_help=True)

Name = Annotated[str, typer.Argument(help="Name of a data set; `medloc data list` shows them.")]


@app.command("list")
def list_() -> None:
    """List the data sets."""
    table = Table("Name", "Here?", "Modality", "Size", "Licence", box=None, pad_edge=False)
    for name in registry.names():
        about = registry.info(name)
        here = "built in" if about.kind == "built in" else "yes" if registry.available(name) else "to fetch"
        table.add_row(name, here, about.modality, f"{about.bytes / 1e6:.0f} MB" if about.bytes else "", about.licence)
    Console(highlight=False, markup=False, emoji=False).print(table)


@app.command()
def info(name: Name) -> None:
    """Say what a data set is: task, splits, licence, citation, source."""
    typer.echo(repr(registry.info(name)))


@app.command()
def fetch(name: Name) -> None:
    """Download a data set, checking every file. What is here already is kept."""
    typer.echo(str(registry.fetch(name)))


@app.command()
def verify(name: Name) -> None:
    """Read every file again and compare it with its checksum.

    The exit code is 1 if one does not match.
    """
    found = registry.verify(name)
    typer.echo(str(found))
    if not found:
        raise typer.Exit(1)


@app.command()
def path(name: Name) -> None:
    """Print the folder with a data set's files."""
    typer.echo(str(registry.path(name)))
