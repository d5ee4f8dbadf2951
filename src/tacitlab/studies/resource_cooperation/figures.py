"""Figures and tables of the study of cooperation in the resource market."""

from collections.abc import Iterator, Mapping, Sequence

import numpy as np

from tacitlab.markets.resource.theory import marked_up_gain
from tacitlab.plot.chart import Axis, Bars, Chart, HeatMap, Histogram, HLine, Line, Mark
from tacitlab.plot.panels import Panel, Panels, Picture
from tacitlab.report.page import Section, Table
from tacitlab.studies.frame import cell, curve, through
from tacitlab.studies.resource_cooperation.evidence import (
    EXPLORING,
    LIQUIDATED,
    SCALINGS,
    STRONGER,
    Arena,
    Attack,
    Evidence,
    Played,
)  # fmt: skip
from tacitlab.studies.resource_cooperation.study import REWARD, estimate

UNIT = "currency"
STEPS = 200  # points of a path
BLOCKS = 100  # columns of a heat map
ROWS = 40  # traders of a heat map
SHOWN = ("hold", "random", "volume-matched", "trend-follower", "buy-to-limit")
COLUMNS = (
    "who plays", "gain", "lots an agent and step", "volatility", "of it by orders", "same side", "opposite sides",
)  # fmt: skip
OVERVIEW = (
    "Test with frozen policies: gain of a trader and episode in currency, standard deviation of one-step returns, its "
    "part alpha sqrt(E net²) that orders make, and shares of steps in which both trade. Means over sessions with 95 % "
    "intervals. All meet the same noise.{luck}{optimum}"
)
LUCK = " What of a gain moves with that of those who hold, whose expectation is 0, is taken off."
IMPACTS, CASHES = (0.001, 0.005, 0.01, 0.0118, 0.02), (5_000.0, 10_000.0, 20_000.0)
SCALE = (
    "What two agents show who buy until their cash is gone, by cash and impact, at a first price of 100, in currency: "
    "C((1 + x) ln(1 + x)/x - 1) with x = 2 alpha C/P. Halve price and cash, and the gain is half as large."
)


def sections(e: Evidence) -> tuple[Section, ...]:
    """Markets one by one, coordination, many agents, adversaries."""
    main, others = e.pairs, [s.key for s in (STRONGER, LIQUIDATED) if s.key in e.arenas]
    return (
        *(_arena(arena) for arena in main),
        Section(f"What {REWARD.value:g} depends on", table=scale_table()),
        *(_arena(e.arenas[key], charts=False) for key in others),
        Section("Volatility and volume", charts=tuple(_bars(e.main))),
        Section("Coordination", charts=(coordination_panels(main), *_heat_maps(e))),
        *(_arena(arena) for arena in e.gains),
        *_crowds(e),
        Section(
            "Adversaries",
            "Exact: dynamic programming over everything that an adversary can know, against each learned policy.",
            _attack_table(e),
            (exploitability_chart(e.attacks),),
        ),
    )


def _arena(arena: Arena, *, charts: bool = True) -> Section:
    known = "" if arena.optimum is None else f" In the joint optimum an agent gains {arena.optimum:.1f}, exactly."
    rows = []
    for name, played in arena.everybody.items():
        pairs = played.pairs
        numbers = (arena.gain(name), played.turnover, played.volatility, played.excess, pairs.sync, pairs.offset)
        rows.append((name, *(cell(estimate(values)) for values in numbers)))
    market = arena.setting.environment.model_dump(exclude_defaults=True)
    changed = "; ".join(f"{key} {value}" for key, value in market.items() if key != "kind")
    words = arena.setting.words
    return Section(
        f"{words[:1].upper()}{words[1:]}",
        f"Parameters other than the defaults: {changed}." if changed else "The market's defaults.",
        Table(COLUMNS, rows, OVERVIEW.format(luck="" if arena.costly else LUCK, optimum=known)),
        _charts(arena) if charts else (),
    )


def _charts(arena: Arena) -> tuple[Picture, ...]:
    """Learning; and prices, where they were played with the rules that are shown."""
    fans = (fan_panels(arena),) if "buy-to-limit" in arena.baselines else ()
    return learning_chart(arena), *fans


def _bars(arenas: Sequence[Arena]) -> Iterator[Chart]:
    yield bar_chart(
        arenas, "volatility", "Volatility by policy", Axis("sd of one-step returns"),
        "Those who hold leave the noise as it is; volume-matched agents trade at random as often as Q-learners do.",
        level=True,
    )  # fmt: skip
    yield bar_chart(
        arenas, "turnover", "Volume by policy", Axis("lots an agent and step"), "The volume to each volatility above."
    )


def _heat_maps(e: Evidence) -> Iterator[Chart]:
    for arena in (e.main[0], e.main[2]):
        yield heat_map(arena.learned, f"Who trades when: {arena.setting.words}", crowd=False)


def _crowds(e: Evidence) -> Iterator[Section]:
    charts = crowd_charts(e.crowds, e.post)
    arena = e.crowds[max(e.crowds)]
    title = f"Who trades when: {arena.setting.words}"
    yield Section("Many agents", charts=(*charts, heat_map(arena.learned, title, crowd=True)))
    for arena in e.crowds.values():
        yield _arena(arena, charts=False)


def _attack_table(e: Evidence) -> Table:
    rows = []
    for attack in e.attacks:
        exact = attack.exact
        parts = (exact.values, exact.best, exact.suffered, exact.spoofed)
        rows.append((attack.arena.setting.words, *(cell(estimate(values.mean(axis=1))) for values in parts)))
    columns = ("market", "learned pair", "best responder", "the other, under a responder", "the other, under a spoofer")
    return Table(columns, rows, "Expected gains of an episode in currency, means over both agents and sessions.")


def scale_table() -> Table:
    """What the literal market's gain depends on.

    Examples
    --------
    >>> scale_table().rows[3]
    ('0.0118', '2199', '7255', '22269')
    """
    rows = [(f"{a:g}", *(f"{marked_up_gain(cash, a, 2, 100.0):.0f}" for cash in CASHES)) for a in IMPACTS]
    return Table(("impact", *(f"cash {cash:,.0f}" for cash in CASHES)), rows, SCALE)


# --- over learning -------------------------------------------------------------------------------------------------


def learning_chart(arena: Arena) -> Chart:
    """Gain of a trader over learning, under falling and constant exploration, beside the baselines and the optimum."""
    marks: list[Mark] = [curve(arena.learned.time, arena.learned.curve, "exploration falls from 1 to 0.01")]
    if arena.constant is not None:
        marks.append(curve(arena.constant.time, arena.constant.curve, f"exploration {EXPLORING:g}"))
    for name in (*SHOWN[1:], "rebalance"):
        if name in arena.baselines:
            gain = float(arena.gain(name).mean())
            marks.append(HLine(gain, f"{name} {gain:.0f}"))
    if arena.optimum is not None:
        marks.append(HLine(arena.optimum, f"joint optimum {arena.optimum:.0f}"))
    return Chart(
        f"Gain of a trader while learning: {arena.setting.words}", Axis("training episode"), Axis("gain", UNIT), marks,
        f"Mean over {len(arena.learned.curve)} sessions in windows of episodes, with its pointwise 95 % interval. "
        f"Exploration has fallen in episode {arena.explored:.0f}. Baselines: mean of their test.",
    )  # fmt: skip


def coordination_panels(arenas: Sequence[Arena]) -> Panels:
    """How often both trade on the same side and on opposite ones, over learning."""
    panels = []
    for arena in arenas:
        played = arena.learned
        lines = [
            curve(played.time, played.learning("sync"), "same side"),
            curve(played.time, played.learning("offset"), "opposite sides", dash=True),
        ]
        panels.append(Panel(arena.setting.words, lines))
    return Panels(
        "Do traders trade with each other?", Axis("training episode"), Axis("share of steps"), panels, 2,
        "Steps in which both trade, by side: means over sessions with pointwise 95 % intervals. Chance puts them on "
        "opposite sides as often as on the same one where purchases and sales are as frequent.",
    )  # fmt: skip


# --- after learning ------------------------------------------------------------------------------------------------


def bar_chart(
    arenas: Sequence[Arena], what: str, title: str, axis: Axis, caption: str, *, level: bool = False
) -> Chart:
    """A number of each policy in each market: ``volatility`` or ``turnover``; ``level`` marks that of the noise."""
    names = ("Q-learners", *SHOWN)
    marks: list[Mark] = []
    for arena in arenas:
        found = [estimate(getattr(arena.everybody[name], what)) for name in names]
        heights, low, high = ([getattr(one, part) for one in found] for part in ("mean", "low", "high"))
        marks.append(Bars(names, heights, arena.setting.words, low, high))
    if level:
        sigma = arenas[0].learned.market.volatility
        marks.append(HLine(sigma, f"noise {sigma:g}"))
    return Chart(title, Axis(""), axis, marks, caption)


def fan_panels(arena: Arena, names: Sequence[str] = ("Q-learners", "hold", "random", "buy-to-limit")) -> Panels:
    """Quantiles of the price over sessions within an episode, a panel for each policy."""
    panels = []
    for name in names:
        paths = arena.everybody[name].path("price")
        at = np.unique(np.linspace(0, paths.shape[1] - 1, STEPS).astype(int))
        least, low, middle, high, most = np.quantile(paths[:, at], [0.05, 0.25, 0.5, 0.75, 0.95], axis=0)
        lines = [
            Line(at + 1, middle, "middle nine tenths", low=least, high=most, reference=True),
            Line(at + 1, middle, "median, middle half", low=low, high=high),
        ]
        panels.append(Panel(name, lines))
    return Panels(
        f"Price within an episode: {arena.setting.words}", Axis("step"), Axis("price", "currency/unit", log=True),
        panels, 2, f"One episode of each of {len(arena.learned.gain)} sessions, all in the same noise.",
    )  # fmt: skip


def heat_map(played: Played, title: str, *, crowd: bool) -> Chart:
    """What each agent trades over time in one episode: all agents of a session, or both of many sessions."""
    orders = played.path("trade")
    rows = orders[0].T if crowd else orders.swapaxes(1, 2).reshape(-1, orders.shape[1])[:ROWS]
    rows = rows[: max(ROWS, played.market.traders)]
    size = max(1, rows.shape[1] // BLOCKS)
    width = rows.shape[1] // size
    means = rows[:, : width * size].reshape(len(rows), width, size).mean(axis=2)
    whose = "all agents of one session" if crowd else "two agents of each session, one above the other"
    return Chart(
        title, Axis("step"), Axis("agent", whole=True),
        [HeatMap(size * (np.arange(width) + 0.5), np.arange(1, len(rows) + 1), means, "lots bought a step")],
        f"First episode of the test, {whose}{f'; means over {size} steps' if size > 1 else ''}. Sales are negative.",
    )  # fmt: skip


def exploitability_chart(attacks: Sequence[Attack]) -> Chart:
    """Distribution over agents of what a best response would gain."""
    marks: list[Mark] = [Histogram(np.ravel(one.exact.gain), one.arena.setting.words) for one in attacks]
    return Chart(
        "What a best response would gain in an agent's place", Axis("exploitability", UNIT), Axis("agents"), marks,
        "Exact, by dynamic programming, for every agent of the sessions that were computed.",
    )  # fmt: skip


# --- many agents ---------------------------------------------------------------------------------------------------


def crowd_charts(crowds: Mapping[tuple[int, str], Arena], pair: Arena | None) -> tuple[Chart, ...]:
    """Volatility and gain by the number of agents, beside the rules; with two agents both scalings are the same.

    None where there is a single number.
    """
    if pair is None and len({agents for agents, _ in crowds}) == 1:
        return ()
    volatility: list[Mark] = []
    gain: list[Mark] = []
    for scaling, words in SCALINGS.items():
        by_number = {} if pair is None else {2: pair}
        by_number |= {agents: arena for (agents, kind), arena in crowds.items() if kind == scaling}
        numbers = sorted(by_number)
        for policy in ("Q-learners", "buy-to-limit", "random"):
            played = [by_number[n].everybody[policy] for n in numbers]
            for lines, found in ((volatility, [p.volatility for p in played]), (gain, [p.gain for p in played])):
                means = [estimate(values) for values in found]
                lines.append(through(numbers, means, f"{policy}, {words}", dash=scaling == "per-agent"))
    sigma = next(iter(crowds.values())).learned.market.volatility
    axis, caption = Axis("number of agents N", log=True), "Means over sessions with 95 % intervals; fills after impact."
    return (
        Chart("Volatility by the number of agents", axis, Axis("sd of one-step returns", log=True),
              [*volatility, HLine(sigma, f"noise {sigma:g}")], caption),
        Chart("Gain by the number of agents", axis, Axis("gain", UNIT), gain, caption),
    )  # fmt: skip
