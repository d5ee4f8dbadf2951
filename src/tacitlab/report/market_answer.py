"""The answer of a run in a market: what the test with frozen policies brought, benchmarks beside it, verdict."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from tacitlab.lab.result import Result
from tacitlab.measures.statistics import mean_interval
from tacitlab.report.answer import (
    TOLERANCE,
    Answer,
    Finding,
    best_equilibrium,
    names_of,
    verdict,
)
from tacitlab.report.market_baselines import baselines, sentence
from tacitlab.report.market_tested import SAME, Tested, failure_sentence, outcome_of
from tacitlab.report.team_answer import is_team, team_verdict
from tacitlab.theory.benchmarks import Profile

Floats = NDArray[np.float64]

FEW_AGENTS = 6  # up to here each has a row of its own where they differ


def market_answer(result: Result, cell: int = 0) -> Answer:
    """Outcome, benchmarks and verdict of one cell of an experiment in a market."""
    found = outcome_of(result, cell)
    enough = len(found.outcomes) > 0
    gain = mean_interval(found.gains) if enough and found.gains is not None else None
    labels = names_of(found.benchmarks)
    if not enough:
        judged = "Every session failed: nothing can be said about the outcome."
    elif gain is not None and is_team(found.benchmarks):
        judged = team_verdict(gain, found.benchmarks, found.words.role)
    elif gain is not None:
        judged = verdict(gain, best_equilibrium(found.benchmarks), labels)
    else:
        judged = _from_one_benchmark(found, labels)
    judged = f"{judged} {sentence(baselines(found))}".strip()
    return Answer(
        tuple(_findings(found)), gain, judged, _sessions(found), f"{len(found.failures)} of {found.sessions}", labels,
        (*found.benchmarks.notes, *_played(found)), tallied="failed", failed=len(found.failures),
    )  # fmt: skip


def _played(found: Tested) -> tuple[str, ...]:
    """How a stage game was played as a market, which its benchmarks do not tell."""
    from tacitlab.markets.repeated_game import RepeatedGame  # imports JAX

    if not isinstance(found.market, RepeatedGame):
        return ()
    market, length = found.market, found.experiment.length
    episodes = "1 episode" if length.episodes == 1 else f"{length.episodes:,} episodes"
    seen = (
        ("nothing of the past", "the last period")[market.memory]
        if market.memory < 2
        else (f"the last {market.memory} periods")
    )
    told = f"{episodes} of {market.horizon:,} periods in training; players see {seen}"
    return (f"the stage game was played as a repeated game: {told}",)


# --- numbers -------------------------------------------------------------------------------------------------------


def _findings(found: Tested) -> list[Finding]:
    """All agents together, then each of them as far as they differ, then prices and the like."""
    name, n = found.words.outcome, found.market.n_players
    rows = [_finding(found, name, list(range(n)))]
    if found.market.common_reward:  # everybody gets the same
        return rows + _quantities(found)
    if found.alike and n == 2:
        order, nash, optimum = (np.sort(side) for side in (found.outcomes, found.nash, found.optimum))
        names = ("cheaper", "dearer") if found.words.cost else ("worse-off", "better-off")
        for k, which in enumerate(names):
            estimate, sides = mean_interval(order[:, k]), (float(nash[k]), float(optimum[k]))
            rows.append(Finding(f"{name}, {which} {found.words.role}", estimate, *sides, found.words.unit, detail=True))
    elif not found.alike and 1 < n <= FEW_AGENTS:
        mixed = len(set(found.learners)) > 1
        for k in range(n):
            who = f"{found.agents[k]}, {found.learners[k]}" if mixed else found.agents[k]
            rows.append(_finding(found, f"{name}, {who}", [k]))
    elif len(found.market.roles()) > 1:
        seated = [(role.name, kind) for (role, _), kind in zip(found.experiment.seated(), found.learners, strict=True)]
        for role, kind in dict.fromkeys(seated):
            these = [k for k in range(n) if seated[k] == (role, kind)]
            rows.append(_finding(found, f"{name}, {len(these)} {role}{'s' if len(these) > 1 else ''}, {kind}", these))
    elif len(set(found.learners)) > 1:
        for kind in dict.fromkeys(found.learners):
            these = [k for k in range(n) if found.learners[k] == kind]
            rows.append(_finding(found, f"{name}, {len(these)} {found.words.role}s, {kind}", these))
    return rows + _quantities(found)


def _finding(found: Tested, name: str, agents: list[int]) -> Finding:
    estimate = mean_interval(found.outcomes[:, agents].mean(axis=1))
    nash, optimum = (float(side[agents].mean()) for side in (found.nash, found.optimum))
    return Finding(name, estimate, nash, optimum, found.words.unit, detail=len(agents) < found.market.n_players)


def _quantities(found: Tested) -> list[Finding]:
    """What is recorded and has a benchmark of the same name, such as a price: means over steps and agents."""
    rows = []
    known = (found.benchmarks.competitive[:1], found.benchmarks.cooperative[:1])
    for quantity in found.market.quantities():
        if not any(quantity.name in profile.quantities for profiles in known for profile in profiles):
            continue
        values = found.data[f"test_{quantity.name}"].astype(np.float64)
        means = values.mean([dim for dim in values.dims if dim != "session"]).values
        nash, optimum = (_level(profiles, quantity.name) for profiles in known)
        rows.append(Finding(quantity.name, mean_interval(means), nash, optimum, quantity.unit))
    return rows


def _level(profiles: Sequence[Profile], name: str) -> float | None:
    known = profiles and name in profiles[0].quantities
    return float(np.mean(profiles[0].quantities[name])) if known else None


# --- words ---------------------------------------------------------------------------------------------------------


def _from_one_benchmark(found: Tested, labels: tuple[str, str]) -> str:
    """The verdict where the outcome has no place between two benchmarks: its distance from the one there is."""
    nash, optimum = float(found.nash.mean()), float(found.optimum.mean())
    if np.isnan(nash) and np.isnan(optimum):
        return "No equilibrium and no joint optimum is known."
    label, reference = (labels[0], nash) if np.isnan(optimum) else (labels[1], optimum)
    if np.isnan(optimum):
        why = "No joint optimum is known."
    elif np.isnan(nash):
        why = "No equilibrium is known."
    elif found.market.n_players == 1:
        why, label = f"With one {found.words.role} alone, equilibrium and optimum are the same.", "the optimum"
    elif abs(optimum - nash) <= SAME * max(abs(nash), abs(optimum)):
        why = f"{labels[0]} and {labels[1]} coincide."
    else:
        why, label, reference = f"The {labels[1]} that was found is no better than {labels[0]}.", labels[0], nash
    return f"{why} {_distance(found, label, reference)}"


def _distance(found: Tested, label: str, reference: float) -> str:
    """How far the outcome lies from one benchmark, and whether that is better or worse."""
    relative = abs(reference) > 0
    estimate = mean_interval((found.outcomes.mean(axis=1) - reference) / (abs(reference) if relative else 1.0))
    form = "{:+.1%}" if relative else f"{{:+.4g}} {found.words.unit}".rstrip()
    where = f"the mean {found.words.outcome} differs from that of {label} by {form.format(estimate.mean)}"
    if np.isnan(estimate.low):
        return f"One session alone says nothing; {where}."
    where += f" (95 % CI {form.format(estimate.low)} to {form.format(estimate.high)})"
    low, high = sorted((found.words.sign * estimate.low, found.words.sign * estimate.high))  # positive: better
    near = TOLERANCE if relative else 0.0
    if low >= -near and high <= near:
        return f"{f'Within {near:.0%} of' if relative else 'As good as'} {label}: {where}."
    if high < -near:
        return f"Worse than {label}: {where}."
    if low > near:
        return f"Better than {label}: {where}."
    return f"Undecided with so few sessions: {where}; add sessions."


def _sessions(found: Tested) -> str:
    """How much was played, and what failed."""
    test, n = found.experiment.test, found.sessions
    many = f"{n} session{'s' if n != 1 else ''}"
    periods = f" of {found.market.payoff_steps:,} periods" if found.market.payoff_steps > 1 else ""
    trained = f"{many} of {found.experiment.length.episodes:,} episodes{periods}, each then"
    still = f" and {test.epsilon:.3g} exploration" if test.epsilon else ""
    policies = f" with frozen policies{still}"
    if not found.learned:
        trained, policies = f"Nobody learned: {many}, each", ""
    other = ", ".join(f"{name} = {value}" for name, value in test.environment.items())
    other = f", in another market than that of training ({other})" if other else ""
    text = f"{trained} tested over {test.episodes:,} episodes{policies}{other}."
    return f"{text} {failure_sentence(found.failures, n)}".strip()
