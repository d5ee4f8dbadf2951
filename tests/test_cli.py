"""The command line as a user meets it: answers, files, one-line errors, exit codes."""

import subprocess
import sys

import pytest

from tacit import cli

SMALL = [
    "environment.n_prices=5", "learners.exploration.beta=1e-3", "length.stable_for=2000", "sessions=4",
    "trace.window=500", "trace.windows=20",
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
    for word in ("profit", "price", "Nash", "monopoly", "gain", "95 % CI", "4 of 4 sessions converged", "data.zarr"):
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


def test_list_and_show(tacit):
    code, out, _ = tacit("list")
    assert code == 0
    for word in ("bertrand", "braess", "cournot", "q-learning", "exp3", "bertrand-collusion"):
        assert word in out
    for name in ("bertrand", "braess", "network", "q-learning", "fixed", "trained", "bertrand-collusion", "cournot"):
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
        (["report", "nowhere"], "no such folder"),
        (["export", "nowhere"], "no such folder"),
        (["study", "bertrand"], "no such study"),
        (["study", "bertrand-collusion", "--preset", "huge"], "quick, paper"),
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


def test_wrong_export_format(tacit):
    tacit("run", "bertrand", *SMALL, "--out", "r", "--no-report")
    code, _, err = tacit("export", "r", "--to", "excel")
    assert code == 2
    assert "csv, parquet, netcdf" in err
    code, _, err = tacit("report", "r", "--figures", "f", "--suffix", "gif")
    assert code == 2
    assert "gif" in err


def test_help_imports_nothing_heavy():
    code = "import sys; sys.argv=['tacit','--help']\nfrom tacit.cli import main\ntry: main()\nexcept SystemExit: pass\n"
    code += "assert not {'numba','numpy','xarray','pydantic','plotly','jax'} & set(sys.modules), sys.modules.keys()"
    subprocess.run([sys.executable, "-c", code], check=True, capture_output=True)


def test_list_imports_no_compiler():
    code = "import sys; sys.argv=['tacit','list']\nfrom tacit.cli import main\ntry: main()\nexcept SystemExit: pass\n"
    code += "assert not {'numba','xarray','plotly','jax','quantecon','scipy.optimize'} & set(sys.modules)"
    subprocess.run([sys.executable, "-c", code], check=True, capture_output=True)
