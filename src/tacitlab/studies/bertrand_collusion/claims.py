"""The claims about learned pricing strategies, each beside its published value."""

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from tacitlab.audits import collusion
from tacitlab.audits.impulse_response import nearest_actions
from tacitlab.measures.statistics import Estimate, mean_interval, proportion
from tacitlab.studies.base import Claim, farthest
from tacitlab.studies.bertrand_collusion import published
from tacitlab.studies.bertrand_collusion.evidence import Evidence, over_observations, resampled
from tacitlab.studies.bertrand_collusion.published import RUNS, Value

FEW = 999  # resamples of the intervals of a series, of which few are shown


def all_claims(e: Evidence) -> tuple[Claim, ...]:
    """Every claim of the study, in the order of the report."""
    return (
        *outcome_claims(e),
        *best_response_claims(e),
        *deviation_claims(e),
        *cut_claims(e),
        *series_claims(e),
        *cycle_claims(e),
    )


def beside(name: str, found: Estimate, value: Value, sessions: int, note: str = "", *, share: bool = False) -> Claim:
    """A claim beside a published value; ``share``: of runs with a property, whose standard error is binomial."""
    if value.sd is not None:
        se = value.sd / np.sqrt(RUNS)
    elif share:
        se = np.sqrt(value.mean * (1 - value.mean) / RUNS)
    else:
        se = found.se * np.sqrt(sessions / RUNS)
    se = float(np.nan_to_num(se))
    return Claim(name, found, value.mean, value.source, se, value.rounding, note=note)


def outcome_claims(e: Evidence) -> Iterator[Claim]:
    """Profits, prices and time to convergence."""
    data, n = e.result.data, e.sessions
    yield beside("profit gain Δ", mean_interval(e.gain.mean), published.GAIN, n)
    for firm, value in enumerate(published.GAINS):
        yield beside(f"profit gain Δ, firm {firm + 1}", mean_interval(e.gain.firms[:, firm]), value, n)
    best = collusion.profit_gain(e.cycle.payoffs, e.best_equilibrium.payoffs, e.result.benchmarks().optimum.payoffs)
    note = f"against {e.best_equilibrium.name}, the most profitable static equilibrium known"
    yield Claim("profit gain Δ against the best equilibrium", mean_interval(best.mean), note=note)
    yield beside("profit per firm (money a period)", mean_interval(e.cycle.payoffs.mean(1)), published.PROFIT, n)
    for firm, value in enumerate(published.PRICES):
        yield beside(f"mean limit price, firm {firm + 1} (money)", mean_interval(e.cycle.actions[:, firm]), value, n)
    converged = data["converged"].values
    yield beside("sessions converged", mean_interval(converged), published.CONVERGED, n, share=True)
    learning = data["periods"].values[converged] - e.result.experiment.length.stable_for
    episodes = learning / published.EPISODE
    yield beside("time to convergence, mean (episodes)", mean_interval(episodes), published.TIME_MEAN, n)
    yield beside("time to convergence, sd (episodes)", resampled(episodes, _sd), published.TIME_SD, n)
    yield beside("time to convergence, median (episodes)", resampled(episodes, np.median), published.TIME_MEDIAN, n)


def _sd(values: Any, axis: int = -1) -> Any:
    return np.std(values, axis=axis, ddof=1)


def best_response_claims(e: Evidence) -> Iterator[Claim]:
    """Are the strategies best responses, by the published test and by full re-optimisation?"""
    n, one, full = e.sessions, e.one_step, e.full

    def firm_mean(values: ArrayLike) -> Estimate:
        return mean_interval(np.asarray(values, dtype=np.float64).mean(1))

    everywhere = (one.best_response_states == 1).any(1)
    yield beside("Nash on path, one-step test", mean_interval(one.nash_on_path), published.NASH, n, share=True)
    yield beside("one firm BR on path, one-step test", firm_mean(one.best_response_on_path), published.BEST_RESPONSE, n)
    yield beside(
        "states: one firm BR, one-step test", firm_mean(one.best_response_states), published.BEST_RESPONSE_STATES, n
    )
    yield beside("states: both BR, one-step test", mean_interval(one.nash_states), published.NASH_STATES, n)
    yield beside(
        "a firm BR in every state, one-step test",
        mean_interval(everywhere), published.BEST_RESPONSE_EVERYWHERE, n, share=True,
    )  # fmt: skip
    yield beside(
        "one firm optimal on path, full re-optimisation", firm_mean(full.optimal_on_path), published.OPTIMAL, n
    )
    yield beside(
        "both optimal on path, full re-optimisation",
        mean_interval(full.equilibrium_on_path), published.EQUILIBRIUM, n, share=True,
    )  # fmt: skip
    yield beside("forgone value, share of the best response's", firm_mean(e.forgone.share), published.FORGONE, n)
    yield Claim("forgone value (money a period)", firm_mean(e.forgone.per_period))
    yield Claim("rival's loss to a best responder (money a period)", firm_mean(e.forgone.rivals_loss))
    yield beside("Q-loss on path", firm_mean(e.loss.on_path), published.LOSS_ON_PATH, n)
    yield beside("Q-loss in all states", firm_mean(e.loss.all_states), published.LOSS_EVERYWHERE, n)


def deviation_claims(e: Evidence) -> Iterator[Claim]:
    """One-period deviations to the static best reply, and the control against a constant rival."""
    n, found, control = e.sessions, e.deviations, e.control
    ties = ~found.profitable & ~found.incentive_compatible
    note = f"{100 * ties.mean():.1f} % of the observations are ties, see above"
    strict = over_observations(found.session, found.incentive_compatible)
    yield beside("deviation deterred (IC), strictly", strict, published.DETERRED, n, note)
    yield beside(
        "deviation deterred (IC), ties counted",
        over_observations(found.session, ~found.profitable), published.DETERRED, n, note,
    )  # fmt: skip
    answered = over_observations(found.session, found.immediate_response)
    yield beside("rival's price change at τ=2 (IR), relative", answered, published.CUT, n)
    yield beside("punishment length (periods)", over_observations(found.session, found.length), published.LENGTH, n)
    yield Claim("play returns to the path", over_observations(found.session, found.returned))
    yield Claim("gain by deviating (% of discounted profit)", over_observations(found.session, found.gain_percent))
    note = "the same deviation against a rival who keeps its price"
    yield Claim(
        "control: gain by deviating (% of discounted profit)",
        over_observations(control.session, control.gain_percent), note=note,
    )  # fmt: skip
    yield Claim(
        "control: deviation deterred, ties counted", over_observations(control.session, ~control.profitable), note=note
    )


def cut_claims(e: Evidence) -> Iterator[Claim]:
    """Price cuts of every size from a constant path at the published price."""
    start = nearest_actions(e.prices, [published.CUT_FROM] * len(e.prices))[0]
    at = e.cuts.start == start
    session, name = e.cuts.session[at], f"cuts from {published.CUT_FROM}"
    note = "limit cycles of length 1, cuts to every lower price; the published range is the middle and its rounding"
    unprofitable = over_observations(session, ~e.cuts.profitable[at])
    yield beside(f"{name}: unprofitable (above .95)", unprofitable, published.CUTS_UNPROFITABLE, e.sessions, note)
    loss = over_observations(session, e.cuts.loss[at])
    yield beside(f"{name}: loss (3 to 4 % of profit)", loss, published.CUTS_LOSS, e.sessions, note)
    answered = over_observations(session, e.cuts.answer[at])
    yield beside(f"{name}: rival's change at τ=2 (13 %)", answered, published.CUTS_ANSWER, e.sessions, note)


def series_claims(e: Evidence) -> Iterator[Claim]:
    """Impulse responses: of each series the period that is farthest from the published one."""
    for how, ours, theirs, source in (
        ("defined", e.defined, published.DEFINED, published.STRATEGIES),
        ("routine", e.routine, published.ROUTINE, published.CODE),
    ):
        for (who, quantity), values in theirs.items():
            claims = period_claims(ours[who, quantity], values, source, e.sessions)
            worst = farthest(claims)
            name = f"{how}: {who}'s {quantity}, farthest of τ=1..{len(claims)}: {worst.name}"
            yield replace(worst, name=name, note=f"judged by Bonferroni's bound, {worst.bound:.1f}")


def period_claims(ours: Any, theirs: tuple[float, ...], source: str, sessions: int) -> list[Claim]:
    """One claim for each published period of a series (sessions, periods)."""
    found = [mean_interval(ours[:, at], resamples=FEW) for at in range(len(theirs))]
    values = [Value(value, source, published.SERIES_ROUNDING) for value in theirs]
    return [
        beside(f"τ={at}", one, value, sessions) for at, (one, value) in enumerate(zip(found, values, strict=True), 1)
    ]


def cycle_claims(e: Evidence) -> Iterator[Claim]:
    """Groups of sessions by the length of their limit cycle."""
    by_statistic = zip(*(group_claims(e, group) for group in published.DISJOINT), strict=True)
    for name, claims in zip(("share of runs", "Δ", "Nash on path"), by_statistic, strict=True):
        worst = farthest(claims)
        note = f"judged by Bonferroni's bound, {worst.bound:.1f}; all groups are in the table"
        yield replace(worst, name=f"cycle groups: {name}, farthest of {len(claims)}: {worst.name}", note=note)
    nash = mean_interval(e.gain.mean[e.one_step.nash_on_path])
    yield beside("profit gain Δ among runs that are Nash on path", nash, published.GAIN_OF_NASH, e.sessions)


def group_claims(e: Evidence, group: str) -> tuple[Claim, Claim, Claim]:
    """Share of runs, profit gain and Nash on path of one group, beside the published values."""
    member, rounding = e.groups[group], published.GROUPS_ROUNDING
    share, gain, nash = (Value(value, published.PAPER, rounding) for value in published.GROUPS[group])
    claim = beside(group, proportion(int(member.sum()), e.sessions), share, e.sessions, share=True)
    # A share of the runs of a group rests on fewer runs than 1,000.
    se = float(np.sqrt(nash.mean * (1 - nash.mean) / (RUNS * share.mean)))
    found = mean_interval(e.one_step.nash_on_path[member])
    return (
        claim,
        beside(group, mean_interval(e.gain.mean[member]), gain, e.sessions),
        Claim(group, found, nash.mean, nash.source, se, rounding),
    )
