"""Every learner in every environment of the registry: it plays, or the experiment says in one line why not.

Nothing may be refused once an experiment has been made, and nothing may end in a traceback. Networks are traced, which
runs all of their code but compiles none of it; a sample is played. ``python -m tests.lab.test_pairs`` prints all pairs.
"""

import re
import sys
import traceback

import pytest

from tacitlab import registry
from tacitlab.errors import TacitError
from tacitlab.lab.experiment import from_mapping, load
from tacitlab.lab.run import prepare, run

ENVIRONMENTS = [(room, kind) for room in ("game", "market") for kind in registry.entries(room) if kind != "jaxmarl"]
LEARNERS = list(registry.entries("learner"))
PAIRS = [(*environment, learner) for environment in ENVIRONMENTS for learner in LEARNERS]
#: What has no default.
TOLD = {
    "repeated-game": {"game": {"kind": "prisoners-dilemma"}}, "rule": {"rule": "hold"}, "trained": {"run": "nowhere"},
    "best-response": {"run": "nowhere"},
}  # fmt: skip
LENGTH = {
    "game": {"length": {"periods": 12}},
    "market": {"length": {"episodes": 1}, "test": {"episodes": 1, "baselines": False}},
}


def pair(room, environment, learner, **more):
    """The smallest experiment of a pair, as plain data."""
    told = {"kind": learner, **TOLD.get(learner, {}), **more}
    return {
        "environment": {"kind": environment, **TOLD.get(environment, {})}, "learners": told, "sessions": 1,
        **LENGTH[room],
    }  # fmt: skip


def outcome(plan, playing=False):
    """What becomes of an experiment: refused when it is made, fine, refused later, or a traceback; and the words."""
    try:
        experiment = from_mapping(plan)
    except TacitError as error:
        return "refused", str(error)
    except Exception:
        return "traceback", traceback.format_exc()
    try:
        if playing or not hasattr(experiment.environment, "dynamics"):
            run(experiment)
        else:
            traced(experiment)
    except TacitError as error:
        return "refused later", str(error)
    except Exception:
        return "traceback", traceback.format_exc()
    return "fine", ""


def traced(experiment):
    """Begin, a step of learning and the test of a market, all shapes and no numbers."""
    import equinox as eqx
    import jax
    import jax.numpy as jnp

    from tacitlab.engine import deep, devices

    @devices.single_precision
    def trace():
        work, key, zero = prepare(experiment), jax.random.key(0), jnp.zeros((), jnp.int32)
        for plan in work.plans:
            play = eqx.filter_eval_shape(deep.begin, plan.table, key, zero)
            play, _ = eqx.filter_eval_shape(lambda p, t=plan.table: deep.advance(t, key, p, zero, zero, 2), play)
            eqx.filter_eval_shape(
                lambda learners, p=plan: deep.test(
                    p.table, p.test, key, p.table.policies(learners), 1, 2, jnp.zeros(()), True
                ),
                play.learners,
            )

    trace()


def check(found, words):
    assert found in ("fine", "refused"), words
    if found == "refused":
        assert re.fullmatch(r"[^\n]+: [^\n]+; [^\n]+", words)
        assert len(words) < 300


@pytest.mark.parametrize(("room", "environment", "learner"), PAIRS)
def test_whatever_is_made_is_played(room, environment, learner):
    check(*outcome(pair(room, environment, learner)))


# Every environment once and every learner at least once, a step further in both at the same time.
SAMPLE = [(*environment, LEARNERS[5 * k % len(LEARNERS)]) for k, environment in enumerate(ENVIRONMENTS)]


@pytest.mark.parametrize(("room", "environment", "learner"), SAMPLE)
def test_whatever_is_made_is_played_in_a_sample(room, environment, learner):
    check(*outcome(pair(room, environment, learner)))


@pytest.mark.parametrize("learner", ["q-learning", "ppo", "random"])
@pytest.mark.parametrize(("room", "environment"), ENVIRONMENTS)
def test_policies_of_an_earlier_run_go_on(room, environment, learner, tmp_path):
    plan = pair(room, environment, learner)
    if outcome(plan)[0] == "refused":
        return
    folder = tmp_path / "run"
    run(from_mapping(plan), folder)
    memory = {"memory": 0} if learner != "ppo" and room == "game" else {}
    check(*outcome(pair(room, environment, "trained", **{"run": str(folder), **memory})))


# --- first tries -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("scenario", "overrides", "kinds"),
    [
        ("bertrand", ["learners.kind=ppo"], ["ppo"]),  # after a Q-learner's fields
        ("bertrand", ["learners.kind=dqn", "learners.rate=0.01"], ["dqn"]),
        ("bertrand", ["learners.exploration.kind=constant"], ["q-learning"]),
        ("bertrand", ["environment.kind=cournot"], ["q-learning"]),
        ("bertrand-dqn", ["learners.kind=q-learning"], ["q-learning"]),
        ("execution", ["learners={kind: q-learning}"], ["q-learning"]),  # uniform-rivals has no table there
        ("portfolio", ["learners.kind=q-learning"], ["q-learning"]),  # ten bins each would be too many
        ("kyle", ["learners={kind: ppo}"], ["ppo", "ppo"]),  # one for each role
    ],
)
def test_first_tries_work(scenario, overrides, kinds):
    made = load(scenario, overrides)
    assert [learner.kind for learner in made.learners] == kinds
    assert from_mapping(made.dump()) == made


def test_fields_of_one_name_stay_if_the_other_kind_takes_them():
    made = load("bertrand", ["learners.kind=sarsa", "learners.gamma=0.7"]).learners[0]
    assert (made.gamma, made.memory, made.alpha) == (0.7, 1, 0.15)
    assert load("bertrand", ["learners.kind=ppo"]).learners[0].gamma == 0.95


@pytest.mark.parametrize(
    ("scenario", "overrides", "words"),
    [
        ("execution", ["learners={kind: q-learning, bins: 10000}"], "learners.bins: .*; set fewer"),
        ("glosten-milgrom", ["learners.initial={kind: uniform-rivals}"], "learners.initial: .*={kind: constant}"),
        ("execution", ["learners={kind: ppo, rollout: 50}"],
         r"learners\.minibatches: 4 \(its default\) do not divide 50 samples; set learners\.minibatches=5"),
        ("execution", ["learners={kind: ppo, rollout: 50, minibatches: 4}"],
         r"learners\.minibatches: 4 do not divide 50 samples; set learners\.minibatches=5"),
        ("execution", ["learners={kind: ppo, rollout: 100, recurrent: 8}"],
         r"learners\.sequence: 16 \(its default\) does not divide a rollout of 100 steps; set sequence=20"),
        ("execution", ["learners={kind: q-learning, updates: all}"], "learners.updates: .* learners.updates=chosen"),
        ("bertrand", ["environment={kind: kyle}"], r"length\.episodes: missing.*; set length={episodes: 1000}"),
        ("braess", ["learners.memory=1"], r"learners\.observes: 'everybody' \(its default\) needs .*"),
        ("two-step", ["learners={kind: qmix}", "copies=3"],
         r"learners\.capacity: 5000 \(its default\) hold no .*; set learners\.capacity=4998"),
        ("two-step", ["learners={kind: vdn, recurrent: 8, sequence: 8}", "copies=2"],
         r"learners\.capacity: 5000 \(its default\) hold no .* sequences of 8 .*; set learners\.capacity=4992"),
        ("execution", ["learners={kind: ddpg, memory: 10}"], r"learners\.batch: 64 \(its default\) .*; set batch=10"),
        ("prisoners-dilemma", ["trace.windows=3", "length.periods=100", "length.stable_for=0"],
         r"trace\.windows: 3 are too few .*; set trace\.windows=5 or more"),
        ("prisoners-dilemma", ["trace.window=30", "length.periods=100", "length.stable_for=0"],
         r"trace\.window: 30 is too much .*; set trace\.window=null, or trace\.window=20"),
        ("prisoners-dilemma", ["sweep={length.periods: [400, 800]}", "length.stable_for=0", "trace.window=null"],
         r"sweep\.length\.periods: windows of 4 and of 8 .*; set trace\.window=4"),
    ],
)  # fmt: skip
def test_first_tries_that_do_not_work_say_what_to_type(scenario, overrides, words):
    with pytest.raises(TacitError, match=f"^{words}"):
        load(scenario, overrides)


if __name__ == "__main__":
    for room, environment, learner in [p for p in PAIRS if not sys.argv[1:] or set(sys.argv[1:]) & set(p)]:
        found, words = outcome(pair(room, environment, learner))
        print(room, environment, learner, found, words.strip().splitlines()[-1] if words else "", sep="\t", flush=True)
