"""What learners earn beside the market's scripted rules, with the same noise."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from tacitlab.measures.statistics import Estimate, mean_interval
from tacitlab.plot.chart import HLine
from tacitlab.report.finding import shown
from tacitlab.report.market_tested import Floats, Tested
from tacitlab.report.page import Cell, Section, Table


@dataclass(frozen=True)
class Baseline:
    """A rule that everybody follows; with several roles, whoever would learn.

    Attributes
    ----------
    rule : str
    outcome : Estimate
        Mean over those who follow it, over sessions.
    ahead : Estimate
        By how much learners do better, session by session.
    quantities : dict
        Means of what is recorded of the market as a whole.
    agents : (agents,) array
        Outcome of each agent, as well as it is known.
    exact : float or None
        The expected outcome, where it is known.
    """

    rule: str
    outcome: Estimate
    ahead: Estimate
    quantities: dict[str, float]
    agents: Floats | None = None
    exact: float | None = None

    @property
    def level(self) -> float:
        """What the rule is worth, as well as it is known."""
        return self.outcome.mean if self.exact is None else self.exact


def baselines(found: Tested) -> list[Baseline]:
    """The rules that were played beside the learners; none if there are no sessions to compare."""
    if "baseline_payoff" not in found.data or not len(found.outcomes):
        return []
    sign, who = found.words.sign, found.compared
    learned = found.outcomes[:, who].mean(axis=1)
    rows = []
    for rule in found.data["rule"].values.tolist():
        here = found.data.sel(rule=rule)
        every = sign * here["baseline_payoff"].astype(np.float64).transpose("session", "agent").values
        outcome = every[:, who].mean(axis=1)
        names = [q.name for q in found.market.quantities() if not q.by_agent]
        means = {name: float(here[f"baseline_{name}"].mean()) for name in names}
        exact = found.benchmarks.rules.get(rule)
        worth = None if exact is None else sign * float(exact[who].mean())
        ahead = mean_interval(sign * (learned - outcome))
        each = every.mean(axis=0) if exact is None else sign * exact
        rows.append(Baseline(rule, mean_interval(outcome), ahead, means, each, worth))
    return rows


def sentence(rows: Sequence[Baseline]) -> str:
    """Which rules learners beat, by the 95 % interval of the paired difference.

    Examples
    --------
    >>> far, near = Estimate(5.0, 4.0, 6.0, 0.5, 10), Estimate(0.1, -1.0, 1.2, 0.5, 10)
    >>> sentence([Baseline("random", far, far, {}), Baseline("hold", near, near, {})])
    'Beside scripted rules: better than random; not told from hold.'
    """
    groups: dict[str, list[str]] = {"better than": [], "worse than": [], "not told from": []}
    for row in rows:
        low, high = row.ahead.low, row.ahead.high
        groups["better than" if low > 0 else "worse than" if high < 0 else "not told from"].append(row.rule)
    parts = [f"{how} {', '.join(rules)}" for how, rules in groups.items() if rules]
    return f"Beside scripted rules: {'; '.join(parts)}." if parts else ""


def section(found: Tested) -> list[Section]:
    """All rules in a table, with what is recorded of the market beside that of the learners."""
    rows = baselines(found)
    if not rows:
        return []
    words, rules = found.words, found.market.rules()
    unit = f" ({words.unit})" if words.unit else ""
    columns = ("rule", "meaning", f"{words.outcome}{unit}", "learners do better by")
    values = [shown(row.outcome) if row.exact is None else f"{row.exact:.4g} (exact)" for row in rows]
    lines = [(row.rule, rules[row.rule], value, shown(row.ahead)) for row, value in zip(rows, values, strict=True)]
    caption = "Differences session by session, with the same noise."
    alike = len(found.market.roles()) == 1
    who = "Everybody follows the same rule." if alike else "Those who would learn follow the same rule."
    first = Section("Baselines", who, Table(columns, lines, caption))
    return [first, *_market_under(found, rows)]


def _market_under(found: Tested, rows: Sequence[Baseline]) -> list[Section]:
    """What is recorded of the market as a whole, under each policy."""
    lines: list[tuple[Cell, ...]] = []
    for quantity in found.market.quantities():
        if quantity.by_agent:
            continue
        learned = float(found.data[f"test_{quantity.name}"].astype(np.float64).mean())
        label = f"{quantity.label} ({quantity.unit})" if quantity.unit else quantity.label
        lines.append((label, learned, *(row.quantities[quantity.name] for row in rows)))
    columns = ("mean over steps and sessions", "learned", *(row.rule for row in rows))
    return [Section("The market under each policy", table=Table(columns, lines))] if lines else []


def lines(found: Tested, quantity: str | None = None) -> list[HLine]:
    """Levels of the rules, for a chart: of the outcome, or of a quantity."""
    marks = []
    for row in baselines(found):
        level = row.level if quantity is None else row.quantities[quantity]
        marks.append(HLine(level, f"{row.rule} {level:.4g}"))
    return marks
