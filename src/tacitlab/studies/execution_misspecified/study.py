"""What if the volatility that traders meet is not the one they trained in? Macrì and Lillo (2024), section 4.5.

Each pair of runs with the same volatility in training has the same seed, and so the same trained policies: what differs
between them is the test alone.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any, ClassVar

import numpy as np

from tacitlab.audits.execution import Floats
from tacitlab.measures.statistics import Estimate
from tacitlab.plot.panels import Panels
from tacitlab.report.page import Section, Table
from tacitlab.studies.base import Claim, Finding, Player, Study, more_than, statements
from tacitlab.studies.execution_collusion.figures import average_schedules, overview, run_section
from tacitlab.studies.liquidations import (
    BENCHMARKS,
    SIMULATED,
    WORDS,
    WRITTEN,
    Rows,
    Runs,
    Setting,
    Size,
    estimate,
    experiment,
    jackknife,
    label,
    left_out,
    majority,
    place,
    plain,
    shortened,
)

CALM, NOISY = 1e-9, 1e-2
SECTIONS = {CALM: "§ 4.5.1 (P)", NOISY: "§ 4.5.2 (P)"}  # by the volatility of training
SUMMARY = "§ 4.5.2 (P), end"
PAIRING = (
    "Runs that share the volatility of training share seed, training and policies, session by session: differences "
    "between their tests are paired. Runs that share the volatility of the test are independent of each other."
)
DISTANCES = ("the same policies", "other runs of the same training", "runs of the same test")
LUCK = (
    "Runs differ from each other, whatever their volatility. That the same policies sell nearly the same in both tests "
    "therefore says little about volatility in training; this comparison between different runs does."
)
PAIRS = (
    "All runs are compared with the same others: the interval leaves out each run in turn, with all its pairs "
    "(jackknife)."
)
SPREAD = (
    "Noise gives the cost of a fixed schedule a variance of σ² sum of q_t², q_t being the inventory after trade t; a "
    "coin toss adds κ²/4 sum of (v_t w_t)², of what both sell at step t. Reactions to prices, and exploration where "
    "the test goes on with it, add to that."
)


@dataclass(frozen=True, eq=False)
class Pair:
    """A misspecified test beside two that are not: of the same policies, and of others in the same volatility."""

    mixed: Runs
    same_training: Runs
    same_test: Runs

    def matched(self, values: Floats) -> Floats:
        """Of values of ``same_training``, those of the sessions of ``mixed``; both lack what failed in training."""
        return np.asarray(values[np.searchsorted(self.same_training.numbers, self.mixed.numbers)])

    def distances(self) -> tuple[Estimate, Estimate, Estimate]:
        """Root mean square distance of the runs' schedules to three others, in shares a step.

        To those of the same policies in the volatility of their training; to those of the other runs there; and to
        those of runs that were trained in the volatility of the test. The two agents of a run are exchangeable: other
        runs are taken in both orders, and the nearer order counts. Every run meets the same others, so that intervals
        are those of means over pairs of runs.
        """
        n = len(self._own)
        alike = jackknife(lambda rows: _mean_of_others(self._alike, rows), n)
        return estimate(self._own), alike, jackknife(lambda *rows: self._other[np.ix_(*rows)].mean(), *self._sizes)

    def nearer(self) -> tuple[Estimate, Estimate]:
        """By how much schedules are nearer to those of their training than to those of runs in the same test.

        To those of the same policies, and to those of other runs that were trained alike.
        """
        first = jackknife(lambda a, b: self._other[np.ix_(a, b)].mean() - self._own[a].mean(), *self._sizes)
        second = jackknife(
            lambda a, b: self._other[np.ix_(a, b)].mean() - _mean_of_others(self._alike, a), *self._sizes
        )
        return first, second

    def spreads_nearer(self) -> Estimate:
        """By how much standard deviations of costs are nearer to those in the same test than to the same policies'."""
        ours = self.mixed.spread
        own = np.abs(ours - self.matched(self.same_training.spread))
        other = np.abs(ours[:, None] - self.same_test.spread)
        return jackknife(lambda a, b: own[a].mean() - other[np.ix_(a, b)].mean(), *self._sizes)

    @property
    def _sizes(self) -> tuple[int, int]:
        """Independent runs: of one training, in both tests, and of the other."""
        return len(self.mixed.schedules), len(self.same_test.schedules)

    @cached_property
    def _own(self) -> Floats:
        return np.asarray(_rms(self.mixed.schedules - self.matched(self.same_training.schedules)))

    @cached_property
    def _alike(self) -> Floats:
        return _between(self.mixed.schedules, self.matched(self.same_training.schedules))

    @cached_property
    def _other(self) -> Floats:
        return _between(self.mixed.schedules, self.same_test.schedules)


def _rms(values: Floats) -> Any:
    return np.sqrt((values**2).mean(axis=(-2, -1)))


def _between(ours: Floats, others: Floats) -> Floats:
    """Distance of every run to every other one, (ours, others), agents in the order that brings them nearer."""
    return np.asarray(np.minimum(_rms(ours[:, None] - others), _rms(ours[:, None] - others[..., ::-1])))


def _mean_of_others(distances: Floats, rows: Rows) -> float:
    """Mean distance between different runs among these; NaN if there is one."""
    n, kept = len(rows), distances[np.ix_(rows, rows)]
    return float((kept.sum() - np.trace(kept)) / (n * (n - 1))) if n > 1 else np.nan


class ExecutionMisspecified(Study):
    """Traders trained without noise and tested with much, and the reverse, in the game as simulated and as written."""

    name: ClassVar[str] = "execution-misspecified"
    question: ClassVar[str] = "do liquidating agents collude where volatility differs between training and test?"
    source: ClassVar[str] = (
        "A. Macrì and F. Lillo, Deviations from the Nash equilibrium and emergence of tacit collusion in a two-player "
        "optimal execution game with reinforcement learning, arXiv 2408.11773 (version 1, 2024), section 4.5.\n\n"
        "(P) the paper's text; the figures of this section were not digitised."
    )
    sizes: ClassVar[Mapping[str, Size]] = {
        "quick": Size(sessions=6, episodes=800, test_episodes=500),
        "paper": Size(sessions=10),
    }

    def find(self, preset: str, play: Player) -> Finding:
        size = self.sizes[preset]

        def pairs(setting: Setting) -> tuple[Pair, Pair]:
            found = {
                (train, test): Runs.of(setting, play(experiment(setting, train, size, test)))
                for train in (CALM, NOISY)
                for test in (CALM, NOISY)
            }
            calm, noisy = found[CALM, CALM], found[NOISY, NOISY]
            return Pair(found[CALM, NOISY], calm, noisy), Pair(found[NOISY, CALM], noisy, calm)

        return examine((*pairs(SIMULATED), *pairs(WRITTEN)), size.episodes)


def examine(pairs: tuple[Pair, ...], episodes: int) -> Finding:
    """Judge the claims by all pairs."""
    claims = tuple(claim for pair in pairs for claim in pair_claims(pair))
    failed = left_out([pair.mixed for pair in pairs])
    notes = (*shortened(episodes), *failed, PAIRING, BENCHMARKS, WORDS, SPREAD)
    return Finding(f"{answer(pairs, episodes)}\n\n{statements(claims)}", claims, sections(pairs), notes)


# --- claims ------------------------------------------------------------------------------------------------------


def pair_claims(pair: Pair) -> Iterator[Claim]:
    """The paper's claims about one misspecified case, and what the numbers behind them are."""
    mixed, section = pair.mixed, SECTIONS[pair.mixed.volatility]
    own = f"{mixed.reference.optimum_cost:.3f} to {mixed.reference.nash_cost:.3f}"
    yield majority(f"{mixed.title}: most in the paper's rectangle", mixed.in_stars, section)
    yield majority(f"{mixed.title}: most in the rectangle of the game, {own}", mixed.inside, section)
    yield Claim(f"{mixed.title}: K, 0 at Nash and 1 at the joint optimum", estimate(mixed.index))
    note = f"less what the same policies cost at {label(pair.same_training.test_volatility)}"
    change = mixed.mean - pair.matched(pair.same_training.mean)
    yield Claim(f"{mixed.title}: change of the mean shortfall (currency)", estimate(change), note=note)
    name = f"{mixed.title}: standard deviation of costs nearer to that of the same test than of the same training by"
    yield _nearer(f"{name} (currency)", pair.spreads_nearer(), section)
    if mixed.test_volatility == NOISY:
        name = f"{mixed.title}: standard deviation of costs, relative to that by chance alone"
        yield Claim(name, estimate((mixed.spread / mixed.noise)[mixed.noise > 0]), note=SPREAD)
    same, others = pair.nearer()
    name = f"{mixed.title}: schedules nearer to those of the same training than of the same test by (shares a step)"
    yield _nearer(name, same, SUMMARY)
    name = f"{mixed.title}: schedules nearer to other runs of the same training than to runs of the same test by"
    yield _nearer(f"{name} (shares a step)", others, SUMMARY, LUCK)
    for words, distance in zip(DISTANCES, pair.distances(), strict=True):
        yield Claim(f"{mixed.title}: distance to the schedules of {words} (shares a step)", distance, note=PAIRS)
    yield majority(f"{mixed.title}: mostly the faster trader pays less", mixed.faster, section)


def _nearer(name: str, found: Estimate, source: str, note: str = "") -> Claim:
    """That something is nearer to one thing than to another: decided once the interval leaves 0 out."""
    note = f"{note} {PAIRS}".strip()
    return Claim(name, found, None, source, margin=more_than(0.0), note=note)


# --- report ------------------------------------------------------------------------------------------------------


def answer(pairs: tuple[Pair, ...], episodes: int) -> str:
    """What the study concludes, setting by setting."""
    n = len(pairs)
    low = [pair.mixed for pair in pairs if place(pair.mixed, n) == "below"]
    titles = f" ({'; '.join(one.title for one in low)})" if low else ""
    level = 100 * estimate(pairs[0].mixed.mean, n).level
    head = (
        f"In {len(low) or 'none'} of {n} misspecified cases{titles or ' do'} agents pay less than in the equilibrium "
        f"of the game they played, by intervals of {level:g} %, which hold for all {n} together at 95 %."
    )
    return "\n\n".join((*shortened(episodes), head, *(_paragraph(pair) for pair in pairs)))


def _paragraph(pair: Pair) -> str:
    mixed, (own, alike, other) = pair.mixed, pair.distances()
    spreads = [estimate(one.spread) for one in (mixed, pair.same_test, pair.same_training)]
    stars, n = int(mixed.in_stars.sum()), len(mixed.costs)
    return (
        f"{mixed.title[0].upper()}{mixed.title[1:]}: agents pay {estimate(mixed.mean)}, where the equilibrium of the "
        f"game costs {mixed.reference.nash_cost:.3f}: by the interval {place(mixed)} it. {stars} of {n} runs lie in "
        f"the rectangle of the paper's stars, {int(mixed.inside.sum())} in that of the game played. Costs vary with a "
        f"standard deviation of {spreads[0]} over episodes ({spreads[1]} if trained in this volatility too, "
        f"{spreads[2]} if tested in that of training). Schedules lie {own} shares a step from what the same policies "
        f"sell in their own volatility, {alike} from what other runs of the same training sell there, and {other} from "
        "those of agents trained in "
        "the other volatility."
    )


def sections(pairs: tuple[Pair, ...]) -> tuple[Section, ...]:
    """Overview, schedules, and one section for each misspecified run."""
    everything = {one.title: one for pair in pairs for one in (pair.mixed, pair.same_training)}
    return (
        Section("Beside the equilibrium of the game that was played", table=overview(everything)),
        Section("What the test changes", table=changes(pairs), charts=tuple(_schedules(pairs))),
        *(run_section(pair.mixed, published_beside=False) for pair in pairs),
    )


def changes(pairs: tuple[Pair, ...]) -> Table:
    """Spread of costs and distance of schedules beside the two correctly specified runs."""
    columns = (
        "runs", "sd of costs", "sd, same training", "sd, same test", *(f"distance to {words}" for words in DISTANCES),
    )  # fmt: skip
    rows = []
    for pair in pairs:
        spreads = (estimate(one.spread) for one in (pair.mixed, pair.same_training, pair.same_test))
        rows.append((pair.mixed.title, *(str(x) for x in (*spreads, *pair.distances()))))
    caption = (
        "Standard deviations over test episodes, in currency, and root mean square distances between mean schedules, "
        "in shares a step. Same training: tested in the volatility of the training. Same test: trained in the "
        "volatility of the test."
    )
    return Table(columns, tuple(rows), caption)


def _schedules(pairs: tuple[Pair, ...]) -> Iterator[Panels]:
    for first, second in zip(pairs[::2], pairs[1::2], strict=True):
        shown = (first.same_training, first.mixed, second.mixed, second.same_training)
        known = first.mixed.reference
        yield average_schedules(
            {_label(one): one.schedules for one in shown}, known.nash_schedule, known.twap,
            title=f"Mean schedules {first.mixed.setting.words}",
        )  # fmt: skip


def _label(runs: Runs) -> str:
    return f"trained at {plain(runs.volatility)}, tested at {plain(runs.test_volatility)}"
