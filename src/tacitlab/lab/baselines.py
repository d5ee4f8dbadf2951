"""What a market's scripted rules bring in the place of those who learn: the baselines of every run."""

from typing import Any

import numpy as np

from tacitlab.engine import deep
from tacitlab.lab.experiment import Experiment
from tacitlab.learners.base import Learner
from tacitlab.learners.parts.group import Group, LearnerState
from tacitlab.learners.parts.scripted import ActByRule
from tacitlab.markets.motion import Dynamics
from tacitlab.store.layout import Arrays, Variable

EPISODES, STEPS = 20, 10_000  # of each rule in a session, whichever is more, but no more than in the test


def tables(experiment: Experiment, dynamics: Dynamics, table: deep.Table) -> tuple[deep.Table, ...]:
    """The market of the test for each rule: everybody follows it; with several roles, those who would learn."""
    rules, market, role = experiment.baselines(), experiment.test_market(), dynamics.roles[0]
    if len(dynamics.roles) == 1:
        groups = [ActByRule.of(dynamics, role, role.agents, rules, number, 1.0) for number in range(len(rules))]
        return tuple(deep.Table(dynamics, (group,), (deep.Seat(role.name, 0, role.agents),)) for group in groups)
    roles = {role.name: role for role in dynamics.roles}

    def following(rule: str, group: Group, seat: deep.Seat, learner: Learner) -> Group:
        if not learner.learns:
            return group
        known = tuple(market.rules_of(roles[seat.role]))
        return ActByRule.of(dynamics, roles[seat.role], group.agents, known, known.index(rule), 1.0)

    parts = list(zip(table.groups, table.seats, experiment.learners, strict=True))
    return tuple(deep.Table(dynamics, tuple(following(rule, *part) for part in parts), table.seats) for rule in rules)


def variables(experiment: Experiment) -> dict[str, Variable]:
    """What is recorded of the baselines."""
    market, rules = experiment.test_market(), experiment.baselines()
    if not rules:
        return {}
    words, shape = market.words(), (len(rules), market.n_players)
    alone = len(market.roles()) == 1
    who = "everybody follows" if alone else "those who would learn follow"
    text = f"mean {words.payoff} of an episode of the test in which {who} the rule"
    found = {"baseline_payoff": Variable(("rule", "agent"), shape, "float32", words.unit, text)}
    for name, unit, by_agent in market.quantities():
        if not by_agent:
            text = f"mean {name} of a step where {who} the rule"
            found[f"baseline_{name}"] = Variable(("rule",), (len(rules),), "float32", unit, text)
    return found


def played(
    crew: deep.Crew, rules: tuple[deep.Table, ...], dynamics: Dynamics, keys: Any, learners: tuple[LearnerState, ...],
    experiment: Experiment, count: int,
) -> Arrays:  # fmt: skip
    """All rules with the noise that frozen policies meet in their test, in so many sessions."""
    horizon, found = experiment.market.horizon, []
    episodes = min(experiment.test.episodes, max(EPISODES, STEPS // horizon))
    staying = [() if one.learns else state for one, state in zip(experiment.learners, learners, strict=True)]
    acting = ((),) if len(dynamics.roles) == 1 else tuple(staying)
    for table in rules:
        tested = crew.test(table, dynamics, keys, acting, episodes, horizon, 0.0, False)
        per = experiment.market.payoff_steps
        values = {"payoff": np.asarray(tested.returns)[:count].mean(axis=1) / per}
        values |= {name: np.nanmean(np.asarray(mean)[:count], axis=1) for name, mean in tested.mean.items()}
        found.append(values)
    names = found[0] if found else {}
    return {f"baseline_{name}": np.stack([v[name] for v in found], axis=1).astype(np.float32) for name in names}
