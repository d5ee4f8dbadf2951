"""The command line: run, sweep, list, show, study, metagame, report, measure, export, check, new."""

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any

import typer

from tacitlab.errors import Interrupted, TacitError

app = typer.Typer(
    no_args_is_help=True, add_completion=False, pretty_exceptions_enable=False, rich_markup_mode=None
)  # fmt: skip

Overrides = Annotated[
    list[str] | None, typer.Argument(help="field=value, for example sessions=200", metavar="[FIELD=VALUE]...")
]
Figures = Annotated[Path | None, typer.Option(help="also write every figure into this folder, for papers")]
Suffix = Annotated[str, typer.Option(help="format of these figures: pdf, svg or png")]
Anyway = Annotated[
    bool, typer.Option("--anyway", help="resume although code, files or libraries differ from those at the beginning")
]
Threads = Annotated[int | None, typer.Option(min=1, help="cores to use; all if left out")]


def _version(wanted: bool) -> None:
    if wanted:
        from importlib import metadata

        typer.echo(f"tacitlab {metadata.version('tacitlab')}")
        raise typer.Exit


@app.callback()
def _every_command(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="say which it is")
    ] = False,
) -> None:
    """A laboratory for learning agents in markets: do they compete, coordinate or collude, compared with what?"""


@app.command()
def run(
    scenario: Annotated[str | None, typer.Argument(help="a name from `tacit list`, or a YAML file")] = None,
    overrides: Overrides = None,
    out: Annotated[Path | None, typer.Option(help="run folder; runs/NAME-1, -2, ... if left out")] = None,
    resume: Annotated[Path | None, typer.Option(help="finish the run in this folder")] = None,
    anyway: Anyway = False,
    threads: Threads = None,
    no_report: Annotated[bool, typer.Option("--no-report", help="write no report.html")] = False,
) -> None:
    """Play an experiment and say what came out."""
    from tacitlab.lab import run as lab
    from tacitlab.lab.experiment import load
    from tacitlab.report import terminal

    if resume is not None:
        if scenario is not None:
            raise TacitError("--resume: it continues a run as it is; leave out the scenario")
        with terminal.progress(str(resume)) as report:
            result = lab.resume(resume, threads=threads, progress=report, anyway=anyway, tell=_on_the_side)
    elif scenario is None:
        raise TacitError("scenario: missing; name one that `tacit list` shows, for example `tacit run bertrand`")
    else:
        experiment = load(scenario, overrides or [])
        folder = out or terminal.free_folder(Path("runs"), experiment.name)
        with terminal.progress(experiment.name) as report:
            result = lab.run(experiment, folder, threads=threads, progress=report)
    terminal.print_answer(result)
    assert result.folder is not None
    typer.echo(f"data    {result.folder}/data.zarr")
    if not no_report:
        from tacitlab.report import run_page

        typer.echo(f"report  {run_page.write(result, result.folder / 'report.html')}")


@app.command()
def sweep(
    source: Annotated[str | None, typer.Argument(help="a scenario, or a YAML file of a scenario or a sweep")] = None,
    overrides: Overrides = None,
    to: Annotated[Path | None, typer.Option(help="folder; runs/sweep-NAME-1, -2, ... if left out")] = None,
    over: Annotated[
        list[str] | None,
        typer.Option(help="field=[value, ...], or field={low: 0.01, high: 1, log: true}; again for more fields"),
    ] = None,
    design: Annotated[str | None, typer.Option(help="grid (if left out), list, random or sobol")] = None,
    count: Annotated[int | None, typer.Option(help="number of cells of a random or sobol design")] = None,
    seed: Annotated[int | None, typer.Option(help="seed of such a design")] = None,
    keep: Annotated[list[str] | None, typer.Option(help="a variable to keep, again for more; all if left out")] = None,
    cells: Annotated[Path | None, typer.Option(help="file of finished cells that several sweeps share")] = None,
    ray: Annotated[str | None, typer.Option(help="play on the Ray cluster at HOST:PORT, auto or local")] = None,
    resume: Annotated[Path | None, typer.Option(help="continue the sweep in this folder")] = None,
    retry: Annotated[bool, typer.Option("--retry", help="play cells again that failed")] = False,
    status: Annotated[Path | None, typer.Option(help="only say where the sweep in this folder stands")] = None,
    anyway: Anyway = False,
    threads: Threads = None,
) -> None:
    """Play an experiment over a grid, a list, or a random or Sobol design of its fields."""
    from tacitlab.report import terminal
    from tacitlab.sweep import sweep as lab

    if status is not None or resume is not None:
        if source is not None or (status is not None and resume is not None):
            raise TacitError(f"{'--status' if status else '--resume'}: it takes a folder alone; leave out the rest")
    elif source is None:
        raise TacitError(
            "scenario: missing; name one, for example `tacit sweep bertrand --over learners.alpha=[0.1,0.2]`"
        )
    if status is not None:
        terminal.print_sweep(lab.status(status))
        return
    if resume is not None:
        with terminal.progress(str(resume), "cells") as report:
            found = lab.resume(
                resume, workers=threads, ray=ray, retry=retry, anyway=anyway, tell=_on_the_side, progress=report
            )
    else:
        assert source is not None
        plan = lab.load(source, overrides or [], over or [], design, count, seed, keep or [])
        folder = to or terminal.free_folder(Path("runs"), f"sweep-{plan.name}")
        with terminal.progress(plan.name, "cells") as report:
            found = lab.run(
                plan, folder, cells=cells, workers=threads, ray=ray, retry=retry, anyway=anyway, progress=report
            )
    terminal.print_sweep(found)
    if found.failed:
        raise typer.Exit(1)


@app.command("list")
def list_everything() -> None:
    """Scenarios, games, markets, learners, interventions, studies and meta-games, and where they come from."""
    from tacitlab import listing

    listing.print_all()


@app.command()
def show(
    name: Annotated[str, typer.Argument(help="a name from `tacit list`, a YAML file, or FILE.py:CLASS")],
    overrides: Overrides = None,
) -> None:
    """Parameters with units, bounds and defaults; benchmarks of games, markets and scenarios."""
    from tacitlab import catalogue

    catalogue.print_one(name, overrides or [])


@app.command()
def report(
    folder: Annotated[Path, typer.Argument(help="the folder of a run, or of a meta-game")],
    out: Annotated[Path | None, typer.Option(help="HTML file; FOLDER/report.html if left out")] = None,
    figures: Figures = None,
    suffix: Suffix = "pdf",
) -> None:
    """Write figures and tables of a run or a meta-game as one HTML file that needs no network."""
    from tacitlab.report import page

    built = _page_of(folder)
    if figures is not None:
        from tacitlab.report import figures as papers

        for path in papers.save_all(built, figures, suffix):
            typer.echo(f"figure  {path}")
    typer.echo(f"report  {page.write(built, out or folder / 'report.html')}")


def _page_of(folder: Path) -> Any:
    from tacitlab import naming

    if naming.holds(folder) == "meta-game":
        from tacitlab.metagame import page, run

        return page.build(run.load(folder))
    from tacitlab.lab.run import load
    from tacitlab.report import run_page

    return run_page.build(load(folder))


@app.command()
def measure(
    folder: Annotated[Path, typer.Argument(help="a run folder")],
    names: Annotated[
        list[str] | None,
        typer.Argument(help="measures that `tacit list` shows, or FILE.py:Class; all that fit if none"),
    ] = None,
    out: Annotated[Path | None, typer.Option(help="also write the values by session into this CSV file")] = None,
) -> None:
    """Ask a run for numbers by name: their means over sessions, with intervals."""
    from tacitlab.lab.measuring import measures
    from tacitlab.lab.run import load
    from tacitlab.report import terminal
    from tacitlab.store import atomic

    found = list(measures(load(folder), names or []))
    terminal.print_measures(found)
    if out is not None:
        rows = [values.to_dataframe(name="value").assign(measure=str(values.name)).reset_index() for values in found]
        import pandas as pd

        atomic.replace(out, pd.concat(rows).to_csv(index=False).encode())
        typer.echo(f"values  {out}")


@app.command()
def export(
    folder: Annotated[Path, typer.Argument(help="a run folder, or that of a sweep")],
    to: Annotated[str, typer.Option(help="csv, parquet or netcdf")] = "parquet",
    out: Annotated[Path | None, typer.Option(help="where to; FOLDER/export if left out")] = None,
) -> None:
    """Copy a run's or a sweep's data into files that R, Stata and spreadsheets read."""
    from tacitlab.lab.run import load
    from tacitlab.store.export import export as write
    from tacitlab.sweep import sweep as sweeps

    data = sweeps.status(folder).data() if sweeps.holds_sweep(folder) else load(folder).data
    for path in write(data, out or folder / "export", to):
        typer.echo(path)


@app.command()
def study(
    name: Annotated[str, typer.Argument(help="a study from `tacit list`, or a file of yours")],
    preset: Annotated[str, typer.Option(help="quick (minutes) or paper")] = "quick",
    out: Annotated[Path | None, typer.Option(help="folder; runs/study-NAME-PRESET if left out")] = None,
    seed: Annotated[int | None, typer.Option(min=0, help="other sessions than the study's own")] = None,
    anyway: Anyway = False,
    threads: Threads = None,
    figures: Figures = None,
    suffix: Suffix = "pdf",
) -> None:
    """Run a published claim as a program: statistics with intervals, and a verdict."""
    from tacitlab.studies import run_study

    run_study(name, preset, out, threads, seed, figures, suffix, anyway)


@app.command()
def metagame(
    scenario: Annotated[str, typer.Argument(help="a name from `tacit list`, or a YAML file")],
    overrides: Overrides = None,
    out: Annotated[Path | None, typer.Option(help="folder; one that is not finished is continued")] = None,
    anyway: Anyway = False,
    threads: Threads = None,
    no_report: Annotated[bool, typer.Option("--no-report", help="write no report.html")] = False,
) -> None:
    """Estimate the game between designers of algorithms, and its equilibria."""
    from tacitlab.metagame import page as metagame_page
    from tacitlab.metagame.game import load_metagame
    from tacitlab.metagame.run import estimate
    from tacitlab.report import page, terminal

    game = load_metagame(scenario, overrides or [])
    folder = out or terminal.free_folder(Path("runs"), game.name)
    with terminal.progress(game.name) as report:
        result = estimate(game, folder, threads=threads, progress=report, anyway=anyway)
    for line in metagame_page.lines(result):
        typer.echo(line)
    typer.echo(f"data    {folder}/data.zarr")
    if not no_report:
        typer.echo(f"report  {page.write(metagame_page.build(result), folder / 'report.html')}")


@app.command()
def check(
    name: Annotated[str, typer.Argument(help="FILE.py:CLASS, or a kind that `tacit list` shows")],
) -> None:
    """Try whether a game, market, learner, intervention, measure or study keeps what all others rely on."""
    from tacitlab import registry
    from tacitlab.testing import battery

    battery.compile_quickly()
    try:
        room = battery.check(name)
    except AssertionError as broken:
        typer.echo(str(broken))
        raise typer.Exit(1) from None
    typer.echo(f"{name}: {registry.a(room)} that keeps its promises")


@app.command()
def new(
    sort: Annotated[str, typer.Argument(help="game, market, learner, deep-learner, measure or study")],
    name: Annotated[str, typer.Argument(help="of the file, for example stag_hunt")],
) -> None:
    """Write a game, market, learner, measure or study to start from into this folder: NAME.py and its test."""
    from tacitlab import scaffold

    for line in scaffold.create(sort, name, Path.cwd()):
        typer.echo(line)


def _on_the_side(line: str) -> None:
    typer.echo(line, err=True)


def main() -> None:
    """Entry point: a mistake of the user is one line and exit code 2, an interruption 130."""
    sys.exit(guarded(lambda: app(standalone_mode=False)))


def guarded(command: Callable[[], Any]) -> int:
    """Exit code of a command; errors are printed, not raised."""
    try:
        code = command()
    except Interrupted as stop:
        print(f"tacit: {stop}", file=sys.stderr)
        return 130
    except TacitError as error:
        print(f"tacit: {error}", file=sys.stderr)
        return 2
    except typer.Exit as stop:
        return stop.exit_code
    except (typer.Abort, KeyboardInterrupt):
        print("tacit: interrupted", file=sys.stderr)
        return 130
    except BrokenPipeError:
        return 0
    except Exception as error:
        usage = getattr(error, "format_message", None)  # the parser's complaint about arguments
        if usage is None:
            raise
        print(f"tacit: {usage()} (see `tacit --help`)", file=sys.stderr)
        return 2
    return code if isinstance(code, int) else 0
