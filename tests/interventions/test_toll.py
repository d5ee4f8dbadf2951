"""Tolls make the social optimum an equilibrium; what agents learn from is the payoff less the toll."""

import numpy as np
import pytest

import tacitlab
from tacitlab.errors import TacitError
from tacitlab.games import Braess, ElFarol, Network, Pigou
from tacitlab.interventions import Toll
from tacitlab.lab.experiment import Experiment, Length, Trace, from_mapping
from tacitlab.learners import Constant, QLearning, UniformValues
from tacitlab.theory.congestion import nash_counts, optimum_counts

GAMES = [
    Braess(players=10), Braess(players=9, cost=0.2), Pigou(players=7), Pigou(players=12, slope=3.0),
    Network(players=5),
]  # fmt: skip


def loss_of_others(form, counts, action):
    """What the others would gain together if one player of the action were not there."""
    without = counts.copy()
    without[action] -= 1
    return without @ form.payoffs(without) - without @ form.payoffs(counts)


@pytest.mark.parametrize("game", GAMES, ids=str)
def test_the_marginal_toll_is_what_a_player_costs_the_others(game):
    form, rng = game.form(), np.random.default_rng(0)
    paid = Toll().paid(game, form)
    for _ in range(20):
        counts = rng.multinomial(game.players, np.ones(form.actions) / form.actions)
        tolls = form.payoffs(counts) - paid.payoffs(counts)
        for action in np.flatnonzero(counts):
            assert tolls[action] == pytest.approx(loss_of_others(form, counts, action), abs=1e-12)


@pytest.mark.parametrize("game", GAMES, ids=str)
def test_the_optimum_is_an_equilibrium_with_the_toll(game):
    form = game.form()
    paid, best = Toll().paid(game, form), optimum_counts(form)[0]
    for leave in np.flatnonzero(best):
        for join in range(form.actions):
            moved = best.copy()
            moved[leave] -= 1
            moved[join] += 1
            assert paid.payoffs(moved)[join] <= paid.payoffs(best)[leave] + 1e-12
    assert nash_counts(form)[0].tolist() != nash_counts(paid)[0].tolist()


@pytest.mark.parametrize("game", GAMES[:4], ids=str)
def test_every_equilibrium_with_the_toll_is_as_good_as_the_optimum_or_nearly(game):
    form = game.form()

    def total(counts):
        return counts @ form.payoffs(counts)

    worst = min(total(counts) for counts in nash_counts(Toll().paid(game, form))[0])
    before = min(total(counts) for counts in nash_counts(form)[0])
    best = total(optimum_counts(form)[0])
    assert worst >= best - 0.2 * (best - before)


def test_a_fixed_toll_of_the_optimum_decentralises_braess_and_pigou():
    for game in (Braess(players=100), Pigou(players=100)):
        form = game.form()
        equilibria = nash_counts(Toll(rule="fixed").paid(game, form))[0]
        best = optimum_counts(form)[0]
        assert np.abs(equilibria - best).max(axis=1).min() <= 1


def experiment(toll, **learner):
    settings = {"gamma": 0, "exploration": Constant(epsilon=0.1), "initial": UniformValues(low=-2, high=-1), **learner}
    return Experiment(
        environment=Braess(players=8), learners=QLearning(**settings), intervention=toll, length=Length(periods=60),
        sessions=2, trace=Trace(window=1, windows=60), keep_values=True,
    )  # fmt: skip


@pytest.mark.parametrize("toll", [Toll(scale=0.7), Toll(rule="fixed", amounts=(0.1, -0.2, 0.3)), Toll(rule="fixed")])
def test_agents_learn_from_what_they_are_paid_and_welfare_leaves_out_the_toll(toll):
    made = experiment(toll, alpha=1.0, exploration=Constant(epsilon=1.0))
    result, form = tacitlab.run(made), made.game.form()
    paid = toll.paid(made.game, form)
    for session in range(2):
        counts = np.round(result.data["frequency"].isel(session=session, agent=0).values * 8).astype(int)
        earned = result.data["payoff"].isel(session=session, agent=0).values
        np.testing.assert_allclose(earned, (counts * form.payoffs(counts)).sum(axis=1) / 8, atol=1e-12)
        np.testing.assert_allclose(result.data["payoff_square"].isel(session=session), earned**2, atol=1e-12)
        # With alpha = 1 a value is what the action paid last: somebody's last payoff is that of the last period.
        last = paid.payoffs(counts[-1])
        for action in np.flatnonzero(counts[-1]):
            values = [table[session, 0, action] for table in result.values()]
            assert np.isclose(values, last[action], atol=1e-12).sum() >= counts[-1, action]


def test_no_toll_is_the_plain_game():
    plain = tacitlab.run(experiment(tacitlab.interventions.NoIntervention()))
    free = tacitlab.run(experiment(Toll(scale=0)))
    for name in ("payoff", "frequency", "payoff_square"):
        assert plain.data[name].equals(free.data[name])
    assert all(np.array_equal(a, b) for a, b in zip(plain.values(), free.values(), strict=True))


def test_initial_values_are_those_of_the_game_with_the_toll():
    form = (game := Braess(players=8)).form()
    made = experiment(Toll(), alpha=0, initial={"kind": "uniform-rivals"})
    rng, paid = np.random.default_rng(0), Toll().paid(game, form)
    draws = rng.integers(3, size=(40_000, 7))
    counts = np.stack([(draws == a).sum(axis=1) for a in range(3)], axis=1)
    for action, value in enumerate(tacitlab.run(made).values()[0][0, 0]):
        own = counts + np.eye(3, dtype=int)[action]
        assert value == pytest.approx(paid.payoffs(own)[:, action].mean(), abs=0.02)


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"environment": {"kind": "prisoners-dilemma"}}, "intervention.kind: 'toll' needs a congestion game"),
        (
            {"intervention.rule": "fixed", "intervention.amounts": [1.0]},
            "intervention.amounts: 1 amounts for 3 actions",
        ),
        ({"intervention.amounts": [1, 2, 3]}, "intervention.amounts: a marginal toll has none"),
        ({"learners.updates": "all"}, "learners.updates: 'all' does not know what 'toll' pays"),
        ({"learners": {"kind": "best-reply"}}, "learners.kind: best-reply does not know what 'toll' pays"),
        ({"intervention.scale": -1}, "intervention.scale: -1 is too small"),
    ],
)
def test_mistakes_are_told_in_one_line(changes, words):
    tree = experiment(Toll(), initial={"kind": "constant"}).model_copy(update={"keep_values": False}).dump()
    with pytest.raises(TacitError) as error:
        tacitlab.run(from_mapping(tree, list(changes.items())))
    assert words in str(error.value)
    assert "\n" not in str(error.value)


def test_a_game_with_other_payoffs_than_of_use_is_refused():
    game = ElFarol()
    form = game.form()
    if np.array_equal(form.weights, form.incidence.T):
        assert Toll().paid(game, form).players == form.players
    else:
        with pytest.raises(TacitError, match="receive the value of what they use"):
            Toll().paid(game, form)
