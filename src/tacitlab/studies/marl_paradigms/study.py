"""Three paradigms of multi-agent learning and five challenges, in games and markets whose answers are known.

The chapter says that independent learning suffers from non-stationarity, that centralised training with decentralised
execution is the dominant paradigm, that full centralisation coordinates best and scales worst, and that MAPPO is
surprisingly competitive. Here each has a number to reach.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

from tacitlab.markets import Portfolio
from tacitlab.studies.base import Finding, Player, Study
from tacitlab.studies.marl_paradigms import plays
from tacitlab.studies.marl_paradigms.claims import examine
from tacitlab.studies.marl_paradigms.plays import Played, Size, Stage

TEAM = Portfolio()  # two sectors, correlations of a half
APART = Portfolio(correlation_signal=0.0, correlation_return=0.0)  # managers do not matter to each other
HIDDEN = Portfolio(steps=16, observation_noise=1.0)


@dataclass(frozen=True, eq=False)
class Evidence:
    """All that was played."""

    team: Mapping[str, Played]
    apart: Mapping[str, Played]
    hidden: Mapping[str, Played]
    games: Mapping[str, Mapping[str, Played]]
    credit: Mapping[str, Played]
    crowds: Mapping[str, Mapping[int, Played]]
    climbing: Mapping[str, Played]
    drift: Mapping[str, Played]
    crowd: int


class MarlParadigms(Study):
    """Paradigms against exact optima; non-stationarity, credit, scale, partial observability, equilibrium selection."""

    name: ClassVar[str] = "marl-paradigms"
    question: ClassVar[str] = "what do the paradigms of multi-agent learning reach where the optimum is known?"
    source: ClassVar[str] = (
        "A chapter on multi-agent reinforcement learning in finance (three paradigms, MADDPG, MAPPO, QMIX, five "
        "challenges); values are closed forms (Radner 1962) and the papers' own games (Rashid et al. 2018, 2020; Claus "
        "and Boutilier 1998). See docs/marl.md."
    )
    sizes: ClassVar[Mapping[str, Size]] = {
        "quick": Size(sessions=8, many=32, longer=0.5, agents=(2, 4, 6)),
        "paper": Size(sessions=20, many=100, longer=1.0, agents=(2, 3, 4, 5, 6, 7)),
    }

    def find(self, preset: str, play: Player) -> Finding:
        stage, few = Stage(self.sizes[preset], play), 6
        return examine(
            Evidence(
                plays.portfolios(stage, TEAM),
                plays.portfolios(stage, APART, "uncorrelated", ("MAPPO", "MADDPG", "QMIX")),
                plays.memories(stage, HIDDEN), plays.games(stage), plays.credited(stage, few), plays.scaled(stage),
                plays.selected(stage), plays.surrounded(stage, TEAM), few,
            )
        )  # fmt: skip
