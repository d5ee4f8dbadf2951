"""What a meta-game says: in words, in a table, on a page."""

import numpy as np

from tacitlab.metagame import charts
from tacitlab.metagame.analysis import Analysis
from tacitlab.metagame.estimated_game import EstimatedGame
from tacitlab.metagame.estimated_regret import equilibrium_probabilities, profile_regret
from tacitlab.metagame.run import WINDOWS, MetaResult
from tacitlab.plot.chart import Chart
from tacitlab.report.page import Page, Section, Table

TINY = 1e-9  # regret of an equilibrium, relative to the payoffs' range
SHOWN = 8  # profiles of a table


def percent(share: float) -> str:
    """A share as a reader wants it.

    Examples
    --------
    >>> percent(0.123), percent(0.0004)
    ('12 %', '0.04 %')
    """
    return f"{100 * share:.0f} %" if abs(share) >= 0.1 else f"{100 * share:.2g} %"


def sentences(found: Analysis) -> str:
    """The answer for one payoff window."""
    k, lead = found.leading, found.labels[found.leading]
    fixed = sum(a.fixed for a in found.attractors)
    cycles = len(found.attractors) - fixed
    return (
        f"Most likely symmetric equilibrium: ({lead}), probability {found.probabilities[k]:.2f}, regret "
        f"{found.regret(k)}, gain {found.gain(k)}. Expected number of symmetric pure equilibria: "
        f"{found.number.mean:.2f} "
        f"(95 % range {found.number.low:.0f} to {found.number.high:.0f}); {len(found.possible)} of "
        f"{len(found.labels)} profiles are not refuted. In the mean payoffs best replies have "
        f"{_count(fixed, 'fixed point')} "
        f"and {_count(cycles, 'cycle')}. The best symmetric profile, ({found.labels[found.best]}), has a gain of "
        f"{found.gain(found.best)}; {percent(found.price())} of it is left at the equilibrium.{_mixed(found)}"
    )


def _mixed(found: Analysis) -> str:
    """What is known of equilibria that are not symmetric and pure; of two designers only."""
    if found.result.metagame.players > 2:
        return ""
    pairs, regret = found.mixed
    whole = [pair for pair, left in zip(pairs, regret, strict=True) if left <= TINY * np.ptp(found.table.mean)]
    mixed = [pair for pair in whole if max(x.max() for x in pair) < 1 - 1e-9]
    supports = sorted({len(np.flatnonzero(x > 1e-9)) for pair in mixed for x in pair})
    told = f", {_count(len(mixed), 'mixed one')} over {' or '.join(map(str, supports))} strategies" if mixed else ""
    return (
        f" Among two designers the mean payoffs have {_count(len(found.game.pure_equilibria()), 'pure profile')} that "
        f"no one would leave, symmetric or not{told}."
    )


def _count(number: int, name: str) -> str:
    return f"{number} {name}{'' if number == 1 else 's'}"


def profile_table(found: Analysis, also: tuple[tuple[str, int], ...] = ()) -> Table:
    """The symmetric profiles most likely to be equilibria, and others that are asked for."""
    order = np.lexsort((found.regrets[:, 0], -found.probabilities))[:SHOWN]
    listed = [("", int(k)) for k in order if int(k) not in [p for _, p in also]] + list(also)
    listed += [("best for all", found.best)]
    rows = []
    for name, k in listed:
        regret = found.relative_regret(k)
        rows.append(
            (f"({found.labels[k]}) {name}".strip(), f"{found.probabilities[k]:.3f}", f"{regret.mean:.2f}",
             f"{regret.low:.2f} to {regret.high:.2f}", f"{found.rank(k).mean:.0f}", str(found.gain(k)),
             len(found.replies_within_error(k)), f"{found.basins.share[k]:.3f}", f"{found.ranking[k]:.3f}")
        )  # fmt: skip
    return Table(
        ("profile", "P(equilibrium)", "regret %", "95 % interval", "rank", "gain", "replies in error", "replicator",
         "alpha-rank"), rows,
        "Regret in per cent of the best reply's payoff; rank among the replies to the profile; gain 0 at the "
        "competitive and 1 at the cooperative benchmark; replies within error of the best; share of 200 "
        "random populations "
        "that the replicator equation leads there; share of time under alpha-rank (population 50, intensity 10).",
    )  # fmt: skip


def attractor_table(found: Analysis) -> Table:
    """Fixed points and cycles of best replies."""
    rows = [
        ("fixed point" if a.fixed else f"cycle of {len(a.profiles)}", percent(a.basin),
         " → ".join(f"({found.labels[p]})" for p in a.profiles),
         ", ".join(f"{found.gain(p).mean:.2f}" for p in a.profiles),
         f"{np.prod([found.probabilities[p] for p in a.profiles]):.3f}" if a.fixed else "-")
        for a in found.attractors
    ]  # fmt: skip
    return Table(
        ("kind", "basin", "profiles", "gains", "P(equilibrium)"),
        rows,
        "In the mean payoffs; noise turns ties into moves. Basin: share of profiles from which best replies "
        "lead there.",
    )


def lines(result: MetaResult) -> list[str]:
    """The answer of any meta-game, a paragraph a line."""
    told = [
        f"{result.metagame.size} strategies, {result.metagame.entries} entries, "
        f"{result.facts['sessions']:.4g} sessions "
        f"of {result.metagame.periods} periods"
    ]
    if result.metagame.symmetric:
        for window in WINDOWS:
            name = "whole session" if window == "online" else f"last {percent(result.metagame.last)} of it"
            told.append(f"Paid for the {name}. {sentences(Analysis(result, window))}")
        return told
    return told + [_unequal(result.game, result.metagame.labels())]


def _unequal(game: EstimatedGame, labels: list[str]) -> str:
    """Pure equilibria of a game whose players differ."""
    chance = equilibrium_probabilities(game)
    i, j = (int(x) for x in np.unravel_index(int(np.nanargmax(chance)), chance.shape))
    estimate, low, high = profile_regret(game, i, j)
    return (
        f"The players differ. Most likely pure equilibrium: ({labels[i]}) against ({labels[j]}), probability "
        f"{chance[i, j]:.2f}, regret {estimate:.4g} (95 % CI {low:.4g} to {high:.4g}); expected number of pure "
        f"equilibria: {np.nansum(chance):.2f}"
    )


def figures(found: Analysis) -> tuple[Chart, ...]:
    """Heat maps, response graph, probability map and front, as far as the strategies have parameters."""
    names = [name for name in found.axes if len(found.axes[name][0]) > 1 and _numbers(found.axes[name][0])]
    drawn: list[Chart] = list(charts.reply_charts(found, names))
    if len(names) >= 2:
        x, y = names[1], names[0]
        drawn += [charts.graph_chart(found, x, y), charts.probability_chart(found, x, y)]
    if found.result.metagame.players == 2:
        drawn.append(charts.front_chart(found, (("most likely equilibrium", found.leading),)))
    return tuple(drawn)


def _numbers(values: list[object]) -> bool:
    return all(isinstance(v, int | float) and not isinstance(v, bool) for v in values)


def build(result: MetaResult) -> Page:
    """The report of a meta-game."""
    sections: list[Section] = []
    if result.metagame.symmetric:
        for window in (result.metagame.window, *(w for w in WINDOWS if w != result.metagame.window)):
            found = Analysis(result, window)
            sections += [
                Section(f"Profiles, payoff window: {window}", table=profile_table(found)),
                Section("Best replies", table=attractor_table(found), charts=figures(found)),
            ]
    return Page(f"{result.metagame.name}: the meta-game", "\n\n".join(lines(result)), sections)
