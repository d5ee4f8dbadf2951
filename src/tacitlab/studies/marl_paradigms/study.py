"""Three paradigms of multi-agent learning and five challenges, in games and markets whose answers are known.

The chapter says that independent learning suffers from non-stationarity, that centralised training with decentralised
execution is the dominant paradigm, that full centralisation coordinates best and scales worst, and that MAPPO is
surprisingly competitive. Here each has a number to reach.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from tacitlab.markets import Portfolio, TeamGame
from tacitlab.measures.statistics import Estimate, mean_interval, proportion
from tacitlab.studies.base import Claim, Finding, Player, Study, at_least, more_than, named, paired_difference, together
from tacitlab.studies.frame import exact, percent, say
from tacitlab.studies.marl_paradigms import plays
from tacitlab.studies.marl_paradigms.plays import CLIMBING, DARE, TWO_STEP, Played, Size, Stage

TEAM = Portfolio()  # two sectors, correlations of a half
APART = Portfolio(correlation_signal=0.0, correlation_return=0.0)  # managers do not matter to each other
HIDDEN = Portfolio(steps=16, observation_noise=1.0)
SHARE = 0.98  # of the exact optimum that a learner must reach
CENTRAL, MEMBERS, OWN = "centralised PPO", ("MAPPO", "MADDPG"), "PPO, own reward"
SECTOR = "PPO paid for its own sector"
ALONE = "PPO, team reward", "DDPG, team reward"
RADNER, GAMES = "closed form (Radner 1962)", "Rashid et al. 2018, 2020"
NOTES = (
    f"Shares of an optimum are judged by reaching {percent(SHARE, 0)} of it, differences by being above 0. The "
    "value of a policy is what the team expects from it, over 50,000 drawn signals in each session.",
    "Learners have settings chosen by hand for these small problems, the same for all of a kind; with other settings "
    "and more time others may come closer. What cannot be represented stays out of reach.",
)


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


# --- claims --------------------------------------------------------------------------------------------------------


def examine(found: Evidence) -> Finding:
    """Judge everything."""
    from tacitlab.studies.marl_paradigms.figures import sections

    claims = (
        *_shares(found), *_order(found), *_games(found), *_credit(found), *_crowds(found), *_memory(found),
        *_drift(found), *_selection(found),
    )  # fmt: skip
    return Finding(_answer(found, claims), claims, sections(found), NOTES)


def optima(found: Evidence) -> dict[str, float]:
    """What each paradigm can reach in the portfolio of the team: exact."""
    return known(next(iter(found.team.values())))


def known(played: Played) -> dict[str, float]:
    """Exact values of the market by the names of its benchmarks."""
    market = played.result.experiment.market.model_copy(update={"reward": "team"})
    profiles = market.benchmarks()
    return {p.name: p.average for p in (*profiles.competitive, *profiles.cooperative)}


def reached(name: str, played: Played, exact: float, source: str) -> Claim:
    """Whether learners get 98 % of an exact optimum."""
    estimate = played.estimate()
    return Claim(
        name,
        estimate,
        exact,
        source,
        margin=at_least(SHARE * exact),
        note=f"{percent(estimate.mean / exact)} of the optimum.",
    )


def larger(name: str, one: Played, other: Played, source: str = "", published: float | None = None) -> Claim:
    """Whether the first pays more than the second, by the difference of the same sessions."""
    return Claim(name, paired_difference(one.paid, other.paid), published, source, margin=more_than(0.0))


def _shares(found: Evidence) -> Iterator[Claim]:
    exact = optima(found)
    for name, played in found.team.items():
        goal = "centralised" if name == CENTRAL else "independent" if name == OWN else "team optimum"
        yield reached(f"correlated portfolio, {name}: utility of the team", played, exact[goal], RADNER)
    for name, played in found.apart.items():
        value = known(played)["team optimum"]
        yield reached(f"uncorrelated portfolio, {name}: utility of the team", played, value, RADNER)


def _order(found: Evidence) -> Iterator[Claim]:
    team, exact = found.team, optima(found)
    for name in MEMBERS:
        gap = exact["centralised"] - exact["team optimum"]
        yield larger(f"centralised PPO less {name}", team[CENTRAL], team[name], RADNER, gap)
        gap = exact["team optimum"] - exact["independent"]
        yield larger(f"{name} less {SECTOR}", team[name], team[OWN], RADNER, gap)


def _games(found: Evidence) -> Iterator[Claim]:
    published = {("two-step", "VDN"): 7.0, ("two-step", "QMIX"): 8.0, ("dare", "VDN"): 0.0, ("dare", "QMIX"): 0.0}
    titles = {"two-step": "two-step game", "dare": "non-monotonic matrix game"}
    for (label, name), value in published.items():
        estimate = found.games[label][name].estimate()
        yield Claim(f"{titles[label]}, {name}: payoff", estimate, value, GAMES)


def _credit(found: Evidence) -> Iterator[Claim]:
    base = found.credit["independent Q-learning"]
    for name, reference in (("VDN", base), ("QMIX", base), ("COMA", found.credit["PPO"])):
        against = "independent Q-learning" if reference is base else "PPO"
        yield Claim(
            f"credit, {found.crowd} agents: mean reward while learning, {name} less {against}",
            paired_difference(found.credit[name].learning, reference.learning),
        )


def _crowds(found: Evidence) -> Iterator[Claim]:
    for name, by_size in found.crowds.items():
        for n, played in by_size.items():
            if n in (min(by_size), max(by_size)):
                yield Claim(f"scale, {n} agents, {name}: reward (optimum 1)", played.estimate())


def _memory(found: Evidence) -> Iterator[Claim]:
    plain, kept = found.hidden["PPO without memory"], found.hidden["PPO with memory"]
    theory = known(plain)
    for name, value in theory.items():
        yield Claim(f"noisy signals, theory: {name}", exact(value))
    for name, played in found.hidden.items():
        yield Claim(f"noisy signals, {name}: utility of the team", played.estimate())
    yield larger("noisy signals: PPO with memory less PPO without", kept, plain)


def _drift(found: Evidence) -> Iterator[Claim]:
    for name, played in found.drift.items():
        own = played.curve[:, :, 0]
        change = mean_interval(own[:, -4:].mean(axis=1) - own[:, :1].mean(axis=1))
        yield Claim(f"non-stationarity: what a manager earns more at the end who never changes, {name}", change)


def shares(played: Played) -> dict[str, Estimate]:
    """How often sessions end where: by payoff, best first."""
    values, n = np.round(played.values, 3), len(played.values)
    table = CLIMBING.rewards[0]
    stable = sorted({11.0, 7.0} & set(table.ravel().tolist()), reverse=True)
    found = {f"{pay:g}": proportion(int(np.sum(values == pay)), n) for pay in stable}
    found["elsewhere"] = proportion(int(np.sum(~np.isin(values, stable))), n)
    return found


def _selection(found: Evidence) -> Iterator[Claim]:
    for name, played in found.climbing.items():
        yield Claim(f"climbing game, {name}: share of sessions that reach the optimum", shares(played)["11"])


def paradigms(claims: Sequence[Claim]) -> str:
    """Whether independent learners who share a reward do as well as those who are trained together."""
    judged = {name: claim.judged() for name, claim in named(claims).items()}
    alone = [judged[f"correlated portfolio, {name}: utility of the team"] for name in ALONE]
    order = [verdict for name, verdict in judged.items() if " less " in name and name.endswith((*MEMBERS, SECTOR))]
    why = say(together(order), ": what separates paradigms here is who sees what, and who is paid for what", "", "")
    return say(
        together(alone),
        f"Independent learners with the team's reward reach the team optimum{why}.",
        "Not all independent learners with the team's reward reach the team optimum.",
        "Whether independent learners with the team's reward reach the team optimum is not decided.",
    )


def best(game: TeamGame) -> float:
    """What its best joint actions pay."""
    return game.benchmarks().optimum.average


def _answer(found: Evidence, claims: Sequence[Claim]) -> str:
    exact, team = optima(found), found.team

    goal = exact["team optimum"]
    members = ", ".join(f"{n} {percent(p.estimate().mean / goal)}" for n, p in team.items() if n not in (CENTRAL, OWN))
    utilities = (
        f"Of what one mind with all signals can earn ({exact['centralised']:.3g}) {CENTRAL} gets "
        f"{percent(team[CENTRAL].estimate().mean / exact['centralised'])}; of the team optimum of managers with their "
        f"own signals ({goal:.3g}) {members}. Managers paid for their own sectors earn {team[OWN].estimate().mean:.3f} "
        f"together; theory says {exact['independent']:.3g}. {paradigms(claims)}"
    )
    games = found.games
    ends = {(game, name): played.estimate().mean for game, by in games.items() for name, played in by.items()}
    decomposition = (
        f"In the two-step game QMIX ends at {ends['two-step', 'QMIX']:.3g} and VDN at {ends['two-step', 'VDN']:.3g} "
        f"(optimum {best(TWO_STEP):g}); in the non-monotonic one they end at {ends['dare', 'QMIX']:.3g} and "
        f"{ends['dare', 'VDN']:.3g} (optimum {best(DARE):g})."
    )
    return f"{utilities}\n\n{decomposition}\n\n{_challenges(found)}"


def _challenges(found: Evidence) -> str:
    memory = paired_difference(*(found.hidden[f"PPO {how} memory"].paid for how in ("with", "without")))
    picked = {name: shares(played)["11"].mean for name, played in found.climbing.items()}
    most, least = max(picked, key=picked.__getitem__), min(picked, key=picked.__getitem__)
    ends = f"{percent(picked[most], 0)} of the sessions of {most} end at the optimum"
    apart = picked[least] < picked[most]
    ends += f", {percent(picked[least], 0)} of those of {least}" if apart else ", as many as of every other learner"
    crowd = found.crowds["centralised Q-learning"]
    agents = max(crowd)
    return (
        f"A memory adds {memory} to the utility where signals are noisy. One table for the joint actions of {agents} "
        f"agents ({3**agents:,} of them) earns {crowd[agents].estimate():.2f} of 1 in the time in which value "
        f"decomposition earns {found.crowds['VDN'][agents].estimate():.2f}. In the climbing game {ends}."
    )
