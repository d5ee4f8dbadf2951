"""Sections of the report on cooperation in the resource market: tables beside the claims, and all figures."""

from collections.abc import Iterator, Sequence

from tacitlab.markets.resource.theory import marked_up_gain
from tacitlab.measures.statistics import Estimate
from tacitlab.plot.chart import Axis, Chart
from tacitlab.plot.panels import Picture
from tacitlab.report.page import Section, Table
from tacitlab.studies.resource_cooperation import figures
from tacitlab.studies.resource_cooperation.claims import estimate
from tacitlab.studies.resource_cooperation.evidence import Arena, Evidence
from tacitlab.studies.resource_cooperation.settings import LIQUIDATED, STRONGER

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
        Section("What 7254 depends on", table=scale_table()),
        *(_arena(e.arenas[key], charts=False) for key in others),
        Section("Volatility and volume", charts=tuple(_bars(e.main))),
        Section("Coordination", charts=(figures.coordination_panels(main), *_heat_maps(e))),
        *(_arena(arena) for arena in e.gains),
        *_crowds(e),
        Section(
            "Adversaries",
            "Exact: dynamic programming over everything that an adversary can know, against each learned policy.",
            _attack_table(e),
            (figures.exploitability_chart(e.attacks),),
        ),
    )


def _arena(arena: Arena, *, charts: bool = True) -> Section:
    known = "" if arena.optimum is None else f" In the joint optimum an agent gains {arena.optimum:.1f}, exactly."
    rows = []
    for name, played in arena.everybody.items():
        pairs = played.pairs
        numbers = (arena.gain(name), played.turnover, played.volatility, played.excess, pairs.sync, pairs.offset)
        rows.append((name, *(shown(estimate(values)) for values in numbers)))
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
    fans = (figures.fan_panels(arena),) if "buy-to-limit" in arena.baselines else ()
    return figures.learning_chart(arena), *fans


def shown(found: Estimate) -> str:
    """Mean and interval in a cell."""
    return f"{found.mean:{found.precision}}\n{found.interval}"


def _bars(arenas: Sequence[Arena]) -> Iterator[Chart]:
    yield figures.bar_chart(
        arenas, "volatility", "Volatility by policy", Axis("sd of one-step returns"),
        "Nobody can be calmer than those who hold; volume-matched agents trade at random as often as Q-learners do.",
        level=True,
    )  # fmt: skip
    yield figures.bar_chart(
        arenas, "turnover", "Volume by policy", Axis("lots an agent and step"), "The volume to each volatility above."
    )


def _heat_maps(e: Evidence) -> Iterator[Chart]:
    for arena in (e.main[0], e.main[2]):
        yield figures.heat_map(arena.learned, f"Who trades when: {arena.setting.words}", crowd=False)


def _crowds(e: Evidence) -> Iterator[Section]:
    charts = figures.crowd_charts(e.crowds, e.post)
    arena = e.crowds[max(e.crowds)]
    title = f"Who trades when: {arena.setting.words}"
    yield Section("Many agents", charts=(*charts, figures.heat_map(arena.learned, title, crowd=True)))
    for arena in e.crowds.values():
        yield _arena(arena, charts=False)


def _attack_table(e: Evidence) -> Table:
    rows = []
    for attack in e.attacks:
        exact = attack.exact
        parts = (exact.values, exact.best, exact.suffered, exact.spoofed)
        rows.append((attack.arena.setting.words, *(shown(estimate(values.mean(axis=1))) for values in parts)))
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
