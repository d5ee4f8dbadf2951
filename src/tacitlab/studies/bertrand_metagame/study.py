"""Two designers of pricing algorithms: which parameters are an equilibrium, and how competitive is it? (Carissimo)"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from tacitlab.games import Bertrand, Cournot, PrisonersDilemma
from tacitlab.learners import UniformValues
from tacitlab.measures.statistics import Estimate
from tacitlab.metagame import charts
from tacitlab.metagame.analysis import Analysis
from tacitlab.metagame.game import Adaptive, MetaGame
from tacitlab.metagame.page import profile_table, sentences
from tacitlab.metagame.run import MetaResult
from tacitlab.report.page import Section, Table
from tacitlab.studies import metagames
from tacitlab.studies.base import Claim, Finding, Player, Study, Verdict, named
from tacitlab.studies.frame import bare, published, say
from tacitlab.studies.metagames import PAID, Axes, Places

PUBLISHED = published(__file__)
EQUILIBRIUM = {name: PUBLISHED[name].value for name in ("alpha", "epsilon", "gamma")}
THESIS = PUBLISHED["alpha"].source
AXES: Axes = {  # the published grid
    "alpha": np.linspace(0.01, 1, 10), "exploration.epsilon": np.linspace(0, 0.5, 10),
    "gamma": np.linspace(0, 0.99, 10),
}  # fmt: skip
FINE = (tuple(range(10)),) * 3
MIDDLE = ((0, 1, 3, 6, 9), (0, 1, 3, 5, 9), (0, 2, 4, 7, 9))  # places in the published grid, its equilibrium included
COARSE = ((1, 4, 9), (0, 1, 5, 9), (0, 2, 7, 9))


@dataclass(frozen=True)
class Size:
    """How large a preset is."""

    main: Places
    sessions: int
    factors: Places
    factor_sessions: int
    horizons: tuple[int, ...]
    closer: int  # paired sessions against the published equilibrium
    algorithms: tuple[int, int]  # periods, sessions


class BertrandMetagame(Study):
    """The meta-game of a Bertrand duopoly between designers who choose alpha, epsilon and gamma."""

    name: ClassVar[str] = "bertrand-metagame"
    question: ClassVar[str] = "which learning parameters do competing designers choose, and does collusion survive?"
    source: ClassVar[str] = (
        "C. Carissimo, Multi-Agent Learning in the Age of Algorithmic Collusion, PhD thesis, part 3: the meta-game of "
        "the Bertrand duopoly. Published: a unique pure symmetric equilibrium at (alpha, epsilon, gamma) = (.12, .278, "
        ".22). Prices, timing, state, horizon and payoff window are not published: each is a factor here."
    )
    sizes: ClassVar[Mapping[str, Size]] = {
        "quick": Size(MIDDLE, 6, COARSE, 6, (2_000, 40_000), 60, (5_000, 10)),
        "paper": Size(FINE, 20, MIDDLE, 20, (1_000, 100_000), 400, (100_000, 40)),
    }

    def find(self, preset: str, play: Player) -> Finding:
        size = self.sizes[preset]
        main = metagames.estimated(play, metagame("baseline", size.main, size.sessions))
        factors = {title: metagames.estimated(play, game) for title, game in variants(size).items()}
        others = {title: metagames.estimated(play, game) for title, game in open_questions(size).items()}
        found = Found.of(main, factors, size)
        shown = metagames.distinct(found.online, {"published equilibrium": found.at})
        learned = [
            (name, metagames.learning(play, main.metagame, k, f"learning-{n}")) for n, (name, k) in enumerate(shown)
        ]
        learning = charts.learning_chart("Profit while learning", learned, "profit a period and firm", "money")
        tables = [profile_table(a, (("published", found.at),)) for a in found.windows.values()]
        sections = (
            *metagames.window_sections(found.windows, tables),
            Section("Factors", FACTORS, _factor_table({"baseline": main, **factors})),
            Section("Learning", charts=(learning,)),
            Section("Other algorithms and other games", ALGORITHMS, metagames.algorithm_table(others)),
        )
        claims = tuple(all_claims(found))
        return Finding(answer(found, claims), claims, sections, NOTES)


NOTES = (
    "Baseline: demand 1 - p, the lower price takes all, ties are halved, 24 prices from 0 to 1, simultaneous moves, "
    "state = the rival's last price, initial values uniform on [0, 1], 10,000 periods.",
    "Regret intervals and the set of best replies allow for the choice of the largest of many noisy means; entries "
    "share common random numbers, which makes both a little too careful.",
    metagames.REGRET,
)
FACTORS = (
    "Each row changes one thing about the baseline, on a coarser grid that holds the published equilibrium. Regret of "
    "the published equilibrium in per cent of the best reply's payoff."
)
ALGORITHMS = "Designers choose the algorithm itself, paid for the whole session or for the last fifth."


# --- what is played ------------------------------------------------------------------------------------------------


def metagame(name: str, places: Places, sessions: int, **changes: Any) -> MetaGame:
    """The meta-game of the study with changes of its fields; a dot in a field's name is written as two underscores."""
    dotted = {path.replace("__", "."): value for path, value in changes.items()}
    fields = {"name": name, "sessions": sessions, "grid": metagames.grid(AXES, places)}
    return metagames.scenario(__file__, "baseline", {**fields, **dotted})


def variants(size: Size) -> dict[str, MetaGame]:
    """One factor changed at a time."""
    places, n = size.factors, size.factor_sessions
    both = {"environment": Bertrand(), "learner__observes": "everybody"}
    some = {
        "6 prices": metagame("prices-6", places, n, environment__n_prices=6),
        "100 prices": metagame("prices-100", places, n, environment__n_prices=100),
        "in turns": metagame("alternating", places, n, timing="alternating"),
        "no memory": metagame("stateless", places, n, learner__memory=0),
        "logit demand, 15 prices, both seen": metagame("logit", places, n, **both),
    }
    for periods in size.horizons:
        sessions = max(4, n // 2) if periods > 10_000 else n
        some[f"{periods:,} periods"] = metagame(f"periods-{periods}", places, sessions, periods=periods)
    sequential = Adaptive(first=3, batch=6, rounds=8)
    some["adaptive allocation"] = metagame("adaptive", places, 4 * n, adaptive=sequential)
    return some


def open_questions(size: Size) -> dict[str, MetaGame]:
    """Algorithms other than Q-learning, and other dilemmas."""
    q = {"memory": 1, "observes": "rivals", "initial": UniformValues()}
    cournot, game = Cournot(), metagames.algorithm_game
    quantities = cournot.actions().values.shape[1]
    same: Any = metagame("baseline", COARSE, 2).environment
    return {
        "Bertrand, homogeneous": game("algorithms-bertrand", same, (1, 11), size.algorithms, **q),
        "prisoner's dilemma": game("algorithms-dilemma", PrisonersDilemma(), (0, 1), size.algorithms, **q),
        "Cournot": game("algorithms-cournot", cournot, (quantities // 3,), size.algorithms, memory=0),
    }


@dataclass(frozen=True, eq=False)
class Found:
    """What the meta-games say of the published equilibrium.

    Attributes
    ----------
    windows : mapping of str to Analysis
        The baseline by what is paid.
    at : int
        The published profile in its grid.
    closer : mapping of str to Estimate
        Its regret from paired sessions, by what is paid.
    looks : mapping of str to mapping of str to Estimate
        The same in each variation, against the strategies of the coarser grid.
    """

    windows: Mapping[str, Analysis]
    at: int
    closer: Mapping[str, Estimate]
    looks: Mapping[str, Mapping[str, Estimate]]

    @classmethod
    def of(cls, main: MetaResult, factors: Mapping[str, MetaResult], size: Size) -> "Found":
        windows = metagames.windows(main)
        at = next(iter(windows.values())).find(**EQUILIBRIUM)
        closer = metagames.closer_look(main.metagame, at, size.closer)
        looks = {}
        for title, result in factors.items():
            there = Analysis(result, "online").find(**EQUILIBRIUM)
            looks[title] = metagames.closer_look(result.metagame, there, size.factor_sessions)
        return cls(windows, at, closer, looks)

    @property
    def online(self) -> Analysis:
        """The baseline, the whole session paid."""
        return self.windows[PAID["online"]]


# --- claims ----------------------------------------------------------------------------------------------------------


def regret_name(paid: str, title: str = "") -> str:
    """What the claim about the published equilibrium is called, in the baseline or in a variation."""
    where, what = (f"{title}, {paid}", "published") if title else (paid, "published equilibrium")
    return f"{where}: regret of the {what} (%)"


def all_claims(found: Found) -> Iterator[Claim]:
    """In the order of the report."""
    for paid, a in found.windows.items():
        chance = bare(a.probabilities[found.at], a.sessions)
        note = "from paired sessions; an equilibrium has none"
        yield metagames.equilibrium_claim(regret_name(paid), found.closer[paid], THESIS, note)
        yield Claim(f"{paid}: probability that the published is an equilibrium", chance, note="given the payoff matrix")
        yield Claim(f"{paid}: rank of the published among replies to itself", a.rank(found.at),
                    note=f"of {len(a.labels)}")  # fmt: skip
        source = "slightly supra-competitive prices (P)"
        yield Claim(f"{paid}: gain at the published profile", a.gain(found.at), source=source)
        yield metagames.number_claim(a, f"{paid}: symmetric pure equilibria", PUBLISHED["symmetric pure equilibria"])
        yield from metagames.outcome_claims(a, paid)
    note = "paired sessions against the strategies of the coarser grid"
    for title, by_window in found.looks.items():
        for paid, regret in by_window.items():
            yield metagames.equilibrium_claim(regret_name(paid, title), regret, THESIS, note)


def answer(found: Found, claims: Sequence[Claim]) -> str:
    """The finding in words."""
    by_name = named(claims)
    verdicts, ranks = [], []
    for paid, a in found.windows.items():
        claim = by_name[regret_name(paid)]
        word = say(claim.judged(), "borne out", "refuted", "neither refuted nor borne out")
        verdicts.append(
            f"{word} when the {paid} is paid (regret in per cent of the best reply's profit: {claim.measured})"
        )
        rank = by_name[f"{paid}: rank of the published among replies to itself"].measured
        ranks.append(f"{rank.mean:.0f} of {len(a.labels)}")
    elsewhere = [by_name[regret_name(paid, title)].judged() for title, by in found.looks.items() for paid in by]
    main = found.online.result
    told = [f"{paid.capitalize()}: {sentences(a)}" for paid, a in found.windows.items()]
    return (
        f"In the baseline the published equilibrium is {' and '.join(verdicts)}; it ranks {' and '.join(ranks)} among "
        f"the replies to itself. Of {len(elsewhere)} cases, {len(found.looks)} variations paid for either, it is "
        f"refuted in {elsewhere.count(Verdict.NOT)} and borne out in {elsewhere.count(Verdict.REPRODUCED)}.\n\n"
        + "\n\n".join(told)
        + "\n\n"
        f"{main.metagame.entries:,} pairs, {main.facts['periods']:.3g} periods."
    )


def _factor_table(results: Mapping[str, MetaResult]) -> Table:
    rows = []
    for title, result in results.items():
        for window in PAID:
            a = Analysis(result, window)
            at, k = a.find(**EQUILIBRIUM), a.leading
            regret = a.relative_regret(at)
            rows.append(
                (title, window, f"{regret.mean:.1f}", f"{regret.low:.1f} to {regret.high:.1f}",
                 f"{a.rank(at).mean:.0f}",
                 f"({a.labels[k]})", f"{a.probabilities[k]:.2f}", f"{a.number.mean:.2f}", f"{a.gain(k).mean:.2f}",
                 f"{a.gain(a.best).mean:.2f}", a.sessions)
            )  # fmt: skip
    return Table(
        ("factor", "paid", "published: regret %", "95 % interval", "rank", "most likely equilibrium", "P",
         "expected number", "gain at it", "gain of the best", "sessions"), rows,
        "Profiles are (alpha, epsilon, gamma). Gain: 0 at the stage game's first competitive benchmark, 1 at the joint "
        "optimum.",
    )  # fmt: skip
