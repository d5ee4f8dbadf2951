"""A hundred designers of routing algorithms in Braess's paradox: fixed points and cycles of replies (Carissimo)."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from tacitlab.games import Braess, PublicGoods
from tacitlab.lab.result import Result
from tacitlab.learners import Constant, QLearning, UniformValues
from tacitlab.measures.statistics import Estimate, mean_interval
from tacitlab.metagame import charts
from tacitlab.metagame.analysis import Analysis
from tacitlab.metagame.game import Adaptive, MetaGame
from tacitlab.metagame.page import attractor_table, figures, profile_table, sentences
from tacitlab.metagame.run import MetaResult
from tacitlab.plot.chart import Area, Axis, Chart
from tacitlab.report.page import Section, Table
from tacitlab.studies.base import Claim, Finding, Player, Study, at_least, judge
from tacitlab.studies.bertrand_metagame import evidence
from tacitlab.studies.frame import bare

THESIS = "Carissimo, thesis, addendum (P)"
FIXED = ({"alpha": 0.89, "epsilon": 0.002, "gamma": 0.77}, {"alpha": 0.23, "epsilon": 0.002, "gamma": 0.0})
CYCLE = ({"alpha": 1.0, "epsilon": 0.011, "gamma": 0.44}, {"alpha": 0.12, "epsilon": 0.002, "gamma": 0.33})

ALPHA, EPSILON, GAMMA = np.linspace(0.01, 1, 10), np.linspace(0, 0.02, 10), np.linspace(0, 0.99, 10)
Places = tuple[Sequence[int], Sequence[int], Sequence[int]]
COARSE = ((1, 2, 8, 9), (0, 1, 5, 9), (0, 3, 4, 7))  # places in the published grid, all published profiles included
MIDDLE = ((0, 1, 2, 5, 8, 9), (0, 1, 2, 5, 7, 9), (0, 3, 4, 5, 7, 9))


@dataclass(frozen=True)
class Size:
    """How large a preset is: places in the grid, periods, sessions to begin with and at most, others."""

    places: Places
    periods: int
    first: int
    most: int
    rounds: int
    closer: int
    algorithms: tuple[int, int]


class BraessMetagame(Study):
    """The meta-game of a hundred drivers' designers who choose alpha, epsilon and gamma."""

    name: ClassVar[str] = "braess-metagame"
    question: ClassVar[str] = (
        "which learning parameters do a hundred designers of drivers choose, and are roads coordinated?"
    )
    source: ClassVar[str] = (
        "C. Carissimo, Multi-Agent Learning in the Age of Algorithmic Collusion, PhD thesis, addendum: one designer "
        "deviates from a symmetric profile of 100 designers in Braess's paradox. Published: the "
        "best-response graph has a "
        "cycle (1, .011, .44), (.12, .002, .33) and fixed points (.89, .002, .77) and (.23, .002, 0), with highly "
        "coordinated behaviour. Horizon, repeats and initial values are not published."
    )
    sizes: ClassVar[dict[str, Size]] = {
        "quick": Size(COARSE, 2_000, 3, 12, 3, 12, (1_000, 4)),
        "paper": Size(MIDDLE, 10_000, 3, 60, 12, 100, (10_000, 20)),
    }

    def find(self, preset: str, play: Player) -> Finding:
        size = self.sizes[preset]
        main = evidence.estimated(play, metagame(size))
        others = [(title, evidence.estimated(play, game)) for title, game in open_questions(size)]
        found = {window: Analysis(main, window) for window in ("online", "last")}
        online = found["online"]
        closer = {k: evidence.closer_look(main.metagame, k, size.closer) for k in _published(online)}
        shown = evidence.distinct(online, {"published (.89, .002, .77)": online.find(**FIXED[0])})
        learned = [
            (name, evidence.learning(play, main.metagame, k, f"learning-{n}", 20)) for n, (name, k) in enumerate(shown)
        ]
        learning = charts.learning_chart("Payoffs while learning", learned, "mean payoff (minus travel time)")
        sections = (
            Section("Paid for the whole session", sentences(online), _table(online)),
            Section("Best replies", table=attractor_table(online), charts=figures(online)),
            Section("Paid for the last fifth", sentences(found["last"]), _table(found["last"])),
            Section("Best replies, last fifth", table=attractor_table(found["last"]), charts=figures(found["last"])),
            Section("Published profiles", PUBLISHED, _published_table(found, closer)),
            Section("Learning", charts=(learning, *(_routes(*pair) for pair in learned))),
            Section("Other algorithms and another dilemma", ALGORITHMS, evidence.algorithm_table(others)),
        )
        return Finding(_answer(found, main), _claims(found, closer), sections, NOTES)


NOTES = (
    "Setting: 100 drivers without memory, initial values uniform on [-2, -1], constant exploration. One "
    "designer deviates "
    "from a profile in which all others have the same parameters.",
    "A deviator's payoff is that of one driver in each session, which is noisy: many strategies lie "
    "within error of the "
    "best reply, so that best replies in the mean payoffs follow the noise where the regrets' intervals touch 0.",
)
PUBLISHED = "Regret in per cent of the best reply's payoff, from paired sessions with common random numbers."
ALGORITHMS = "One designer of many chooses the algorithm itself; all others have the same one."


def metagame(size: Size) -> MetaGame:
    """The meta-game of the study."""
    axes = zip(("alpha", "exploration.epsilon", "gamma"), (ALPHA, EPSILON, GAMMA), size.places, strict=True)
    grid: dict[str, list[Any]] = {n: [float(round(values[k], 6)) for k in chosen] for n, values, chosen in axes}
    return MetaGame(
        name="drivers", environment=Braess(players=100), grid=grid, periods=size.periods, sessions=size.most, seed=3,
        learner=QLearning(exploration=Constant(), initial=UniformValues(low=-2, high=-1)),
        adaptive=Adaptive(first=size.first, batch=3, rounds=size.rounds),
    )  # fmt: skip


def open_questions(size: Size) -> list[tuple[str, MetaGame]]:
    """Algorithms other than Q-learning, and a public good among twenty."""
    drivers = UniformValues(low=-2, high=-1)
    crowd, goods = Braess(players=100), PublicGoods(players=20)
    game = evidence.algorithm_game
    return [
        ("Braess, 100 drivers", game("algorithms-braess", crowd, (0, 2), size.algorithms, memory=0, initial=drivers)),
        ("public goods, 20 players", game("algorithms-goods", goods, (0, 1), size.algorithms, memory=0)),
    ]


def _published(found: Analysis) -> list[int]:
    return [found.find(**profile) for profile in (*FIXED, *CYCLE)]


def _table(found: Analysis) -> Table:
    return profile_table(found, tuple((f"published {i}", k) for i, k in enumerate(_published(found), 1)))


def _published_table(found: dict[str, Analysis], closer: dict[int, tuple[Estimate, Estimate]]) -> Table:
    rows = []
    for w, (window, a) in enumerate(found.items()):
        for kind, profile in (*(("fixed point", p) for p in FIXED), *(("in the cycle", p) for p in CYCLE)):
            k = a.find(**profile)
            regret = closer[k][w]
            rows.append(
                (f"({a.labels[k]})", kind, window, f"{regret.mean:.2f}", f"{regret.low:.2f} to {regret.high:.2f}",
                 f"({a.labels[a.replies[k]]})", len(a.replies_within_error(k)), str(a.gain(k)))
            )  # fmt: skip
    return Table(
        ("profile", "published as", "paid", "regret %", "95 % interval", "best reply in the means", "replies in error",
         "gain"),
        rows,
    )  # fmt: skip


def _claims(found: dict[str, Analysis], closer: dict[int, tuple[Estimate, Estimate]]) -> tuple[Claim, ...]:
    claims: list[Claim] = []
    for w, (window, a) in enumerate(found.items()):
        name = "whole session" if window == "online" else "last fifth"
        for profile in FIXED:
            k = a.find(**profile)
            claims.append(
                evidence.equilibrium_claim(f"{name}: regret of fixed point ({a.labels[k]}) (%)", closer[k][w], THESIS,
                                           "from paired sessions; a fixed point has none")
            )  # fmt: skip
        one, two = (a.find(**profile) for profile in CYCLE)
        for start, end in ((one, two), (two, one)):
            inside = end in a.replies_within_error(start)
            possible = Estimate(float(inside), 0.0, float(inside), float("nan"), a.sessions)  # that it is the best
            claims.append(
                Claim(f"{name}: ({a.labels[end]}) may be the best reply to ({a.labels[start]})",
                      bare(float(inside), a.sessions), 1.0, THESIS, verdict=judge(possible, at_least(1.0)),
                      note="1: within error of the best reply; not proof that it is the best")
            )  # fmt: skip
        claims += [evidence.number_claim(a, f"{name}: symmetric pure equilibria", "two (P)", 2.0)]
        claims += evidence.outcome_claims(a, name)
    return tuple(claims)


def _routes(name: str, result: Result) -> Chart:
    """Shares of drivers on the routes over time."""
    shares = result.data["frequency"].mean(["session", "agent"])
    parts = {route: shares.isel(action=k).values for k, route in enumerate(result.experiment.game.actions().labels)}
    return Chart(
        f"Routes: {name}", Axis("time", "steps"), Axis("share of drivers", range=(0.0, 1.0)),
        (Area(shares["time"].values, parts),), "Mean over sessions and drivers.",
    )  # fmt: skip


def _answer(found: dict[str, Analysis], main: MetaResult) -> str:
    online, last = found["online"], found["last"]
    gains = mean_interval(np.array([online.gain(int(k)).mean for k in online.possible]))
    return (
        f"{len(online.possible)} of {len(online.labels)} symmetric profiles cannot be refuted as equilibria "
        f"when the whole session "
        f"is paid, {len(last.possible)} when the last fifth is. Their welfare is {gains.mean:.2f} on average "
        f"(0: everybody "
        f"crosses, 1: the optimum).\n\nWhole session: {sentences(online)}\n\nLast fifth: {sentences(last)}\n\n"
        f"{main.metagame.entries:,} entries, {main.facts['sessions']:,.0f} sessions of "
        f"{main.metagame.periods:,} periods."
    )
