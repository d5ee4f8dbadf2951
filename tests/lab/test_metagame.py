"""Meta-games: description, symmetry, the same bits whatever happens in between, adaptive sessions, the command."""

import json
import shutil

import numpy as np
import pytest

from tacitlab.cli import app, guarded
from tacitlab.documents import METAGAMES, descriptions
from tacitlab.errors import Interrupted, TacitError
from tacitlab.games import Bertrand, Braess, PrisonersDilemma
from tacitlab.lab.experiment import from_mapping
from tacitlab.lab.run import run
from tacitlab.metagame import page as metagame_page
from tacitlab.metagame import run as metagame_run
from tacitlab.metagame.analysis import Analysis
from tacitlab.metagame.game import is_symmetric, load_metagame, metagame_from
from tacitlab.metagame.run import estimate, load, play_entries
from tacitlab.plot import paper as printed
from tacitlab.report import page

SMALL = {
    "environment": {"kind": "bertrand-homogeneous", "n_prices": 5},
    "learner": {"kind": "q-learning", "memory": 1, "observes": "rivals", "initial": {"kind": "uniform"}},
    "grid": {"alpha": [0.1, 0.5], "exploration.epsilon": [0.05, 0.4]},
    "others": [{"kind": "exp3"}, {"kind": "fixed", "action": 2}],
    "periods": 200,
    "sessions": 6,
}


@pytest.fixture(scope="module")
def small():
    return metagame_from(SMALL)


@pytest.fixture(scope="module")
def result(small):
    return estimate(small)


def same(one, two):
    for window in ("online", "last"):
        for a, b in zip(one.games[window].tables, two.games[window].tables, strict=True):
            for name in ("count", "mean", "squares"):
                np.testing.assert_array_equal(getattr(a, name), getattr(b, name))


def test_strategies_are_the_grid_and_the_others(small):
    told = [(s.kind, getattr(s, "alpha", None)) for s in small.strategies()]
    assert told == [("q-learning", 0.1)] * 2 + [("q-learning", 0.5)] * 2 + [("exp3", None), ("fixed", None)]
    assert small.labels() == ["0.1, 0.05", "0.1, 0.4", "0.5, 0.05", "0.5, 0.4", "exp3", "fixed(action=2)"]
    assert (small.size, small.entries, small.players) == (6, 21, 2)


def test_payoffs_are_those_of_ordinary_runs(small, result):
    """An entry of the matrix beside `tacit run` with two learners and the same seed."""
    strategies = [s.model_dump(mode="json") | {"agents": 1} for s in small.strategies()]
    for i, j in ((0, 3), (4, 1), (2, 2)):
        experiment = from_mapping(
            {"environment": SMALL["environment"], "learners": [strategies[min(i, j)], strategies[max(i, j)]],
             "length": {"periods": 200}, "sessions": 6, "trace": {"windows": 5}}
        )  # fmt: skip
        payoff = run(experiment).data["payoff"].transpose("session", "time", "agent").values
        mine = payoff.mean(axis=2) if i == j else payoff[..., 0 if i < j else 1]
        table = result.game.row
        assert table.mean[i, j] == pytest.approx(mine.mean(), rel=1e-12)
        assert table.se()[i, j] == pytest.approx(mine.mean(axis=1).std(ddof=1) / 6**0.5, rel=1e-9)
        assert result.games["last"].row.mean[i, j] == pytest.approx(mine[:, -1].mean(), rel=1e-12)


def test_neither_threads_nor_interruptions_change_a_bit(small, result, tmp_path, monkeypatch):
    monkeypatch.setattr(metagame_run, "BLOCK", 10_000)  # many blocks
    same(estimate(small, threads=1), result)
    played = []

    def stop_soon(done, total):
        played.append(done)
        if len(played) == 3:
            raise KeyboardInterrupt

    folder = tmp_path / "run"
    with pytest.raises(Interrupted, match="what is finished is in"):
        estimate(small, folder, progress=stop_soon)
    kept = sorted((folder / "blocks").iterdir())
    assert len(kept) >= 3
    with pytest.raises(TacitError, match="no finished meta-game"):
        load(folder)
    kept[0].write_bytes(b"damaged")
    calls = []
    monkeypatch.setattr(metagame_run.entries, "play", counting(metagame_run.entries.play, calls))
    same(estimate(small, folder), result)
    assert len(calls) < small.entries / 2  # what was finished is not played again
    calls.clear()
    same(estimate(small, folder), result)
    same(load(folder), result)
    assert not calls
    other = small.model_copy(update={"sessions": 7})
    with pytest.raises(TacitError, match="holds another meta-game"):
        estimate(other, folder)


def counting(function, calls):
    def counted(*args):
        calls.append(1)
        return function(*args)

    return counted


def test_common_random_numbers(small):
    """With them strategies that do the same earn the same in a session; without them they do not."""
    twins = {**SMALL, "grid": {"alpha": [0.5, 0.5]}, "others": [], "sessions": 3}
    for common in (True, False):
        game = metagame_from({**twins, "common_random_numbers": common})
        paid = play_entries(game, np.array([0, 1]), np.array([0, 0]), 3)
        assert np.array_equal(paid[0], paid[1]) is common


def test_adaptive_sessions_go_to_the_diagonal_and_its_challengers(small):
    game = metagame_from({**SMALL, "sessions": 40, "adaptive": {"first": 2, "batch": 4, "rounds": 6}})
    count = estimate(game).game.row.count
    assert count.min() == 2
    assert (np.diagonal(count) >= 6).all()
    assert count.max() <= 40
    assert (count == count.T).all()
    assert count.sum() < 0.6 * 40 * count.size


def test_one_of_many_deviates():
    tree = {
        "environment": {"kind": "braess", "players": 12}, "periods": 60, "sessions": 3,
        "others": [{"kind": "fixed", "action": k} for k in range(3)],
    }  # fmt: skip
    game = metagame_from(tree)
    result, form = estimate(game), Braess(players=12).form()
    assert game.entries == 9
    for i in range(3):
        for j in range(3):
            counts = np.bincount([i] + [j] * 11, minlength=3)
            assert result.game.row.mean[i, j] == pytest.approx(form.payoffs(counts)[i])
            if i != j:
                assert result.crowd["online"].mean[i, j] == pytest.approx(form.payoffs(counts)[j])
    assert Analysis(result, "online").leading == 2  # crossing is dominant


def test_players_who_differ_have_a_table_each():
    tree = {**SMALL, "environment": {"kind": "bertrand-homogeneous", "n_prices": 5, "cost": [0.0, 0.2]}, "sessions": 3}
    game = metagame_from(tree)
    assert not game.symmetric
    result = estimate(game)
    assert len(result.game.tables) == 2
    paid = play_entries(game, np.array([0]), np.array([3]), 3)[0, :, 0].mean(axis=0)
    assert result.game.payoffs()[0, 3] == pytest.approx(paid)
    assert "players differ" in metagame_page.lines(result)[-1]


def test_symmetry():
    assert is_symmetric(Bertrand(n_prices=4, players=3).form())
    assert is_symmetric(PrisonersDilemma().form())
    assert not is_symmetric(Bertrand(n_prices=4, cost=(1.0, 1.1)).form())


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"learner": None}, "learner: missing"),
        ({"grid": {"alpha": []}}, "grid"),
        ({"grid": {"beta": [1]}}, "beta"),
        ({"grid": {"alpha": [2]}}, "alpha: 2 is too large"),
        ({"environment": {"kind": "kyle"}}, "environment: a meta-game is played over a stage game"),
        ({"others": [{"kind": "ppo"}]}, "plays no stage game"),
        ({"sessions": 1}, "sessions: 1 is too small"),
    ],
)
def test_mistakes_are_named(change, message):
    with pytest.raises(TacitError, match=message):
        metagame_from({**SMALL, **change}).plan()


def test_an_analysis_and_its_page(result, tmp_path):
    found = Analysis(result, "online")
    assert found.probabilities.max() <= 1
    assert (found.regrets[:, 1] <= found.regrets[:, 2]).all()
    assert found.reply_shares("alpha").sum(axis=0).max() <= 1 + 1e-12
    assert found.find(alpha=0.5, epsilon=0.4) == 3
    built = metagame_page.build(result)
    text = page.write(built, tmp_path / "report.html").read_text()
    assert "Most likely symmetric equilibrium" in text
    assert len([c for s in built.sections for c in s.charts]) == 10
    for section in built.sections:
        for number, chart in enumerate(section.charts):
            printed.save(chart, tmp_path / f"{number}.png")


def test_a_damaged_table_is_one_line(small, tmp_path):
    estimate(small, tmp_path / "m")
    shutil.rmtree(tmp_path / "m/data.zarr/mean")
    with pytest.raises(TacitError, match=r"m: damaged \(data.zarr is missing or unreadable\); remove the folder"):
        load(tmp_path / "m")
    with pytest.raises(TacitError, match=r"m/blocks: no meta-game \(it has no manifest.json\); name a folder that"):
        load(tmp_path / "m/blocks")


def test_the_command(tmp_path, capsys):
    assert set(descriptions(METAGAMES)) == {"bertrand-designers", "drivers-designers"}
    assert load_metagame("bertrand-designers").size == 29
    words = [
        "metagame",
        "bertrand-designers",
        "periods=50",
        "sessions=2",
        "grid.gamma=[0.2]",
        "--out",
        str(tmp_path / "m"),
    ]
    assert guarded(lambda: app(words, standalone_mode=False)) == 0
    assert "Most likely symmetric equilibrium" in capsys.readouterr().out
    manifest = json.loads((tmp_path / "m" / "manifest.json").read_text())
    assert manifest["status"] == "complete"
    assert manifest["metagame"]["grid"]["gamma"] == [0.2]
    assert (tmp_path / "m" / "report.html").is_file()
    assert guarded(lambda: app(["metagame", "nothing"], standalone_mode=False)) == 2
