"""What the study of collusion in execution concludes, in words and numbers.

A cartel leaves money on the table, since each member could do better by deviating; but so do agents who have not
learned to respond. Exploitability alone can therefore not tell them apart. Three looks can: whether schedules lie near
the cartel's or near best responses, whether a rival answers a deviation so that it does not pay, and whether agents
that learn better come nearer to the equilibrium.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np

from tacit.measures import execution as measures
from tacit.studies import execution_published as published
from tacit.studies.execution_claims import Evidence, difference, place
from tacit.studies.execution_evidence import Judged, Reference, Runs, digitised, estimate, recosted, reference
from tacit.studies.execution_published import NASH_STAR, VOLATILITIES, label


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
    low = [runs for runs in played if place(runs) == "below"]
    held = [runs for runs in low if estimate(_answered(e, [runs])).high <= 0]
    if held:
        return (
            f"Collusion: {len(held)} of {len(played)} experiments are consistent with it ({_titles(held)}): costs lie "
            "below the equilibrium of the game played, and a best response does not pay once the rival has answered."
        )
    if low:
        return (
            f"Collusion: not shown. In {len(low)} of {len(played)} experiments ({_titles(low)}) agents pay less than "
            "in the equilibrium of the game they played, but nothing was found that holds them there: a best "
            f"response saves {estimate(_answered(e, low))}, the rival's answer included."
        )
    return (
        f"Collusion: not shown. In none of the {len(played)} experiments do agents pay less than in the equilibrium of "
        "the game they played, by the 95 % interval of the mean shortfall: there is no gain that collusion could "
        "explain."
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
    places = "; ".join(f"{place(one)} it at {label(one.volatility)}, K = {one.index.mean():.2f}" for one in e.written)
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
    saving = [one.exploitability.mean() for one in e.written]
    kept, moved = (_of_answers(e, e.written, name) for name in ("kept", "moved"))
    answered = _answered(e, e.written)
    return (
        f"Why, as written: a best response would save an agent {min(saving):.2f} to {max(saving):.2f} on average. "
        f"That alone decides nothing: of a cartel at TWAP it would save {twap_saving(known):.3f} too, and of agents "
        f"who have not learned to respond any amount. Schedules lie {_where(e.written)}. If an agent switches to its "
        f"best response, its rival sells {estimate(moved)} shares at another time, and the switch saves "
        f"{estimate(answered)}; it would save {estimate(kept)} if the rival kept to its schedule. "
        f"{_deterrence(estimate(answered))} Policies carry nothing from one episode to the next, so that a deviation "
        "could not be punished later."
    )


def _where(runs: Sequence[Judged]) -> str:
    """Which schedules the learned ones are near to: nearer than half the way from TWAP to the equilibrium."""
    known = runs[0].reference
    apart = float(np.sqrt(np.mean((known.twap - known.nash_schedule) ** 2)))
    found = {
        words: float(np.concatenate([getattr(one, name) for one in runs]).mean())
        for words, name in (("TWAP", "to_twap"), ("the equilibrium", "to_nash"), ("best responses", "to_best"))
    }
    near = [words for words, value in found.items() if value < apart / 2]
    parts = [f"{value:.1f} from {words}" for words, value in found.items()]
    return (
        f"{' and '.join((', '.join(parts[:-1]), parts[-1]))} (root mean square, shares a step), where TWAP and the "
        f"equilibrium are {apart:.1f} apart: near {' and '.join(near) or 'none of them'}"
    )


def _deterrence(answered: Any) -> str:
    if answered.low > 0:
        return "The rival's answer deters nobody."
    return "The rival's answer deters." if answered.high <= 0 else "Whether the rival's answer deters is not decided."


def control(e: Evidence) -> str:
    """What becomes of the same game if its rewards are small enough to learn from."""
    new, old = e.control, e.beside_control
    change, nearer = difference(new.exploitability, old.exploitability), difference(new.to_nash, old.to_nash)
    better = (
        "respond better"
        if change.high < 0
        else "respond worse"
        if change.low > 0
        else "respond no better, for all we see,"
    )
    toward = "nearer to" if nearer.high < 0 else "farther from" if nearer.low > 0 else "as far from"
    return (
        f"Control: the same return in rewards a hundred times smaller, at {label(new.volatility)}. Agents then "
        f"{better} (a best response saves {estimate(new.exploitability)} instead of {estimate(old.exploitability)}) "
        f"and end {toward} the equilibrium ({new.to_nash.mean():.1f} instead of {old.to_nash.mean():.1f}; from TWAP "
        f"{new.to_twap.mean():.1f} instead of {old.to_twap.mean():.1f}). They pay {estimate(new.mean)}, {place(new)} "
        f"Nash, K = {new.index.mean():.2f}.{_unfinished(e)} {_lesson(change, nearer)}"
    )


def _unfinished(e: Evidence) -> str:
    """That a control below equilibrium is not held there either."""
    saved = estimate(_answered(e, [e.control]))
    if place(e.control) != "below" or saved.low <= 0:
        return ""
    return (
        f" That is less than in equilibrium, as a cartel would pay; but a best response still saves an agent {saved}, "
        "the rival's answer included, which is what learning that has not ended looks like."
    )


def _lesson(change: Any, nearer: Any) -> str:
    """What a control that learns better says about the paper's rewards."""
    if change.high < 0 and nearer.high < 0:
        return (
            "Where agents learn better they come nearer to the equilibrium: much of what the paper's rewards end in "
            "is failure to learn."
        )
    if change.high < 0:
        return (
            "The paper's rewards thus leave agents with much that they could still learn, whatever their costs; but "
            "learning better does not lead to the equilibrium here."
        )
    return "This control shows no failure to learn."


def published_runs() -> str:
    """The paper's own data, judged by the game that its code plays and costed in the one it describes."""
    eq_4 = [recosted(sigma, 1, "simultaneous") for sigma in VOLATILITIES]
    index = ", ".join(f"{one.index.mean():.3f} ({place(one)} Nash)" for one in eq_4)
    both = ", ".join(str((one.quadrant == 2).sum()) for one in eq_4)
    stars = ", ".join(str(digitised(sigma).below_star.sum()) for sigma in VOLATILITIES)
    saving = [float(one.exploitability.mean()) for one in eq_4]
    return (
        f"The published runs, judged alike: {impossible()} {none_beats_nash()} Had their schedules been traded in the "
        f"game as written (Eq 4), K would be {index} at the three volatilities, with both agents below the equilibrium "
        f"in {both} of {published.RUNS} runs (as plotted, below the paper's star: {stars}), and a best response would "
        f"save an agent {min(saving):.2f} to {max(saving):.2f}."
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


def _of_answers(e: Evidence, runs: Sequence[Runs], name: str) -> Any:
    return np.concatenate([getattr(e.answers[one.title], name).mean(axis=1) for one in runs])


def _answered(e: Evidence, runs: Sequence[Runs]) -> Any:
    """What agents save by switching, the rival's answer included: one value a run."""
    return _of_answers(e, runs, "answered")


def _titles(runs: Sequence[Runs]) -> str:
    return "; ".join(one.title for one in runs)


def _by_volatility(runs: Sequence[Runs]) -> str:
    parts = [f"{estimate(one.mean)} at {label(one.volatility)}" for one in runs]
    return f"{', '.join(parts[:-1])} and {parts[-1]}"


def _count(runs: Sequence[Runs], name: str) -> str:
    flags = np.concatenate([getattr(one, name) for one in runs])
    return f"{flags.sum()} of {len(flags)}"
