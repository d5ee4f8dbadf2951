"""An algorithm's fields are those of its description, of where its agents sit, or said when it is built."""

import equinox as eqx
import jax
import jax.numpy as jnp
import pytest
from probes import group, probe

from tacitlab.learners import COMA, DDPG, PPO, QLearning
from tacitlab.learners.base import MarketSeat
from tacitlab.learners.parts.group import array, built

#: Hyperparameters and their two values: numbers are leaves, so that a sweep over them compiles once.
LEAVES = {
    "gamma": (PPO, 0.5, 0.9), "clip": (PPO, 0.1, 0.3), "trace": (PPO, 0.2, 0.7), "clip_gradient": (COMA, 1.0, 2.0),
    "target_blend": (DDPG, 0.1, 0.2), "actor_every": (DDPG, 1, 2), "warmup": (DDPG, 3, 4),
}  # fmt: skip
STATIC = {"epochs": (PPO, 1, 2), "clip_values": (PPO, True, False), "critic_steps": (COMA, 1, 2)}
RENAMED = {"trace": "gae_lambda"}
SEAT = MarketSeat(None, None, None, 0, 1, 10, False)


def seated(learner, **settings):
    small = {"hidden": (4,)} | ({"rollout": 8} if "rollout" in learner.model_fields else {"batch": 4, "memory": 16})
    return group(learner(**(small | settings)), probe("discrete"))


@pytest.mark.parametrize("name", [*LEAVES, *STATIC])
def test_a_parameter_is_the_field_of_its_name(name):
    learner, *values = (LEAVES | STATIC)[name]
    groups = [seated(learner, **{name: value}) for value in values]
    for one, value in zip(groups, values, strict=True):
        found = getattr(one, RENAMED.get(name, name))
        assert isinstance(found, jax.Array) == (name in LEAVES)
        assert found == (jnp.asarray(value, found.dtype) if name in LEAVES else value)
    same = jax.tree.structure(groups[0]) == jax.tree.structure(groups[1])
    assert same == (name in LEAVES)


def test_what_nobody_says_is_missed():
    class Odd(eqx.Module):
        gamma: jax.Array
        colour: jax.Array

    with pytest.raises(AttributeError, match="colour"):
        built(Odd, QLearning(gamma=0.5), SEAT)
    odd = built(Odd, QLearning(gamma=0.5), SEAT, float, colour=array(3))
    assert (float(odd.gamma), int(odd.colour), odd.colour.dtype) == (0.5, 3, jnp.int32)
