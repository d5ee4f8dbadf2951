"""The answer of a run in a market: what the test with frozen policies brought, benchmarks beside it, verdict."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from tacitlab.lab.result import Result
from tacitlab.learners.scripted import Random, Rule
from tacitlab.measures.statistics import Estimate, mean_interval
from tacitlab.report.agents import FEW_AGENTS, Outcomes, agent_rows, exploitation
from tacitlab.report.answer import Answer, by_agent, names_of
from tacitlab.report.exploring import not_yet, training_note
from tacitlab.report.finding import Finding
from tacitlab.report.market_baselines import Baseline, baselines, sentence
from tacitlab.report.market_tested import Tested, failure_sentence, outcome_of
from tacitlab.report.one_benchmark import Ends, distant
from tacitlab.report.team_answer import is_team, team_verdict
from tacitlab.report.verdict import (
    Band,
    Verdict,
    Word,
    equilibria,
    exploiting,
    judged,
    not_learned,
    scripted,
)
from tacitlab.theory.benchmarks import Profile

Floats = NDArray[np.float64]

RANDOM = "random"  # the rule that chooses at random, wherever a market has one


def market_answer(result: Result, cell: int = 0) -> Answer:
    """Outcome, benchmarks and verdict of one cell of an experiment in a market."""
    found = outcome_of(result, cell)
    rules, labels = baselines(found), names_of(found.benchmarks)
    enough = len(found.outcomes) > 0
    gain = mean_interval(found.gains) if enough and found.gains is not None else None
    told = (note for note in (*found.benchmarks.notes, *_played(found), training_note(found.experiment)) if note)
    return Answer(
        tuple(_findings(found, rules)), gain, _verdict(found, gain, labels, rules), _sessions(found),
        f"{len(found.failures)} of {found.sessions}", labels, tuple(told), tallied="failed", failed=len(found.failures),
    )  # fmt: skip


def _verdict(found: Tested, gain: Estimate | None, labels: tuple[str, str], rules: Sequence[Baseline]) -> Verdict:
    """What the outcome is called, and beside which rules."""
    if not len(found.outcomes):
        return Verdict(Word.NOTHING, "Every session failed: nothing can be said about the outcome.")
    if gain is None:
        judged_ = distant(_ends(found, labels, rules))
    elif is_team(found.benchmarks):
        judged_ = team_verdict(gain, found.benchmarks, found.words.role)
    else:
        judged_ = judged(gain, _bands(found, rules), labels, f"{found.words.role}s")
    text = f"{judged_.text} {sentence(rules)}".strip()
    learns = any(learner.learns for learner in found.experiment.learners)
    if learns and (why := not_yet(found.experiment, found.learned)):
        return not_learned(why, text)
    if exploited := "" if found.market.common_reward else exploitation(_outcomes(found, rules)):
        return exploiting(exploited, text)
    if not learns and judged_.word is Word.COOPERATIVE:
        return scripted(text)
    return Verdict(judged_.word, text)


def _bands(found: Tested, rules: Sequence[Baseline]) -> list[Band]:
    """The known equilibria and random play, as far as they have a place."""
    sign, levels = found.words.sign, [found.level(profile) for profile in found.benchmarks.competitive]
    bands = [equilibria([sign * level for level in levels], sign * float(found.mean(found.optimum)))]
    nash, room = float(found.mean(found.nash)), found.room or np.nan
    return [*bands, *(band.seen_from(nash, sign * room) for band in _null(found, rules))]


def _null(found: Tested, rules: Sequence[Baseline]) -> list[Band]:
    """Random play in the outcome's own unit: exactly, as it was played beside the learners, or by everybody here."""
    exact = found.benchmarks.random
    if exact is not None:
        ends = [(found.level(exact), found.level(exact))]
    elif _all_at_random(found):
        own = mean_interval(found.mean(found.outcomes))
        ends = [(own.low, own.high)]
    else:
        same = found.compared == found.counted
        ends = [(row.outcome.low, row.outcome.high) for row in rules if row.rule == RANDOM and same]
    return [Band(Word.RANDOM, "random play", low, high) for low, high in ends if not np.isnan(low)]


def _all_at_random(found: Tested) -> bool:
    """Whether whoever counts chooses at random: then the outcome is random play, not merely like it."""
    seated = [learner for _, learner in found.experiment.seated()]
    ours = [seated[k] for k in found.counted]
    return all(
        isinstance(one, Random) or (isinstance(one, Rule) and one.rule == RANDOM and one.rate == 1) for one in ours
    )


def _random(found: Tested, rules: Sequence[Baseline]) -> Floats | None:
    """What each agent gets where all play at random, as far as it is known."""
    exact, n = found.benchmarks.random, found.market.n_players
    if exact is not None:
        return np.broadcast_to(found.words.sign * exact.payoffs, (n,))
    if len(found.outcomes) and _all_at_random(found):
        return np.asarray(found.outcomes.mean(axis=0))
    return next((row.agents for row in rules if row.rule == RANDOM), None)


def _outcomes(found: Tested, rules: Sequence[Baseline]) -> Outcomes:
    """Of the agents that count."""
    who, episodes = found.counted, found.data["test_payoff"].astype(np.float64).transpose("session", "episode", "agent")
    errors = episodes.std("episode", ddof=1).values / np.sqrt(max(1, episodes.sizes["episode"]))
    mixed, random = len(set(found.learners)) > 1, _random(found, rules)
    names = tuple(f"{found.agents[k]}, {found.learners[k]}" if mixed else found.agents[k] for k in who)
    return Outcomes(
        found.outcomes[:, who], np.nan_to_num(errors[:, who]), found.nash[who], found.optimum[who],
        by_agent(found.benchmarks, found.market.n_players, found.words.sign)[:, who],
        None if random is None else random[who], names, found.alike, found.words,
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


def _findings(found: Tested, rules: Sequence[Baseline]) -> list[Finding]:
    """All agents together, then each of them as far as they differ, then prices and the like."""
    name, n, random = found.words.outcome, found.market.n_players, _random(found, rules)
    rows = [_finding(found, name, found.counted, random)]
    if found.market.common_reward:  # everybody gets the same
        return rows + _quantities(found, rules)
    seated = found.experiment.seated()
    if len(found.counted) <= FEW_AGENTS:
        rows += agent_rows(_outcomes(found, rules))
    else:
        several = len(found.market.roles()) > 1
        kinds = [(role.name if several else found.words.role, kind)
                 for (role, _), kind in zip(seated, found.learners, strict=True)]  # fmt: skip
        groups = dict.fromkeys(kinds[k] for k in found.counted)
        for role, kind in groups if len(groups) > 1 else ():
            these = [k for k in range(n) if kinds[k] == (role, kind)]
            rows.append(
                _finding(found, f"{name}, {len(these)} {role}{'s' if len(these) > 1 else ''}, {kind}", these, random)
            )
    for k in range(n):
        if k not in found.counted:
            seat = seated[k][0]
            rows.append(replace(_finding(found, f"{seat.outcome}, {found.agents[k]}", [k], random), unit=seat.unit))
    return rows + _quantities(found, rules)


def _finding(found: Tested, name: str, agents: list[int], random: Floats | None) -> Finding:
    estimate = mean_interval(found.outcomes[:, agents].mean(axis=1))
    nash, optimum = (float(side[agents].mean()) for side in (found.nash, found.optimum))
    level = None if random is None else float(random[agents].mean())
    detail = len(agents) < len(found.counted) or agents != found.counted
    return Finding(name, estimate, nash, optimum, found.words.unit, detail, level)


def _quantities(found: Tested, rules: Sequence[Baseline]) -> list[Finding]:
    """What is recorded and has a benchmark of the same name, such as a price: means over steps and agents."""
    rows = []
    known = (found.benchmarks.competitive[:1], found.benchmarks.cooperative[:1])
    for quantity in found.market.quantities():
        if not any(quantity.name in profile.quantities for profiles in known for profile in profiles):
            continue
        values = found.data[f"test_{quantity.name}"].astype(np.float64)
        means = values.mean([dim for dim in values.dims if dim != "session"]).values
        nash, optimum = (_level(profiles, quantity.name) for profiles in known)
        exact = found.benchmarks.null
        played = next((row.quantities.get(quantity.name) for row in rules if row.rule == RANDOM), None)
        random = _level(exact, quantity.name) if exact else played
        rows.append(Finding(quantity.name, mean_interval(means), nash, optimum, quantity.unit, random=random))
    return rows


def _level(profiles: Sequence[Profile], name: str) -> float | None:
    known = profiles and name in profiles[0].quantities
    return float(np.mean(profiles[0].quantities[name])) if known else None


# --- words ---------------------------------------------------------------------------------------------------------


def _ends(found: Tested, labels: tuple[str, str], rules: Sequence[Baseline]) -> Ends:
    """All that an outcome without a place between two benchmarks is compared with."""
    nash, optimum = (float(found.mean(side)) for side in (found.nash, found.optimum))
    return Ends(
        found.mean(found.outcomes), nash, optimum, labels, found.words, found.market.n_players, _null(found, rules)
    )


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
