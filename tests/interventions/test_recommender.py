"""The compiled recommender against plain NumPy, step by step; what it reaches; what it refuses."""

import numpy as np
import pytest
from plain_recommender import aligned_towards, play, published, published_aligned, towards

import tacitlab
from tacitlab.errors import TacitError
from tacitlab.games import Braess, Network, Pigou
from tacitlab.interventions import Recommender
from tacitlab.lab.experiment import Experiment, Length, Trace, from_mapping
from tacitlab.learners import Constant, Exponential, QLearning, UniformValues
from tacitlab.theory.congestion import optimum_counts

BRAESS = {"kind": "braess"}
VALUES = UniformValues(low=-2, high=-1)


def experiment(game, recommender, periods=200, sessions=2, **learner):
    settings = {"alpha": 0.1, "gamma": 0, "exploration": Exponential(total_decay=6), "initial": VALUES, **learner}
    return Experiment(
        environment=game, learners=QLearning(**settings), intervention=recommender, length=Length(periods=periods),
        sessions=sessions, seed=5, trace=Trace(window=1, windows=periods), keep_values=True,
    )  # fmt: skip


def expected(made, advise, session):
    """What the plain implementation plays: shares of the actions in each period, and final values."""
    learner, periods, game = made.learners[0], made.length.periods, made.game
    log, q = play(
        game.form(), advise, states=made.intervention.states, periods=periods, alpha=learner.alpha,
        gamma=learner.gamma, knots=learner.exploration.knots(periods), seed=made.seed, session=session,
        values=(learner.initial.low, learner.initial.high), own_memory=learner.memory == 1,
    )  # fmt: skip
    counts = np.array([np.bincount(actions, minlength=game.form().actions) for actions in log])
    return counts / game.players, q


def assert_same(made, advise):
    result = tacitlab.run(made)
    for session in range(made.sessions):
        shares, q = expected(made, advise, session)
        found = result.data["frequency"].isel(session=session, agent=0).values
        np.testing.assert_allclose(found, shares, atol=1e-6)
        learned = np.stack([table[session] for table in result.values()])
        np.testing.assert_allclose(learned, q, atol=1e-9)


@pytest.mark.parametrize("states", [1, 3, 8])
@pytest.mark.parametrize("gamma", [0.0, 0.6])
def test_braess_is_steered_as_published(states, gamma):
    made = experiment(Braess(players=14), Recommender(states=states), gamma=gamma)
    assert_same(made, lambda q, t, draws: published(q))


@pytest.mark.parametrize("game", [Braess(players=9), Network(players=13), Pigou(players=6)], ids=lambda g: g.kind)
def test_other_networks_are_steered_towards_the_optimum(game):
    target = optimum_counts(game.form())[0]
    made = experiment(game, Recommender(states=5), initial=UniformValues(low=-4, high=-1))
    assert_same(made, lambda q, t, draws: towards(q, target))


def test_a_given_target_and_agents_with_a_memory():
    made = experiment(Braess(players=10), Recommender(states=4, target=(0.2, 0.3, 0.5)), memory=1, observes="own")
    assert_same(made, lambda q, t, draws: towards(q, (2, 3, 5)))


@pytest.mark.parametrize("players", [10, 14, 40])
def test_alignment_is_as_published(players):
    made = experiment(Braess(players=players), Recommender(rule="aligned", states=3), sessions=3)
    assert_same(made, lambda q, t, draws: published_aligned(q))


@pytest.mark.parametrize("states", [3, 5])
@pytest.mark.parametrize("target", [None, (0.25, 0.25, 0.5)])
def test_alignment_towards_other_targets(states, target):
    game = Braess(players=13)
    rule = Recommender(rule="aligned", states=states, target=target)
    wanted = rule.target_counts(game.form())
    made = experiment(game, rule, initial=UniformValues(low=-4, high=-1))
    assert_same(made, lambda q, t, draws: aligned_towards(q, game.form(), wanted))
    pigou = Pigou(players=9)
    made = experiment(pigou, Recommender(rule="aligned", states=states))
    assert_same(made, lambda q, t, draws: aligned_towards(q, pigou.form(), optimum_counts(pigou.form())[0]))


def test_aligned_advice_is_worth_something_and_not_that_of_none():
    """Six runs of the authors' code: .80 with a standard deviation of .06; constant halves: .58."""
    welfare = {}
    for rule in ("none", "aligned"):
        made = experiment(
            Braess(), Recommender(rule=rule), periods=10_000, sessions=6, exploration=Exponential(total_decay=8)
        )
        data = tacitlab.run(made.model_copy(update={"trace": Trace(windows=10), "keep_values": False})).data
        welfare[rule] = Braess().welfare(-float(data["payoff"].isel(time=slice(-2, None)).mean()))
    assert 0.7 < welfare["aligned"] < 0.9
    assert welfare["none"] < 0.7


def test_random_and_halves():
    game = Braess(players=7)
    assert_same(experiment(game, Recommender(rule="random", states=6)), lambda q, t, draws: (draws * 6).astype(int))
    assert_same(experiment(game, Recommender(rule="none")), lambda q, t, draws: np.array([0, 0, 0, 0, 1, 1, 1]))


def test_the_general_rule_is_the_published_one_with_even_numbers():
    rng = np.random.default_rng(1)
    for _ in range(200):
        n, m = 2 * rng.integers(1, 12), rng.integers(1, 6)
        q = rng.uniform(-2, -1, (n, m, 3)) - np.array([0, 0, rng.uniform(-0.5, 0.5)])
        assert np.array_equal(published(q), towards(q, (n // 2, n // 2, 0)))


def test_many_states_reach_the_optimum_and_random_ones_do_harm():
    welfare = {}
    for rule, states in (("none", 3), ("random", 3), ("optimised", 93)):
        made = experiment(
            Braess(), Recommender(rule=rule, states=states), periods=10_000, exploration=Exponential(total_decay=8)
        )
        data = tacitlab.run(made.model_copy(update={"trace": Trace(windows=10), "keep_values": False})).data
        welfare[rule] = Braess().welfare(-float(data["payoff"].isel(time=slice(-2, None)).mean()))
    assert welfare["optimised"] > 0.85
    assert welfare["random"] < 0.35 < welfare["none"] < 0.8


def test_a_plain_learner_with_one_signal_is_the_plain_game():
    plain = experiment(Braess(players=12), tacitlab.interventions.NoIntervention(), exploration=Constant(epsilon=0.2))
    told = plain.model_copy(update={"intervention": Recommender(rule="random", states=1)})
    assert tacitlab.run(plain).data["frequency"].equals(tacitlab.run(told).data["frequency"])


def test_sweeps_and_resumption(tmp_path):
    made = experiment(Braess(players=10), Recommender(rule="none"), periods=50, sessions=3)
    tree = made.model_copy(update={"keep_values": False}).dump()
    swept = from_mapping(tree, [("sweep", {"intervention.rule": ["none", "random", "optimised"]})])
    full = tacitlab.run(swept, tmp_path / "full")
    alone = tacitlab.run(from_mapping(tree, [("intervention.rule", "random")]))
    assert full.data.sel({"intervention.rule": "random"}, drop=True).equals(alone.data)
    shard = sorted((tmp_path / "full" / "policies").iterdir())[1]
    shard.unlink()
    assert tacitlab.resume(tmp_path / "full").data.equals(full.data)


def test_numbers_of_threads_do_not_matter():
    made = experiment(Braess(players=10), Recommender(states=4), periods=100, sessions=5)
    assert tacitlab.run(made, threads=1).data.equals(tacitlab.run(made, threads=2).data)


@pytest.mark.parametrize(
    ("environment", "intervention", "words"),
    [
        ({"kind": "bertrand", "n_prices": 3}, {}, "intervention.kind: 'recommender' needs a congestion game"),
        (BRAESS, {"states": 0}, "intervention.states: 0 is too small"),
        (BRAESS, {"rule": "best"}, "intervention.rule: 'best' is unknown; choose from none"),
        (BRAESS, {"target": [0.5, 0.6]}, "intervention.target: the shares add up to 1.1"),
        (BRAESS, {"target": [0.5, 0.5]}, "intervention.target: 2 shares for 3 actions"),
        (BRAESS, {"rule": "aligned", "states": 2}, "intervention.states: 2 cannot name 3"),
        (BRAESS, {"kind": "adviser"}, "intervention.kind: 'adviser' is unknown"),
        ({"kind": "resource"}, {}, "intervention: 'recommender' acts in stage games; remove it"),
    ],
)  # fmt: skip
def test_mistakes_are_told_in_one_line(environment, intervention, words):
    market = environment["kind"] == "resource"
    tree = {
        "environment": environment, "learners": {"kind": "q-learning"},
        "intervention": {"kind": "recommender", **intervention}, "sessions": 1,
        "length": {"episodes": 5} if market else {"periods": 50},
    }  # fmt: skip
    with pytest.raises(TacitError) as error:
        tacitlab.run(from_mapping(tree))
    assert words in str(error.value)
    assert "\n" not in str(error.value)


def test_moves_in_turn_are_refused():
    tree = experiment(Braess(players=4), Recommender()).dump()
    with pytest.raises(TacitError, match="set timing=simultaneous"):
        from_mapping(tree, [("timing", "alternating")])
