"""What the study of cooperation in the resource market concludes, in words and numbers."""

from collections.abc import Mapping

from tacitlab.markets.resource.theory import marked_up_gain
from tacitlab.measures.coordination import Floats
from tacitlab.measures.statistics import Estimate
from tacitlab.studies.base import Verdict, judge
from tacitlab.studies.frame import compared, percent
from tacitlab.studies.resource_cooperation.claims import (
    CALMER,
    EFFICIENCY,
    FALLS,
    PHASES,
    REWARD,
    RISES,
    estimate,
    ratio,
    share,
)
from tacitlab.studies.resource_cooperation.evidence import Arena, Evidence, Played, conditional
from tacitlab.studies.resource_cooperation.settings import CASH10K, RULES, STRONGER

THEORY = (
    "What the model itself says: fills before the impact, valued after it, are a money pump. In this law the joint "
    "optimum of two agents with limited inventories is to buy and sell together nearly every step, which more than "
    "doubles volatility: what is most efficient here is least stable, so that no behaviour can be evidence for both. "
    "In the sound market a round trip gains nothing, and all that agents can share is the mark-up of what they hold."
)


def answer(e: Evidence) -> str:
    """The verdict, then a paragraph for each claim, in the order of the claims."""
    parts = (
        verdict(e), reward(e), phases(e), efficiency(e), volatility(e), coordination(e), signals(e), reversion(e),
        crowds(e), adversaries(e), gains(e), THEORY,
    )  # fmt: skip
    return "\n\n".join(part for part in parts if part)


def verdict(e: Evidence) -> str:
    """Whether anything that was found is cooperation."""
    offsets = [estimate(conditional(arena.learned)[0]) for arena in (*e.pairs, *e.gains)]
    serve = sum(judge(found, FALLS) is Verdict.REPRODUCED for found in offsets)
    ahead = sum(all(_beats(arena, rule) for rule in RULES) for arena in e.main)
    return (
        f"Cooperation: {shown(ahead, len(e.main), serve)}. Given the time, one agent's orders lean against the other's "
        f"in {serve} of {len(offsets)} markets, and Q-learners earn more than every simple rule in {ahead} of "
        f"{len(e.main)}. What rises in the literal market is the price that agents have driven up themselves and value "
        "their holdings by; what calms it is that they stop trading."
    )


def shown(ahead: int, markets: int, serve: int) -> str:
    """Whether learners cooperate who earn more than every rule in some markets, and serve each other in some.

    Examples
    --------
    >>> shown(0, 3, 2), shown(3, 3, 0), shown(2, 3, 1), shown(3, 3, 1)
    ('not shown', 'not shown', 'in part', 'shown')
    """
    if not ahead or not serve:
        return "not shown"
    return "in part" if ahead < markets else "shown"


def _beats(arena: Arena, rule: str) -> bool:
    return judge(estimate(arena.gain() - arena.gain(rule)), RISES) is Verdict.REPRODUCED


def reward(e: Evidence) -> str:
    """The reward, and what it is made of."""
    literal, stronger = e.arenas[CASH10K.key], e.arenas[STRONGER.key]
    less = estimate(literal.gain() - literal.gain("buy-to-limit"))
    other = ", ".join(f"{estimate(arena.learned.closing)} in the {arena.setting.words}" for arena in e.main[1:])
    market, earn = literal.learned.market, compared(less, "less than", "as much as, for all we see,", "more than")
    gain = {alpha: marked_up_gain(market.cash or 0.0, alpha, 2, market.price) for alpha in (0.01, 0.0118)}
    return (
        f"Reward: the literal market ends at {estimate(literal.learned.closing)} an agent and episode, the paper's at "
        f"about {REWARD}. Agents who spend all cash on purchases, without learning, show {gain[0.01]:.0f} by a "
        f"formula; with an impact of 0.0118 instead of 0.01 it gives {gain[0.0118]:.0f}, and learners end at "
        f"{estimate(stronger.learned.closing)}. Any number can be had: the paper states neither price, cash nor "
        f"impact. Q-learners earn {earn} those buyers: the difference is {less}. If inventories are sold in the end "
        f"{share(e.sold.gain, literal.learned.gain)} of the gain is left. "
        f"With other rules the same learners end at {other}."
    )


def phases(e: Evidence) -> str:
    """Whether rewards rise, and whether phases are those of exploration."""
    parts = []
    for arena in e.main:
        means = ", ".join(f"{arena.learned.between(*part).mean():.0f}" for part in PHASES)
        steady = ", ".join(f"{arena.constant.between(*part).mean():.0f}" for part in PHASES) if arena.constant else ""
        last = estimate(arena.learned.between(0.9, 1.0) - arena.learned.between(0.2, 0.3))
        moves = compared(last, "falls", "no longer rises for certain", "still rises")
        parts.append(
            f"{arena.setting.words}: {means} in the paper's three phases ({steady} at constant exploration); after "
            f"episode 150 it {moves}"
        )
    return (
        f"Learning: mean reward is, in the {'; in the '.join(parts)}. Exploration falls until episode 300 in the "
        "schedule that we assume, since the paper names none: phases that are absent where exploration is constant are "
        "the schedule's."
    )


def efficiency(e: Evidence) -> str:
    """Gains against each named denominator."""
    lines = []
    for arena in e.main:
        found = []
        for name in ("random", "volume-matched", "trend-follower", "buy-to-limit"):
            learned, base = arena.gain(), arena.gain(name)
            positive = estimate(base).low > 0
            found.append(f"{percent(ratio(learned, base), 0, '+') if positive else 'no ratio'} over {name}")
        if arena.optimum is not None:
            found.append(f"{100 * arena.gain().mean() / arena.optimum:.0f} % of the joint optimum")
        lines.append(f"{arena.setting.words}: {', '.join(found)}")
    return (
        f"Efficiency: {100 * EFFICIENCY:+.0f} % needs a denominator, and the paper names none. In the "
        f"{'; in the '.join(lines)}."
    )


def volatility(e: Evidence) -> str:
    """Volatility beside volume."""
    lines = []
    for arena in e.main:
        learned = arena.learned
        found = [
            f"{percent(ratio(learned.volatility, arena.baselines[name].volatility), 0, '+')} over {name}"
            for name in (*CALMER, "volume-matched", "hold")
        ]
        volume = f"{learned.turnover.mean():.3f} lots a step (random {arena.baselines['random'].turnover.mean():.3f})"
        lines.append(f"{arena.setting.words}: {', '.join(found)}, with {volume}")
    return (
        f"Volatility of Q-learners: in the {'; in the '.join(lines)}. Nobody is calmer than those who hold, and random "
        "agents with the learners' volume show how much of the calm is that they trade less."
    )


def coordination(e: Evidence) -> str:
    """Who sells when the other buys."""
    lines = []
    for arena in e.pairs:
        correlation, chance = conditional(arena.learned)
        given = arena.learned.pairs.offset_given_both
        lines.append(
            f"{arena.setting.words}: both trade in {100 * arena.learned.pairs.both.mean():.1f} % of steps, then on "
            f"opposite sides in {100 * estimate(given).mean:.0f} % (chance {100 * estimate(chance).mean:.0f} %); "
            f"correlation of orders given time {estimate(correlation)}"
        )
    return f"A sells when B buys? In the {'; in the '.join(lines)}."


def signals(e: Evidence) -> str:
    """What signals are worth, by scrambling them."""
    lines = [
        f"{talk.setting.words} {estimate(talk.true.gain - talk.scrambled.gain)}"
        for talk in e.talks
        if talk.scrambled is not None
    ]
    return f"Signals: what a trader gains by true instead of scrambled ones, in currency, in the {'; '.join(lines)}."


def reversion(e: Evidence) -> str:
    """Autocorrelation of returns."""
    names = ("hold", "Q-learners", "trend-follower", "contrarian")
    lines = []
    for arena in (e.main[0], e.main[-1]):
        found = [f"{name} {_mean(arena.everybody[name].autocorrelation):+.3f}" for name in names]
        lines.append(f"{arena.setting.words}: {', '.join(found)}")
    return (
        f"Mean reversion: the law of the price has none. Autocorrelation of returns by who trades, {'; '.join(lines)}: "
        "what there is, traders make themselves."
    )


def crowds(e: Evidence) -> str:
    """Many agents."""
    lines = []
    for (agents, scaling), arena in sorted(e.crowds.items()):
        if agents != max(number for number, _ in e.crowds):
            continue
        calm = ratio(arena.learned.volatility, arena.baselines["hold"].volatility)
        words = "fixed impact" if scaling == "fixed" else "impact over N"
        less = estimate(arena.gain() - arena.gain("buy-to-limit"))
        lines.append(f"{words}: volatility {percent(calm, 0, '+')} over hold, gain less that of buy-to-limit {less}")
    number = max(agents for agents, _ in e.crowds)
    return f"Many agents (N = {number}, fills after impact): {'; '.join(lines)}."


def adversaries(e: Evidence) -> str:
    """Exploitability and losses, exact."""
    lines = []
    for attack in e.attacks:
        exact = attack.exact
        gain, lost, spoofed = (_pair(x) for x in (exact.gain, exact.loss_to_responder, exact.loss_to_spoofer))
        lines.append(
            f"{attack.arena.setting.words}: a best responder would gain {gain} more in an agent's place; the one who "
            f"stays would lose {lost} to it, and {spoofed} to a spoofer{_noise(attack.noisy)}"
        )
    return f"Inherently stable? In the {'; in the '.join(lines)}. All but the effect of noise is exact."


def _noise(noisy: Mapping[tuple[str, int], Played]) -> str:
    if not noisy:
        return ""
    count = max(number for _, number in noisy)
    found = ratio(noisy["learned", count].volatility, noisy["hold", count].volatility)
    return f"; beside {count} noise traders volatility is {percent(found, 0, '+')} over that with a pair who hold"


def gains(e: Evidence) -> str:
    """What learners make of real gains from trade."""
    lines = []
    for arena in e.gains:
        learned, rule = arena.learned.gain, arena.baselines["rebalance"].gain
        less = estimate(learned - rule)
        optimum = "" if arena.optimum is None else f", joint optimum {arena.optimum:.0f}"
        lines.append(
            f"{arena.setting.words.removeprefix('gains from trade, ')}: {estimate(learned)}, "
            f"{compared(less, 'worse than', 'like', 'better than')} rebalancing alone ({rule.mean():.0f}){optimum}; "
            f"opposite sides in {_percent(arena)} % of the steps in which both trade"
        )
    return f"Where trade has a purpose (random endowments, costs of holding), learners earn {'; '.join(lines)}."


def _percent(arena: Arena) -> str:
    return f"{100 * estimate(arena.learned.pairs.offset_given_both).mean:.0f}"


def _mean(values: Floats) -> float:
    return estimate(values).mean


def _pair(values: Floats) -> Estimate:
    return estimate(values.mean(axis=1))
