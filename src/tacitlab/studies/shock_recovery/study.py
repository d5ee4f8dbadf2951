"""Do prices recover from a shock within 20 steps, and is it the agents who bring them back?

The paper (section 9) introduces a spike of the factor Z and reports that "prices stabilize within 20 steps". A factor
that is drawn anew in each step, as the paper has it (2.1), is gone after one step whatever anybody does; one with
persistence 0.9 needs 22 steps by its own law. So tests are played in pairs, with the spike and without it and
otherwise with the same noise, by learners, by rules and by nobody, and what is left is the effect of the spike.
"""

import math
from collections.abc import Mapping
from typing import ClassVar

import numpy as np

from tacitlab.measures.resilience import BAND, HOLD, Recovery, ar1_recovery
from tacitlab.measures.statistics import mean_interval
from tacitlab.plot.chart import Axis, Chart, HLine, Line, Mark, VLine
from tacitlab.plot.panels import Panel, Panels
from tacitlab.report.page import Cell, Section, Table
from tacitlab.studies.base import Claim, Finding, Player, Study, Verdict, at_most, by_session, paired
from tacitlab.studies.frame import cell, curve, exact
from tacitlab.studies.shock_recovery.evidence import (
    CHANNELS,
    DEMAND,
    LITERAL,
    PERSISTENCE,
    SHOCKED,
    SPIKE,
    STEP,
    UNSHOCKED,
    Evidence,
    Pair,
    gather,
    market,
)  # fmt: skip
from tacitlab.studies.token_volatility.play import LEARNER, PUBLISHED, SOURCE, Size

STEPS = 20.0  # (P)
SHOWN = 61  # steps after the spike in figures

NOTES = (
    f"The spike of {SPIKE:g} comes at the end of step {STEP} of {market().steps}. An effect is the shocked price over "
    f"that of the same session, agents and noise without the spike, less 1. Recovery: the first step from which it "
    f"stays within {100 * BAND:.0f} % for {HOLD} steps; times of paths that never do are counted as the least that "
    f"they can be, so that means are lower bounds.",
    "Policies are frozen while they are tested. Those trained with shocks met one in every episode of their training; "
    "the others never did.",
    "Where the factor moves the price, whoever sells to the curve while it is high is paid out of the reserve: agents "
    "bring the price down at the reserve's expense.",
    "Where the factor shifts orders, learners were trained in the market in which it moves the price.",
)
CENSORED = "{n} of {of} paths did not recover while they were observed: the mean is a lower bound."
NOTHING = "The effect never leaves the band of 5 %: there is nothing to recover from, within 20 steps or any number."
SOME = "{n} of {of} paths never leave the band and count as 0 steps."
WITHIN = "within 20 steps: judged by whether the interval lies on one side of 20"


class ShockRecovery(Study):
    """Pairs of tests with the same noise: learners with and without experience of shocks, rules, nobody."""

    name: ClassVar[str] = "shock-recovery"
    question: ClassVar[str] = "do prices recover from a shock within 20 steps, and thanks to whom?"
    source: ClassVar[str] = SOURCE
    sizes: ClassVar[Mapping[str, Size]] = {
        "quick": Size(sessions=6, episodes=80, test_episodes=10, grid=()),
        "paper": Size(sessions=16, episodes=250, test_episodes=20, grid=()),
    }

    def find(self, preset: str, play: Player) -> Finding:
        return examine(gather(self.sizes[preset], play))


def examine(e: Evidence) -> Finding:
    """Judge the claim by all pairs."""
    claims = (*laws(), *recoveries(e), *sizes(e))
    return Finding(answer(e), claims, sections(e), NOTES)


# --- claims ------------------------------------------------------------------------------------------------------


def laws() -> tuple[Claim, ...]:
    """What takes how long without any agent."""
    logs = math.log(1 + SPIKE), math.log(1 + BAND)
    return (
        _law("independent draws, no agents: steps by law", ar1_recovery(0.0, SPIKE)),
        _law("AR(1) with 0.9, no agents: steps by law", ar1_recovery(PERSISTENCE, SPIKE)),
        _law("  if it moves the logarithm of the price", ar1_recovery(PERSISTENCE, *logs)),
    )


def _law(words: str, steps: int) -> Claim:
    return Claim(words, exact(steps), STEPS, PUBLISHED, margin=at_most(STEPS), note=WITHIN)


def recoveries(e: Evidence) -> tuple[Claim, ...]:
    """Times of everybody in every channel, from the pairs."""
    claims = []
    for channel in CHANNELS:
        for name, pair in e.pairs[channel.key].items():
            found = pair.recovery
            time, still = mean_interval(found.time), int(pair.still.sum())
            censored = int((~found.recovered).sum())
            note = CENSORED.format(n=censored, of=found.recovered.size) if censored else WITHIN
            verdict = None
            if still == found.recovered.size:
                verdict, note = Verdict.REPORTED, NOTHING
            elif still:
                note = f"{note}. {SOME.format(n=still, of=found.recovered.size)}"
            words = f"{name}: steps to recovery, {channel.words}"
            claims.append(Claim(words, time, STEPS, PUBLISHED, verdict=verdict, margin=at_most(STEPS), note=note))
    return tuple(claims)


def sizes(e: Evidence) -> tuple[Claim, ...]:
    """Area and resilience, where an AR(1) factor moves the price, beside nobody trading."""
    idle, claims = e.main["hold"], []
    for name, pair in e.main.items():
        if name == "hold":
            continue
        words = f"{name}: area of the effect less than with nobody trading (%)"
        ours, theirs = paired(*(by_session(one.area, one.calm.sessions) for one in (pair, idle)))
        claims.append(Claim(words, mean_interval(np.round(100 * (1 - ours / theirs), 3))))
    return tuple(claims)


# --- words ---------------------------------------------------------------------------------------------------------


def answer(e: Evidence) -> str:
    """The finding in words."""
    iid = e.pairs[LITERAL.key]["hold"].recovery.quantile()
    orders = e.pairs[DEMAND.key]["hold"]
    main = {name: pair.recovery for name, pair in e.main.items()}
    by_law = ar1_recovery(PERSISTENCE, SPIKE)
    return (
        f"It depends on the law of the factor before it depends on anybody's learning. With independent draws, as the "
        f"paper has them, a price that nobody trades at is back after {iid:.0f} step; with a persistence of 0.9 after "
        f"{told(main['hold'])} (by law {by_law}), just beyond the paper's 20.\n\n"
        f"Agents change that where the factor moves the price: price-takers take {told(main['price-taking'])}, PPO "
        f"that never met a shock {told(main[UNSHOCKED])}, PPO that met one in every episode {told(main[SHOCKED])}. "
        f"Whoever sells while the price is high is paid by the reserve: because of the spike it backs "
        f"{e.main['price-taking'].drained.mean():.2f} less by the end of an episode with price-takers and "
        f"{e.main[SHOCKED].drained.mean():.2f} less with learners who know shocks.\n\n"
        f"Where the factor shifts orders, random traders take {told(e.pairs[DEMAND.key]['random'].recovery)} and "
        f"holders, whose orders it moves too, {told(orders.recovery)}: what they have bought stays bought. "
        f"Price-takers, who answer with orders of their own, take "
        f"{told(e.pairs[DEMAND.key]['price-taking'].recovery)}."
    )


def told(found: Recovery) -> str:
    """Median time in words; exact in spite of censoring."""
    middle, lost = found.quantile(), int((~found.recovered).sum())
    if not found.time.any():
        return "0 steps, as the effect never exceeds 5 %"
    if math.isinf(middle):
        return f"more steps than are observed ({lost} of {found.recovered.size} paths never recover)"
    return f"{middle:.0f} steps" + (f" ({lost} of {found.recovered.size} never)" if lost else "")


# --- report ------------------------------------------------------------------------------------------------------


def sections(e: Evidence) -> tuple[Section, ...]:
    """Figures and tables."""
    tables = [Section(f"Recovery: {c.words}", table=_table(e.pairs[c.key])) for c in CHANNELS]
    return (
        Section("What the spike does", charts=(_responses(e), _answers(e))),
        Section("With the noise of one session", charts=(_single(e),)),
        *tables,
        Section("Learning", charts=(_learning(e),)),
    )


def _table(pairs: Mapping[str, Pair]) -> Table:
    rows: list[tuple[Cell, ...]] = []
    for name, pair in pairs.items():
        found, alone, noise = pair.recovery, pair.unpaired, pair.placebo
        share = found.share
        rows.append((
            name, _steps(found), f"{share.mean:.2f}", _steps(alone), _steps(noise), cell(pair.area),
            cell(pair.resilience()), cell(pair.resilience(literal=True)), cell(pair.drained),
        ))  # fmt: skip
    columns = (
        "everybody plays", "steps, paired", "recovered", "steps, unpaired", "without spike", "area (steps)",
        "resilience", "literal (1/currency)", "reserve loses",
    )  # fmt: skip
    caption = (
        "Steps: median over sessions, below it the mean, times of those who never recover counted as the least that "
        "they can be. Unpaired: distance to the mean price of the 25 steps before the spike, noise included, and the "
        "same without a spike. Area: sum of the effect's sizes; 1 is one step at twice the price. Resilience: "
        "1/abs(d ln P) in the step of the spike; literal: 1/abs(dP). Reserve loses: money by the end of the episode."
    )
    return Table(columns, rows, caption)


def _steps(found: Recovery) -> str:
    middle = found.quantile()
    return f"{'never' if math.isinf(middle) else f'{middle:.0f}'}\n{cell(found.time)}"


def _responses(e: Evidence) -> Panels:
    panels, x = [], np.arange(SHOWN)
    for channel in CHANNELS:
        marks: list[Mark] = []
        for name, pair in e.pairs[channel.key].items():
            marks.append(curve(x, 100 * pair.effect[:, :SHOWN], name))
        marks += [HLine(100 * BAND), HLine(-100 * BAND), VLine(STEPS)]
        panels.append(Panel(channel.words, marks))
    caption = (
        "Shocked over calm price with the same noise, less 1; mean over sessions with pointwise 95 % intervals. Lines: "
        "the band of 5 % and the paper's 20 steps."
    )
    axes = Axis("steps since the spike", whole=True), Axis("effect on the price", "%")
    return Panels("The price's response to the spike", *axes, panels, 1, caption)


def _answers(e: Evidence) -> Chart:
    marks: list[Mark] = []
    for name, pair in e.main.items():
        marks.append(curve(np.arange(SHOWN), pair.answer[:, :SHOWN], name))
    caption = "Supply with the spike less that without it: below 0 agents have sold. Where the factor moves the price."
    axes = Axis("steps since the spike", whole=True), Axis("effect on the supply", "tokens")
    return Chart("What agents do about it", *axes, marks, caption)


def _single(e: Evidence) -> Chart:
    x = np.arange(e.main["hold"].calm.prices.shape[1]) + 1
    marks: list[Mark] = []
    for name in (SHOCKED, "hold"):
        pair = e.main[name]
        marks += [
            Line(x, pair.shocked.prices[0], f"{name}, spike"),
            Line(x, pair.calm.prices[0], f"{name}, calm", dash=True),
        ]
    caption = "First episode of the test of session 0: the two paths of a pair are the same until the spike."
    return Chart("A pair", Axis("step", whole=True), Axis("price", "currency"), marks, caption)


def _learning(e: Evidence) -> Chart:
    marks: list[Mark] = []
    for name, played in e.learning.items():
        line = played.learning("payoff")
        marks.append(Line(line.x, line.y, name, line.low, line.high))
    marks.append(HLine(float(e.main["price-taking"].calm.payoff.mean()), "price-taking, calm"))
    caption = f"Mean over sessions with pointwise 95 % intervals; {LEARNER.kind.upper()} as in the study of volatility."
    return Chart(
        "Own gains while learning", Axis("training episode"), Axis("own gain", "currency/episode"), marks, caption
    )
