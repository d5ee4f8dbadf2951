"""Both studies of meta-games: whole findings on payoffs that are made up, and what is played."""

from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from made_up import recorder, told
from made_up_drivers import driven

from approved import approved
from tacitlab.games import PrisonersDilemma
from tacitlab.learners import Exponential
from tacitlab.measures.statistics import Estimate
from tacitlab.metagame.analysis import Analysis
from tacitlab.metagame.estimated_game import EstimatedGame, PayoffTable
from tacitlab.metagame.run import MetaResult
from tacitlab.studies import metagames
from tacitlab.studies.bertrand_metagame import study as bertrand
from tacitlab.studies.braess_metagame import study as braess

COARSE = ((1, 4), (1, 5), (2, 7))
BERTRAND = bertrand.Size(((1, 4, 9), (1, 5), (2, 7)), 5, ((1,), (0, 5), (2,)), 3, (100, 20_000), 6, (60, 3))
BRAESS = braess.Size(((1, 2, 8, 9), (1, 5), (0, 7)), 60, 2, 6, 2, 4, (30, 7))
OPEN, REFUTED, BORNE = (0.1, 9.0), (2.2, 4.0), (0.05, 0.6)
VARIANTS = {  # regrets by what is paid; which strategy pays most, and how noisy payoffs are
    "borne-out": ((BORNE, BORNE), 5, 0.002),
    "refuted": ((REFUTED, REFUTED), 2, 0.004),
    "open": ((OPEN, BORNE), 3, 0.05),
    "mixed": ((BORNE, REFUTED), 1, 0.01),
}


SCALE = (0.1, 0.3)  # what the benchmarks of every game pay


def played(metagame, best, noise, target=lambda best, others, n: (best + others // 9) % n):
    """A meta-game in which one strategy is the best reply to most, so that its profile is an equilibrium."""
    n, rng = len(metagame.strategies()), np.random.default_rng(len(metagame.name))
    own, others = np.indices((n, n)).reshape(2, -1)
    games = {}
    for k, window in enumerate(metagames.WINDOWS):
        gain = 0.2 + 0.5 * others / n - 0.06 * np.abs(own - target(best + k, others, n)) ** 0.7
        table = PayoffTable.empty(n, n)
        payoffs = SCALE[0] + 0.2 * (gain[:, None] + noise * rng.normal(size=(n * n, metagame.sessions)))
        table.add(own, others, payoffs)
        games[window] = EstimatedGame((table,))
    facts = {"periods": 12_345.0 * n, "sessions": 67.0 * n}
    return MetaResult(metagame, games, {}, facts=facts)


@pytest.fixture
def player(monkeypatch):
    """Makes up what meta-games, paired sessions and learning end in; notes what was asked for."""

    def prepared(regrets, best, noise):
        seen = SimpleNamespace(games=[], looks=[], runs=[])

        def estimated(play, metagame):
            seen.games.append(metagame)
            return played(metagame, best, noise)

        def look(metagame, profile, sessions):
            seen.looks.append(f"{metagame.name}, profile {profile}, {sessions} sessions")
            shift = 0.01 * (len(metagame.name) + profile) * np.array([1, 1.2])
            given = [
                Estimate((low + high) / 2 + more, low, high + more, np.nan, sessions)
                for more, (low, high) in zip(shift, regrets, strict=True)
            ]
            return dict(zip(metagames.PAID.values(), given, strict=True))

        def play(experiment):
            seen.runs.append(experiment)
            rate = float(experiment.name[-1])
            return driven(experiment, lambda cell, time, session: 1.9 - 0.1 * rate - time / time[-1] / 5 + session / 90)

        play.seed, play.progress, play.folder, play.threads, play.anyway = None, None, Path("runs"), 1, False
        monkeypatch.setattr(Analysis, "scale", SCALE)
        monkeypatch.setattr(metagames, "estimated", estimated)
        monkeypatch.setattr(metagames, "closer_look", look)
        return play, seen

    return prepared


@pytest.mark.parametrize("variant", VARIANTS)
@pytest.mark.parametrize(
    ("study", "size"),
    [(bertrand.BertrandMetagame, BERTRAND), (braess.BraessMetagame, BRAESS)],
    ids=lambda s: getattr(s, "name", ""),
)
def test_what_is_found(study, size, variant, player, monkeypatch):
    monkeypatch.setattr(study, "sizes", {"small": size})
    play, seen = player(*VARIANTS[variant])
    found = study().find("small", play)
    name = study.name.replace("-", "_")
    approved(f"{name}/{variant}", found if variant == "borne-out" else replace(found, sections=()))
    if variant == "borne-out":
        approved(f"{name}/asked", [*seen.looks, *(f"{run.name}, {run.sessions} sessions" for run in seen.runs)])


@pytest.mark.parametrize("preset", ["quick", "paper"])
def test_what_is_played_by_firms(preset):
    size = bertrand.BertrandMetagame.sizes[preset]
    games = [bertrand.metagame("baseline", size.main, size.sessions), *bertrand.variants(size).values()]
    approved(f"bertrand_metagame/played-{preset}", told([*games, *bertrand.open_questions(size).values()]), exact=True)


@pytest.mark.parametrize("preset", ["quick", "paper"])
def test_what_is_played_by_drivers(preset):
    size = braess.BraessMetagame.sizes[preset]
    games = [braess.metagame(size), *braess.open_questions(size).values()]
    approved(f"braess_metagame/played-{preset}", told(games), exact=True)


def test_the_seed_is_that_of_the_player(monkeypatch):
    asked = []
    monkeypatch.setattr(
        metagames, "estimate", lambda game, folder, **more: asked.append((game.seed, str(folder), more))
    )
    game = braess.metagame(BRAESS)
    for seed, anyway in ((None, False), (8, True)):
        play = SimpleNamespace(
            seed=seed, folder=Path("runs"), progress=(lambda name: name) if seed else None, threads=2, anyway=anyway
        )
        metagames.estimated(play, game)
    assert asked == [
        (3, "runs/drivers", {"threads": 2, "progress": None, "anyway": False}),
        (8, "runs/drivers", {"threads": 2, "progress": "drivers", "anyway": True}),
    ]  # fmt: skip


def test_a_closer_look_takes_the_luck_that_sessions_share_out_of_regrets(monkeypatch):
    """Against themselves the first firm earns 10 and the second 14, and so 12 whoever it is; who deviates earns 13."""
    luck, asked = np.array([5.0, -3.0, 0.5, 1.5]), []

    def entries(game, own, others, sessions, first):
        asked.append((game.common_random_numbers, own, others, sessions, first))
        paid = np.array([10.0, 13.0, 9.0])[:, None, None, None] + luck[:, None, None] + np.array([[0.0], [1.0]])
        return paid + np.array([0.0, 4.0])  # (strategies, sessions, windows, players)

    monkeypatch.setattr(metagames, "play_entries", entries)
    whole, last = metagames.closer_look(bertrand.metagame("baseline", ((1, 4, 9), (1,), (2,)), 5), 0, 4).values()
    assert asked == [(True, [0, 1, 2], [0, 0, 0], 4, 1_000_000)]
    assert (whole.mean, whole.low, whole.high, whole.n) == pytest.approx((100 / 14, 100 / 14, 100 / 14, 4))
    assert last.mean == pytest.approx(100 / 15)
    crowd, _ = metagames.closer_look(braess.metagame(replace(BRAESS, places=((1, 2, 8), (1,), (0,)))), 0, 4).values()
    assert crowd.mean == pytest.approx(300 / 14)  # of a hundred drivers only the one who may deviate counts


def test_learning_is_that_of_the_meta_game():
    seen = []
    metagames.learning(recorder(seen), bertrand.metagame("baseline", COARSE, 5, timing="alternating"), 5, "again", 6)
    metagames.learning(recorder(seen), braess.metagame(BRAESS), 2, "drivers")
    approved("braess_metagame/learning", told(seen), exact=True)


def test_algorithms_have_names():
    every = metagames.algorithms((3, 1), memory=1, observes="rivals")
    assert metagames.names([*every, every[0].model_copy(update={"exploration": Exponential(beta=1e-3)})]) == [
        "q-learning γ=0.95 ε=0.02", "q-learning γ=0.95 ε=0.1", "q-learning γ=0 ε=0.02", "q-learning γ=0 ε=0.1",
        "sarsa γ=0.95 ε=0.02", "sarsa γ=0 ε=0.02", "exp3 0.1", "exp3 0.02", "ucb1 2", "ucb1 0.1 with memory",
        "fixed 3", "fixed 1", "random", "q-learning γ=0.95 ε=nan",
    ]  # fmt: skip


def test_several_fixed_points_and_cycles_of_algorithms():
    game = metagames.algorithm_game("dilemma", PrisonersDilemma(), (1,), (5, 4), memory=0)
    targets = {"to each its own": lambda best, others, n: others, "in turns": lambda best, others, n: (others + 1) % n}
    found = {name: played(game, 0, 0.001, target) for name, target in targets.items()}
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Analysis, "scale", SCALE)
        approved("bertrand_metagame/algorithms", metagames.algorithm_table(found))
