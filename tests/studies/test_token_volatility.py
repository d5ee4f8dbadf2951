"""Volatility in the token economy: the whole answer on numbers that are made up, and what is played."""

from types import SimpleNamespace

import numpy as np
import pytest
import xarray as xr
from made_up import around, rounded, told

from approved import approved
from tacitlab.markets.token.curves import Exponential
from tacitlab.studies.token_volatility import study
from tacitlab.studies.token_volatility.study import MATCHED, NOVICE, Deviation, Evidence, OnCurve, Size
from tacitlab.studies.tokens import Played, reduction

SMALL = study.market(Exponential()).model_copy(update={"agents": 6, "steps": 12})
SIZE = Size(sessions=6, episodes=120, test_episodes=4, grid=(0.0, 10.0))
#: Of those who learn: volatility in all steps and how much of it is left when prices have settled, volume, supply,
#: gains and service; then what the last agent gains by deviations.
CALM = {"profit": (0.028, 0.7, 1.4, 55, 6.5, 2.3), "stable": (0.013, 0.6, 0.5, 61, 5.1, 1.9),
        "steady": (0.021, 0.5, 1.1, 57, 6.2, 2.1)}  # fmt: skip
WILD = {"profit": (0.09, 1.1, 1.3, 92, 2.5, 0.9), "stable": (0.11, 1.2, 0.9, 95, 2.1, 0.8),
        "steady": (0.10, 1.15, 1.2, 93, 2.2, 0.7)}  # fmt: skip
ALIKE = {"profit": (0.028, 0.8, 1.4, 79, 4.05, 1.61), "stable": (0.0205, 0.79, 1.2, 78, 3.9, 1.5),
         "steady": (0.0285, 0.81, 1.3, 77, 4.1, 1.7)}  # fmt: skip
RULES = {"random": (0.04, 0.9, 2.5, 70, 1.2, 1.1), "zero-intelligence": (0.035, 0.95, 2.1, 75, 3.3, 1.3),
         "price-taking": (0.032, 0.75, 1.9, 80, 4.2, 1.6), MATCHED: (0.03, 0.85, 1.4, 72, 1.4, 1.0),
         NOVICE: (0.038, 0.88, 2.4, 71, 1.3, 1.2)}  # fmt: skip
LEVEL = {"random": (0.04, 0.8, 2.5, 70, 1.2, 1.1), "zero-intelligence": (0.0404, 0.8, 2.1, 75, 3.3, 1.3),
         "price-taking": (0.0402, 0.8, 1.9, 80, 4.2, 1.6), MATCHED: (0.0398, 0.8, 1.4, 72, 1.4, 1.0),
         NOVICE: (0.0396, 0.8, 2.4, 71, 1.3, 1.2)}  # fmt: skip
GAINS = {"PPO, retrained": 0.31, "price-taking": 0.74, "zero-intelligence": -0.2, "hold": -1.6}


def traders(market, seed, *, volatility, sessions=6, settled=0.8, apart=0.02, earned=5.0, **levels):
    """Sessions in a token economy: returns as large as told, other quantities at their levels, gains as earned.

    In the second half of an episode prices move ``settled`` times as much as in all of it; a level of 3 is one that
    falls from 3.3 to 2.7.
    """
    rng = np.random.default_rng(seed)
    half, steps, agents = market.steps // 2, market.steps, market.n_players
    moves = np.where(np.arange(steps) < half, np.sqrt(2 - settled**2), settled) * volatility
    squared = np.outer(around(1, sessions, apart, seed) ** 2, moves**2)
    learned = volatility**2 * np.array([9, 6, 4])
    falling = np.linspace(1.1, 0.9, steps)
    data = {
        "test_squared_return": (("session", "step"), squared),
        "test_absolute_return": (("session", "step"), 0.8 * np.sqrt(squared)),
        "learning_squared_return": (("session", "time"), np.outer(around(1, sessions, 0.1, seed + 1), learned)),
        "payoff": (("session", "time", "agent"), rng.normal([[0.4], [0.7], [1]], 0.05, (sessions, 3, agents)) * earned),
    }  # fmt: skip
    for k, (name, level) in enumerate(levels.items()):
        data[f"test_{name}"] = (("session", "step"), np.outer(around(level, sessions, apart, seed + 2 + k), falling))
    path = levels["price"] * np.exp(np.cumsum(rng.normal(0, volatility, (sessions, steps)), axis=1))
    data["test_price_path"] = (("session", "step"), path)
    for name, low, high in (("holdings", 0.0, 4.0), ("trade", -0.1, 0.1)):
        values = rng.uniform(low, high, (sessions, steps, agents))
        data[f"test_{name}_path"] = (("session", "step", "agent"), values)
    coordinates = {"session": np.arange(sessions), "time": [40, 80, 120]}
    # What was earned is what outcomes hold after the penalty for moving prices.
    penalty = market.rewards.stability * steps * data["test_absolute_return"][1].mean(axis=1)
    gains = around(earned, sessions, apart, seed + 9)[:, None] + np.linspace(-0.5, 0.5, agents)
    return Played(
        SimpleNamespace(
            market=market, data=xr.Dataset(data, coordinates), outcomes=gains - penalty[:, None], words=market.words()
        )
    )


def on_curve(learned, rules, apart, seed=0, faster=1.0):
    """Everybody on a curve, where prices move so many times as fast."""

    def played(k, numbers, market=SMALL):
        moves, settled, volume, supply, earned, welfare = numbers
        levels = {"price": 0.01 * supply, "volume": volume, "supply": supply, "welfare": welfare}
        return traders(market, seed + 20 * k, volatility=faster * moves, settled=settled, apart=apart, earned=earned,
                       **levels)  # fmt: skip

    everybody = {"hold": played(1, (1e-12, 1, 0.0, 100, 0.9, 1.4))}
    everybody |= {name: played(k, numbers) for k, (name, numbers) in enumerate(rules.items(), 2)}
    caring = SMALL.model_copy(update={"rewards": SMALL.rewards.model_copy(update={"stability": 10.0})})
    most = played(9, learned["stable"], caring)
    return OnCurve(everybody, {0.0: played(8, learned["profit"]), 10.0: most}, played(10, learned["steady"]))


def evidence(learned=CALM, rules=RULES, apart=0.02, apart_gains=0.1, gains=GAINS):
    both = {"exponential": on_curve(learned, rules, apart), "linear": on_curve(learned, rules, apart, 300, 1.3)}
    tried = tuple(Deviation(name, around(gain, 6, apart_gains, 50 + k)) for k, (name, gain) in enumerate(gains.items()))
    return Evidence(both, tried, SIZE)


@pytest.fixture(scope="module")
def mixed():
    return evidence()


def test_the_whole_answer(mixed):
    approved("token_volatility/mixed", study.examine(mixed))


@pytest.mark.parametrize(
    ("name", "made"),
    [
        ("wilder", {"learned": WILD, "apart_gains": 1.2, "gains": {**GAINS, "price-taking": 0.5}}),
        ("as-published", {"learned": ALIKE, "rules": LEVEL, "apart": 0.3}),
        ("one-of-many", {"learned": {**CALM, "steady": (0.0213, 0.5, 1.1, 57, 6.2, 2.1)}, "apart": 0.0002}),
    ],
)
def test_other_answers(name, made):
    e = evidence(**made)
    claims = (*study.reductions(e), *study.costs(e), *study.exploitable(e))
    approved(f"token_volatility/{name}", study.answer(e, claims))


def test_numbers_of_the_evidence_by_hand(mixed):
    """What was made up comes out again: gains without their penalty, reductions as one minus the ratio."""
    on = mixed.main
    assert [one.payoff.mean() for one in on.learned.values()] == pytest.approx([6.5, 5.1])
    ours, theirs = on.profit, on.rules["random"]
    assert ours.volatility.mean() == pytest.approx(0.028)
    assert ours.settled_volatility.mean() == pytest.approx(0.7 * 0.028)
    ratio = (0.028 * around(1, 6, 0.02, 160)) / (0.04 * around(1, 6, 0.02, 40))
    assert reduction(ours, theirs).mean == pytest.approx(100 * (1 - ratio.mean()))
    half = on.profit.prices[:, 6:]
    square = (half - ours.mean("price", 6).mean()) ** 2
    slope = np.polyfit(square[:, :-1].ravel(), np.diff(square, axis=1).ravel(), 1)[0]
    assert on.drifts["PPO, profit"].contraction.mean == pytest.approx(-slope)


def test_the_best_of_several_deviations_is_good_by_chance_too():
    near = Deviation("near", 0.9 + np.linspace(-1, 1, 6))
    assert near.estimate.low > 0
    alone, one_of_two = (Evidence({}, (near, near)[:count], SIZE) for count in (1, 2))
    assert alone.no_equilibrium
    assert not one_of_two.no_equilibrium


@pytest.mark.parametrize("preset", ["quick", "paper"])
def test_what_is_played(preset, monkeypatch):
    seen = []

    def record(experiment):
        seen.append(experiment)
        return SimpleNamespace(experiment=experiment, folder=f"run-{experiment.name}", cells=list(experiment.cells()))

    def made(result, cell):
        volume = 0.6 if "ppo" in result.experiment.name else 2.4
        levels = {"price": 0.5, "volume": volume, "supply": 60, "welfare": 2}
        found = traders(SMALL.model_copy(update={"agents": 50}), len(seen) + cell, volatility=0.03, **levels)
        return found.found

    monkeypatch.setattr("tacitlab.studies.tokens.outcome_of", made)
    monkeypatch.setattr("tacitlab.lab.seating.check", lambda experiment: None)  # of runs that are not made
    size = study.TokenVolatility.sizes[preset]
    e = study.gather(size, record)
    asked = {name: getattr(study.TokenVolatility, name) for name in ("name", "question", "source")}
    approved(f"token_volatility/played-{preset}", {**asked, "played": rounded(told(seen))}, exact=True)
    # Orders of the volume-matched are a quarter of the random ones, as profit learners trade a quarter as much.
    assert seen[2].environment.order_size == pytest.approx(study.market(Exponential()).order_size / 4, rel=0.05)
    assert e.main.learned.keys() == set(size.grid)
