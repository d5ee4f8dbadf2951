"""What a market's scripted rules bring in the place of those who learn: the baselines of every run."""

from typing import Any

import numpy as np

from tacit.engine import deep
from tacit.lab.experiment import Experiment
from tacit.learners.deep.scripted import ActByRule
from tacit.markets.dynamics.base import Dynamics
from tacit.store.layout import Arrays, Variable

EPISODES, STEPS = 20, 10_000  # of each rule in a session, whichever is more, but no more than in the test


def tables(experiment: Experiment, dynamics: Dynamics) -> tuple[deep.Table, ...]:
    """The market of the test, with all agents following a rule, for each rule."""
    rules, role = experiment.baselines(), dynamics.roles[0]
    groups = [ActByRule.of(dynamics, role, role.agents, rules, number, 1.0) for number in range(len(rules))]
    return tuple(deep.Table(dynamics, (group,), (deep.Seat(role.name, 0, role.agents),)) for group in groups)


def variables(experiment: Experiment) -> dict[str, Variable]:
    """What is recorded of the baselines."""
    market, rules = experiment.test_market(), experiment.baselines()
    if not rules:
        return {}
    words, shape = market.words(), (len(rules), market.n_players)
    text = f"mean {words.payoff} of an episode of the test in which everybody follows the rule"
    found = {"baseline_payoff": Variable(("rule", "agent"), shape, "float32", words.unit, text)}
    for name, unit, by_agent in market.quantities():
        if not by_agent:
            text = f"mean {name} of a step where everybody follows the rule"
            found[f"baseline_{name}"] = Variable(("rule",), (len(rules),), "float32", unit, text)
    return found


def played(
    crew: deep.Crew, rules: tuple[deep.Table, ...], dynamics: Dynamics, keys: Any, experiment: Experiment, count: int
) -> Arrays:
    """All rules with the noise that frozen policies meet in their test, in so many sessions."""
    horizon, found = experiment.market.horizon, []
    episodes = min(experiment.test.episodes, max(EPISODES, STEPS // horizon))
    for table in rules:
        tested = crew.test(table, dynamics, keys, ((),), episodes, horizon, 0.0, False)
        per = experiment.market.payoff_steps
        values = {"payoff": np.asarray(tested.returns)[:count].mean(axis=1) / per}
        values |= {name: np.nanmean(np.asarray(mean)[:count], axis=1) for name, mean in tested.mean.items()}
        found.append(values)
    names = found[0] if found else {}
    return {f"baseline_{name}": np.stack([v[name] for v in found], axis=1).astype(np.float32) for name in names}
