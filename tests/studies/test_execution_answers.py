"""Collusion in execution: the whole answer on runs that are made up, what is played, and what rivals do."""

from types import SimpleNamespace

import numpy as np
import pytest
from made_up import around, rounded, told
from made_up_runs import fronts, learned  # noqa: F401

from approved import approved
from tacitlab.measures.statistics import Estimate
from tacitlab.studies import liquidations
from tacitlab.studies.execution_collusion import deviation, study
from tacitlab.studies.execution_collusion.deviation import Answers, Rivals
from tacitlab.studies.execution_collusion.study import Evidence, ExecutionCollusion, examine
from tacitlab.studies.liquidations import CONTROL, SIMULATED, VOLATILITIES, WRITTEN

NASH = 12.679  # as written


def evidence(simulated, written, control, saved, episodes=5000, apart=0.02):
    """Six runs in every experiment; by experiment its cost and what else, and what a switch saves."""

    def some(setting, sigma, seed, made):
        return learned(setting, sigma, made[0], seed, **made[1])

    e = Evidence(
        tuple(some(SIMULATED, sigma, 10 * k, simulated[k]) for k, sigma in enumerate(VOLATILITIES)),
        tuple(some(WRITTEN, sigma, 40 + 10 * k, written[k]) for k, sigma in enumerate(VOLATILITIES)),
        some(CONTROL, 1e-3, 80, control), episodes,
    )  # fmt: skip
    e.__dict__["answers"] = {
        runs.title: answered(saved[k % len(saved)], k, apart) for k, runs in enumerate(e.everything)
    }
    return e


def answered(saved, k, apart):
    """What six runs save by switching, half a currency unit more without the rival's answer."""
    means = saved + 0.5, saved, 4.0 + k
    return Answers(
        *(np.stack([around(m, 6, apart, 3 * k + j), around(m + 0.1, 6, apart, k)], 1) for j, m in enumerate(means))
    )


ABOVE = [(9.6, {"early": 8.0}), (9.9, {"early": 1.0}), (10.4, {"early": -6.0})]
BELOW = [(12.3, {"mix": 0.1, "failed": 2}), (12.1, {"mix": 0.2, "early": 3.0}), (12.4, {"mix": 0.3, "apart": 0.1})]
DEARER = [(13.9, {"mix": 0.9}), (14.2, {"mix": 1.0, "gap": -0.3}), (14.6, {"mix": 0.95})]
CASES = {
    "held": {"simulated": ABOVE, "written": BELOW, "control": (12.2, {"mix": 0.5}), "saved": [-0.9]},
    "undecided": {"simulated": ABOVE, "written": BELOW, "control": (12.1, {"mix": 0.2, "early": 3.0}),
                  "saved": [0.02, -0.03],
                  "apart": 9.0},
    "above": {"simulated": ABOVE, "written": DEARER, "control": (13.1, {"mix": 0.1}), "saved": [0.7, 0.9],
              "episodes": 1000},
    "mixed": {"simulated": [(8.2, {}), (8.3, {}), (8.9, {})], "written": BELOW, "control": (12.3, {"mix": 0.1}),
              "saved": [0.8, -0.7, 0.6, 0.5, -0.4, 0.3, 0.9]},
}  # fmt: skip


@pytest.fixture(scope="module")
def not_held():
    """Agents pay less than in equilibrium, and nothing holds them there."""
    return evidence(ABOVE, BELOW, (12.5, {"mix": 0.98}), [1.1, 0.9, 1.3, 0.8])


def test_answer_claims_and_pages(not_held):
    found = examine(not_held)
    approved("execution_collusion/not-held", [found.verdict(), found.answer, *found.claims, *found.notes])
    shared, runs = found.sections[:-7], found.sections[-7:]
    approved("execution_collusion/pages", [*shared, runs[0], runs[3]])


@pytest.mark.parametrize("name", CASES)
def test_other_answers(name):
    approved(f"execution_collusion/{name}", study.answer(evidence(**CASES[name])))


def test_what_a_control_teaches():
    less, same, more = (Estimate(mean, mean - 1, mean + 1, 0.5, 9) for mean in (-2.0, 0.1, 2.0))
    found = [study._lesson(*pair) for pair in ((less, less), (less, same), (less, more), (same, less), (more, more))]
    approved("execution_collusion/lessons", found)


@pytest.mark.parametrize("preset", ["quick", "paper"])
def test_what_is_played(preset, monkeypatch):
    seen, found = [], []
    monkeypatch.setattr(study.Runs, "of", lambda setting, result: (setting.key, result.name))
    monkeypatch.setattr(study, "examine", found.append)

    def play(experiment):
        seen.append(experiment)
        return experiment

    ExecutionCollusion().find(preset, play)
    (e,) = found
    assert [key for key, _ in e.everything] == 3 * ["simulated"] + 3 * ["written"] + ["control"]
    asked = {name: getattr(ExecutionCollusion, name) for name in ("name", "question", "source")}
    approved(
        f"execution_collusion/played-{preset}",
        {**asked, "episodes": e.episodes, "played": rounded(told(seen))},
        exact=True,
    )


# --- rivals --------------------------------------------------------------------------------------------------------


class Selling(Rivals):
    """Rivals who sell a fifth of what they hold, and more where the price is low: no network is asked."""

    def greedy(self, step, held, price):
        return held * np.clip(0.2 + step / 100 + (self.market.price - price), 0, 1)


def test_a_deviation_is_answered_by_what_the_price_tells(monkeypatch):
    """Trade by trade in plain Python, without noise."""
    runs = learned(WRITTEN, 1e-3, 12.0, 5, mix=0.4, n=2)
    market = runs.result.experiment.market.model_copy(update={"volatility": 0.0})
    rivals = Selling(None, market, 3)
    monkeypatch.setattr(Rivals, "of", lambda of: rivals)
    found, game = deviation.answers(runs), runs.reference.game

    def sold(schedule):
        held, trades, price = 100.0, [], 10.0
        for step in range(10):
            mine = held if step == 9 else held * min(1.0, 0.2 + step / 100 + 10.0 - price)
            trades.append(mine)
            held -= mine
            price -= market.permanent * (mine + schedule[step])
        return np.array(trades)

    for run in range(2):
        for agent in range(2):
            own = runs.schedules[run, :, agent]
            before = sold(own)
            best = deviation.measures.best_responses(game, np.stack([own, before], 1)[None])[0, :, 0]
            after = sold(best)
            cost = [deviation.measures.expected_costs(game, np.stack(pair, 1)[None])[0, 0]
                    for pair in ((own, before), (best, before), (best, after))]  # fmt: skip
            assert found.kept[run, agent] == pytest.approx(cost[0] - cost[1])
            assert found.answered[run, agent] == pytest.approx(cost[0] - cost[2])
            assert found.moved[run, agent] == pytest.approx(np.abs(after - before).sum() / 2)
    assert (found.kept > 0).all()
    assert (np.abs(found.answered - found.kept) > 1e-3).all()


def test_noise_is_what_the_market_says():
    """Rivals who sell by the price alone tell what price they saw."""
    seen = []

    class Seeing(Rivals):
        def greedy(self, step, held, price):
            seen.append(price)
            return held * 0.1

    market = liquidations.experiment(WRITTEN, 1e-2, liquidations.Size(2)).market
    Seeing(None, market, 3).against(np.full((40, 10), 10.0))
    moves = np.diff(np.array(seen), axis=0)
    assert np.array(seen).shape == (9, 40, 50)
    np.testing.assert_array_equal(seen[0], 10.0)
    assert moves.std() == pytest.approx(market.volatility * np.sqrt(market.tau), rel=0.02)


def test_the_other_agents_network_chooses():
    """The network that is made up values what the agent would keep: in plain NumPy, share by share."""
    runs = learned(WRITTEN, 1e-3, 12.0, 5, n=2, failed=1)  # sessions 1 and 2 are left of three
    rng = np.random.default_rng(4)
    stored = {
        f"0.{name}.{part}": rng.normal(size=(3, 2, *shape)).astype(np.float32)
        for name, (out, into) in {"embedding": (4, 4), "layers.0": (5, 4), "layers.1": (1, 5)}.items()
        for part, shape in (("weight", (out, into)), ("bias", (out,)))
    }
    experiment = liquidations.experiment(WRITTEN, 1e-3, liquidations.Size(3))
    result = SimpleNamespace(experiment=experiment, policy_reader=lambda cell: stored)
    rivals = Rivals.of(deviation.Runs(**{**runs.__dict__, "result": result}))
    assert rivals.seed == experiment.seed
    held, price = np.array([100.0, 63.0, 7.0]), np.array([10.0, 9.93, 9.85])
    found = rivals.greedy(4, np.tile(held, (4, 1)), np.tile(price, (4, 1)))
    for row, (session, agent) in enumerate(((1, 1), (1, 0), (2, 1), (2, 0))):
        part = {name.removeprefix("0."): x[session, agent].astype(float) for name, x in stored.items()}
        for place in range(3):
            values = [_value(part, held[place], sold, price[place]) for sold in np.arange(held[place] + 1)]
            assert values[int(found[row, place])] == pytest.approx(max(values), abs=1e-5 * (1 + np.ptp(values)))


def _value(part, held, sold, price):
    """With the transform of Ning, Lin and Jaimungal."""
    a, b = 1 - held / 101, sold / 101
    s = (a + b) / max(a, b)
    x = np.array([(4 - 4.5) / 4.5, 1 - 2 * s * a, 2 * s * b - 1, (price - 10) / 0.2])
    x = part["embedding.weight"] @ x + part["embedding.bias"]
    x = part["layers.0.weight"] @ x + part["layers.0.bias"]
    return (part["layers.1.weight"] @ np.where(x > 0, x, 0.01 * x) + part["layers.1.bias"])[0]


@pytest.mark.parametrize(
    "change", [{"features": "plain"}, {"observes": ("time", "price")}, {"buying": True}, {"trades": "parts"}]
)
def test_other_markets_have_no_answers(change):
    runs = learned(WRITTEN, 1e-3, 12.0, 5, n=2)
    played = liquidations.experiment(WRITTEN, 1e-3, liquidations.Size(3))
    other = played.model_copy(update={"environment": played.environment.model_copy(update=change)})
    strange = SimpleNamespace(experiment=other, policy_reader=lambda cell: {})
    with pytest.raises(deviation.TacitError, match=r"^environment, learners: .* the paper's market and network only$"):
        Rivals.of(deviation.Runs(**{**runs.__dict__, "result": strange}))
