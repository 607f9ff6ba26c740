"""The `medloc` command. Errors are one line on stderr and exit code 2; `--debug` shows where they came from."""

from __future__ import annotations

import os
import sys
import traceback
import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any, Literal

import typer
from rich.console import Console

from medloc_lib import __version__
from medloc_lib.cli import data
from medloc_lib.errors import InputError, MedlocError, MedlocWarning

app = typer.Typer(
    name="medloc",
    help="Learn, teach and prototype medical image localization.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    add_completion=False,
)
app.add_typer(data.app, name="data")

SEEDS = 3
JUPYTER = {"allow_extra_args": True, "ignore_unknown_options": True}


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the command and leave with its exit code: 0 done, 1 something failed, 2 not understood, 130 stopped."""
    given = list(sys.argv[1:] if arguments is None else arguments)
    debug = "--debug" in given
    try:
        with warnings.catch_warnings():
            warnings.showwarning = _show_warning
            code = app(
                [word for word in given if word != "--debug"] or ["--help"], "medloc", standalone_mode=False, obj=debug
            )
    except (KeyboardInterrupt, typer.Abort):
        sys.exit(130)
    except Exception as error:  # ours, typer's, or a fault: one line each
        if debug:
            traceback.print_exception(error)
        if reason := _reason(error):
            say(f"medloc: {reason}")
        sys.exit(2 if isinstance(error, MedlocError) or hasattr(error, "format_message") else 1)
    sys.exit(code if isinstance(code, int) else 0)


def _reason(error: Exception) -> str:
    if isinstance(error, MedlocError):
        return str(error)
    if hasattr(error, "format_message"):  # the command line was not understood
        text, context = error.format_message().rstrip("."), getattr(error, "ctx", None)
        return f"{text}. `{context.command_path if context else 'medloc'} --help` shows what there is." if text else ""
    return f"unexpected {type(error).__name__}: {' '.join(str(error).split())}; `--debug` shows where"


def say(text: str) -> None:
    """One message on stderr, as it is."""
    typer.echo(text, err=True)


def _show_warning(
    message: Warning | str, category: type[Warning], filename: str, lineno: int, file: Any = None, line: Any = None
) -> None:
    where = "" if issubclass(category, MedlocWarning) else f" ({Path(filename).name}, line {lineno})"
    say(f"medloc: note: {message}{where}")


def _version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"medloc {__version__}")
        raise typer.Exit


@app.callback()
def _options(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Show the version.")
    ] = False,
    debug: Annotated[bool, typer.Option("--debug", help="Show where an error came from.")] = False,
) -> None:
    pass


@app.command(context_settings=JUPYTER)
def lab(context: typer.Context) -> None:
    """Open JupyterLab on the first lesson. What follows goes to JupyterLab, such as --no-browser."""
    import importlib.util
    import subprocess

    if importlib.util.find_spec("jupyterlab") is None:
        raise InputError("JupyterLab is not installed here; install it with: python -m pip install 'medloc[lab]'")
    folders = (Path.cwd(), Path(__file__).resolve().parents[2])
    lessons = [str(folder / "notebooks" / "00_start_here.ipynb") for folder in folders]
    first = [lesson for lesson in lessons if Path(lesson).exists()][:1]
    if not first:
        say("medloc: note: the lessons are not here; JupyterLab opens in this folder")
    command = [sys.executable, "-m", "jupyterlab", *first, *context.args]
    if os.name == "posix":  # in this command's place, so that Ctrl-C and signals go to JupyterLab itself
        os.execv(command[0], command)
    raise typer.Exit(subprocess.run(command, check=False).returncode)


@app.command()
def view(
    path: Annotated[
        Path, typer.Argument(help="A DICOM, NIfTI or picture file, or a folder of images, with boxes or without.")
    ],
    out: Annotated[Path | None, typer.Option(help="Write the page here and open nothing.")] = None,
    first: Annotated[int, typer.Option(help="How many images of a folder to show.", min=1)] = 20,
) -> None:
    """Say what PATH holds, and show it: a page in the browser, with boxes and a slider through the slices."""
    from medloc_lib.cli import preview

    samples = preview.read(path)
    shown = [samples[i] for i in range(min(first, len(samples)))]
    for sample in shown:
        typer.echo(repr(sample))
    if len(samples) > len(shown):
        typer.echo(f"... and {len(samples) - len(shown)} more; --first shows more")
    place = preview.write(shown, out, title=path.name)
    if out is not None or not preview.open_page(place):
        typer.echo(f"The page is {place}")


@app.command()
def bench(
    context: typer.Context,
    dataset: Annotated[str, typer.Option(help="Name of a data set, or a folder of images with boxes or masks.")],
    localizer: Annotated[
        list[str],
        typer.Option(help="A name such as threshold, a lesson such as start, or module:Class; repeat for more rows."),
    ],
    group_by: Annotated[
        str | None, typer.Option(help="Of a folder: what names the patient, such as a CSV column.")
    ] = None,
    on_bad: Annotated[
        Literal["raise", "drop", "clip"], typer.Option(help="Of a folder: what becomes of boxes that cannot be right.")
    ] = "raise",
    with_validation: Annotated[
        bool,
        typer.Option("--with-validation", help="Learn from the validation samples too; none are left to choose by."),
    ] = False,
    seeds: Annotated[
        int, typer.Option(help="Runs of a localizer that takes a seed; scores are their mean.", min=1)
    ] = 3,
    timeout: Annotated[float | None, typer.Option(help="Seconds that one run may take.")] = None,
    json: Annotated[Path | None, typer.Option(help="Put the rows into this leaderboard file.")] = None,
    html: Annotated[Path | None, typer.Option(help="Write a page with sortable columns.")] = None,
    csv: Annotated[Path | None, typer.Option(help="Write a table for a spreadsheet.")] = None,
) -> None:
    """Fit localizers on a data set, score them on its test split, print the leaderboard.

    The exit code is 1 if a row failed.
    """
    from medloc_lib.bench import leaderboard, read_leaderboard
    from medloc_lib.bench.table import must_be_writable
    from medloc_lib.cli import choose

    sys.path.insert(0, str(Path.cwd()))  # a module beside the user is found, as with python -m
    localizers = choose.localizers(localizer)
    for place in filter(None, (json, html, csv)):
        must_be_writable(place)
    if json is not None and json.exists():
        read_leaderboard(json)  # a file that cannot be added to is said before the work, not after
    splits = choose.splits(dataset, group_by=group_by, on_bad=on_bad, with_validation=with_validation)
    options = {
        "group-by": group_by,
        "on-bad": None if on_bad == "raise" else on_bad,
        "with-validation": "" if with_validation else None,
        "seeds": None if seeds == SEEDS else str(seeds),
        "timeout": None if timeout is None else f"{timeout:g}",
    }
    board = leaderboard(
        localizers,
        splits.train,
        splits.test,
        validation=splits.validation,
        seeds=range(seeds),
        data=splits.name,
        command=choose.command(dataset, options, localizer),
        note=splits.note,
        timeout=timeout,
    )
    Console(soft_wrap=True, highlight=False, markup=False, emoji=False).print(str(board))
    if json is not None:
        board.to_json(json)
    if html is not None:
        board.to_html(html)
    if csv is not None:
        board.to_csv(csv)
    failed = [row for row in board if row.reason]
    for row in failed if context.obj else ():
        say(f"\n{row.name}:\n{row.trace}")
    if failed:
        raise typer.Exit(1)


@app.command()
def features(
    name: Annotated[str, typer.Argument(help="Name of a data set of pictures in 2-D, such as brain_lesions.")],
    split: Annotated[list[str] | None, typer.Option(help="Only this split; repeat for more.")] = None,
    candidates: Annotated[int, typer.Option(help="How many candidates a picture, at most.", min=1)] = 50,
) -> None:
    """Propose candidates in every picture of a data set, describe them, and keep that in the cache.

    What is there already is kept. Lessons 05 to 07 read it.
    """
    from medloc_lib.classical.features import load
    from medloc_lib.data import registry

    for part in split or registry.info(name).splits:
        found = load(name, split=part, n=candidates)
        columns = len(found[0].columns) if found else 0
        typer.echo(f"{name} {part}: {len(found)} pictures, {sum(map(len, found))} candidates, {columns} features")


@app.command()
def train(
    dataset: Annotated[
        str, typer.Option(help="Name of a data set, such as brain_lesions or brain_lesions:dims=3, or a folder.")
    ],
    localizer: Annotated[str, typer.Option(help="A name such as heatmap, or module:Class.")],
    out: Annotated[Path, typer.Option(help="Folder for the model, its page MODEL.md, and the checkpoint meanwhile.")],
    sets: Annotated[
        list[str] | None, typer.Option("--set", help="A parameter, such as epochs=30; repeat for more.")
    ] = None,
    seed: Annotated[int, typer.Option(help="Of everything that is drawn.")] = 0,
    group_by: Annotated[
        str | None, typer.Option(help="Of a folder: what names the patient, such as a CSV column.")
    ] = None,
    on_bad: Annotated[
        Literal["raise", "drop", "clip"], typer.Option(help="Of a folder: what becomes of boxes that cannot be right.")
    ] = "raise",
    with_validation: Annotated[
        bool,
        typer.Option("--with-validation", help="Learn from the validation samples too; none are left to choose by."),
    ] = False,
) -> None:
    """Train a network and keep it, with a page that says what it is. Run again after a kill, it goes on."""
    from medloc_lib.cli import choose, training

    sys.path.insert(0, str(Path.cwd()))
    (chosen,) = choose.localizers([localizer]).values()
    ready = training.configure(chosen, sets or (), seed)
    splits = choose.splits(dataset, group_by=group_by, on_bad=on_bad, with_validation=with_validation)
    options = {
        "seed": str(seed) if seed else None,
        "group-by": group_by,
        "on-bad": None if on_bad == "raise" else on_bad,
        "with-validation": "" if with_validation else None,
    }
    typer.echo(training.run(ready, splits, out, training.command_line(dataset, localizer, out, options, sets or ())))


@app.command()
def predict(
    paths: Annotated[
        list[Path], typer.Argument(help="DICOM, NIfTI or picture files, and folders of pictures or DICOM series.")
    ],
    model: Annotated[str, typer.Option(help="A model that comes with the kit, by name, or its folder or file.")],
    out: Annotated[Path, typer.Option(help="A new folder for what is found.")],
    score: Annotated[float, typer.Option(help="What is found less surely is left out.")] = 0.3,
    channels: Annotated[
        str | None, typer.Option(help="Names of the files' channels in their order, such as T1,T2,FLAIR,PET.")
    ] = None,
) -> None:
    """Ask a trained network what is where in your own images. Not for clinical use.

    Writes detections.json (COCO), detections.csv (with mm), a picture with boxes of each image, and of DICOM images a
    DICOM Segmentation. The exit code is 1 if one of the images could not be read or asked about.
    """
    from medloc_lib.cli import predicting
    from medloc_lib.deep.localizers import load_model

    net = load_model(model)
    names = [name.strip() for name in channels.split(",")] if channels else []
    all_went = True
    for went, line in predicting.run(net, paths, out, name=Path(model).name, least=score, channels=names):
        all_went = all_went and went
        typer.echo(line)
    typer.echo(f"Written into {out}. Not for clinical use.")
    if not all_went:
        raise typer.Exit(1)


@app.command()
def info() -> None:
    """Say what a bug report needs: versions, device, memory, cache. No names, no home folder."""
    from medloc_lib.cli import about

    for name, text in about.facts().items():
        typer.echo(f"{name + ':':<12}{text}")
