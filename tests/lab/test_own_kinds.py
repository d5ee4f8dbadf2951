"""A game and a market of a user's, in every way in that there is; they lie in ``examples/``."""

import importlib
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import tacitlab
from tacitlab import cli, registry
from tacitlab.errors import TacitError
from tacitlab.games import Bertrand, NormalForm, StageGame
from tacitlab.games.base import Actions
from tacitlab.lab.experiment import from_mapping, load
from tacitlab.learners import PPO, QLearning, Rule
from tacitlab.schema import param

EXAMPLES = Path(__file__).parents[2] / "examples"
HUNT = "learners: {kind: q-learning, gamma: 0}\nlength: {periods: 400}\nsessions: 3\n"
FISH = "learners: {kind: rule, rule: nash}\nlength: {episodes: 1}\nsessions: 2\ntest: {episodes: 1}\n"


@pytest.fixture
def place(tmp_path, monkeypatch):
    """A user's folder with both examples and a scenario for each; work goes on in another folder."""
    (tmp_path / "mine").mkdir()
    for name in ("stag_hunt.py", "fishery.py"):
        shutil.copy(EXAMPLES / name, tmp_path / "mine")
    (tmp_path / "mine" / "hunt.yaml").write_text('environment: {kind: "stag_hunt.py:StagHunt", gain: 5}\n' + HUNT)
    (tmp_path / "mine" / "fish.yaml").write_text('environment: {kind: "fishery.py:Fishery", steps: 3}\n' + FISH)
    monkeypatch.chdir(tmp_path)
    return tmp_path / "mine"


def tacit(*words) -> int:
    return cli.guarded(lambda: cli.app(list(map(str, words)), standalone_mode=False))


# --- a stage game --------------------------------------------------------------------------------------------------


def test_a_game_as_an_object(place, tmp_path):
    made = registry.find("game", "mine/stag_hunt.py:StagHunt")(gain=5)
    assert (made.n_players, made.benchmarks().nash.average, made.benchmarks().optimum.average) == (2, 3, 5)
    experiment = tacitlab.Experiment(
        environment=made, learners=QLearning(gamma=0), length=tacitlab.Length(periods=400), sessions=3, name="hunt"
    )
    result = tacitlab.run(experiment, tmp_path / "run")
    assert set(np.unique(result.data["limit_payoff"])) <= {0.0, 3.0, 5.0}
    again = tacitlab.load(tmp_path / "run")
    assert again.experiment.dump() == experiment.dump()  # a description: reading executes nothing
    assert from_mapping(again.experiment.dump()) == experiment
    assert again.benchmarks().optimum.average == 5


def test_a_game_in_a_scenario(place, tmp_path, capsys):
    assert tacit("run", "mine/hunt.yaml", "sessions=2", "--out", tmp_path / "run", "--no-report") == 0
    assert "Nash" in capsys.readouterr().out
    assert tacitlab.load(tmp_path / "run").experiment.environment.gain == 5
    assert tacit("report", tmp_path / "run") == 0
    # On the command line a file is looked for from the current folder.
    kind = "environment={kind: 'mine/stag_hunt.py:StagHunt', gain: 7}"
    assert load("prisoners-dilemma", [kind]).environment.gain == 7
    assert tacit("run", "mine/hunt.yaml", "environment.gain=2") == 2
    assert "environment.gain: 2 is too small; it must be above 3.0" in capsys.readouterr().err
    assert tacit("show", "mine/stag_hunt.py:StagHunt", "gain=6") == 0
    assert "what each gets of a stag" in capsys.readouterr().out


def test_a_game_in_a_sweep(place, tmp_path):
    swept = load("mine/hunt.yaml", ["sweep={environment.gain: [4, 8]}"])
    data = tacitlab.run(swept).data
    assert data["limit_payoff"].sizes["gain"] == 2
    assert tacit("sweep", "mine/hunt.yaml", "--over", "environment.gain=[4, 8]", "--to", tmp_path / "s") == 0
    table = tacitlab.load_sweep("mine/hunt.yaml", over=["environment.gain=[4, 8]"])
    assert [table.cell(k).environment.gain for k in range(2)] == [4, 8]
    kinds = tacitlab.load_sweep("mine/hunt.yaml", over=['environment.kind=["mine/stag_hunt.py:StagHunt"]'])
    assert kinds.design.over["environment.kind"] == [f"{place / 'stag_hunt.py'}:StagHunt"]


def test_a_game_of_designers(place, tmp_path):
    text = (
        'environment: {kind: "stag_hunt.py:StagHunt"}\nlearner: {kind: q-learning, gamma: 0}\n'
        "grid: {alpha: [0.1, 0.5]}\nperiods: 100\nsessions: 2\n"
    )
    (place / "designers.yaml").write_text(text)
    assert tacit("metagame", "mine/designers.yaml", "--out", tmp_path / "m", "--no-report") == 0


def test_networks_play_it_as_a_repeated_game(place):
    made = load("mine/hunt.yaml", ["learners={kind: ppo}"])
    assert made.environment.game == registry.find("game", "mine/stag_hunt.py:StagHunt")(gain=5)
    assert made.dump()["environment"]["game"]["kind"] == f"{place / 'stag_hunt.py'}:StagHunt"
    assert from_mapping(made.dump()) == made


class InNoFile(StageGame):
    """As if it were typed into a notebook: its module has no file."""

    kind: str = "in-no-file"
    loss: float = 1.0

    def actions(self):
        return Actions("choice", np.array([[0.0, 1.0]] * 2))

    def form(self):
        return NormalForm.from_tensor(-self.loss * np.ones((2, 2, 2)))


def test_a_class_of_a_notebook_plays_and_is_not_stored(tmp_path, monkeypatch):
    monkeypatch.setattr(InNoFile, "__module__", "__main__")
    monkeypatch.setattr(sys.modules["__main__"], "InNoFile", InNoFile, raising=False)
    monkeypatch.setattr(sys.modules["__main__"], "__file__", None, raising=False)
    fields = {"learners": QLearning(gamma=0), "length": tacitlab.Length(periods=50), "sessions": 2}
    swept = tacitlab.Experiment(environment=InNoFile(), **fields, sweep={"environment.loss": [1.0, 2.0]})
    assert tacitlab.run(swept).data["payoff"].mean(["session", "time", "agent"]).values.tolist() == [-1, -2]
    with pytest.raises(TacitError, match=r"kind: InNoFile is in no file where it could be found again .* \.py file"):
        tacitlab.run(swept, tmp_path / "run")


TYPED = """
from typing import Literal
import tacitlab
from tacitlab.learners import PPO, QLearning

class Timid(QLearning):
    kind: Literal["timid"] = "timid"

class Slow(PPO):
    kind: Literal["slow"] = "slow"

dilemma, two = tacitlab.games.PrisonersDilemma(), {"length": {"periods": 50}, "sessions": 2}
typed = tacitlab.Experiment(environment=dilemma, learners=Timid(), **two)
print(tacitlab.run(typed).data.sizes["session"], type(typed.learners[0]).__name__)
print(tacitlab.Experiment(environment=dilemma, learners=Slow(), length={"episodes": 2}).learners[0].kind)
try:
    tacitlab.run(typed, "run")
except tacitlab.TacitError as error:
    print(error)
"""


@pytest.mark.parametrize("way", ["given to -c", "given to stdin", "executed in no module"])
def test_learners_typed_into_a_shell_play_and_are_not_stored(way, tmp_path):
    code = {"given to -c": TYPED, "given to stdin": None, "executed in no module": f"exec({TYPED!r}, {{}})"}[way]
    command = [sys.executable, *(["-"] if code is None else ["-c", code])]
    done = subprocess.run(command, input=TYPED, capture_output=True, text=True, cwd=tmp_path, timeout=300)
    assert done.returncode == 0, done.stderr
    played, networks, told = done.stdout.splitlines()
    assert (played, networks) == ("2 Timid", "slow")
    assert "learners.kind: Timid is in no file where it could be found again" in told
    assert told.endswith(
        "define it at the top of a .py file and import it from there; without a folder it plays as it is"
    )
    assert not (tmp_path / "run").exists()


def test_a_game_of_a_notebook_is_tested_with_other_numbers(tmp_path):
    class Local(InNoFile):
        """Nobody finds it again."""

    played = tacitlab.Experiment(
        environment=Local(), learners=PPO(rollout=8), length={"episodes": 2}, sessions=1,
        test={"episodes": 1, "environment": {"game.loss": 3.0}},
    )  # fmt: skip
    assert played.test_market().game.loss == 3.0
    with pytest.raises(TacitError, match=r"^environment.game.kind: Local is in no file where it could be found again"):
        played.dump()


class Holding(InNoFile):
    """Fields that no file can hold."""

    rule: Callable[[int], int] | None = None
    numbers: Any = None


class Listed(InNoFile):
    """Its parameters are a list and a table."""

    losses: list[float] = param([1.0, 2.0], "losses")
    names: dict[str, list[int]] = param({}, "names")


def test_parameters_may_be_lists_and_tables():
    fields = {"learners": QLearning(gamma=0), "length": {"periods": 50}, "sessions": 2}
    one, same, other = (Listed(losses=losses, names={"a": [1]}) for losses in ([1.0, 3.0], [1.0, 3.0], [1.0]))
    assert hash(one) == hash(same)
    assert len({one, same, other}) == 2
    assert tacitlab.run(tacitlab.Experiment(environment=one, **fields)).benchmarks().nash.average == -1


@pytest.mark.parametrize(("fields", "shown"), [
    ({"rule": abs}, "rule: <built-in function abs>"), ({"numbers": np.ones(2)}, r"numbers: array\(\[1., 1.\]\)"),
])  # fmt: skip
def test_what_cannot_be_written_is_named(fields, shown, tmp_path):
    played = tacitlab.Experiment(
        environment=Holding(**fields), learners=QLearning(gamma=0), length={"periods": 50}, sessions=2
    )
    assert tacitlab.run(played).data.sizes["session"] == 2
    with pytest.raises(
        TacitError, match=rf"^environment\.{shown} cannot be written down; let it hold numbers or texts"
    ):
        tacitlab.run(played, tmp_path / "run")


class Doubled(Bertrand):
    """It has its parent's kind, and other payoffs."""

    def form(self):
        plain = super().form()
        return NormalForm(2 * plain.payoffs, plain.shape, plain.transition, plain.observed, plain.active)


def test_a_subclass_with_its_parents_kind_is_stored_as_what_it_is(tmp_path):
    made = tacitlab.Experiment(
        environment=Doubled(n_prices=4), learners=QLearning(), length=tacitlab.Length(periods=500), sessions=2
    )
    tacitlab.run(made, tmp_path / "run")
    again = tacitlab.load(tmp_path / "run").experiment
    played = from_mapping(again.dump())
    assert type(played.environment) is Doubled
    assert played.game.form().payoffs.max() == 2 * Bertrand(n_prices=4).form().payoffs.max()


# --- a market ------------------------------------------------------------------------------------------------------


def test_a_market_as_an_object(place, tmp_path):
    fishery = registry.find("market", "mine/fishery.py:Fishery")(steps=3)
    experiment = tacitlab.Experiment(
        environment=fishery, learners=Rule(rule="joint"), length=tacitlab.Length(episodes=1), sessions=2,
        test=tacitlab.Test(episodes=1),
    )  # fmt: skip
    result = tacitlab.run(experiment, tmp_path / "run")
    np.testing.assert_allclose(result.data["test_payoff"], fishery.benchmarks().optimum.average, rtol=1e-5)
    assert tacitlab.load(tmp_path / "run").experiment.dump() == experiment.dump()


def test_a_market_in_a_scenario_and_a_sweep(place, tmp_path):
    assert tacit("run", "mine/fish.yaml", "--out", tmp_path / "run", "--no-report") == 0
    found = tacitlab.load(tmp_path / "run")
    np.testing.assert_allclose(found.data["test_payoff"], found.benchmarks().nash.average, rtol=1e-5)
    assert tacit("sweep", "mine/fish.yaml", "--over", "environment.growth=[0.2, 0.4]", "--to", tmp_path / "s") == 0


def test_a_market_of_an_installed_package(place, tmp_path, monkeypatch, capsys):
    site, info = tmp_path / "site", tmp_path / "site" / "fisheries-1.2.dist-info"
    info.mkdir(parents=True)
    shutil.copy(place / "fishery.py", site / "fisheries.py")
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: fisheries\nVersion: 1.2\n")
    (info / "entry_points.txt").write_text("[tacitlab.kinds]\nfishery = fisheries:Fishery\n")
    monkeypatch.syspath_prepend(str(site))
    assert tacit("list") == 0
    line = next(line for line in capsys.readouterr().out.splitlines() if line.startswith("fishery "))
    assert "Boats each take a share" in line
    assert line.rstrip().endswith("from fisheries")
    assert "fisheries" not in sys.modules
    made = from_mapping({"environment": {"kind": "fishery"}, "learners": {"kind": "ppo"}, "length": {"episodes": 2}})
    assert type(made.environment) is importlib.import_module("fisheries").Fishery
    assert made.dump()["environment"]["kind"] == "fishery"
    sys.modules.pop("fisheries")


STUDY = """
import tacitlab
from tacitlab.measures.statistics import mean_interval
from tacitlab.studies.base import Claim, Finding, Study, at_least


class Hares(Study):
    name = "hares"
    question = "do hunters who toss coins earn two hares?"
    source = "arithmetic: (3 + 3 + 0 + 5) / 4"

    def find(self, preset, play):
        hunt = tacitlab.load_scenario("mine/hunt.yaml", ["learners={kind: random}", "sessions=8", "name=coins"])
        payoffs = play(hunt).data["payoff"].mean(["time", "agent"])
        return Finding("They do.", (Claim("mean payoff (hares)", mean_interval(payoffs), margin=at_least(2.0)),))
"""


def test_a_study_of_ones_own(place, tmp_path, capsys):
    (place / "hares.py").write_text(STUDY)
    assert tacit("study", "mine/hares.py") == 0
    assert "verdict: reproduced" in capsys.readouterr().out
    assert (tmp_path / "runs" / "study-hares-quick" / "claims.json").is_file()
    assert tacit("show", "mine/hares.py:Hares") == 0
    assert "hares: do hunters who toss coins earn two hares?" in capsys.readouterr().out
    assert tacit("study", "mine/hares.py:Hare", "--preset", "quick") == 2
    assert "has no class 'Hare'; did you mean 'Hares'?" in capsys.readouterr().err


def test_a_learner_of_ones_own(place, tmp_path):
    (place / "slow.py").write_text(
        "from typing import Literal\nfrom tacitlab.learners import PPO\n\nclass SlowPPO(PPO):\n"
        '    """PPO that takes its time."""\n    kind: Literal["slow-ppo"] = "slow-ppo"\n    rate: float = 1e-5\n'
    )
    made = load("mine/fish.yaml", ["learners={kind: 'mine/slow.py:SlowPPO'}"])
    assert isinstance(made.learners[0], PPO)
    assert made.dump()["learners"][0]["kind"] == f"{place / 'slow.py'}:SlowPPO"
    one = load("mine/fish.yaml", ["learners={kind: centralised, learner: {kind: 'mine/slow.py:SlowPPO', rollout: 8}}"])
    assert one.learners[0].learner == type(made.learners[0])(rollout=8)
    with pytest.raises(TacitError, match=r"learners.learner.kind: .*Fishery' is a market where a learner is needed"):
        load("mine/fish.yaml", ["learners={kind: centralised, learner: {kind: 'mine/fishery.py:Fishery'}}"])
    with pytest.raises(
        TacitError, match=r"learners.learner.kind: 'tacitlab.*' does not fit here; derive it from ppo, ac"
    ):
        load("mine/fish.yaml", ["learners={kind: centralised, learner: {kind: 'tacitlab.learners:Rule', rule: nash}}"])
    with pytest.raises(TacitError, match=r"learners.rat: no such field; did you mean 'rate'\?"):
        load("mine/fish.yaml", ["learners={kind: 'mine/slow.py:SlowPPO', rat: 1}"])


def test_mistakes_are_told_where_they_are(place):
    with pytest.raises(TacitError, match=r"^environment.kind: .*fishery.py has no class 'Fishry'; did you"):
        load("mine/fish.yaml", ["environment.kind=mine/fishery.py:Fishry"])
    with pytest.raises(TacitError, match=r"^environment.kind: .*PPO' is a learner where a game or a market is needed"):
        load("mine/fish.yaml", ["environment={kind: 'tacitlab.learners.ppo:PPO'}"])
    with pytest.raises(TacitError, match=r"^environment.steps: 0 is too small; it must be at least 1"):
        load("mine/fish.yaml", ["environment.steps=0"])
