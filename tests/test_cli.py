"""The command line as a user meets it: answers, files, one-line errors, exit codes."""

import re
import subprocess
import sys

import pytest

from tacitlab import cli

SMALL = [
    "environment.n_prices=5", "learners.exploration.beta=1e-3", "length.stable_for=2000", "sessions=4",
    "trace.window=500", "trace.windows=20",
]  # fmt: skip
TRADERS = [
    "environment.parts=4", "environment.steps=3", "learners.network={width: 4, layers: 1}", "learners.batch=4",
    "learners.memory.capacity=100", "length.episodes=20", "trace.windows=10", "test.episodes=10", "sessions=2",
]  # fmt: skip


@pytest.fixture
def tacit(monkeypatch, tmp_path, capsys):
    """Run a command in an empty folder: exit code, output, errors."""
    monkeypatch.chdir(tmp_path)

    def command(*words):
        monkeypatch.setattr(sys, "argv", ["tacit", *map(str, words)])
        with pytest.raises(SystemExit) as stop:
            cli.main()
        out = capsys.readouterr()
        return stop.value.code, out.out, out.err

    return command


def test_run_answers_in_words_and_numbers_and_says_where_things_lie(tacit, tmp_path):
    code, out, _ = tacit("run", "bertrand", *SMALL)
    assert code == 0
    for word in (
        "profit",
        "price",
        "Nash",
        "monopoly",
        "gain",
        "the same in all 4 sessions; up to 53% of others may differ",
        "random play",
        "4 of 4 sessions converged",
        "data.zarr",
    ):
        assert word in out, out
    assert (tmp_path / "runs/bertrand-1/report.html").stat().st_size > 1e6
    assert tacit("run", "bertrand", *SMALL, "--no-report")[0] == 0
    assert (tmp_path / "runs/bertrand-2/manifest.json").is_file()
    assert not (tmp_path / "runs/bertrand-2/report.html").exists()


def test_report_and_export(tacit, tmp_path):
    tacit("run", "bertrand", *SMALL, "--out", "r", "--no-report")
    code, out, _ = tacit("report", "r", "--figures", "figures", "--suffix", "png")
    assert code == 0
    assert "report  r/report.html" in out
    assert len(list((tmp_path / "figures").glob("*.png"))) >= 4
    import pandas as pd
    import xarray as xr

    for to, suffix in (("csv", "csv"), ("parquet", "parquet")):
        assert tacit("export", "r", "--to", to)[0] == 0
        table = (pd.read_csv if to == "csv" else pd.read_parquet)(tmp_path / f"r/export/session.{suffix}")
        assert len(table) == 4
        assert table["converged"].all()
    assert tacit("export", "r", "--to", "netcdf")[0] == 0
    with xr.open_dataset(tmp_path / "r/export/data.nc", engine="scipy") as copy:
        assert copy["payoff"].shape == (4, 20, 2)


def test_a_market_from_run_to_report_and_export(tacit, tmp_path):
    code, out, err = tacit("run", "execution", *TRADERS, "--out", "r")
    assert code == 0
    for word in ("shortfall", "cheaper trader", "Nash", "joint optimum", "2 sessions of 20 episodes", "data.zarr"):
        assert word in out, out
    assert "period" not in out
    assert "Traceback" not in err
    assert (tmp_path / "r/report.html").stat().st_size > 1e6
    code, out, _ = tacit("report", "r", "--figures", "figures", "--suffix", "svg")
    assert code == 0
    assert len(list((tmp_path / "figures").glob("*.svg"))) == 10
    for to in ("csv", "parquet", "netcdf"):
        assert tacit("export", "r", "--to", to)[0] == 0
    import pandas as pd
    import xarray as xr

    table = pd.read_csv(tmp_path / "r/export/session-episode-agent.csv")
    assert len(table) == 2 * 10 * 2
    assert len(pd.read_parquet(tmp_path / "r/export/session-step-agent.parquet")) == 2 * 3 * 2
    with xr.open_dataset(tmp_path / "r/export/data.nc", engine="scipy") as copy:
        assert copy["test_trade"].shape == (2, 3, 2)
        assert copy["time"].attrs["units"] == "episodes"


def test_list_and_show(tacit):
    code, out, _ = tacit("list")
    assert code == 0
    for word in ("bertrand", "braess", "cournot", "execution", "repeated-game", "q-learning", "exp3", "dqn"):
        assert word in out
    order = [out.index(f"\n{title} ") for title in ("game", "market", "learner", "study")]
    assert order == sorted(order)
    names = ("bertrand", "braess", "network", "q-learning", "fixed", "trained", "bertrand-collusion", "cournot", "dqn",
             "fixed-schedule", "execution", "execution-simulated", "repeated-game", "bertrand-dqn")  # fmt: skip
    for name in names:
        code, out, err = tacit("show", name)
        assert code == 0, err
    assert "1.473" in tacit("show", "bertrand")[1].replace("1.4729", "1.473")
    assert "price of anarchy" in tacit("show", "pigou")[1]


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["run", "bertrand", "learners.alpha=2"], "learners.alpha: 2 is too large; it must be at most 1"),
        (["run", "bertrand", "learners.alhpa=2"], "did you mean 'alpha'"),
        (["run", "bertrand", "environment.players=0"], "environment.players"),
        (["run", "bertrand", "environment.cost=.nan"], "environment.cost"),
        (["run", "bertrnd"], "did you mean 'bertrand'"),
        (["run"], "scenario: missing"),
        (["run", "bertrand", "--resume", "x"], "--resume"),
        (["run", "--resume", "nowhere"], "no such folder"),
        (["run", "bertrand", "--out", "/proc/none"], "/proc/none"),
        (["run", "bertrand", "--threads", "0"], "--threads"),
        (["show", "nothing"], "unknown"),
        (["show", "execution", "lag=3"], "lag: 3 is too large; it must be at most 2"),
        (["show", "execution", "kernel.kind=none"], "choose from permanent, exponential-decay, power-decay"),
        (["run", "execution", "length.periods=100"], "set length.episodes alone"),
        (["run", "execution", "test.environment={inventories: [1]}"], "policies would not fit"),
        (["report", "nowhere"], "no such folder"),
        (["export", "nowhere"], "no such folder"),
        (["study", "bertrnd"], "no such study; did you mean 'bertrand"),
        (["study", "bertrand-collusion", "--preset", "huge"], "quick, paper"),
        (["sweep"], "scenario: missing"),
        (["sweep", "bertrand"], "over: missing; say what to sweep over"),
        (["sweep", "bertrand", "--over", "learners.alpha=0.1"], "names no values; write field=[value, value]"),
        (
            ["sweep", "bertrand", "--over", "learners.alhpa=[0.1]"],
            "learners.alhpa: no such field; did you mean 'alpha'",
        ),
        (["sweep", "bertrand", "--over", "learners.alpha={low: 0, high: 1}"], "add --design sobol --count 64"),
        (["sweep", "bertrand", "--over", "seed={low: 0, high: 1}", "--design", "sobl"], "did you mean 'sobol'"),
        (
            ["sweep", "bertrand", "--over", "seed={low: 0, high: 9}", "--design", "sobol", "--count", "6"],
            "choose 4 or 8",
        ),
        (
            ["sweep", "bertrand", "--over", "seed=[1, 2]", "--to", "/proc/none"],
            "/proc/none: creating the sweep's folder",
        ),
        (["sweep", "--status", "nowhere"], "nowhere: no such folder; name a folder that `tacit sweep` made"),
        (["sweep", "--resume", "nowhere"], "nowhere: no such folder"),
        (["sweep", "bertrand", "--resume", "x"], "--resume: it takes a folder alone"),
        (["dance"], "No such command"),
        (["run", "bertrand", "--fast"], "--fast"),
    ],
)
def test_mistakes_are_one_line_and_exit_code_2(tacit, words, message):
    code, out, err = tacit(*words)
    assert code == 2
    assert message in err
    assert err.count("\n") == 1
    assert err.startswith("tacit: ")
    assert not out


def test_a_sweep_from_the_command_line(tacit, tmp_path):
    words = ["sweep", "bertrand", *SMALL, "sessions=2", "--over", "learners.alpha=[0.1, 0.5, 2]", "--to", "s"]
    code, out, err = tacit(*words)
    assert code == 1  # a cell failed
    assert "2 of 3 cells finished, 1 failed" in out
    assert "failed  1 cell at learners.alpha=2: learners.alpha: 2 is too large; it must be at most 1" in out
    assert "`tacit sweep --resume s --retry`" in out
    assert "data    s/data.zarr" in out
    assert "3/3 cells" in err
    assert "left" in err
    state = tacit("sweep", "--status", "s")
    assert state[0] == 0
    assert state[1] == out
    import xarray as xr

    assert xr.open_zarr(tmp_path / "s/data.zarr")["limit_payoff"].dims == ("alpha", "session", "agent")
    code, out, _ = tacit("export", "s", "--to", "csv")
    assert code == 0
    assert "s/export/alpha-session-agent.csv" in out
    code, out, _ = tacit("sweep", "--resume", "s")
    assert "2 of 3 cells finished" in out
    code, _, err = tacit(*words, "seed=9")
    assert code == 2
    assert "s: it holds another sweep; name another folder, or continue that one with --resume" in err
    code, out, _ = tacit(
        "sweep", "bertrand", *SMALL, "--over", "learners.alpha={low: 0.1, high: 0.9}", "--design", "sobol",
        "--count", "4", "--seed", "3", "--keep", "limit_payoff",
    )  # fmt: skip
    assert code == 0
    assert "data    runs/sweep-bertrand-1/data.zarr" in out
    assert xr.open_zarr(tmp_path / "runs/sweep-bertrand-1/data.zarr")["alpha"].dims == ("cell",)


def test_wrong_export_format(tacit):
    tacit("run", "bertrand", *SMALL, "--out", "r", "--no-report")
    code, _, err = tacit("export", "r", "--to", "excel")
    assert code == 2
    assert "csv, parquet, netcdf" in err
    code, _, err = tacit("report", "r", "--figures", "f", "--suffix", "gif")
    assert code == 2
    assert "gif" in err


def test_the_first_run_says_why_it_begins_with_a_pause(monkeypatch, tmp_path, capsys):
    from tacitlab.engine import compilation
    from tacitlab.report import terminal

    monkeypatch.setattr(compilation, "cache_folder", lambda: tmp_path)
    monkeypatch.setattr(terminal, "deep_engine", lambda: False)
    terminal.announce_compilation()
    assert "once after an installation" in capsys.readouterr().err
    monkeypatch.setattr(terminal, "deep_engine", lambda: True)
    terminal.announce_compilation()
    assert "compiling for this market" in capsys.readouterr().err
    (tmp_path / "xla").mkdir()
    (tmp_path / "xla/loop").write_bytes(bytes(2 * terminal.LOOP))
    terminal.announce_compilation()
    assert capsys.readouterr().err == ""


def test_progress_of_sessions_that_advance_together_is_a_share():
    from rich.progress import Task

    from tacitlab.report.terminal import Done

    def shown(done):
        task = Task(0, "run", 20, done, _get_time=lambda: 0.0)
        return Done("sessions").render(task).plain.strip()

    assert [shown(done) for done in (3, 0.0, 9.5, 19.99, 20.0)] == [
        "3/20 sessions", "0% of 20 sessions", "47% of 20 sessions", "99% of 20 sessions", "100% of 20 sessions",
    ]  # fmt: skip


def test_help_imports_nothing_heavy():
    code = (
        "import sys; sys.argv=['tacit','--help']\nfrom tacitlab.cli import main\ntry: main()\nexcept SystemExit: pass\n"
    )
    code += "assert not {'numba','numpy','xarray','pydantic','plotly','jax','ray'} & set(sys.modules), sys.modules"
    subprocess.run([sys.executable, "-c", code], check=True, capture_output=True)


def test_list_imports_no_compiler():
    code = (
        "import sys; sys.argv=['tacit','list']\nfrom tacitlab.cli import main\ntry: main()\nexcept SystemExit: pass\n"
    )
    code += "assert not {'numba','xarray','plotly','jax','quantecon','scipy.optimize'} & set(sys.modules)"
    subprocess.run([sys.executable, "-c", code], check=True, capture_output=True)


def test_measures_by_name(tacit, tmp_path):
    tacit("run", "bertrand", *SMALL, "--out", "r", "--no-report")
    code, out, _ = tacit("measure", "r", "gain", "payoff", "--out", "values.csv")
    assert code == 0
    assert len(re.findall(r"^payoff +agent [12] +0\.\d+ \(the same in all 4 sessions", out, re.MULTILINE)) == 2
    assert (tmp_path / "values.csv").read_text().startswith("session,value,measure,agent\n0,")
    assert tacit("measure", "r")[0] == 0
    code, _, err = tacit("measure", "r", "volatility")
    assert (code, err.count("\n")) == (2, 1)
    assert "does not fit this run" in err
