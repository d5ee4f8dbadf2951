"""Do deep Q-learners that liquidate the same asset collude? Macrì and Lillo (2024), beside the equilibrium they played.

Three things must be kept apart: what the agents pay, which game they were in, and why they pay it.

*Which game.* The public code of the paper lets a trade move prices one step later than the paper says, but takes its
benchmark from the game as written. Both are played here, each judged by its own equilibrium.

*Why.* A cost below equilibrium is an outcome. A cartel leaves money on the table, since its members could do better by
deviating (at TWAP, which is the cartel's schedule in the game as written, by 1.325 each); but so do agents who have
not learned to respond. Three looks tell them apart: whether schedules lie near TWAP or near best responses; whether
agents that learn better come nearer to the equilibrium; and whether a rival answers a deviation so that it does not
pay. Policies see nothing of the rival and carry nothing from one episode to the next: all that could punish is the
rest of the same episode.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any, ClassVar

import numpy as np

from tacitlab.audits import execution as measures
from tacitlab.measures.statistics import Estimate
from tacitlab.studies import frame
from tacitlab.studies.base import (
    Claim,
    Finding,
    Player,
    Study,
    Verdict,
    farthest,
    judge,
    less_than,
    more_than,
    statements,
    tally,
)
from tacitlab.studies.execution_collusion.deviation import Answers, answers
from tacitlab.studies.frame import compared, listed, percent
from tacitlab.studies.liquidations import (
    BENCHMARKS,
    CONTROL,
    NASH_STAR,
    PUBLISHED,
    RUNS,
    SIMULATED,
    VOLATILITIES,
    WORDS,
    WRITTEN,
    Judged,
    Reference,
    Runs,
    Setting,
    Size,
    change,
    difference,
    digitised,
    estimate,
    experiment,
    label,
    left_out,
    majority,
    place,
    recosted,
    reference,
    share_error,
    shortened,
)

FIGURES = PUBLISHED["Nash star (currency)"].source
CONTROL_VOLATILITY = 1e-3
READ = (
    f"Published numbers were read from vector figures and rest on {RUNS} runs at each volatility; their standard "
    "errors are those of these runs, for shares with two more successes and failures each (Agresti and Coull). Runs as "
    "simulated are compared with them. What stands without a published value is judged by the equilibrium of the game "
    "played."
)
TOGETHER = (
    "Intervals and verdicts on single claims are those of 95 %, one by one; only the answer's first sentence holds for "
    "all experiments together. Experiments at one volatility share their seed, whatever the setting: between settings "
    "sessions are paired, and are not pooled."
)
# What is compared with the paper's figures: a name, and the statistic of each run that a Judged knows by another.
STATISTICS = (
    ("mean shortfall (currency)", "mean"),
    (f"both agents below the paper's Nash star {NASH_STAR:g} (share of runs)", "below_star"),
    ("in the rectangle of the paper's stars (share of runs)", "in_stars"),
    ("difference between the agents' costs (currency)", "gap"),
    ("the faster trader pays less (share of runs)", "faster"),
    ("sold in the first half of the time (share)", "early"),
    ("what a best response would save an agent (currency)", "exploitability"),
)


class ExecutionCollusion(Study):
    """Costs and schedules of two deep Q-learners in the game as simulated and as written, and what would hold them."""

    name: ClassVar[str] = "execution-collusion"
    question: ClassVar[str] = "do deep Q-learners that liquidate the same asset collude?"
    source: ClassVar[str] = (
        "A. Macrì and F. Lillo, Deviations from the Nash equilibrium and emergence of tacit collusion in a two-player "
        "optimal execution game with reinforcement learning, arXiv 2408.11773 (version 1, 2024).\n\n"
        "(P) the paper's text, (D) digitised from the vector figures of July 2024 in the repository of its code."
    )
    sizes: ClassVar[Mapping[str, Size]] = {
        "quick": Size(sessions=8, episodes=1000, test_episodes=500),
        "paper": Size(sessions=RUNS),
    }

    def find(self, preset: str, play: Player) -> Finding:
        size = self.sizes[preset]

        def runs(setting: Setting, volatility: float) -> Runs:
            return Runs.of(setting, play(experiment(setting, volatility, size)))

        evidence = Evidence(
            simulated=tuple(runs(SIMULATED, sigma) for sigma in VOLATILITIES),
            written=tuple(runs(WRITTEN, sigma) for sigma in VOLATILITIES),
            control=runs(CONTROL, CONTROL_VOLATILITY),
            episodes=size.episodes,
        )
        return examine(evidence)


@dataclass(frozen=True, eq=False)
class Evidence:
    """The runs of all experiments; those of a setting in the order of the volatilities."""

    simulated: tuple[Runs, ...]
    written: tuple[Runs, ...]
    control: Runs
    episodes: int  # of training

    @property
    def everything(self) -> tuple[Runs, ...]:
        return *self.simulated, *self.written, self.control

    @property
    def beside_control(self) -> Runs:
        """The same game at the same volatility, but with the paper's rewards."""
        return next(runs for runs in self.written if runs.volatility == self.control.volatility)

    @cached_property
    def answers(self) -> dict[str, Answers]:
        """What a deviation from the learned schedules leads to, by the title of the runs."""
        return {runs.title: answers(runs) for runs in self.everything}


def examine(e: Evidence) -> Finding:
    """Judge the claims by the runs of all experiments."""
    from tacitlab.studies.execution_collusion.figures import sections

    claims = all_claims(e)
    counted = f"{tally(claims)} {statements(claims)}"
    return Finding(f"{answer(e)}\n\n{counted}", claims, sections(e), notes(e))


def notes(e: Evidence) -> tuple[str, ...]:
    """What a reader must know to judge the comparison."""
    return *shortened(e.episodes), *left_out(e.everything), BENCHMARKS, READ, WORDS, TOGETHER


# --- claims -------------------------------------------------------------------------------------------------------


def all_claims(e: Evidence) -> tuple[Claim, ...]:
    """Every claim of the study, in the order of the report."""
    return (
        *(claim for runs in e.simulated for claim in figure_claims(runs)),
        *(claim for runs in e.everything for claim in equilibrium_claims(runs)),
        *(claim for runs in (*e.simulated, *e.written) for claim in rectangle_claims(runs)),
        *(claim for runs in (e.simulated, e.written) for claim in pace_claims(runs)),
        *control_claims(e),
        *(claim for runs in e.everything for claim in deviation_claims(runs, e.answers[runs.title])),
    )


# --- beside the figures ----------------------------------------------------------------------------------------


def beside(name: str, ours: Any, theirs: Any, source: str = FIGURES, note: str = "") -> Claim:
    """A mean or share over our runs beside that over the published ones, which are a sample too.

    Examples
    --------
    >>> claim = beside("share", np.array([True, False]), np.array([True] * 12 + [False] * 8))
    >>> claim.published, round(claim.published_se, 2)
    (0.6, 0.1)
    """
    values = np.asarray(theirs)
    if values.dtype == np.bool_:
        se = share_error(int(values.sum()), len(values))
    else:
        se = float(values.std(ddof=1) / np.sqrt(len(values)))
    return Claim(name, estimate(ours), float(values.mean()), source, se, note=note)


def figure_claims(runs: Runs) -> Iterator[Claim]:
    """What was read from the figures at this volatility, and the mean schedule step by step."""
    theirs = digitised(runs.volatility)
    for name, statistic in STATISTICS:
        yield beside(f"{runs.title}: {name}", getattr(runs, statistic), getattr(theirs, statistic))
    steps = [
        beside(f"step {step + 1}", runs.pace[:, step], theirs.pace[:, step]) for step in range(theirs.pace.shape[1])
    ]
    worst = farthest(steps)
    name = f"{runs.title}: shares sold, farthest of {len(steps)} steps: {worst.name}"
    yield replace(worst, name=name, note=f"judged by Bonferroni's bound, {worst.bound:.1f}")


# --- beside the equilibrium of the game played -----------------------------------------------------------------


def equilibrium_claims(runs: Runs) -> Iterator[Claim]:
    """Costs beside the equilibrium of the game that was played."""
    nash = runs.reference.nash_cost
    note = f"benchmarks of the game played: Nash {nash:.3f}, joint optimum {runs.reference.optimum_cost:.3f}"
    yield Claim(f"{runs.title}: K, 0 at Nash and 1 at the joint optimum", estimate(runs.index), note=note)
    name = f"{runs.title}: runs that cost less than Nash, {nash:.3f} (share)"
    if runs.setting.key == "simulated":
        yield beside(name, runs.below, digitised(runs.volatility).below)
    else:
        yield Claim(f"{runs.title}: mean shortfall (currency)", estimate(runs.mean))
        yield Claim(name, estimate(runs.below))
        yield Claim(f"{runs.title}: both agents below Nash, {nash:.3f} (share of runs)", estimate(runs.quadrant == 2))
        saving = runs.exploitability
        yield Claim(f"{runs.title}: what a best response would save an agent (currency)", estimate(saving))
    relative = runs.exploitability / nash
    yield Claim(f"{runs.title}: what a best response would save, share of the Nash cost", estimate(relative))


# --- the paper's words -----------------------------------------------------------------------------------------


def rectangle_claims(runs: Runs) -> Iterator[Claim]:
    """Whether runs gather in the rectangle of the paper's stars, and in that of the game that was played."""
    own = f"{runs.reference.optimum_cost:.3f} to {runs.reference.nash_cost:.3f}"
    for which, flags, quadrant in (
        ("the paper's rectangle", runs.in_stars, runs.star_quadrant),
        (f"the rectangle of the game, {own}", runs.inside, runs.quadrant),
    ):
        if runs.volatility == VOLATILITIES[1]:
            yield _half(f"{runs.title}: half in {which}", flags)
            name = f"{runs.title}: outside {which}, predatory (share of those runs)"
            yield majority(name, quadrant[~flags] == 1, '§ 4.2 (P), "the rest"')
        else:
            section = "4.1" if runs.volatility == VOLATILITIES[0] else "4.3"
            yield majority(f"{runs.title}: most in {which}", flags, f"§ {section} (P)")
    yield majority(f"{runs.title}: mostly the faster trader pays less", runs.faster, "§ 4.1 to 4.3 (P)")


def _half(name: str, flags: Any) -> Claim:
    """That one half of the runs have a property; the published half is one of as many runs as the paper has."""
    half = PUBLISHED["half in the rectangle (share of runs)"]
    return frame.beside(name, estimate(np.asarray(flags, dtype=bool)), half, se=share_error(int(half.value * RUNS)))


def pace_claims(runs: Sequence[Runs]) -> Iterator[Claim]:
    """That the start is the slower the larger the noise."""
    calm, noisy = runs[0], runs[-1]
    found = difference(noisy.early, calm.early)
    theirs = {label(sigma): float(digitised(sigma).early.mean()) for sigma in VOLATILITIES}
    note = (
        f"the paper's own schedules sell {listed([percent(one, 0) for one in theirs.values()])} in the first half at "
        f"{listed(list(theirs))}, so that the start is slowest at {min(theirs, key=theirs.__getitem__)}"
    )
    name = f"{calm.setting.words}: share sold in the first half, large less zero noise"
    yield Claim(name, found, None, "§ 4.4 (P): slower start", margin=less_than(0.0), note=note)


# --- why ---------------------------------------------------------------------------------------------------------


def control_claims(e: Evidence) -> Iterator[Claim]:
    """What changes if the same return is learned from smaller rewards."""
    old, note = e.beside_control, "paired: sessions of both share their random numbers"
    for name, statistic in (
        ("what a best response would save an agent (currency)", "exploitability"),
        ("distance to the Nash schedule (shares)", "to_nash"),
        ("distance to TWAP (shares)", "to_twap"),
        ("K", "index"),
    ):
        yield Claim(f"control less {old.title}: {name}", change(e.control, old, statistic), note=note)


def deviation_claims(runs: Runs, found: Answers) -> Iterator[Claim]:
    """What an agent saves that switches to its best response, and what its rival does about it."""
    yield Claim(
        f"{runs.title}: saved by switching to a best response, the rival free to answer (currency)",
        estimate(found.answered.mean(axis=1)),
    )
    yield Claim(f"{runs.title}: shares that the rival moves in answer", estimate(found.moved.mean(axis=1)))


# --- the answer ---------------------------------------------------------------------------------------------------


def answer(e: Evidence) -> str:
    """Verdict, outcome by game, mechanism, control, and the published runs judged alike."""
    parts = (verdict(e), simulated(e), written(e), mechanism(e), control(e), published_runs())
    return "\n\n".join((*shortened(e.episodes), *parts))


# --- outcome -----------------------------------------------------------------------------------------------------


def verdict(e: Evidence) -> str:
    """Whether any experiment shows costs below equilibrium, and whether anything holds them there."""
    played = (*e.simulated, *e.written)
    n = len(played)
    low = [runs.title for runs in played if place(runs, n) == "below"]
    saved = {title: estimate(e.answers[title].answered.mean(axis=1), n) for title in low}
    pays = {title: judge(found, more_than(0.0)) for title, found in saved.items()}
    held = [title for title, verdict in pays.items() if verdict is Verdict.NOT]
    unknown = [title for title, verdict in pays.items() if verdict is Verdict.UNDECIDED]
    by = f"by intervals of {100 * estimate(played[0].mean, n).level:g} %, which hold for all {n} together at 95 %"
    if not low:
        return (
            f"Collusion: not shown. In none of the {n} experiments do agents pay less than in the equilibrium of the "
            f"game they played, {by}: there is no gain that collusion could explain."
        )
    fewer = f"agents pay less than in the equilibrium of the game they played, {by}"
    each = "; ".join(f"{title}: {found}" for title, found in saved.items())
    savings = f"A best response saves an agent, the rival's answer included: {each}."
    if held:
        return (
            f"Collusion: {len(held)} of {n} experiments are consistent with it ({'; '.join(held)}): {fewer}, and a "
            f"best response does not pay once the rival has answered. {savings}"
        )
    if unknown:
        return (
            f"Collusion: undecided. In {len(low)} of {n} experiments {fewer}, and whether a best response pays once "
            f"the rival has answered is not decided for {'; '.join(unknown)}. {savings}"
        )
    return (
        f"Collusion: not shown. In {len(low)} of {n} experiments ({'; '.join(low)}) {fewer}, but nothing was found "
        f"that holds them there. {savings}"
    )


def simulated(e: Evidence) -> str:
    """Costs in the game that the public code plays, beside its equilibrium and beside the paper's stars."""
    known = e.simulated[0].reference
    stars = ", ".join(f"{one.in_stars.sum()} of {len(one.costs)}" for one in e.simulated)
    theirs = ", ".join(f"{digitised(sigma).in_stars.sum()}" for sigma in VOLATILITIES)
    return (
        f"As simulated by the public code (impact one step late): agents pay {_by_volatility(e.simulated)}. The "
        f"equilibrium of that game costs {known.nash_cost:.3f}; {_count(e.simulated, 'below')} runs cost less. By the "
        f"paper's stars, which belong to other games, {stars} runs at the three volatilities would lie in the "
        f"collusive rectangle (published: {theirs} of {RUNS})."
    )


def written(e: Evidence) -> str:
    """Costs in the game that the paper describes."""
    known = e.written[0].reference
    both = sum(int((one.quadrant == 2).sum()) for one in e.written)
    places = "; ".join(f"{place(one)} it at {label(one.volatility)}, K = {estimate(one.index)}" for one in e.written)
    return (
        f"As the paper describes it (coin toss): agents pay {_by_volatility(e.written)}. The equilibrium costs "
        f"{known.nash_cost:.3f}, the joint optimum {known.optimum_cost:.3f}. By its interval the mean shortfall lies "
        f"{places}. {_count(e.written, 'below')} runs cost less than the equilibrium on average, {both} of them for "
        f"both agents. The paper's Nash star, {NASH_STAR:g}, is less than any two liquidations can cost here on "
        f"average, so that {_count(e.written, 'below_star')} runs lie below it."
    )


# --- mechanism ---------------------------------------------------------------------------------------------------


def mechanism(e: Evidence) -> str:
    """What a best response would save, where schedules lie, and whether the rival's answer deters, as written."""
    known = e.written[0].reference
    kept, answered, moved = (
        estimate(np.concatenate([getattr(e.answers[one.title], name).mean(axis=1) for one in e.written]))
        for name in ("kept", "answered", "moved")
    )
    return (
        f"Why, as written: a best response would save an agent {_by_volatility(e.written, 'exploitability')}. That "
        f"alone decides nothing: of a cartel at TWAP it would save {twap_saving(known):.3f} too, and of agents who "
        f"have not learned to respond any amount. The three volatilities together: schedules lie {_where(e.written)}. "
        f"If an agent switches to its best response, its rival sells {moved} shares at another time, and the switch "
        f"saves {answered}; it would save {kept} if the rival kept to its schedule. {_deterrence(answered)} Policies "
        "carry nothing from one episode to the next, so that a deviation could not be punished later."
    )


def _where(runs: Sequence[Judged]) -> str:
    """Which schedules the learned ones are near to: surely nearer than half the way from TWAP to the equilibrium."""
    known = runs[0].reference
    apart = float(np.sqrt(np.mean((known.twap - known.nash_schedule) ** 2)))
    found = {
        words: estimate(np.concatenate([getattr(one, name) for one in runs]))
        for words, name in (("TWAP", "to_twap"), ("the equilibrium", "to_nash"), ("best responses", "to_best"))
    }
    near = [w for w, distance in found.items() if judge(distance, less_than(apart / 2)) is Verdict.REPRODUCED]
    parts = [f"{distance} from {words}" for words, distance in found.items()]
    return (
        f"{listed(parts)} (root mean square, shares a step), where TWAP and the "
        f"equilibrium are {apart:.1f} apart: near {listed(near) or 'none of them'}"
    )


def _deterrence(answered: Estimate) -> str:
    undecided = "Whether the rival's answer deters is not decided."
    return compared(answered, "The rival's answer deters.", undecided, "The rival's answer deters nobody.")


def control(e: Evidence) -> str:
    """What becomes of the same game if its rewards are small enough to learn from."""
    new, old = e.control, e.beside_control
    saving, nearer = change(new, old, "exploitability"), change(new, old, "to_nash")
    better = compared(saving, "respond better", "respond no better, for all we see", "respond worse")
    toward = compared(nearer, "nearer to", "as far from", "farther from")
    return (
        f"Control: the same return in rewards a hundred times smaller, at {label(new.volatility)}. Agents then "
        f"{better} (a best response saves {estimate(new.exploitability)} instead of {estimate(old.exploitability)}) "
        f"and end {toward} the equilibrium ({estimate(new.to_nash)} instead of {estimate(old.to_nash)}; from TWAP "
        f"{estimate(new.to_twap)} instead of {estimate(old.to_twap)}). Session by session, which share their random "
        f"numbers, the saving changes by {saving} and the distance by {nearer}. They pay {estimate(new.mean)}, "
        f"{place(new)} Nash, K = {estimate(new.index)}.{_unfinished(e)} {_lesson(saving, nearer)}"
    )


def _unfinished(e: Evidence) -> str:
    """That a control below equilibrium is not held there either."""
    saved = estimate(e.answers[e.control.title].answered.mean(axis=1))
    if place(e.control) != "below" or judge(saved, more_than(0.0)) is not Verdict.REPRODUCED:
        return ""
    return (
        f" That is less than in equilibrium, as a cartel would pay; but a best response still saves an agent {saved}, "
        "the rival's answer included, which is what learning that has not ended looks like."
    )


def _lesson(saving: Estimate, nearer: Estimate) -> str:
    """What a control that learns better says about the paper's rewards."""
    better, closer = (judge(one, less_than(0.0)) is Verdict.REPRODUCED for one in (saving, nearer))
    if better and closer:
        return (
            "Where agents learn better they come nearer to the equilibrium: much of what the paper's rewards end in "
            "is failure to learn."
        )
    if better:
        leads = "does not lead" if nearer.low > 0 else "is not shown to lead"
        return (
            "The paper's rewards thus leave agents with much that they could still learn, whatever their costs; but "
            f"learning better {leads} to the equilibrium here."
        )
    return "This control shows no failure to learn."


def published_runs() -> str:
    """The paper's own data, judged by the game that its code plays and costed in the one it describes."""
    eq_4 = [recosted(sigma, 1, "simultaneous") for sigma in VOLATILITIES]
    index = ", ".join(f"{estimate(one.index)} ({place(one)} Nash)" for one in eq_4)
    both = ", ".join(str((one.quadrant == 2).sum()) for one in eq_4)
    stars = ", ".join(str(digitised(sigma).below_star.sum()) for sigma in VOLATILITIES)
    saving = ", ".join(str(estimate(one.exploitability)) for one in eq_4)
    return (
        f"The published runs, judged alike: {impossible()} {none_beats_nash()} Had their schedules been traded in the "
        f"game as written (Eq 4), K would be {index} at the three volatilities, with both agents below the equilibrium "
        f"in {both} of {RUNS} runs (as plotted, below the paper's star: {stars}), and a best response would "
        f"save an agent {saving}."
    )


def impossible() -> str:
    """That costs as plotted cannot occur in the game as written."""
    calm, bound = VOLATILITIES[0], 2 * reference(1, "simultaneous").optimum_cost
    sums, share = digitised(calm).costs.sum(axis=1), PUBLISHED["impossible episodes (share)"].value
    late, early = (
        np.sqrt(np.mean([(recosted(v, lag, "simultaneous").costs - digitised(v).costs) ** 2 for v in VOLATILITIES]))
        for lag in (2, 1)
    )
    return (
        f"At {label(calm)} {np.sum(sums < bound)} of {len(sums)} mean costs and {percent(share)} of the plotted "
        f"episodes add up to less than {bound:g}, which no two liquidations can under Eq 4. With impact one step late "
        f"the published schedules cost what was published within {late:.2f} (root mean square), under Eq 4 within "
        f"{early:.2f}."
    )


def none_beats_nash() -> str:
    """Where the published runs stand in the game that the code plays."""
    runs = [digitised(sigma) for sigma in VOLATILITIES]
    below, n = sum(int(one.below.sum()) for one in runs), sum(len(one.costs) for one in runs)
    return (
        f"The equilibrium of that game costs {runs[0].reference.nash_cost:.3f}, and {below or 'none'} of {n} published "
        f"runs cost less on average; the cheapest one costs {min(float(one.mean.min()) for one in runs):.2f}."
    )


# --- numbers -----------------------------------------------------------------------------------------------------


def twap_saving(of: Reference) -> float:
    """What a best response saves an agent if both follow TWAP."""
    schedule = np.repeat(of.twap[None, :, None], 2, axis=2)
    return float(measures.exploitability(of.game, schedule).mean())


def _by_volatility(runs: Sequence[Runs], statistic: str = "mean") -> str:
    return listed([f"{estimate(getattr(one, statistic))} at {label(one.volatility)}" for one in runs])


def _count(runs: Sequence[Runs], name: str) -> str:
    flags = np.concatenate([getattr(one, name) for one in runs])
    return f"{flags.sum()} of {len(flags)}"
