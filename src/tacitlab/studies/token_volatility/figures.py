"""Tables and figures of the study of volatility in the token economy."""

from collections.abc import Sequence

import numpy as np

from tacitlab.markets.base import Quantity
from tacitlab.measures.concentration import gini, normalised_hhi
from tacitlab.measures.statistics import mean_interval
from tacitlab.plot.chart import Axis, Chart, HLine, Line, Mark, Points
from tacitlab.report.market_paths import fan_chart, heat_map
from tacitlab.report.page import Cell, Section, Table
from tacitlab.studies.frame import cell
from tacitlab.studies.token_volatility.study import AGENTS, RULES, Evidence, OnCurve, called

TOGETHER = (
    "Volatility: root mean square of d ln P in a step, in percent; settled: in the second half of an episode. Volume: "
    "tokens that all agents trade in a step. Own gain: profit and utility of an agent in an episode; service: what "
    "holding is worth to all agents in a step, before the interest on the price. Means over sessions, below them 95 % "
    "intervals."
)
HELD = (
    "Of the first episode of the test. Concentration and Gini index of what agents hold at its end; Herfindahl-"
    "Hirschman index normalised to 0 if all hold the same. Entropy of price levels over 32 bins of ln P, and of the "
    "order of 4 successive returns, as shares of the largest possible. Contraction c and ball: V = (P - P*)² falls in "
    "the mean by c V where abs(P - P*) exceeds the ball; P* is the mean settled price of all sessions."
)


def sections(e: Evidence) -> tuple[Section, ...]:
    """What is shown beside the claims."""
    found = []
    for name, on in e.curves.items():
        found.append(Section(f"Volatility, volume and welfare together: {name} curve", table=together(on)))
    main = e.main
    found.append(Section("Volatility beside trade", charts=(scatter(e),)))
    found.append(Section("Learning", charts=learning(main)))
    found.append(Section("Prices and trades of the profit learners", charts=episodes(main)))
    found.append(Section("Who holds what, and what can be predicted", table=held(main), charts=(lorenz_chart(main),)))
    found.append(Section("Is it an equilibrium?", DEVIATING, table=deviations(e)))
    return tuple(found)


DEVIATING = (
    f"The last agent gives up what it has learned, the other {AGENTS - 1} keep it. No deviation that gains is no proof "
    "of an equilibrium: each gain is a lower bound on that of a best response."
)


def together(on: OnCurve) -> Table:
    """Volatility beside what it may have cost."""
    rows: list[tuple[Cell, ...]] = [
        (
            name, cell(p.volatility, 100), cell(p.settled_volatility, 100), cell(p.mean("volume")), cell(p.payoff),
            cell(p.mean("welfare")), cell(p.mean("price")),
        )
        for name, p in on.everybody.items()
    ]  # fmt: skip
    columns = ("everybody plays", "volatility (%)", "settled (%)", "volume", "own gain", "service", "mean price")
    return Table(columns, rows, TOGETHER)


def held(on: OnCurve) -> Table:
    """Concentration, entropies and the drift of prices."""
    rows: list[tuple[Cell, ...]] = []
    for name, p in on.everybody.items():
        last, (levels, order), drift = p.steps("holdings", "_path")[:, -1], p.entropy, on.drifts.get(name)
        ball = ("-", "-") if drift is None else (f"{drift.contraction.mean:.3f}", f"{drift.radius.mean:.4f}")
        rows.append((name, cell(normalised_hhi(last)), cell(gini(last)), cell(levels), cell(order), *ball))
    columns = ("everybody plays", "HHI", "Gini", "level entropy", "permutation entropy", "c", "ball (currency)")
    return Table(columns, rows, HELD)


def deviations(e: Evidence) -> Table:
    """What one agent gains by playing otherwise."""
    stayed = float(e.main.profit.payoff.mean())
    rows = [(one.name, cell(one.gain), f"{100 * one.gain.mean() / stayed:+.0f} %") for one in e.deviations]
    caption = f"Gain of the deviating agent in an episode (currency); with what it had learned it earns {stayed:.2f}."
    return Table(("the deviating agent plays", "gains", "of what all earn"), rows, caption)


def scatter(e: Evidence) -> Chart:
    """Volume and volatility of everybody on both curves."""
    marks: list[Mark] = []
    for curve, on in e.curves.items():
        volumes = [float(p.mean("volume").mean()) for p in on.everybody.values()]
        found = [mean_interval(100 * p.volatility) for p in on.everybody.values()]
        low, high = ([getattr(one, end) for one in found] for end in ("low", "high"))
        labels = tuple(on.everybody) if curve == "exponential" else None
        marks.append(Points(volumes, [one.mean for one in found], f"{curve} curve", labels, low=low, high=high))
    caption = "Mean over sessions with 95 % intervals. Holding is a reduction by 100 % against everybody."
    return Chart("Volatility and volume", Axis("volume", "tokens/step"), Axis("sd of d ln P", "%"), marks, caption)


def learning(on: OnCurve) -> tuple[Chart, ...]:
    """Rewards and volatility while learning, beside the rules."""
    caption = "Mean over sessions in each window, with its pointwise 95 % interval; rules in the test."
    payoff = on.profit.learning("payoff", called(0.0))
    references = [HLine(float(on.rules[name].payoff.mean()), name) for name in RULES[2:]]
    squares = []
    for omega in (0.0, max(on.learned)):
        line = on.learned[omega].learning("squared_return")
        y, low, high = (100 * np.sqrt(x) for x in (line.y, line.low, line.high))
        squares.append(Line(line.x, y, called(omega), low, high))
    quiet = [HLine(100 * float(on.rules[name].volatility.mean()), name) for name in RULES[1:]]
    time = Axis("training episode")
    return (
        Chart("Own gain while learning", time, Axis("own gain", "currency/episode"), [payoff, *references], caption),
        Chart("Volatility while learning", time, Axis("sd of d ln P", "%"), [*squares, *quiet], caption),
    )


def episodes(on: OnCurve) -> Sequence[Chart]:
    """Fan chart of prices and map of trades."""
    price, trade = Quantity("price", "currency", by_agent=False), Quantity("trade", "tokens")
    return fan_chart(on.profit.found, price), heat_map(on.profit.found, trade)


def lorenz_chart(on: OnCurve) -> Chart:
    """How unequally tokens are held at the end of an episode."""
    chosen = ("random", "price-taking", "PPO, profit")
    marks: list[Mark] = []
    for name in chosen:
        curve = on.everybody[name].lorenz.mean(axis=0)
        marks.append(Line(np.linspace(0, 1, len(curve)), curve, name, dash=name == "random"))
    marks.append(Line([0, 1], [0, 1], "all hold the same", reference=True))
    axes = Axis("share of agents, poorest first", range=(0.0, 1.0)), Axis("share of tokens", range=(0.0, 1.0))
    caption = "End of the first episode of the test; mean over sessions."
    return Chart("Lorenz curves of holdings", *axes, marks, caption, equal=True)
