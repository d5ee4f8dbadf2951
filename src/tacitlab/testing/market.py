"""Does a market keep the contract that learners and engine rely on?"""

from collections.abc import Callable, Iterator, Mapping
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np

from tacitlab.markets.base import Discrete, Market, Role
from tacitlab.markets.motion import Dynamics, State
from tacitlab.testing.promises import Promises, said

EAGER_STEPS = 2  # steps repeated without compilation, which takes long
PATHS = 3  # episodes played side by side
CLOSE: dict[str, Any] = {"rtol": 1e-4, "atol": 1e-4}  # between two ways of computing the same in single precision

Trace = dict[str, Any]  # what happened in an episode, each entry with a leading axis of steps


def check_market(market: Market, *, seed: int = 0) -> None:
    """Play a market at random and raise an error about the first promise that it breaks.

    What is checked: the description is consistent (roles, horizon, quantities) and survives being stored; everything
    has the announced shape and a kind of number that the next step can go on with, with 64-bit numbers switched on and
    off; rewards, observations and recorded quantities are finite; ``admissible`` accepts what it returned; candidates
    are finite, and at least one is feasible; episodes end at the horizon or earlier; the same key gives the same
    episode; and compiled, vectorised play is play step by step.

    Parameters
    ----------
    market : Market
    seed : int
        Of the random actions and of the market's own chance.

    Raises
    ------
    AssertionError
        One line that says which part of the market breaks which promise.

    Notes
    -----
    In the spirit of PettingZoo's API test (J. Terry et al., NeurIPS 2021). Short episodes are checked faster.

    Examples
    --------
    >>> from tacitlab.games import PrisonersDilemma
    >>> from tacitlab.markets import RepeatedGame
    >>> check_market(RepeatedGame(game=PrisonersDilemma(), horizon_periods=3))
    """
    name = type(market).__name__
    _check_description(Promises(name), market)
    moves = Promises(name).made("dynamics()", market.model_copy().dynamics)
    mend = "return its class of motion, for example built(MyDynamics, self)"
    Promises(name)(isinstance(moves, Dynamics), f"dynamics() gives a {type(moves).__name__}; {mend}")
    Promises(name).stored(market)
    with jax.enable_x64(True):
        _check_shapes(Promises(f"{name}, with 64-bit numbers"), market, market.dynamics())
    check, dynamics = Promises(name), market.dynamics()
    _check_dynamics(check, market, dynamics)
    _check_shapes(check, market, dynamics)
    keys = jax.random.split(jax.random.key(seed), PATHS)
    trace = jax.tree.map(np.asarray, _episodes(dynamics, market.horizon, keys))
    _check_trace(check, market, trace)
    again = jax.tree.map(np.asarray, _episodes(market.dynamics(), market.horizon, keys))
    _check_same(check, "the same key gives another episode", trace, again, exact=True)
    alone = _by_hand(dynamics, market.horizon, keys[0], trace)
    problem = "compiled and side by side it plays otherwise than step by step"
    _check_same(check, problem, {name: trace[name] for name in alone}, alone)


# --- what a market says about itself -------------------------------------------------------------------------------


def _check_description(check: Promises, market: Market) -> None:
    roles, quantities = market.roles(), market.quantities()
    check(isinstance(market.horizon, int) and market.horizon >= 1, f"horizon is {market.horizon}; give 1 or more")
    check(market.payoff_steps in (1, market.horizon), f"payoff_steps is {market.payoff_steps}; give 1 or the horizon")
    check(roles, "roles() is empty; name at least one")
    _check_names(check, "roles()", [role.name for role in roles])
    for role in roles:
        check(role.agents >= 1, f"role {role.name} has {role.agents} agents; give it at least 1")
        check(role.observes, f"role {role.name} observes nothing; give it at least one component, if only a zero")
        check(role.actions.size >= 1, f"role {role.name} has actions of size {role.actions.size}; give at least 1")
        _check_names(check, f"role {role.name}: observes", role.observes)
    agents = sum(role.agents for role in roles)
    check(market.n_players == agents, f"n_players is {market.n_players}, but the roles have {agents} agents")
    _check_names(check, "quantities()", [quantity.name for quantity in quantities])


def _check_names(check: Promises, where: str, names: Any) -> None:
    double = sorted({name for name in names if list(names).count(name) > 1})
    check(not double, f"{where} names {', '.join(double)} twice")


def _check_dynamics(check: Promises, market: Market, dynamics: Dynamics) -> None:
    check(dynamics.roles == market.roles(), "dynamics().roles differ from roles()")
    check.arrays("dynamics()", dynamics)
    again: Any = jax.tree.structure(market.dynamics())
    check(
        again == jax.tree.structure(dynamics),
        "dynamics() has other static fields each time, so that everything compiles anew",
    )


# --- shapes ---------------------------------------------------------------------------------------------------------


def _check_shapes(check: Promises, market: Market, dynamics: Dynamics) -> None:
    key = jax.random.key(0)
    state = check.result("reset", dynamics.reset, key)
    seen = check.result("observe", dynamics.observe, state)
    _check_roles(check, "observe", market, seen, lambda role: (role.agents, len(role.observes)))
    actions = {role.name: _check_choices(check, dynamics, role, seen[role.name]) for role in market.roles()}
    done = check.result("admissible", dynamics.admissible, state, actions)
    _check_roles(check, "admissible", market, done, lambda role: actions[role.name].shape)
    after, outcome = check.result("step", dynamics.step, key, state, done)
    _check_state(check, state, after)
    _check_roles(check, "rewards", market, outcome.rewards, lambda role: (role.agents,))
    for name, flag in (("terminated", outcome.terminated), ("truncated", outcome.truncated)):
        check(flag.shape == () and flag.dtype == bool, f"{name} is {said(flag)}; make it a single boolean")
    _check_info(check, market, outcome.info)
    everything = check.result("global_state", dynamics.global_state, state)
    check(everything.ndim == 1, f"global_state is {said(everything)}; make it a vector")
    check.result("an episode", lambda k: _episode(dynamics, market.horizon, k), key)


def _check_roles(
    check: Promises, what: str, market: Market, found: Mapping[str, Any], shape: Callable[[Role], tuple[int, ...]]
) -> None:
    names = [role.name for role in market.roles()]
    check(isinstance(found, dict) and sorted(found) == sorted(names), f"{what} needs one array for each of {names}")
    for role in market.roles():
        array, wanted = found[role.name], shape(role)
        good = array.shape == wanted and jnp.issubdtype(array.dtype, jnp.floating)
        check(good, f"{what} of role {role.name} is {said(array)}; make it float{list(wanted)}")


def _check_choices(check: Promises, dynamics: Dynamics, role: Role, seen: Any) -> jax.ShapeDtypeStruct:
    """Candidates, network inputs and exploration of a role; returns the shape of its agents' actions."""
    observation, who = jax.ShapeDtypeStruct(seen.shape[1:], seen.dtype), f" of role {role.name}"
    values, feasible = check.result("candidates", lambda o: dynamics.candidates(role, o), observation)
    size = _size(role)
    good = values.ndim == 2 and values.shape[0] >= 1 and values.shape[1] == size
    check(good, f"candidates{who} are {said(values)}; make them float[candidates, {size}]")
    if isinstance(role.actions, Discrete):
        count = role.actions.size
        check(len(values) == count, f"candidates{who} are {len(values)}, its actions {count}; make them as many")
    good = feasible.shape == () and jnp.issubdtype(feasible.dtype, jnp.integer)
    check(good, f"the number of feasible candidates{who} is {said(feasible)}; make it a single integer")
    features = check.result("features", lambda o: dynamics.features(role, o), observation)
    check(features.ndim == 1, f"features{who} are {said(features)}; make them a vector")
    action = jax.ShapeDtypeStruct((size,), values.dtype)
    inputs = check.result("inputs", lambda o, a: dynamics.inputs(role, o, a), observation, action)
    check(inputs.ndim == 1, f"inputs{who} are {said(inputs)}; make them a vector")
    draws = jax.ShapeDtypeStruct((size,), seen.dtype)
    drawn = check.result("explore", lambda o, u: dynamics.explore(role, o, u), observation, draws)
    check(drawn.shape == (size,), f"explore{who} gives {said(drawn)}; make it float[{size}]")
    return jax.ShapeDtypeStruct((role.agents, size), values.dtype)


def _check_state(check: Promises, before: State, after: State) -> None:
    kind: Any = jax.tree.structure(before)
    check(kind == jax.tree.structure(after), "step returns another kind of state than it takes")
    for (path, old), new in zip(jax.tree_util.tree_leaves_with_path(before), jax.tree.leaves(after), strict=True):
        same = (old.shape, old.dtype) == (new.shape, new.dtype)
        check(same, f"step turns state{jax.tree_util.keystr(path)} from {said(old)} into {said(new)}; keep it")


def _check_info(check: Promises, market: Market, info: Mapping[str, Any]) -> None:
    names = [quantity.name for quantity in market.quantities()]
    check(sorted(info) == sorted(names), f"info records {sorted(info)}, quantities() lists {names}; make them the same")
    for quantity in market.quantities():
        wanted = (market.n_players,) if quantity.by_agent else ()
        array = info[quantity.name]
        check(array.shape == wanted, f"info: {quantity.name} is {said(array)}; make it float{list(wanted)}")


# --- episodes ------------------------------------------------------------------------------------------------------


@eqx.filter_jit
def _episodes(dynamics: Dynamics, horizon: int, keys: Any) -> Trace:
    """Compiled, side by side."""
    return jax.vmap(lambda key: _episode(dynamics, horizon, key))(keys)


def _chance(dynamics: Dynamics, horizon: int, key: Any) -> tuple[Any, dict[str, Any]]:
    """Keys for the market, and uniform draws for the agents of each role; the first is for the reset."""
    *players, market = jax.random.split(key, len(dynamics.roles) + 1)
    draws = {
        role.name: jax.random.uniform(k, (horizon, role.agents, 1 + _size(role)))
        for role, k in zip(dynamics.roles, players, strict=True)
    }
    return jax.random.split(market, 1 + horizon), draws


def _episode(dynamics: Dynamics, horizon: int, key: Any) -> Trace:
    """Random play: half of it any feasible candidate, half as the market explores."""
    keys, draws = _chance(dynamics, horizon, key)

    def step(state: State, chance: tuple[Any, dict[str, Any]]) -> tuple[State, Trace]:
        key, draws = chance
        seen, actions = dynamics.observe(state), {}
        trace: Trace = {"global_state": dynamics.global_state(state)}
        for role in dynamics.roles:
            choose = jax.vmap(lambda o, u, role=role: _choose(dynamics, role, o, u))
            own = choose(seen[role.name], draws[role.name])
            actions[role.name] = own.pop("action")
            trace |= {f"{what} of role {role.name}": values for what, values in own.items()}
        done = dynamics.admissible(state, actions)
        after, outcome = dynamics.step(key, state, done)
        trace |= {"observe": seen, "admissible": done, "admissible again": dynamics.admissible(state, done)}
        trace |= {"rewards": outcome.rewards, "info": outcome.info}
        return after, {**trace, "terminated": outcome.terminated, "truncated": outcome.truncated}

    return jax.lax.scan(step, dynamics.reset(keys[0]), (keys[1:], draws))[1]


def _by_hand(dynamics: Dynamics, horizon: int, key: Any, trace: Trace) -> Trace:
    """The first steps of the first episode again, one operation after the other, with the same actions."""
    keys, _ = _chance(dynamics, horizon, key)
    state, steps = dynamics.reset(keys[0]), []
    for k in range(min(EAGER_STEPS, horizon)):
        actions = jax.tree.map(lambda x, k=k: jnp.asarray(x[0, k]), trace["admissible"])
        seen = dynamics.observe(state)
        state, outcome = dynamics.step(keys[1 + k], state, actions)
        steps.append({"observe": seen, "rewards": outcome.rewards, "info": outcome.info})
    return jax.tree.map(lambda *x: np.stack(x), *steps)


def _size(role: Role) -> int:
    return 1 if isinstance(role.actions, Discrete) else role.actions.size


def _choose(dynamics: Dynamics, role: Role, observation: Any, draws: Any) -> Trace:
    values, feasible = dynamics.candidates(role, observation)
    possible = jnp.arange(len(values)) < feasible
    drawn = values[jnp.clip(jnp.floor(draws[1] * feasible).astype(int), 0, len(values) - 1)]
    action = jnp.where(draws[0] < 0.5, drawn, dynamics.explore(role, observation, draws[1:]))
    return {
        "action": action,
        "number": feasible - len(values) * (feasible > len(values)) * 2,  # too many: negative
        "candidates": jnp.where(possible[:, None], values, 0.0),
        "features": dynamics.features(role, observation),
        "inputs": dynamics.inputs(role, observation, action),
    }


def _check_trace(check: Promises, market: Market, trace: Trace) -> None:
    ended = trace["terminated"] | trace["truncated"]
    check(ended.any(axis=1).all(), f"no flag ends the episode at the horizon, step {market.horizon}")
    alive = np.cumsum(ended, axis=1) - ended == 0
    for name, values in sorted(_flat(trace), key=lambda entry: not entry[0].startswith("candidates")):  # causes first
        broken = alive & ~np.isfinite(values.reshape(*alive.shape, -1)).all(axis=2)
        check(not broken.any(), f"{name} is not finite in step {np.argwhere(broken)[0, 1] + 1 if broken.any() else 0}")
    for role in market.roles():
        number = trace[f"number of role {role.name}"][alive]
        most = trace[f"candidates of role {role.name}"].shape[3]
        good = ((number >= 1) & (number <= most)).all()
        check(good, f"the number of feasible candidates of role {role.name} must be from 1 to {most}")
        first, second = (trace[name][role.name][alive] for name in ("admissible", "admissible again"))
        check(np.allclose(first, second, **CLOSE), f"admissible changes the actions of role {role.name} a second time")


def _check_same(check: Promises, problem: str, wanted: Trace, found: Trace, exact: bool = False) -> None:
    for (name, one), (_, other) in zip(_flat(wanted), _flat(found), strict=True):
        one = one if exact else one[0, : len(other)]
        same = np.array_equal(one, other, equal_nan=True) if exact else np.allclose(one, other, equal_nan=True, **CLOSE)
        check(same, f"{problem}: {name} differs")


def _flat(trace: Trace) -> Iterator[tuple[str, Any]]:
    for name, values in trace.items():
        if isinstance(values, dict):
            yield from ((f"{name}, {part}", array) for part, array in values.items())
        else:
            yield name, values
