"""The command `unlearning`: run a chapter again with other parameters, or recollect a problem.

It starts fast: PyTorch is imported only where it is needed.
"""

import itertools
import os
import sys
from collections.abc import Callable
from importlib.metadata import version
from pathlib import Path
from typing import Annotated, NoReturn

import typer

from unlearning.companion import listing, serving
from unlearning.companion.chapters import (
    find_chapter,
    find_parameter_file,
    notebooks_folder,
    read_chapter,
)
from unlearning.companion.execute import ChapterFailed, execute_chapter
from unlearning.companion.parameters import (
    check_parameters,
    declared_parameters,
    parameters_from_file,
    parameters_from_options,
)

app = typer.Typer(
    help="Forgetting, Recomputed: run the chapters of the book again, with your parameters.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)

Notebook = Annotated[str, typer.Argument(help="A chapter's number or name, such as 09.")]


def _refuse(message: object) -> NoReturn:
    typer.echo(f"error: {message}", err=True)
    raise typer.Exit(2)


def _print_version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"unlearning-companion {version('unlearning-companion')}")
        raise typer.Exit


@app.callback()
def _options(
    show_version: Annotated[
        bool,
        typer.Option(
            "--version", callback=_print_version, is_eager=True, help="Print the version."
        ),
    ] = False,
) -> None:
    pass


@app.command("list")
def list_chapters(
    notebook: Annotated[str | None, typer.Argument(help="A chapter, such as 09.")] = None,
) -> None:
    """Lists the chapters and when they ran last, or the parameters of one with their meaning."""
    try:
        folder = notebooks_folder()
        if notebook is None:
            text = listing.list_all(folder)
        else:
            text = listing.list_one(find_chapter(notebook, folder))
    except ValueError as error:
        _refuse(error)
    typer.echo(text)


@app.command()
def run(
    notebook: Notebook,
    parameter: Annotated[
        list[str] | None,
        typer.Option("-p", "--parameter", metavar="NAME=VALUE", help="Set one parameter."),
    ] = None,
    parameter_file: Annotated[
        Path | None,
        typer.Option("-f", "--file", help="YAML file of parameters; -p wins over it."),
    ] = None,
    output: Annotated[
        Path | None,
        typer.Option("-o", "--output", help="Where to write; default NN_topic-run.ipynb here."),
    ] = None,
    force: Annotated[bool, typer.Option("--force", help="Overwrite the output.")] = False,
) -> None:
    """Runs one chapter with new parameters and writes the executed notebook.

    Names and types are checked against the chapter's own parameters before anything runs, and so
    is a data set of your own (-p dataset=mine.npz, a path seen from the current folder).
    """
    try:
        source = find_chapter(notebook, notebooks_folder())
        values = _checked_parameters(source, parameter or [], parameter_file)
        target = _checked_output(output or _free_name(source.stem, force), force)
    except ValueError as error:
        _refuse(error)
    _run(source, target, values)


def _checked_parameters(source: Path, options: list[str], file: Path | None) -> dict:
    declared = declared_parameters(read_chapter(source))
    from_file = parameters_from_file(find_parameter_file(file)) if file else {}
    from_options = parameters_from_options(options, declared)
    values = check_parameters({**from_file, **from_options}, declared)
    if values.get("record"):
        raise ValueError("parameter 'record': records are made by `unlearning record`, not by run")
    if "dataset" in values:
        from unlearning.companion.own_file import checked_dataset  # imports PyTorch

        values["dataset"] = checked_dataset(values, declared)
    return values


def _free_name(stem: str, force: bool) -> Path:
    """NAME-run.ipynb, or NAME-run-2.ipynb and so on where that exists."""
    names = (Path(f"{stem}-run{f'-{i}' if i > 1 else ''}.ipynb") for i in itertools.count(1))
    return next(name for name in names if force or not name.exists())


def _checked_output(target: Path, force: bool) -> Path:
    if target.suffix != ".ipynb":
        raise ValueError(f"-o: expected a name that ends in .ipynb, got {str(target)!r}")
    if not target.absolute().parent.is_dir():
        raise ValueError(f"-o: expected a folder that exists, got {str(target.parent)!r}")
    if target.exists() and (target.is_dir() or not force):
        raise ValueError(f"-o: {str(target)!r} exists; give another name, or --force")
    return target


def _run(source: Path, target: Path, values: dict) -> None:
    typer.echo(f"running {source.name}" + "".join(f"\n  {k} = {v!r}" for k, v in values.items()))
    try:
        timings = execute_chapter(
            source, target, values, cwd=Path.cwd(), progress=sys.stderr.isatty()
        )
    except ChapterFailed as error:
        partial = target.with_suffix(".failed.ipynb")
        typer.echo(f"{error}\nerror: a cell failed; the run up to it is in {partial}", err=True)
        typer.echo(f"  {_last_line(error)}", err=True)
        raise typer.Exit(1) from None
    except KeyboardInterrupt:
        typer.echo("interrupted; nothing was written", err=True)
        raise typer.Exit(130) from None
    typer.echo(f"wrote {target} ({timings['seconds']:.0f} s)")


@app.command("record")
def make_record(
    notebook: Notebook,
    parameter_file: Annotated[
        Path, typer.Option("-f", "--file", help="A file in notebooks/parameters/.")
    ],
    again: Annotated[
        bool, typer.Option("--again", help="Run every seed, even if nothing has changed.")
    ] = False,
    only_seed: Annotated[
        int | None, typer.Option(help="Run this seed and keep it, but write no record.")
    ] = None,
    renew: Annotated[
        int | None, typer.Option(help="Run this seed; if it is as recorded, keep the others.")
    ] = None,
) -> None:
    """Makes or refreshes a record in results/: a chapter at paper scale, seed by seed.

    Interrupted, it goes on with the next seed when it is started again. Seeds may also be run one
    by one with --only-seed, several at once: then the command without it puts them together.
    """
    from unlearning.companion import record as records
    from unlearning.companion import recording, renewal

    try:
        source = find_chapter(notebook, notebooks_folder())
        name, values = recording.plan(source, find_parameter_file(parameter_file))
        if sum((again, only_seed is not None, renew is not None)) > 1:
            raise ValueError("expected one of --again, --only-seed and --renew, got more")
    except ValueError as error:
        _refuse(error)
    present = records.load(name)
    if present and not present["stale"] and not again:
        typer.echo(f"{records.describe(present)}\nIt is up to date; --again makes it anew.")
        return
    typer.echo(f"recording {name}" + "".join(f"\n  {k} = {v!r}" for k, v in values.items()))
    if renew is not None:
        _recorded(name, lambda: renewal.renew(source, name, values, renew))
        _describe_record(name)
    elif only_seed is None:
        _recorded(name, lambda: recording.make(source, name, values, again=again))
        _describe_record(name)
    else:
        _recorded(name, lambda: recording.make_seed(source, name, values, only_seed))
        typer.echo(f"kept seed {only_seed}; the command without --only-seed joins the seeds")


def _recorded(name: str, make: Callable[[], None]) -> None:
    try:
        make()
    except ValueError as error:
        _refuse(error)
    except ChapterFailed as error:
        typer.echo(f"{error}\nerror: a cell failed; {_kept(name)}", err=True)
        raise typer.Exit(1) from None
    except KeyboardInterrupt:
        typer.echo(f"interrupted; {_kept(name)}", err=True)
        raise typer.Exit(130) from None


def _describe_record(name: str) -> None:
    from unlearning.companion import record as records

    record = records.load(name)
    typer.echo(f"wrote results/{name}.json\n{records.describe(record)}")
    if "+" in record["commit"]:
        typer.echo("The tree had changes that are not committed: commit and record again to cite.")


@app.command()
def recollect(
    problem: Annotated[
        Path, typer.Argument(metavar="FILE", help="YAML file of a problem, as in problems/.")
    ],
    folder: Annotated[Path, typer.Option("--folder", help="Where the vectors go.")],
    part: Annotated[
        str | None, typer.Option(metavar="I/K", help="Only the i-th of k parts, here alone.")
    ] = None,
    memory: Annotated[
        str | None, typer.Option(help="For each process, such as 2GiB; default nearly all.")
    ] = None,
    storage: Annotated[
        str | None, typer.Option(help="float32, float64 or bfloat16; default as computed.")
    ] = None,
    device: Annotated[str, typer.Option(help="cpu or cuda.")] = "cpu",
    chunk: Annotated[int | None, typer.Option(help="Vectors worked on at once.")] = None,
    save_every: Annotated[float, typer.Option(help="Seconds between two states.")] = 60.0,
    merge: Annotated[bool, typer.Option("--merge", help="Only merge finished parts.")] = False,
) -> None:
    """Trains on a problem and stores the approximator of every sample.

    Interrupted or killed, the same command goes on. On several processes or machines: under
    torchrun (torchrun --nproc-per-node 2 -m unlearning.companion.cli recollect ...), or each part
    by itself with --part.
    """
    from unlearning.companion import recollecting

    settings = {"memory": memory, "storage": storage, "chunk": chunk, "save_every": save_every}
    try:
        if merge:
            done = recollecting.merge(folder)
        else:
            asked = recollecting.read_problem(problem)
            which = part and recollecting.part_from(part)
            done = recollecting.recollect(asked, folder, part=which, device=device, **settings)
    except ValueError as error:
        _refuse(error)
    except OSError as error:  # no room, no right, no such place
        _refuse(f"{error.filename or folder}: {error.strerror or error}")
    except KeyboardInterrupt as stopped:
        saved = str(stopped) or "the same command goes on from what was saved"
        typer.echo(f"interrupted; {saved}", err=True)
        raise typer.Exit(130) from None
    if done:
        typer.echo(done)


for _command in (serving.delete, serving.release, serving.audit):
    app.command()(_command)


def _kept(name: str) -> str:
    from unlearning.companion import recording

    kept = recording.kept_parts(name)
    return f"finished parts that are kept: {kept}; the same command goes on from there"


def _last_line(error: Exception) -> str:
    return next((line for line in reversed(str(error).splitlines()) if line.strip()), "")


def main() -> None:
    """Runs the command."""
    # Threads that wait for each other should sleep: spinning ones take the cores that others need,
    # and on a busy machine two threads are then many times slower than one.
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
    app()


if __name__ == "__main__":
    main()
