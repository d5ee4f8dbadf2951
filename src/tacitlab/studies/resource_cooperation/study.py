"""Do Q-learners in a volatile resource market learn to cooperate? Every claim of the paper, and what it depends on.

The paper ("Emergent Cooperative Intelligence in High-Frequency Resource Allocation") fixes two agents, 1000 steps and
500 episodes, and leaves open what decides every result: at which price orders fill, what an inventory is worth, and
how much agents may hold. Its price law allows orders to fill before their impact, and inventories to be valued after
it: a money pump. The claims are therefore judged in this literal market, in the same market with limited inventories,
where exact benchmarks exist, and in a sound one, in which no round trip gains anything. Nothing is tuned to the paper.
"""

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any, ClassVar

import numpy as np

from tacitlab.markets.resource.theory import marked_up_gain
from tacitlab.measures.coordination import Floats, heard, transfer_entropy
from tacitlab.measures.statistics import Estimate, mean_interval, statistic_of_means
from tacitlab.studies.base import (
    Claim,
    Finding,
    Player,
    Study,
    Verdict,
    at_most,
    judge,
    less_than,
    more_than,
    named,
    statements,
    tally,
)  # fmt: skip
from tacitlab.studies.frame import beside, compared, percent, published
from tacitlab.studies.resource_cooperation.evidence import (
    CASH10K,
    EXPLORING,
    LIQUIDATED,
    RULES,
    SCALINGS,
    SIZES,
    STRONGER,
    Arena,
    Attack,
    Evidence,
    Played,
    Size,
    Talk,
    conditional,
    gather,
)  # fmt: skip

PUBLISHED = published(__file__)
REWARD, EFFICIENCY = PUBLISHED["reward"], PUBLISHED["efficiency"]
ABSTRACT, IMPLICIT = "abstract (P)", "signals coordinate, abstract (P)"
REVERSION, SELLS = "mean reversion, Results (P)", "A sells when B buys, Results (P)"
MANY, STABLE = "future work: N > 100, Discussion (P)", "inherently stable, abstract (P)"
EPISODES = 500  # (P)
PHASES = ((0.0, 0.2), (0.2, 0.6), (0.6, 1.0))  # episodes 0-100, 100-300, 300-500 (P)
FIRST, THIRD, LAST = (0.0, 0.1), (0.2, 0.3), (0.9, 1.0)  # tenths of the training
CALMER = ("random", "trend-follower", "buy-to-limit")  # random and "purely greedy" baselines (P), greed read twice
FEWEST = 5  # sessions of which an interval says enough for a verdict
RISES, FALLS = more_than(0.0, FEWEST), less_than(0.0, FEWEST)  # an effect of the sign that the paper names
NOTHING = at_most(0.0, FEWEST)  # is gained against those who are stable, or taken from them
#: Two standard errors of the autocorrelation that one episode of 1000 steps shows: less is there for nobody to see.
REVERTS = at_most(-2 / 1000**0.5, FEWEST)
ROUNDING = 1e-6  # relative, of what is kept in single precision

CHOSEN = "The impact was chosen so that buying for all cash shows this gain: an agreement says nothing about learning."
NO_SCALE = (
    "Gains are proportional to prices and cash, and the paper states neither, nor the impact. In this market they are "
    "what the agents' own purchases add to the price at which they are valued."
)
LEARNED = "The phases are learning's own if more than half of the change remains when exploration is constant."
HALF = "Chance is one half only if purchases and sales are as frequent."
MEMORYLESS = "The law of the price has no memory: without orders there is nothing to revert."
PUMP = "A gain comes from fills before the impact and a loss from paying it: the law of the price has no memory."
NOTES = (
    "Literal market: orders fill at the price before their impact, inventories count at the price after it, and cash "
    f"of {CASH10K.market['cash']:,.0f} limits purchases. Sound market: orders fill at the integral of the price over "
    "the order, and inventories count for what selling them alone would bring.",
    "Gains of the test are those of frozen, greedy policies. All policies meet the same noise; what of a gain moves "
    "with that of holding, whose expectation is 0, is taken off where gains are compared.",
    "Words of the paper are judged by the sign of the effect: it may be there and be far too small to matter. Read the "
    "numbers.",
)
THEORY = (
    "What the model itself says: fills before the impact, valued after it, are a money pump. In this law the joint "
    "optimum of two agents with limited inventories is to buy and sell together nearly every step, which more than "
    "doubles volatility: what is most efficient here is least stable, so that no behaviour can be evidence for both. "
    "In the sound market a round trip gains nothing, and all that agents can share is the mark-up of what they hold."
)


class ResourceCooperation(Study):
    """Rewards, volatility, coordination, signals and stability of Q-learners in three markets, beside baselines."""

    name: ClassVar[str] = "resource-cooperation"
    question: ClassVar[str] = "do Q-learners in a volatile resource market learn to cooperate?"
    source: ClassVar[str] = (
        '"Emergent Cooperative Intelligence in High-Frequency Resource Allocation", a manuscript without data or code.'
        "\n\n(P) its text."
    )
    sizes: ClassVar[Mapping[str, Size]] = SIZES

    def find(self, preset: str, play: Player) -> Finding:
        return examine(gather(self.sizes[preset], play))


def examine(e: Evidence) -> Finding:
    """Judge the claims by the runs of all experiments."""
    from tacitlab.studies.resource_cooperation.figures import sections

    claims = all_claims(e)
    return Finding(answer(e, claims), claims, sections(e), NOTES)


def all_claims(e: Evidence) -> tuple[Claim, ...]:
    """In the order of the report."""
    parts = (
        reward_claims, rise_claims, efficiency_claims, volatility_claims, phase_claims, offset_claims, signal_claims,
        reversion_claims, crowd_claims, attack_claims,
    )  # fmt: skip
    return tuple(claim for part in parts for claim in part(e))


# --- statistics: all experiments have the same sessions, and tabular learners lose none -----------------------------


def estimate(values: Any) -> Estimate:
    """Mean over the sessions in which the value exists, with its interval."""
    found = np.asarray(values, dtype=np.float64)
    found = found[~np.isnan(found)]
    if len(found) and np.ptp(found) <= ROUNDING * np.abs(found).max():
        found = np.full_like(found, found.mean())  # rounding is no spread
    return mean_interval(found)


def ratio(first: Floats, second: Floats, less: float = 1.0) -> Estimate:
    """Mean of one sample over that of another, less 1, sessions paired; the standard error is the linearised one.

    Examples
    --------
    >>> print(ratio(np.array([3.0, 3.0]), np.array([2.0, 2.0])))
    0.5 (the same in all 2 sessions)
    """
    found = statistic_of_means(np.stack([first, second]), lambda means: means[:, 0] / means[:, 1] - 1)
    rest = first - (1 + found.mean) * second
    se = float(rest.std(ddof=1) / math.sqrt(len(rest)) / abs(second.mean())) if len(rest) > 1 else math.nan
    more = 1 - less
    return replace(found, mean=more + found.mean, low=more + found.low, high=more + found.high, se=se)


def share(first: Floats, second: Floats) -> Estimate:
    """Mean of one sample over that of another, sessions paired."""
    return ratio(first, second, less=0.0)


def calm(arena: Arena, than: str) -> Estimate:
    """Volatility over that with another policy, less 1."""
    return ratio(arena.learned.volatility, arena.baselines[than].volatility)


def ahead(arena: Arena, of: str) -> Estimate:
    """Gain less that of another policy."""
    return estimate(arena.gain() - arena.gain(of))


# --- claims 1, 2: reward ---------------------------------------------------------------------------------------------

CLOSING = "1 reward, last tenth of the training: {} (currency)"
KEPT = "1 literal market: part of the gain that is left if inventories are sold in the end (share)"
BUYERS = "1 literal market: Q-learners less those who buy until their cash is gone (currency)"
RISE = "2 rise of the reward, {}: last tenth of the training less the {} (currency)"


def reward_claims(e: Evidence) -> Iterator[Claim]:
    """The reward beside the published one, and what remains of it in cash."""
    literal, stronger = e.arenas[CASH10K.key], e.arenas[STRONGER.key]
    yield beside(CLOSING.format(CASH10K.words), estimate(literal.learned.closing), REWARD, note=NO_SCALE)
    name, found = CLOSING.format(STRONGER.words), estimate(stronger.learned.closing)
    yield beside(name, found, REWARD, verdict=Verdict.REPORTED, note=CHOSEN)
    for arena in e.pairs[1:]:
        yield Claim(CLOSING.format(arena.setting.words), estimate(arena.learned.closing))
    yield Claim(BUYERS, ahead(literal, "buy-to-limit"))
    yield Claim(KEPT, share(e.sold.gain, literal.learned.gain))
    if LIQUIDATED.key in e.arenas:
        found = estimate(e.arenas[LIQUIDATED.key].learned.closing)
        yield Claim(CLOSING.format("literal market, learners paid what a final sale brings"), found)


def rise_claims(e: Evidence) -> Iterator[Claim]:
    """Whether rewards rise, and go on rising."""
    for arena in e.main:
        for word, part in (("first", FIRST), ("third", THIRD)):
            found = estimate(arena.learned.closing - arena.learned.between(*part))
            name = RISE.format(arena.setting.words, word)
            yield Claim(name, found, None, "steady increase, Results (P)", margin=RISES)


# --- claim 3: efficiency ---------------------------------------------------------------------------------------------

OVER = ("random", "volume-matched", "trend-follower", "buy-to-limit")
EFFICIENT = "3 efficiency, {}: Q-learners over {}"


def efficiency_claims(e: Evidence) -> Iterator[Claim]:
    """Gains over those of every baseline, and as a part of the joint optimum."""
    for arena in e.main:
        for name in (*OVER, "myopic"):
            if name in arena.baselines:
                yield _efficiency(arena, name)
        if arena.optimum is not None:
            name = f"3 efficiency, {arena.setting.words}: part of the joint optimum {arena.optimum:.1f} (share)"
            yield Claim(name, estimate(arena.gain() / arena.optimum))


def _efficiency(arena: Arena, name: str) -> Claim:
    below, words = estimate(arena.gain(name)), EFFICIENT.format(arena.setting.words, name)
    if below.low > 0:
        return beside(f"{words}, less 1 (share)", ratio(arena.gain(), arena.gain(name)), EFFICIENCY)
    found, known = ahead(arena, name), below.high <= 0
    why = "is not positive, so that no percentage exists" if known else "is not told from 0, nor is a percentage"
    note = (
        f"The denominator {why}: the difference is shown. "
        f"Whoever earns less has no efficiency of {percent(EFFICIENCY.value, 0, '+')}."
    )
    verdict = judge(found, more_than(0.0))
    if verdict is not Verdict.NOT:
        verdict = Verdict.REPORTED if known else Verdict.UNDECIDED
    return Claim(f"{words}, difference (currency)", found, None, ABSTRACT, verdict=verdict, note=note)


# --- claims 4, 5: volatility, phases ---------------------------------------------------------------------------------

VOLATILITY = "4 volatility, {}: Q-learners over {}, less 1 (share)"


def volatility_claims(e: Evidence) -> Iterator[Claim]:
    """Total volatility beside that of every baseline."""
    for arena in e.main:
        for name in (*CALMER, "volume-matched", "hold"):
            judged: dict[str, Any] = {"source": ABSTRACT, "margin": FALLS} if name in CALMER else {}
            yield Claim(VOLATILITY.format(arena.setting.words, name), calm(arena, name), **judged)


def phase_claims(e: Evidence) -> Iterator[Claim]:
    """Phases of the reward while exploration falls, and while it does not."""
    (_, early), (late, _) = PHASES[0], PHASES[2]
    when = f"episodes {late * EPISODES:.0f}-{EPISODES} less 0-{early * EPISODES:.0f}"
    for arena in e.main:
        words, scheduled = f"5 phases, {arena.setting.words}", _phase_rise(arena.learned)
        yield Claim(f"{words}: {when}, exploration falls (currency)", estimate(scheduled))
        if arena.constant is None:
            continue
        steady = _phase_rise(arena.constant)
        yield Claim(f"{words}: the same at constant exploration {EXPLORING:g} (currency)", estimate(steady))
        name = f"{words}: part of the change that learning makes at constant exploration (share)"
        part, source = share(steady, scheduled), "three phases, Results (P)"
        yield Claim(name, part, None, source, margin=more_than(0.5), note=LEARNED)


def _phase_rise(played: Played) -> Floats:
    return np.asarray(played.between(*PHASES[2]) - played.between(*PHASES[0]))


# --- claims 6, 7, 8: who sells when the other buys, signals, mean reversion -------------------------------------------

OFFSETS = "6 offsets, {}: "
CORRELATION, BOTH = OFFSETS + "correlation of orders, given time", OFFSETS + "steps in which both trade (share)"
OPPOSITE = OFFSETS + "opposite sides, of steps in which both trade (share)"
SCRAMBLED = "7 signals, {}: true less scrambled, gain (currency)"
REVERTING = "8 mean reversion, {}: autocorrelation of returns, {}"


def offset_claims(e: Evidence) -> Iterator[Claim]:
    """Offsetting trades beside chance, and the correlation of orders at a given time."""
    for arena in (*e.pairs, *e.gains):
        played, words = arena.learned, arena.setting.words
        (correlation, chance), pairs = conditional(played), played.pairs
        last, both = (played.between(*LAST, played.learning(name)) for name in ("offset", "both"))
        beyond = OFFSETS.format(words) + "the same less chance, given each agent's habits at each time (share)"
        ending = OFFSETS.format(words) + "opposite sides, of steps in which both trade, end of training (share)"
        yield Claim(BOTH.format(words), estimate(pairs.both))
        yield Claim(OPPOSITE.format(words), estimate(pairs.offset_given_both))
        found = estimate(pairs.offset_given_both - chance)
        yield Claim(beyond, found, None, SELLS, margin=RISES, note=HALF)
        yield Claim(ending, estimate(last / np.where(both > 0, both, np.nan)))
        yield Claim(CORRELATION.format(words), estimate(correlation), None, SELLS, margin=FALLS)


def signal_claims(e: Evidence) -> Iterator[Claim]:
    """What signals are worth: true less scrambled ones, and learners with them less learners without."""
    heard_by = [(talk, talk.true, talk.scrambled) for talk in e.talks if talk.scrambled is not None]
    for talk, true, scrambled in heard_by:
        words = f"7 signals, {_words(talk)}"
        yield Claim(SCRAMBLED.format(_words(talk)), worth(talk), None, IMPLICIT, margin=RISES)
        same = estimate(true.pairs.sync - scrambled.pairs.sync)
        yield Claim(f"{words}: true less scrambled, same side (share of steps)", same)
        if true.market.signals == "implicit":
            told = estimate(follows(true) - follows(scrambled))
            yield Claim(f"{words}: transfer entropy of orders, true less scrambled (nats)", told)
    silent = {talk.setting.key.removesuffix("-none"): talk for talk in e.talks if talk.true.market.signals == "none"}
    for talk, true, _ in heard_by:
        if (key := talk.setting.key.removesuffix("-implicit")) in silent:
            found = estimate(true.gain - silent[key].true.gain)
            name = f"7 signals, {_words(talk)}: gain less that of learners without signals (currency)"
            yield Claim(name, found, None, IMPLICIT, margin=RISES)


def worth(talk: Talk) -> Estimate:
    """What a trader gains by true instead of scrambled signals."""
    assert talk.scrambled is not None
    return estimate(talk.true.gain - talk.scrambled.gain)


def _words(talk: Talk) -> str:
    return f"{talk.setting.words}{', explicit signals' if talk.true.market.signals == 'explicit' else ''}"


def follows(played: Played) -> Floats:
    """Transfer entropy from the other's last order to the next one in the first episode of the test, (sessions,)."""
    orders = played.path("trade")
    return np.asarray(transfer_entropy(heard(orders), orders).mean(axis=1))


def reversion_claims(e: Evidence) -> Iterator[Claim]:
    """Whether returns revert, and whether a contrarian lives on it."""
    for arena in e.main:
        words = arena.setting.words
        for name in ("Q-learners", "hold", "random", "trend-follower", "contrarian"):
            judged: dict[str, Any] = {"source": REVERSION, "margin": REVERTS, "note": MEMORYLESS}
            found = estimate(arena.everybody[name].autocorrelation)
            yield Claim(REVERTING.format(words, name), found, **(judged if name == "hold" else {}))
        follower = estimate(arena.gain("trend-follower") - arena.gain("contrarian"))
        yield Claim(f"8 mean reversion, {words}: trend followers less contrarians, gain (currency)", follower)
        if arena.setting.key in e.lone:
            found = estimate(arena.without_luck(e.lone[arena.setting.key].episodes[..., 1]))
            name = f"8 mean reversion, {words}: gain of a contrarian whose rival holds (currency)"
            yield Claim(name, found, note=PUMP)


# --- claims 9, 10: many agents, adversaries ---------------------------------------------------------------------------

CROWD_GAIN, CROWD_CALM = "9 {}: gain less that of {} (currency)", "9 {}: volatility over {}, less 1 (share)"
ATTACKED = "10 {}: {}, exact (currency)"
GAINED, LOST = "exploitability", "lost to a best responder in the rival's place"
SPOOFED = "lost to a spoofer in the rival's place"
BESIDE_NOISE = "10 {}: volatility beside {} noise traders, over that of a pair who hold, less 1 (share)"


def crowd_claims(e: Evidence) -> Iterator[Claim]:
    """Gains and volatility beside those of rules, with many traders."""
    for arena in e.crowds.values():
        words = arena.setting.words
        for name in ("random", "buy-to-limit"):
            yield Claim(CROWD_GAIN.format(words, name), ahead(arena, name), None, MANY, margin=RISES)
        for name in ("random", "hold"):
            wanted = FALLS if name == "random" else None
            yield Claim(CROWD_CALM.format(words, name), calm(arena, name), None, MANY, margin=wanted)


def attack_claims(e: Evidence) -> Iterator[Claim]:
    """Exploitability, losses to adversaries, and volatility beside noise traders."""
    for attack in e.attacks:
        exact, words = attack.exact, attack.arena.setting.words
        lost = {GAINED: exact.gain, LOST: exact.loss_to_responder, SPOOFED: exact.loss_to_spoofer}
        for name, values in lost.items():
            found = estimate(values.mean(axis=1))
            yield Claim(ATTACKED.format(words, name), found, None, STABLE, margin=NOTHING)
        for role, played in attack.simulated.items():
            theory = (exact.suffered if role == "responder" else exact.spoofed)[:, 0]
            found = estimate(attack.arena.without_luck(played.episodes[: len(theory), :, 0]) - theory)
            name = f"10 {words}: gain of the first trader under a {role}, simulated less exact (currency)"
            yield Claim(name, found, 0.0, "dynamic programming")
        for count in noise(attack):
            found = ratio(attack.noisy["learned", count].volatility, attack.noisy["hold", count].volatility)
            yield Claim(BESIDE_NOISE.format(words, count), found, None, STABLE, margin=FALLS)


def noise(attack: Attack) -> list[int]:
    """Numbers of noise traders."""
    return sorted({number for _, number in attack.noisy})


# --- answer ----------------------------------------------------------------------------------------------------------


def answer(e: Evidence, claims: Sequence[Claim]) -> str:
    """The verdict, then a paragraph for each claim, in the order of the claims."""
    found = {name: claim.measured for name, claim in named(claims).items()}
    parts = (
        verdict(e, found), reward(e, found), phases(e, found), efficiency(e, found), volatility(e, found),
        coordination(e, found), signals(e, found), reversion(e, found), crowds(e, found), adversaries(e, found),
        gains(e, found), THEORY, f"{tally(claims)} {statements(claims)}",
    )  # fmt: skip
    return "\n\n".join(parts)


Found = Mapping[str, Estimate]


def verdict(e: Evidence, found: Found) -> str:
    """Whether anything that was found is cooperation, and what else it is."""
    offsets = [found[CORRELATION.format(arena.setting.words)] for arena in (*e.pairs, *e.gains)]
    serve = sum(judge(one, FALLS) is Verdict.REPRODUCED for one in offsets)
    best = sum(all(judge(ahead(arena, rule), RISES) is Verdict.REPRODUCED for rule in RULES) for arena in e.main)
    words, literal = ("Most", "It is undecided whether most", "Less than half"), e.main[0]
    mostly = compared(found[KEPT], *words, to=0.5)
    calms = calmed(calm(literal, "random"), calm(literal, "volume-matched"))
    return (
        f"Cooperation: {shown(best, len(e.main), serve)}. Given the time, one agent's orders lean against the other's "
        f"in {serve} of {len(offsets)} markets, and Q-learners earn more than every simple rule in {best} of "
        f"{len(e.main)}. "
        f"{mostly} of what is earned in the literal market is the price that agents have driven up themselves and "
        f"value their holdings by; {calms}."
    )


def shown(best: int, markets: int, serve: int) -> str:
    """Whether learners cooperate who earn more than every rule in some markets, and serve each other in some."""
    if not best or not serve:
        return "not shown"
    return "in part" if best < markets else "shown"


def calmed(whole: Estimate, matched: Estimate) -> str:
    """What calms a market, by volatility over that with random orders, and with as many of them.

    Examples
    --------
    >>> less, same = Estimate(-0.2, -0.3, -0.1, 0.05, 9), Estimate(0.0, -0.1, 0.1, 0.05, 9)
    >>> calmed(less, same)
    'what calms it is that they trade less'
    """
    if whole.high >= 0:
        return "it is not calmer for certain than with random orders"
    if matched.high < 0:
        return "it is calmer than with random orders, even with as many of them"
    return "what calms it is that they trade less"


def reward(e: Evidence, found: Found) -> str:
    """The reward, and what it is made of."""
    market, other = e.arenas[CASH10K.key].learned.market, e.arenas[STRONGER.key].learned.market.impact
    gain = {alpha: marked_up_gain(market.cash or 0.0, alpha, 2, market.price) for alpha in (market.impact, other)}
    closing = {arena.setting.words: found[CLOSING.format(arena.setting.words)] for arena in e.main}
    others = ", ".join(f"{one} in the {words}" for words, one in list(closing.items())[1:])
    earn = compared(found[BUYERS], "less than", "as much as, for all we see,", "more than")
    return (
        f"Reward: the literal market ends at {closing[CASH10K.words]} an agent and episode, the paper's at about "
        f"{REWARD.value:g}. Agents who spend all cash on purchases, without learning, show {gain[market.impact]:.0f} "
        f"by a formula; with an impact of {other:g} instead of {market.impact:g} it gives {gain[other]:.0f}, and "
        f"learners end at {found[CLOSING.format(STRONGER.words)]}. Any number can be had: the paper states neither "
        f"price, cash nor impact. Q-learners earn {earn} those buyers: the difference is {found[BUYERS]}. If "
        f"inventories are sold in the end {percent(found[KEPT], 0)} of the gain is left. With other rules the same "
        f"learners end at {others}."
    )


def phases(e: Evidence, found: Found) -> str:
    """Whether rewards rise, and whether phases are those of exploration."""
    parts = []
    for arena in e.main:
        means, steady = (
            ", ".join(f"{played.between(*part).mean():.0f}" for part in PHASES) if played else ""
            for played in (arena.learned, arena.constant)
        )
        rise = found[RISE.format(arena.setting.words, "third")]
        parts.append(
            f"{arena.setting.words}: {means} in the paper's three phases ({steady} at constant exploration); after "
            f"episode {THIRD[1] * EPISODES:.0f} it "
            f"{compared(rise, 'falls', 'no longer rises for certain', 'still rises')}"
        )
    return (
        f"Learning: mean reward is, in the {'; in the '.join(parts)}. Exploration falls until episode "
        f"{e.main[0].explored:.0f} in the schedule that we assume, since the paper names none: phases that are absent "
        "where exploration is constant are the schedule's."
    )


def efficiency(e: Evidence, found: Found) -> str:
    """Gains against each named denominator."""
    lines = []
    for arena in e.main:
        parts = []
        for name in OVER:
            over = found.get(f"{EFFICIENT.format(arena.setting.words, name)}, less 1 (share)")
            parts.append(f"{percent(over, 0, '+') if over else 'no ratio'} over {name}")
        if arena.optimum is not None:
            parts.append(f"{percent(arena.gain().mean() / arena.optimum, 0)} of the joint optimum")
        lines.append(f"{arena.setting.words}: {', '.join(parts)}")
    return (
        f"Efficiency: {percent(EFFICIENCY.value, 0, '+')} needs a denominator, and the paper names none. In the "
        f"{'; in the '.join(lines)}."
    )


def volatility(e: Evidence, found: Found) -> str:
    """Volatility beside volume."""
    lines, still = [], []
    for arena in e.main:
        names = (*CALMER, "volume-matched", "hold")
        over = {name: found[VOLATILITY.format(arena.setting.words, name)] for name in names}
        still.append(over["hold"].high < 0)
        volume = f"{arena.learned.turnover.mean():.3f} lots a step"
        by_chance = f"random {arena.baselines['random'].turnover.mean():.3f}"
        parts = ", ".join(f"{percent(one, 0, '+')} over {name}" for name, one in over.items())
        lines.append(f"{arena.setting.words}: {parts}, with {volume} ({by_chance})")
    whom = f"In {sum(still)} of {len(still)} markets they are calmer than" if any(still) else "Nobody is calmer than"
    return (
        f"Volatility of Q-learners: in the {'; in the '.join(lines)}. {whom} those who hold, and random agents with "
        "the learners' volume show how much of the calm is that they trade less."
    )


def coordination(e: Evidence, found: Found) -> str:
    """Who sells when the other buys."""
    lines = []
    for arena in e.pairs:
        words, chance = arena.setting.words, estimate(conditional(arena.learned)[1]).mean
        lines.append(
            f"{words}: both trade in {percent(found[BOTH.format(words)].mean)} of steps, then on opposite sides in "
            f"{percent(found[OPPOSITE.format(words)].mean, 0)} (chance {percent(chance, 0)}); correlation of orders "
            f"given time {found[CORRELATION.format(words)]}"
        )
    return f"A sells when B buys? In the {'; in the '.join(lines)}."


def signals(e: Evidence, found: Found) -> str:
    """What signals are worth, by scrambling them."""
    heard_by = [talk for talk in e.talks if talk.scrambled is not None]
    lines = "; ".join(f"{talk.setting.words} {found[SCRAMBLED.format(_words(talk))]}" for talk in heard_by)
    return f"Signals: what a trader gains by true instead of scrambled ones, in currency, in the {lines}."


def reversion(e: Evidence, found: Found) -> str:
    """Autocorrelation of returns."""
    names, lines, alone = ("hold", "Q-learners", "trend-follower", "contrarian"), [], []
    for words in (e.main[0].setting.words, e.main[-1].setting.words):
        parts = [f"{name} {found[REVERTING.format(words, name)].mean:+.3f}" for name in names]
        lines.append(f"{words}: {', '.join(parts)}")
        alone.append(judge(found[REVERTING.format(words, "hold")], REVERTS) is Verdict.REPRODUCED)
    whose = (
        "it is there where all hold, which the law denies" if any(alone) else "what there is, traders make themselves"
    )
    return (
        f"Mean reversion: the law of the price has none. Autocorrelation of returns by who trades, {'; '.join(lines)}: "
        f"{whose}."
    )


def crowds(e: Evidence, found: Found) -> str:
    """Many agents."""
    number, lines = max(agents for agents, _ in e.crowds), []
    for scaling, how in SCALINGS.items():
        words = e.crowds[number, scaling].setting.words
        calmer, gain = found[CROWD_CALM.format(words, "hold")], found[CROWD_GAIN.format(words, "buy-to-limit")]
        lines.append(f"{how}: volatility {percent(calmer, 0, '+')} over hold, gain less that of buy-to-limit {gain}")
    return f"Many agents (N = {number}, fills after impact): {'; '.join(lines)}."


def adversaries(e: Evidence, found: Found) -> str:
    """Exploitability and losses, exact."""
    lines = []
    for attack in e.attacks:
        words = attack.arena.setting.words
        gain, lost, spoofed = (found[ATTACKED.format(words, name)] for name in (GAINED, LOST, SPOOFED))
        noisy = "".join(
            f"; beside {count} noise traders volatility is {percent(found[BESIDE_NOISE.format(words, count)], 0, '+')} "
            "over that with a pair who hold"
            for count in noise(attack)[-1:]
        )
        lines.append(
            f"{words}: a best responder would gain {gain} more in an agent's place; the one who stays would lose "
            f"{lost} to it, and {spoofed} to a spoofer{noisy}"
        )
    return f"Inherently stable? In the {'; in the '.join(lines)}. All but the effect of noise is exact."


def gains(e: Evidence, found: Found) -> str:
    """What learners make of real gains from trade."""
    lines = []
    for arena in e.gains:
        learned, rule, words = arena.learned.gain, arena.baselines["rebalance"].gain, arena.setting.words
        optimum = "" if arena.optimum is None else f", joint optimum {arena.optimum:.0f}"
        lines.append(
            f"with {words.removeprefix('gains from trade, ')}, {estimate(learned)}, "
            f"{compared(estimate(learned - rule), 'worse than', 'like', 'better than')} rebalancing alone "
            f"({rule.mean():.0f}){optimum}; opposite sides in {percent(found[OPPOSITE.format(words)].mean, 0)} of the "
            "steps in which both trade"
        )
    return f"Where trade has a purpose (random endowments, costs of holding), learners earn {'; '.join(lines)}."
