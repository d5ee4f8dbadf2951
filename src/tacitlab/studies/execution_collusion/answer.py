"""What the study of collusion in execution concludes, in words and numbers.

A cartel leaves money on the table, since each member could do better by deviating; but so do agents who have not
learned to respond. Exploitability alone can therefore not tell them apart. Three looks can: whether schedules lie near
the cartel's or near best responses, whether a rival answers a deviation so that it does not pay, and whether agents
that learn better come nearer to the equilibrium.
"""

from collections.abc import Sequence

import numpy as np

from tacitlab.audits import execution as measures
from tacitlab.measures.statistics import Estimate
from tacitlab.studies.base import Verdict, judge, less_than, more_than
from tacitlab.studies.execution_collusion import published
from tacitlab.studies.execution_collusion.claims import Evidence, place
from tacitlab.studies.execution_collusion.evidence import (
    Judged,
    Reference,
    Runs,
    digitised,
    estimate,
    recosted,
    reference,
)
from tacitlab.studies.execution_collusion.intervals import change
from tacitlab.studies.execution_collusion.published import NASH_STAR, VOLATILITIES, label
from tacitlab.studies.frame import compared


def answer(e: Evidence) -> str:
    """Verdict, outcome by game, mechanism, control, and the published runs judged alike."""
    parts = (verdict(e), simulated(e), written(e), mechanism(e), control(e), published_runs())
    return "\n\n".join((*shortened(e.episodes), *parts))


def shortened(episodes: int) -> tuple[str, ...]:
    """That agents have learned for less time than the paper's, where they have."""
    if episodes == published.EPISODES:
        return ()
    return (
        f"These agents have learned for {episodes:,} episodes, the paper's for {published.EPISODES:,}. Exploration "
        "decays faster, to the same end, but learning itself is no faster: differences from the paper may be no more "
        "than that. Use --preset paper to judge.",
    )


# --- outcome -----------------------------------------------------------------------------------------------------


def verdict(e: Evidence) -> str:
    """Whether any experiment shows costs below equilibrium, and whether anything holds them there."""
    played = (*e.simulated, *e.written)
    n = len(played)
    low = [runs.title for runs in played if place(runs, n) == "below"]
    saved = {title: estimate(e.answers[title].answered.mean(axis=1), n) for title in low}
    pays = {title: judge(found, more_than(0.0)) for title, found in saved.items()}
    held, unknown = ([t for t, v in pays.items() if v is one] for one in (Verdict.NOT, Verdict.UNDECIDED))
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
        f"collusive rectangle (published: {theirs} of {published.RUNS})."
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
        f"{' and '.join((', '.join(parts[:-1]), parts[-1]))} (root mean square, shares a step), where TWAP and the "
        f"equilibrium are {apart:.1f} apart: near {' and '.join(near) or 'none of them'}"
    )


def _deterrence(answered: Estimate) -> str:
    undecided = "Whether the rival's answer deters is not decided."
    return compared(answered, "The rival's answer deters.", undecided, "The rival's answer deters nobody.")


def control(e: Evidence) -> str:
    """What becomes of the same game if its rewards are small enough to learn from."""
    new, old = e.control, e.beside_control
    saving, nearer = change(new, old, "exploitability"), change(new, old, "to_nash")
    better = compared(saving, "respond better", "respond no better, for all we see,", "respond worse")
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
        return (
            "The paper's rewards thus leave agents with much that they could still learn, whatever their costs; but "
            "learning better does not lead to the equilibrium here."
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
        f"in {both} of {published.RUNS} runs (as plotted, below the paper's star: {stars}), and a best response would "
        f"save an agent {saving}."
    )


def impossible() -> str:
    """That costs as plotted cannot occur in the game as written."""
    bound = 2 * reference(1, "simultaneous").optimum_cost
    sums = digitised(VOLATILITIES[0]).costs.sum(axis=1)
    return (
        f"At σ = 1e-9 {np.sum(sums < bound)} of {len(sums)} mean costs and {100 * published.IMPOSSIBLE_EPISODES:.1f} % "
        f"of the plotted episodes add up to less than {bound:g}, which no two liquidations can under Eq 4. With impact "
        "one step late the published schedules reproduce the published costs."
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
    parts = [f"{estimate(getattr(one, statistic))} at {label(one.volatility)}" for one in runs]
    return f"{', '.join(parts[:-1])} and {parts[-1]}"


def _count(runs: Sequence[Runs], name: str) -> str:
    flags = np.concatenate([getattr(one, name) for one in runs])
    return f"{flags.sum()} of {len(flags)}"
