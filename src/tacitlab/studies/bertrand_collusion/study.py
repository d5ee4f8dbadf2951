"""Do Q-learning firms collude, and is it collusion? The baseline of Calvano et al. (2020)."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any, ClassVar

import numpy as np
from numpy.typing import ArrayLike

from tacitlab.audits import collusion
from tacitlab.audits.impulse_response import nearest_actions
from tacitlab.lab.experiment import load
from tacitlab.lab.result import Result
from tacitlab.measures.statistics import Estimate, mean_interval, proportion
from tacitlab.report.verdict import TOLERANCE
from tacitlab.studies.base import Claim, Finding, Player, Study, Verdict, farthest, judge, less_than, named, tally
from tacitlab.studies.bertrand_collusion.evidence import Evidence, Series, over_observations, resampled
from tacitlab.studies.frame import Published, beside, compared, percent, published

PUBLISHED = published(__file__)
RUNS = PUBLISHED["profit gain Δ"].runs or 0  # that every published value rests on
GROUPS = ("1 symmetric", "1 asymmetric", "1", "2", "3 or more", "all")  # cycles, see audits.collusion.cycle_groups
DISJOINT = ("1 symmetric", "1 asymmetric", "2", "3 or more")
SERIES = {  # published impulse responses: as the paper defines them, and as the authors' routine computes them
    "defined": (("deviator", "price"), ("rival", "price"), ("deviator", "profit")),
    "routine": (("deviator", "price"), ("rival", "price"), ("deviator", "profit"), ("rival", "profit")),
}
CUT_FROM = 1.776  # the constant price that published cuts start from
EPISODE = 25_000  # periods
FEW = 999  # resamples of the intervals of a series, of which few are shown
RARE = 0.05  # a property that fewer sessions have is called rare


class BertrandCollusion(Study):
    """Profit gain, punishment and best responses of Q-learning duopolists, beside the published values."""

    name: ClassVar[str] = "bertrand-collusion"
    question: ClassVar[str] = "do Q-learning firms collude, and is it collusion?"
    source: ClassVar[str] = (
        "Calvano, Calzolari, Denicolò and Pastorello, Artificial intelligence, algorithmic pricing, and collusion, "
        "American Economic Review 110(10), 2020, 3267-3297.\n\n"
        "(P) published, (R) printed by a re-run of the authors' public code, (R*) computed by an independent script "
        "from the limit strategies of such a re-run."
    )
    sizes: ClassVar[Mapping[str, int]] = {"quick": 200, "paper": 1000}  # sessions

    def find(self, preset: str, play: Player) -> Finding:
        return examine(play(load("bertrand", [f"sessions={self.sizes[preset]}"])))


def examine(result: Result) -> Finding:
    """Judge the claims by the sessions of a result of the ``bertrand`` scenario."""
    from tacitlab.studies.bertrand_collusion.figures import sections

    evidence = Evidence.of(result)
    claims = all_claims(evidence)
    return Finding(answer(evidence, claims), claims, sections(evidence), notes(evidence))


def notes(e: Evidence) -> tuple[str, ...]:
    """What a reader must know to judge the comparison."""
    theirs = PUBLISHED["deviation deterred (IC), ties counted"].value
    strictly, counted = (PUBLISHED[f"validation: deterred, {how}"].value for how in ("strictly", "ties counted"))
    return (
        f"Published values rest on {RUNS:,} runs. Their standard error is sd / sqrt({RUNS}) where the sd is known, "
        f"binomial for shares of runs, and otherwise that of our own sessions at {RUNS:,} runs.",
        f"IC: in {percent(e.ties.mean())} of the observations the deviation earns exactly as much as the path, because "
        "the static best reply is the price of the path itself. The definition wants strictly less; the published "
        f"{theirs:.3f} agrees with the share with ties counted as deterred (a large validation run gave {strictly:.3f} "
        f"strictly and {counted:.3f} with ties).",
        "Best responses: the one-step test, the published one, lets everybody return to the learned strategies after "
        "one deviation. Full re-optimisation compares with the exact best response of the repeated game and has "
        "another name here; only it tests for an equilibrium.",
        "Impulse responses by the authors' routine depend on where a limit cycle is said to start if it is longer than "
        "1. Theirs starts at the successor of the last learning state, a phase that chance decides: ours are averages "
        "over all phases.",
    )


# --- claims ----------------------------------------------------------------------------------------------------------


def all_claims(e: Evidence) -> tuple[Claim, ...]:
    """Every claim of the study, in the order of the report."""
    parts = (outcome_claims, best_response_claims, deviation_claims, cut_claims, series_claims, cycle_claims)
    return tuple(claim for part in parts for claim in part(e))


def known(name: str, found: Estimate, e: Evidence, note: str = "", *, share: bool = False) -> Claim:
    """A claim beside the published value of its name; ``share``: of runs with a property, whose error is binomial."""
    value = PUBLISHED[name]
    return beside(name, found, value, se=error(value, found, e.sessions, share=share), note=note)


def error(value: Published, found: Estimate, sessions: int, *, share: bool = False) -> float:
    """Standard error of a published value: that of our sessions at as many runs, where its own is not known."""
    if value.sd is not None or not share:
        return value.error_like(found, sessions)
    return float(np.sqrt(value.value * (1 - value.value) / RUNS))


def firm_mean(values: ArrayLike) -> Estimate:
    """Of (sessions, firms)."""
    return mean_interval(np.asarray(values, dtype=np.float64).mean(1))


def outcome_claims(e: Evidence) -> Iterator[Claim]:
    """Profits, prices and time to convergence."""
    data = e.result.data
    yield known("profit gain Δ", mean_interval(e.gain.mean), e)
    for firm in range(2):
        yield known(f"profit gain Δ, firm {firm + 1}", mean_interval(e.gain.firms[:, firm]), e)
    best = collusion.profit_gain(e.cycle.payoffs, e.best_equilibrium.payoffs, e.result.benchmarks().optimum.payoffs)
    note = f"against {e.best_equilibrium.name}, the most profitable static equilibrium known"
    yield Claim("profit gain Δ against the best equilibrium", mean_interval(best.mean), note=note)
    yield known("profit per firm (money a period)", mean_interval(e.cycle.payoffs.mean(1)), e)
    for firm in range(2):
        yield known(f"mean limit price, firm {firm + 1} (money)", mean_interval(e.cycle.actions[:, firm]), e)
    converged = data["converged"].values
    yield known("sessions converged", mean_interval(converged), e, share=True)
    episodes = (data["periods"].values[converged] - e.result.experiment.length.stable_for) / EPISODE
    yield known("time to convergence, mean (episodes)", mean_interval(episodes), e)
    yield known("time to convergence, sd (episodes)", resampled(episodes, _sd), e)
    yield known("time to convergence, median (episodes)", resampled(episodes, np.median), e)


def _sd(values: Any, axis: int = -1) -> Any:
    return np.std(values, axis=axis, ddof=1)


def best_response_claims(e: Evidence) -> Iterator[Claim]:
    """Are the strategies best responses, by the published test and by full re-optimisation?"""
    one, full = e.one_step, e.full
    everywhere = mean_interval((one.best_response_states == 1).any(1))
    yield known("Nash on path, one-step test", mean_interval(one.nash_on_path), e, share=True)
    yield known("one firm BR on path, one-step test", firm_mean(one.best_response_on_path), e)
    yield known("states: one firm BR, one-step test", firm_mean(one.best_response_states), e)
    yield known("states: both BR, one-step test", mean_interval(one.nash_states), e)
    yield known("a firm BR in every state, one-step test", everywhere, e, share=True)
    yield known("one firm optimal on path, full re-optimisation", firm_mean(full.optimal_on_path), e)
    both = mean_interval(full.equilibrium_on_path)
    yield known("both optimal on path, full re-optimisation", both, e, share=True)
    yield known("forgone value, share of the best response's", firm_mean(e.forgone.share), e)
    yield Claim("forgone value (money a period)", firm_mean(e.forgone.per_period))
    yield Claim("rival's loss to a best responder (money a period)", firm_mean(e.forgone.rivals_loss))
    yield known("Q-loss on path", firm_mean(e.loss.on_path), e)
    yield known("Q-loss in all states", firm_mean(e.loss.all_states), e)


def deviation_claims(e: Evidence) -> Iterator[Claim]:
    """One-period deviations to the static best reply, and the control against a constant rival."""
    found, control = e.deviations, e.control
    note = f"{percent(e.ties.mean())} of the observations are ties, see above"
    strict = over_observations(found.session, found.incentive_compatible)
    yield known("deviation deterred (IC), strictly", strict, e, note)
    yield known("deviation deterred (IC), ties counted", over_observations(found.session, ~found.profitable), e, note)
    answered = over_observations(found.session, found.immediate_response)
    yield known("rival's price change at τ=2 (IR), relative", answered, e)
    yield known("punishment length (periods)", over_observations(found.session, found.length), e)
    yield Claim("play returns to the path", over_observations(found.session, found.returned))
    yield Claim("gain by deviating (% of discounted profit)", over_observations(found.session, found.gain_percent))
    note = "the same deviation against a rival who keeps its price"
    gain = over_observations(control.session, control.gain_percent)
    yield Claim("control: gain by deviating (% of discounted profit)", gain, note=note)
    deterred = over_observations(control.session, ~control.profitable)
    yield Claim("control: deviation deterred, ties counted", deterred, note=note)


def cut_claims(e: Evidence) -> Iterator[Claim]:
    """Price cuts of every size from a constant path at the published price."""
    start = nearest_actions(e.prices, [CUT_FROM] * len(e.prices))[0]
    at = e.cuts.start == start
    session, name = e.cuts.session[at], f"cuts from {CUT_FROM}"
    note = "limit cycles of length 1, cuts to every lower price; the published range is the middle and its rounding"
    for what, values in (
        ("unprofitable (above .95)", ~e.cuts.profitable),
        ("loss (3 to 4 % of profit)", e.cuts.loss),
        ("rival's change at τ=2 (13 %)", e.cuts.answer),
    ):
        yield known(f"{name}: {what}", over_observations(session, values[at]), e, note)


def series_claims(e: Evidence) -> Iterator[Claim]:
    """Impulse responses: of each series the period that is farthest from the published one."""
    for how, ours in (("defined", e.defined), ("routine", e.routine)):
        for who, quantity in SERIES[how]:
            claims = period_claims(how, who, quantity, ours, e)
            worst = farthest(claims)
            name = f"{how}: {who}'s {quantity}, farthest of τ=1..{len(claims)}: {worst.name}"
            yield replace(worst, name=name, note=f"judged by Bonferroni's bound, {worst.bound:.1f}")


def theirs(how: str, who: str, quantity: str) -> list[Published]:
    """A published impulse response, period by period."""
    names = (f"{how}: {who}'s {quantity}, τ={at}" for at in range(1, len(PUBLISHED)))
    return [PUBLISHED[name] for name in names if name in PUBLISHED]


def period_claims(how: str, who: str, quantity: str, ours: Series, e: Evidence) -> list[Claim]:
    """One claim for each published period of a series (sessions, periods)."""
    claims = []
    for at, value in enumerate(theirs(how, who, quantity)):
        found = mean_interval(ours[who, quantity][:, at], resamples=FEW)
        claims.append(beside(f"τ={at + 1}", found, value, se=error(value, found, e.sessions)))
    return claims


def cycle_claims(e: Evidence) -> Iterator[Claim]:
    """Groups of sessions by the length of their limit cycle."""
    by_statistic = zip(*(group_claims(e, group) for group in DISJOINT), strict=True)
    for name, claims in zip(("share of runs", "Δ", "Nash on path"), by_statistic, strict=True):
        worst = farthest(claims)
        note = f"judged by Bonferroni's bound, {worst.bound:.1f}; all groups are in the table"
        yield replace(worst, name=f"cycle groups: {name}, farthest of {len(claims)}: {worst.name}", note=note)
    nash = mean_interval(e.gain.mean[e.one_step.nash_on_path])
    yield known("profit gain Δ among runs that are Nash on path", nash, e)


def group_claims(e: Evidence, group: str) -> tuple[Claim, Claim, Claim]:
    """Share of runs, profit gain and Nash on path of one group, beside the published values."""
    member = e.groups[group]
    share, gain, nash = (PUBLISHED[f"cycle {group}: {what}"] for what in ("share", "Δ", "Nash on path"))
    among, earned = proportion(int(member.sum()), e.sessions), mean_interval(e.gain.mean[member])
    # A share of the runs of a group rests on fewer runs than all.
    se = float(np.sqrt(nash.value * (1 - nash.value) / (RUNS * share.value)))
    return (
        beside(group, among, share, se=error(share, among, e.sessions, share=True)),
        beside(group, earned, gain, se=error(gain, earned, e.sessions)),
        beside(group, mean_interval(e.one_step.nash_on_path[member]), nash, se=se),
    )


# --- answer ----------------------------------------------------------------------------------------------------------


def answer(e: Evidence, claims: Sequence[Claim]) -> str:
    """What the study concludes: outcome, mechanism, equilibrium, and how much of it agrees with the paper."""
    found = {name: claim.measured for name, claim in named(claims).items()}
    rare = found["both optimal on path, full re-optimisation"].mean < RARE
    parts = outcome(e, found), mechanism(e, found), equilibrium(found), conclusion(punished(e), rare), tally(claims)
    return "\n\n".join(parts)


Found = Mapping[str, Estimate]


def outcome(e: Evidence, found: Found) -> str:
    """Prices and profits."""
    benchmarks, gain = e.result.benchmarks(), found["profit gain Δ"]
    nash, monopoly = (float(np.mean(p.quantities["price"])) for p in (benchmarks.nash, benchmarks.optimum))
    return (
        f"Supra-competitive prices: {compared(gain, 'no', 'undecided', 'yes', to=TOLERANCE)}. The firms end at a price "
        f"of {e.cycle.actions.mean():.3f}, where Nash is {nash:.3f} and monopoly {monopoly:.3f}, and cover {gain:.3f} "
        "of the way from competitive to monopoly profit."
    )


def punished(e: Evidence) -> bool:
    """Whether the rival's answer deters: deviating loses, and loses more than against a rival who does not answer."""
    gain, without = (one.per_session(one.gain_percent) for one in (e.deviations, e.control))
    lost, by_answer = mean_interval(gain), mean_interval(gain - without)  # the same sessions, without failures
    return all(judge(one, less_than(0.0)) is Verdict.REPRODUCED for one in (lost, by_answer))


def mechanism(e: Evidence, found: Found) -> str:
    """Whether deviations are punished."""
    deterred, alone = found["deviation deterred (IC), ties counted"], found["control: deviation deterred, ties counted"]
    gain, without = (found[f"{where}gain by deviating (% of discounted profit)"] for where in ("", "control: "))
    return (
        f"Supported by punishment: {'yes' if punished(e) else 'not shown'}, against a deviation of one period. It is "
        f"deterred in {percent(deterred.mean)} of the cases (ties counted) and changes the deviator's discounted "
        f"profit by {gain.mean:+.1f} %: the rival changes its price by "
        f"{percent(found['rival' + chr(39) + 's price change at τ=2 (IR), relative'].mean)}, and in "
        f"{percent(found['play returns to the path'].mean, 2)} of the cases play returns to the path, after "
        f"{found['punishment length (periods)'].mean:.1f} periods. Against a rival who keeps its price the same "
        f"deviation would bring {without.mean:+.1f} % and be deterred in {percent(alone.mean)}."
    )


def equilibrium(found: Found) -> str:
    """Whether strategies are best responses."""
    nash, full = found["Nash on path, one-step test"].mean, found["both optimal on path, full re-optimisation"].mean
    worse = found["rival's loss to a best responder (money a period)"].mean
    share = found["forgone value, share of the best response's"].mean
    return (
        f"Best responses: {'almost never' if full < RARE else f'in {percent(full, 0)} of the sessions'}. The published "
        f"one-step test finds {percent(nash)} of the sessions in equilibrium on path; full re-optimisation finds "
        f"{percent(full)}. A rational firm in the place of either one would earn "
        f"{found['forgone value (money a period)'].mean:.4f} money a period more, {percent(share)} of what it then "
        f"earns, and would cost the other one {worse:.4f}."
    )


def conclusion(punished: bool, rare: bool) -> str:
    """What strategies that punish or do not, and are rarely an equilibrium or not, are.

    Examples
    --------
    >>> conclusion(punished=False, rare=True)[-71:]
    'no punishment that deters was shown, so the prices alone prove nothing.'
    """
    if punished and rare:
        reading = (
            "the strategies punish, which deters a single deviation, but they are hardly ever an equilibrium: whoever "
            "may deviate for longer takes money from them"
        )
    elif punished:
        reading = "the strategies punish, and some withstand a best responder"
    else:
        reading = "no punishment that deters was shown, so the prices alone prove nothing"
    return f"Supra-competitive prices are an outcome; collusion is a mechanism. Here {reading}."
