"""Two designers of pricing algorithms: which parameters are an equilibrium, and how competitive is it? (Carissimo)"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from tacitlab.games import Bertrand, Cournot, PrisonersDilemma
from tacitlab.games.base import StageGame
from tacitlab.games.bertrand_homogeneous import HomogeneousBertrand
from tacitlab.learners import Constant, QLearning, UniformValues
from tacitlab.measures.statistics import Estimate
from tacitlab.metagame import charts
from tacitlab.metagame.analysis import Analysis
from tacitlab.metagame.game import Adaptive, MetaGame
from tacitlab.metagame.page import attractor_table, figures, profile_table, sentences
from tacitlab.metagame.run import MetaResult
from tacitlab.report.page import Section, Table
from tacitlab.studies.base import Claim, Finding, Player, Study
from tacitlab.studies.bertrand_metagame import evidence

THESIS = "Carissimo, thesis and its Bertrand meta-game paper (P)"
PUBLISHED = {"alpha": 0.12, "epsilon": 0.278, "gamma": 0.22}

ALPHA, EPSILON, GAMMA = np.linspace(0.01, 1, 10), np.linspace(0, 0.5, 10), np.linspace(0, 0.99, 10)
FINE = tuple(range(10))
MIDDLE = ((0, 1, 3, 6, 9), (0, 1, 3, 5, 9), (0, 2, 4, 7, 9))  # places in the published grid, its equilibrium included
COARSE = ((1, 4, 9), (0, 1, 5, 9), (0, 2, 7, 9))

Places = tuple[Sequence[int], Sequence[int], Sequence[int]]
Looks = list[tuple[str, tuple[Estimate, Estimate]]]  # regret of the published equilibrium, by variation and window


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
    sizes: ClassVar[dict[str, Size]] = {
        "quick": Size(MIDDLE, 6, COARSE, 6, (2_000, 40_000), 60, (5_000, 10)),
        "paper": Size((FINE, FINE, FINE), 20, MIDDLE, 20, (1_000, 100_000), 400, (100_000, 40)),
    }

    def find(self, preset: str, play: Player) -> Finding:
        size = self.sizes[preset]
        main = evidence.estimated(play, metagame("baseline", size.main, size.sessions))
        factors = [(title, evidence.estimated(play, game)) for title, game in variants(size)]
        others = [(title, evidence.estimated(play, game)) for title, game in open_questions(size)]
        found = {window: Analysis(main, window) for window in ("online", "last")}
        at = found["online"].find(**PUBLISHED)
        closer = evidence.closer_look(main.metagame, at, size.closer)
        looks = [
            (title, evidence.closer_look(r.metagame, Analysis(r, "online").find(**PUBLISHED), size.factor_sessions))
            for title, r in factors
        ]
        shown = evidence.distinct(found["online"], {"published equilibrium": at})
        learned = [
            (name, evidence.learning(play, main.metagame, k, f"learning-{n}")) for n, (name, k) in enumerate(shown)
        ]
        sections = (
            Section("Paid for the whole session", sentences(found["online"]), _table(found["online"], at)),
            Section("Best replies", table=attractor_table(found["online"]), charts=figures(found["online"])),
            Section("Paid for the last fifth", sentences(found["last"]), _table(found["last"], at)),
            Section("Best replies, last fifth", table=attractor_table(found["last"]), charts=figures(found["last"])),
            Section("Factors", FACTORS, _factor_table([("baseline", main), *factors])),
            Section(
                "Learning",
                charts=(charts.learning_chart("Profit while learning", learned, "profit a period and firm", "money"),),
            ),
            Section("Other algorithms and other games", ALGORITHMS, evidence.algorithm_table(others)),
        )
        claims = _claims(found, at, closer, looks)
        return Finding(_answer(found, at, closer, looks, main), claims, sections, NOTES)


NOTES = (
    "Baseline: demand 1 - p, the lower price takes all, ties are halved, 24 prices from 0 to 1, "
    "simultaneous moves, state = "
    "the rival's last price, initial values uniform on [0, 1], 10,000 periods.",
    "Regret intervals and the set of best replies allow for the choice of the largest of many noisy "
    "means; entries share "
    "common random numbers, which makes both a little too careful.",
)
FACTORS = (
    "Each row changes one thing about the baseline, on a coarser grid that holds the published "
    "equilibrium. Regret of the "
    "published equilibrium in per cent of the best reply's payoff."
)
ALGORITHMS = "Designers choose the algorithm itself, paid for the whole session or for the last fifth."


def learner() -> QLearning:
    """What the grid changes: Q-learning that sees the rival's last price."""
    return QLearning(memory=1, observes="rivals", exploration=Constant(), initial=UniformValues())


def grid(places: Places) -> dict[str, list[Any]]:
    """A part of the published grid of parameters."""
    axes = zip(("alpha", "exploration.epsilon", "gamma"), (ALPHA, EPSILON, GAMMA), places, strict=True)
    return {name: [float(round(values[k], 6)) for k in chosen] for name, values, chosen in axes}


def homogeneous(prices: int = 24) -> StageGame:
    """The duopoly with a homogeneous product, demand 1 - p."""
    return HomogeneousBertrand(n_prices=prices)


def metagame(name: str, places: Places, sessions: int, **changes: Any) -> MetaGame:
    """The meta-game of the study with changes."""
    fields: dict[str, Any] = {
        "name": name, "environment": homogeneous(), "learner": learner(), "grid": grid(places), "periods": 10_000,
        "sessions": sessions, "seed": 3,
    }  # fmt: skip
    return MetaGame(**{**fields, **changes})


def variants(size: Size) -> list[tuple[str, MetaGame]]:
    """One factor changed at a time."""
    places, n = size.factors, size.factor_sessions
    blind = learner().model_copy(update={"memory": 0})
    both = learner().model_copy(update={"observes": "everybody"})
    some = [
        ("6 prices", metagame("prices-6", places, n, environment=homogeneous(6))),
        ("100 prices", metagame("prices-100", places, n, environment=homogeneous(100))),
        ("in turns", metagame("alternating", places, n, timing="alternating")),
        ("no memory", metagame("stateless", places, n, learner=blind)),
        ("logit demand, 15 prices, both seen", metagame("logit", places, n, environment=Bertrand(), learner=both)),
    ]
    for periods in size.horizons:
        sessions = max(4, n // 2) if periods > 10_000 else n
        some.append((f"{periods:,} periods", metagame(f"periods-{periods}", places, sessions, periods=periods)))
    sequential = Adaptive(first=3, batch=6, rounds=8)
    some.append(("adaptive allocation", metagame("adaptive", places, 4 * n, adaptive=sequential)))
    return some


def open_questions(size: Size) -> list[tuple[str, MetaGame]]:
    """Algorithms other than Q-learning, and other dilemmas."""
    q = {"memory": 1, "observes": "rivals", "initial": UniformValues()}
    cournot, game = Cournot(), evidence.algorithm_game
    quantities = cournot.actions().values.shape[1]
    return [
        ("Bertrand, homogeneous", game("algorithms-bertrand", homogeneous(), (1, 11), size.algorithms, **q)),
        ("prisoner's dilemma", game("algorithms-dilemma", PrisonersDilemma(), (0, 1), size.algorithms, **q)),
        ("Cournot", game("algorithms-cournot", cournot, (quantities // 3,), size.algorithms, memory=0)),
    ]


def _table(found: Analysis, at: int) -> Table:
    return profile_table(found, (("published", at),))


def _claims(found: dict[str, Analysis], at: int, closer: tuple[Estimate, Estimate], looks: Looks) -> tuple[Claim, ...]:
    online, last = found["online"], found["last"]
    claims: list[Claim] = []
    for a, close, name in ((online, closer[0], "whole session"), (last, closer[1], "last fifth")):
        chance = Estimate(float(a.probabilities[at]), float("nan"), float("nan"), float("nan"), a.sessions)
        claims += [
            evidence.equilibrium_claim(f"{name}: regret of the published equilibrium (%)", close, THESIS,
                                       "from paired sessions; an equilibrium has none"),
            Claim(f"{name}: probability that the published is an equilibrium", chance, note="given the payoff matrix"),
            Claim(f"{name}: rank of the published among replies to itself", a.rank(at), note=f"of {len(a.labels)}"),
            Claim(f"{name}: gain at the published profile", a.gain(at), source="slightly supra-competitive prices (P)"),
            evidence.number_claim(a, f"{name}: symmetric pure equilibria", "unique (P)", 1.0),
            *evidence.outcome_claims(a, name),
        ]  # fmt: skip
    for title, windows in looks:
        for regret, paid in zip(windows, ("whole session", "last fifth"), strict=True):
            claims.append(
                evidence.equilibrium_claim(f"{title}, {paid}: regret of the published (%)", regret, THESIS,
                                           "paired sessions against the strategies of the coarser grid")
            )  # fmt: skip
    return tuple(claims)


def _factor_table(results: list[tuple[str, MetaResult]]) -> Table:
    rows = []
    for title, result in results:
        for window in ("online", "last"):
            a = Analysis(result, window)
            at, k = a.find(**PUBLISHED), a.leading
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


def _answer(
    found: dict[str, Analysis], at: int, closer: tuple[Estimate, Estimate], looks: Looks,
    main: MetaResult,
) -> str:  # fmt: skip
    online, last = found["online"], found["last"]
    refuted = sum(regret.low > 0 for _, windows in looks for regret in windows)
    verdict = " and ".join(
        f"{'refuted' if regret.low > 0 else 'not refuted'} when the {paid} is paid (regret {regret} % "
        "of the best reply's profit)" for regret, paid in zip(closer, ("whole session", "last fifth"), strict=True)
    )  # fmt: skip
    return (
        f"In the baseline the published equilibrium is {verdict}; it ranks {online.rank(at).mean:.0f} and "
        f"{last.rank(at).mean:.0f} of {len(online.labels)} among the replies to itself. It is refuted in {refuted} of "
        f"{2 * len(looks)} variations.\n\n"
        f"Whole session: {sentences(online)}\n\nLast fifth: {sentences(last)}\n\n"
        f"{main.metagame.entries:,} pairs, {main.facts['periods']:.3g} periods."
    )
