"""The answer of a run in words and numbers: outcome, interval, benchmarks beside it, verdict."""

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from tacitlab.environment import Words
from tacitlab.lab.experiment import Experiment, Length
from tacitlab.lab.result import Result
from tacitlab.markets.base import Market
from tacitlab.measures import outcome
from tacitlab.measures.statistics import Estimate, mean_interval, proportion
from tacitlab.report.agents import Outcomes, agent_rows, exploitation
from tacitlab.report.exploring import explained, forced, temperatures
from tacitlab.report.finding import Finding
from tacitlab.report.mechanism import Mechanism, mechanism
from tacitlab.report.one_benchmark import Ends, distant
from tacitlab.report.verdict import Band, Verdict, Word, equilibria, exploiting, judged, not_learned, scripted
from tacitlab.theory.benchmarks import Benchmarks


@dataclass(frozen=True)
class Answer:
    """What one cell of an experiment found."""

    findings: tuple[Finding, ...]
    gain: Estimate | None
    verdict: Verdict
    convergence: str
    tally: str  # "20 of 20"; a dash where sessions have a fixed length
    labels: tuple[str, str]  # names of the two benchmarks
    notes: tuple[str, ...] = ()
    tallied: str = "converged"  # what the tally counts
    failed: int = 0  # sessions that are left out

    @property
    def random_known(self) -> bool:
        """Whether anything is known of random play."""
        return any(finding.random is not None for finding in self.findings)

    @property
    def random_gain(self) -> float | None:
        """Place of random play between the two benchmarks."""
        first = self.findings[0]
        if first.random is None or first.nash is None or not self.gain:
            return None
        return (first.random - first.nash) / (float(first.optimum or 0.0) - first.nash)

    def sentence(self) -> str:
        """The verdict and how sure it is."""
        return f"{self.verdict.text} {self.convergence}"


def ends_by_limit(result: Result, cell: int = 0) -> bool:
    """Whether the outcome is greedy play after convergence, rather than play while learning."""
    return result.cells[cell].length.stable_for > 0


def cell_data(result: Result, cell: int) -> xr.Dataset:
    """The data of one cell of the sweep."""
    sizes = {name: len(values) for name, values in result.experiment.sweep_dimensions().items()}
    place = np.unravel_index(cell, tuple(sizes.values())) if sizes else ()
    return result.data.isel({name: int(k) for name, k in zip(sizes, place, strict=True)})


def answers(result: Result) -> list[Answer]:
    """The answers of all cells, last field of the sweep fastest, with the findings that all of them have."""
    found = [answer(result, cell) for cell in range(len(result.cells))]
    common = set.intersection(*({finding.name for finding in one.findings} for one in found))
    return [replace(one, findings=tuple(f for f in one.findings if f.name in common)) for one in found]


def answer(result: Result, cell: int = 0) -> Answer:
    """Outcome, benchmarks and verdict of one cell."""
    if isinstance(result.cells[cell].environment, Market):
        from tacitlab.report.market_answer import market_answer

        return market_answer(result, cell)
    data, benchmarks = cell_data(result, cell), result.benchmarks(cell)
    experiment, by_limit = result.cells[cell], ends_by_limit(result, cell)
    game, length = experiment.game, experiment.length
    learns = any(learner.learns for learner in experiment.learners)
    payoff = outcome.final_payoff(data, by_limit)
    copies = learns and identical(data)
    found = _outcomes(experiment, payoff.isel(session=slice(1 if copies else None)), data, benchmarks)
    findings = [_payoff_finding(game, payoff, data, benchmarks), *agent_rows(found)]
    if game.actions().unit:
        findings.append(_action_finding(game, data, benchmarks, by_limit))
    place = outcome.gain(payoff, data)
    gain = mean_interval(place.values[: 1 if copies else None]) if bool(place.notnull().all()) else None
    labels = names_of(benchmarks)
    epsilons = np.zeros(game.n_players) if by_limit else forced(experiment, game.n_players)
    null = _null(benchmarks, explained(game, benchmarks, epsilons))
    if gain is None:
        mean = game.words().sign * payoff.mean("agent").values[: 1 if copies else None]
        place_of_mean = distant(_ends(mean, game, benchmarks, null))
    else:
        levels = [profile.average for profile in benchmarks.competitive]
        bands = [equilibria(levels, benchmarks.optimum.average), *(placed(band, benchmarks) for band in null)]
        place_of_mean = judged(gain, bands, labels, f"{game.role}s", learns)
    same = f"all {data.sizes['session']} sessions are identical and count as one" if copies else ""
    return Answer(
        tuple(findings), gain, stated(place_of_mean, result, cell, data, exploitation(found)),
        _convergence(length, data, learns),
        f"{int(data['converged'].sum())} of {data.sizes['session']}" if length.stable_for else "-",
        labels, tuple(note for note in (same, *_notes(experiment, benchmarks)) if note),
    )  # fmt: skip


def _notes(experiment: Experiment, benchmarks: Benchmarks) -> tuple[str, ...]:
    hot = temperatures(experiment.learners, experiment.length.periods)
    reference = reference_note(benchmarks, experiment.game.words())
    return (*benchmarks.notes, reference, experiment.intervention.note(), hot)


def stated(judged: Verdict, result: Result, cell: int, data: xr.Dataset, exploited: str) -> Verdict:
    """The verdict on a stage game, with what the place of its mean does not say."""
    experiment = result.cells[cell]
    length, learns = experiment.length, any(learner.learns for learner in experiment.learners)
    if length.stable_for and not bool(data["converged"].any()) and learns:
        why = f"no session had converged within {length.periods:,} periods; raise length.periods"
        return not_learned(why, judged.text)
    if exploited:
        return exploiting(exploited, judged.text)
    if judged.word is not Word.COOPERATIVE:
        return judged
    frozen = ends_by_limit(result, cell) or not learns  # what is played is the strategy, without exploration
    found = mechanism(result, cell) if frozen and not experiment.sweep else Mechanism()
    text = f"{judged.text} {found.text}".strip()
    return Verdict(judged.word, text, found.support) if learns else scripted(text, found.support)


def identical(data: xr.Dataset) -> bool:
    """Whether all sessions went the same way, to the last bit: then they are copies of one."""
    names = [name for name in ("payoff", "limit_payoff", "frequency") if name in data]
    first = data[names].isel(session=0)
    return data.sizes["session"] > 1 and all(bool(((data[n] == first[n]) | data[n].isnull()).all()) for n in names)


def reference_note(benchmarks: Benchmarks, words: Words) -> str:
    """Which of several equilibria the outcome is measured from; empty where there is but one."""
    if len(benchmarks.competitive) < 2:
        return ""
    level = words.sign * benchmarks.nash.average
    return f"of several equilibria the reference is {benchmarks.nash.name}: mean {words.outcome} {level:.5g}"


def random_band(benchmarks: Benchmarks) -> Band | None:
    """Random play, where its payoff is known exactly and has a place between the two references."""
    if not benchmarks.competitive or not benchmarks.cooperative:
        return None
    found = [placed(band, benchmarks) for band in _null(benchmarks, None)]
    return found[0] if found and not np.isnan(found[0].low) else None


def _null(benchmarks: Benchmarks, explored: Band | None) -> list[Band]:
    """What needs no cooperation beside the equilibria, by mean payoff: forced exploration, then random play."""
    exact = benchmarks.random
    random = [] if exact is None else [Band(Word.RANDOM, "random play", exact.average, exact.average)]
    return [*([explored] if explored else []), *random]


def placed(band: Band, benchmarks: Benchmarks) -> Band:
    """A band of payoffs as one of places between the two references; NaN where they coincide."""
    low, room = benchmarks.nash.average, benchmarks.optimum.average - benchmarks.nash.average
    return band.seen_from(low, room or np.nan)


def _ends(values: NDArray[np.float64], game: Any, benchmarks: Benchmarks, null: list[Band]) -> Ends:
    """All that an outcome without a place between two benchmarks is compared with, in the words of the game."""
    words = game.words()
    nash, optimum = (
        words.sign * profiles[0].average if profiles else np.nan
        for profiles in (benchmarks.competitive, benchmarks.cooperative)
    )
    spoken = [band.seen_from(0.0, words.sign) for band in null]
    return Ends(values, nash, optimum, names_of(benchmarks), words, game.n_players, spoken)


def _outcomes(experiment: Experiment, payoff: xr.DataArray, data: xr.Dataset, benchmarks: Benchmarks) -> Outcomes:
    words, players = experiment.game.words(), data.sizes["agent"]
    values = words.sign * payoff.transpose("session", "agent").values
    nash, optimum = (
        words.sign * np.asarray(data[name].values, np.float64) for name in ("nash_payoff", "optimum_payoff")
    )
    random = None
    if benchmarks.random is not None:
        random = np.broadcast_to(words.sign * benchmarks.random.payoffs, (players,))
    alike = len(experiment.learners) == 1 and np.ptp(nash) <= outcome.ROUNDING * np.abs(nash).max()
    names = tuple(f"{words.role} {k + 1}" for k in range(players))
    known = by_agent(benchmarks, players, words.sign)
    return Outcomes(values, np.zeros_like(values), nash, optimum, known, random, names, bool(alike), words)


def by_agent(benchmarks: Benchmarks, players: int, sign: float) -> NDArray[np.float64]:
    """What each agent gets in the known equilibria that tell agents apart, (equilibria, agents)."""
    known = [sign * profile.payoffs for profile in benchmarks.competitive if len(profile.payoffs) == players]
    return np.array(known).reshape(-1, players)


def names_of(benchmarks: Benchmarks) -> tuple[str, str]:
    """What the competitive and the cooperative reference are called."""
    return (
        benchmarks.nash.name if benchmarks.competitive else "no known equilibrium",
        benchmarks.optimum.name if benchmarks.cooperative else "no optimum",
    )


def sweep_sentence(result: Result, answers: list[Answer]) -> str:
    """Where in a sweep the agents fare best and worst, of the cells that were looked at."""
    dims = result.experiment.sweep_dimensions()
    shape = tuple(len(values) for values in dims.values())

    def setting(cell: int) -> str:
        place = np.unravel_index(cell, shape)
        return ", ".join(f"{name} = {values[k]}" for (name, values), k in zip(dims.items(), place, strict=True))

    sessions = f"{result.data.sizes['session']} sessions in each of {int(np.prod(shape))} cells."
    if failed := sum(found.failed for found in answers):
        sessions += f" Failed and left out: {failed} of {result.data.sizes['session'] * int(np.prod(shape))}."
    gains = [found.gain.mean if found.gain else np.nan for found in answers]
    if not np.isnan(gains).all():
        best, worst = int(np.nanargmax(gains)), int(np.nanargmin(gains))
        return (
            f"The agents fare best at {setting(best)}, with a gain of {answers[best].gain}, and worst at "
            f"{setting(worst)}, with {answers[worst].gain}: 0 is {answers[best].labels[0]}, 1 is "
            f"{answers[best].labels[1]}. {sessions}"
        )
    means = [found.findings[0].estimate.mean for found in answers]
    if np.isnan(means).all():
        return sessions
    least, most = int(np.nanargmin(means)), int(np.nanargmax(means))
    return (
        f"The mean {answers[0].findings[0].name} is lowest at {setting(least)}, "
        f"{answers[least].findings[0].estimate}, and highest at {setting(most)}, {answers[most].findings[0].estimate}. "
        f"{sessions}"
    )


def _payoff_finding(game: Any, payoff: xr.DataArray, data: xr.Dataset, benchmarks: Benchmarks) -> Finding:
    sign, random = -1.0 if game.cost_name else 1.0, benchmarks.random
    return Finding(
        game.cost_name or game.payoff_name,
        mean_interval(sign * payoff.mean("agent").values),
        sign * float(data["nash_payoff"].mean()),
        sign * float(data["optimum_payoff"].mean()),
        game.payoff_unit,
        random=None if random is None else sign * random.average,
    )


def _action_finding(game: Any, data: xr.Dataset, benchmarks: Benchmarks, by_limit: bool) -> Finding:
    actions = game.actions()

    def predicted(profiles: tuple[Any, ...]) -> float | None:
        known = profiles and actions.name in profiles[0].quantities
        return float(np.mean(profiles[0].quantities[actions.name])) if known else None

    return Finding(
        actions.name,
        mean_interval(outcome.final_action(data, by_limit).mean("agent").values),
        predicted(benchmarks.competitive),
        predicted(benchmarks.cooperative),
        actions.unit,
        random=predicted(benchmarks.null),
    )


def _convergence(length: Length, data: xr.Dataset, learns: bool) -> str:
    n = data.sizes["session"]
    many = f"{n} session{'s' if n != 1 else ''}"
    if not learns:
        return f"Nobody learns: {many}."
    if not length.stable_for:
        return f"{many} of {length.periods:,} periods; means over the last {outcome.CLOSING_SHARE:.0%}."
    converged = int(data["converged"].sum())
    share = proportion(converged, n)
    if not converged:
        return f"0 of {many} converged within {length.periods:,} periods."
    times = data["periods"].values[data["converged"].values] - length.stable_for
    took = f"after {times.mean() / 1e6:.3g} million periods on average" if times.mean() >= 1e5 else (
        f"after {times.mean():,.0f} periods on average"
    )  # fmt: skip
    interval = "" if converged == n else f" ({share.low:.1%} to {share.high:.1%})"
    return f"{converged} of {many} converged{interval}, {took}."
