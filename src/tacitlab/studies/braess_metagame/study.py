"""A hundred designers of routing algorithms in Braess's paradox: fixed points and cycles of replies (Carissimo)."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from tacitlab.games import Braess, PublicGoods
from tacitlab.learners import UniformValues
from tacitlab.measures.statistics import Estimate, mean_interval
from tacitlab.metagame import charts
from tacitlab.metagame.analysis import Analysis
from tacitlab.metagame.game import Adaptive, MetaGame
from tacitlab.metagame.page import profile_table, sentences
from tacitlab.report.page import Section, Table
from tacitlab.studies import metagames
from tacitlab.studies.base import Claim, Finding, Player, Study, at_least, judge
from tacitlab.studies.frame import action_shares, bare, published
from tacitlab.studies.metagames import Axes, Places

PUBLISHED = published(__file__)


def profile(name: str) -> dict[str, float]:
    """A published profile."""
    return {field: PUBLISHED[f"{name}: {field}"].value for field in ("alpha", "epsilon", "gamma")}


FIXED = profile("fixed point 1"), profile("fixed point 2")
CYCLE = profile("cycle 1"), profile("cycle 2")
THESIS = PUBLISHED["fixed point 1: alpha"].source
AXES: Axes = {  # the published grid
    "alpha": np.linspace(0.01, 1, 10), "exploration.epsilon": np.linspace(0, 0.02, 10),
    "gamma": np.linspace(0, 0.99, 10),
}  # fmt: skip
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
        "deviates from a symmetric profile of 100 designers in Braess's paradox. Published: the best-response graph "
        "has a cycle (1, .011, .44), (.12, .002, .33) and fixed points (.89, .002, .77) and (.23, .002, 0), with "
        "highly coordinated behaviour. Horizon, repeats and initial values are not published."
    )
    sizes: ClassVar[Mapping[str, Size]] = {
        "quick": Size(COARSE, 2_000, 3, 12, 3, 12, (1_000, 4)),
        "paper": Size(MIDDLE, 10_000, 3, 60, 12, 100, (10_000, 20)),
    }

    def find(self, preset: str, play: Player) -> Finding:
        size = self.sizes[preset]
        main = metagames.estimated(play, metagame(size))
        others = {title: metagames.estimated(play, game) for title, game in open_questions(size).items()}
        windows = metagames.windows(main)
        online = next(iter(windows.values()))
        closer = {k: metagames.closer_look(main.metagame, k, size.closer) for k in _published(online)}
        shown = metagames.distinct(online, {"published (.89, .002, .77)": online.find(**FIXED[0])})
        learned = [
            (name, metagames.learning(play, main.metagame, k, f"learning-{n}", 20)) for n, (name, k) in enumerate(shown)
        ]
        routes = [
            action_shares(f"Routes: {name}", run.data, run.experiment.game.actions().labels, "drivers")
            for name, run in learned
        ]
        learning = charts.learning_chart("Payoffs while learning", learned, "mean payoff (minus travel time)")
        tables = [
            profile_table(a, tuple((f"published {i}", k) for i, k in enumerate(_published(a), 1)))
            for a in windows.values()
        ]
        sections = (
            *metagames.window_sections(windows, tables),
            Section("Published profiles", REGRETS, _published_table(windows, closer)),
            Section("Learning", charts=(learning, *routes)),
            Section("Other algorithms and another dilemma", ALGORITHMS, metagames.algorithm_table(others)),
        )
        return Finding(answer(windows), tuple(all_claims(windows, closer)), sections, NOTES)


NOTES = (
    "Setting: 100 drivers without memory, initial values uniform on [-2, -1], constant exploration. One designer "
    "deviates from a profile in which all others have the same parameters.",
    "A deviator's payoff is that of one driver in each session, which is noisy: many strategies lie within error of "
    "the best reply, so that best replies in the mean payoffs follow the noise where the regrets' intervals touch 0.",
    metagames.REGRET,
)
REGRETS = "Regret in per cent of the best reply's payoff, from paired sessions with common random numbers."
ALGORITHMS = "One designer of many chooses the algorithm itself; all others have the same one."
Closer = Mapping[int, Mapping[str, Estimate]]  # regret from paired sessions, by profile and by what is paid


def metagame(size: Size) -> MetaGame:
    """The meta-game of the study."""
    adaptive = Adaptive(first=size.first, batch=3, rounds=size.rounds)
    changes: dict[str, Any] = {"periods": size.periods, "sessions": size.most, "adaptive": adaptive}
    return metagames.scenario(__file__, "drivers", {**changes, "grid": metagames.grid(AXES, size.places)})


def open_questions(size: Size) -> dict[str, MetaGame]:
    """Algorithms other than Q-learning, and a public good among twenty."""
    drivers, game = UniformValues(low=-2, high=-1), metagames.algorithm_game
    crowd, goods = Braess(players=100), PublicGoods(players=20)
    return {
        "Braess, 100 drivers": game("algorithms-braess", crowd, (0, 2), size.algorithms, memory=0, initial=drivers),
        "public goods, 20 players": game("algorithms-goods", goods, (0, 1), size.algorithms, memory=0),
    }


def _published(found: Analysis) -> list[int]:
    return [found.find(**profile) for profile in (*FIXED, *CYCLE)]


def _published_table(windows: Mapping[str, Analysis], closer: Closer) -> Table:
    rows = []
    for paid, a in windows.items():
        kinds = ("fixed point", "fixed point", "in the cycle", "in the cycle")
        for kind, k in zip(kinds, _published(a), strict=True):
            regret = closer[k][paid]
            rows.append(
                (f"({a.labels[k]})", kind, paid, f"{regret.mean:.2f}", f"{regret.low:.2f} to {regret.high:.2f}",
                 f"({a.labels[a.replies[k]]})", len(a.replies_within_error(k)), str(a.gain(k)))
            )  # fmt: skip
    return Table(
        ("profile", "published as", "paid", "regret %", "95 % interval", "best reply in the means", "replies in error",
         "gain"),
        rows,
    )  # fmt: skip


def all_claims(windows: Mapping[str, Analysis], closer: Closer) -> Iterator[Claim]:
    """In the order of the report."""
    for paid, a in windows.items():
        for one in FIXED:
            k = a.find(**one)
            name = f"{paid}: regret of fixed point ({a.labels[k]}) (%)"
            note = "from paired sessions; a fixed point has none"
            yield metagames.equilibrium_claim(name, closer[k][paid], THESIS, note)
        first, second = (a.find(**one) for one in CYCLE)
        yield _reply(a, paid, first, second)
        yield _reply(a, paid, second, first)
        yield metagames.number_claim(a, f"{paid}: symmetric pure equilibria", PUBLISHED["symmetric pure equilibria"])
        yield from metagames.outcome_claims(a, paid)


def _reply(a: Analysis, paid: str, start: int, end: int) -> Claim:
    """That a profile may be the best reply to another: 1 within error of it, which does not prove it; else 0."""
    inside = float(end in a.replies_within_error(start))
    verdict = judge(Estimate(inside, 0.0, inside, float("nan"), a.sessions), at_least(1.0))
    name = f"{paid}: ({a.labels[end]}) may be the best reply to ({a.labels[start]})"
    note = "1: within error of the best reply; not proof that it is the best"
    return Claim(name, bare(inside, a.sessions), 1.0, THESIS, verdict=verdict, note=note)


def answer(windows: Mapping[str, Analysis]) -> str:
    """The finding in words."""
    online, last = windows.values()
    gains = mean_interval(np.array([online.gain(int(k)).mean for k in online.possible]))
    told = [f"{paid.capitalize()}: {sentences(a)}" for paid, a in windows.items()]
    main = online.result
    return (
        f"{len(online.possible)} of {len(online.labels)} symmetric profiles cannot be refuted as equilibria when the "
        f"whole session is paid, {len(last.possible)} when the last fifth is. The welfare of the former is "
        f"{gains.mean:.2f} on average (0: everybody crosses, 1: the optimum).\n\n" + "\n\n".join(told) + "\n\n"
        f"{main.metagame.entries:,} entries, {main.facts['sessions']:,.0f} sessions of "
        f"{main.metagame.periods:,} periods."
    )
