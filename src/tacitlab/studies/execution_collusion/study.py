"""Do deep Q-learners that liquidate the same asset collude? Macrì and Lillo (2024), beside the equilibrium they played.

Three things must be kept apart: what the agents pay, which game they were in, and why they pay it.

*Which game.* The public code of the paper lets a trade move prices one step later than the paper says, but takes its
benchmark from the game as written. Both are played here, each judged by its own equilibrium.

*Why.* A cost below equilibrium is an outcome. A cartel leaves money on the table, since its members could do better by
deviating (at TWAP, which is the cartel's schedule in the game as written, by 1.325 each); but so do agents who have
not learned to respond. Three looks tell them apart: whether schedules lie near TWAP or near best responses; whether
agents that learn better come nearer to the equilibrium; and whether a rival answers a deviation so that it does not
pay. Policies see nothing of the rival and carry nothing from one episode to the next: all that could punish is the
rest of the same episode.
"""

from collections.abc import Mapping
from typing import ClassVar

from tacitlab.studies.base import Finding, Player, Study, statements, tally
from tacitlab.studies.execution_collusion import published
from tacitlab.studies.execution_collusion.answer import answer, shortened
from tacitlab.studies.execution_collusion.claims import Evidence, all_claims
from tacitlab.studies.execution_collusion.evidence import CONTROL, SIMULATED, WRITTEN, Runs, Setting, Size, experiment
from tacitlab.studies.execution_collusion.published import VOLATILITIES
from tacitlab.studies.execution_collusion.report import sections

CONTROL_VOLATILITY = 1e-3
SIZES = {
    "quick": Size(sessions=8, episodes=1000, test_episodes=500),
    "paper": Size(sessions=published.RUNS),
}

BENCHMARKS = (
    "Benchmarks are open-loop: schedules fixed before the first trade, without purchases. Learned policies see the "
    "price and may react to it; greedy ones never buy, but exploration may buy back, in training and where the test "
    "goes on with it, as simulated. The equilibrium at lag 2 was found as a variational inequality, and no proof says "
    "that it is the only one; TWAP costs more than this equilibrium there, so that it is no cartel's schedule in that "
    "game."
)
PUBLISHED = (
    "Published numbers were read from vector figures and rest on 20 runs at each volatility; their standard errors are "
    "those of these runs, for shares with two more successes and failures each (Agresti and Coull). Runs as simulated "
    "are compared with them. What stands without a published value is judged by the equilibrium of the game played."
)
WORDS = (
    "The paper's words are judged twice, in the rectangle of its stars and in that of the game played. Most means more "
    "than half, with an interval that leaves one half out."
)
TOGETHER = (
    "Intervals and verdicts on single claims are those of 95 %, one by one; only the answer's first sentence holds for "
    "all experiments together. Experiments at one volatility share their seed, whatever the setting: between settings "
    "sessions are paired, and are not pooled."
)


class ExecutionCollusion(Study):
    """Costs and schedules of two deep Q-learners in the game as simulated and as written, and what would hold them."""

    name: ClassVar[str] = "execution-collusion"
    question: ClassVar[str] = "do deep Q-learners that liquidate the same asset collude?"
    source: ClassVar[str] = (
        "A. Macrì and F. Lillo, Deviations from the Nash equilibrium and emergence of tacit collusion in a two-player "
        "optimal execution game with reinforcement learning, arXiv 2408.11773 (version 1, 2024).\n\n"
        "(P) the paper's text, (D) digitised from the vector figures of July 2024 in the repository of its code."
    )
    sizes: ClassVar[Mapping[str, Size]] = SIZES

    def find(self, preset: str, play: Player) -> Finding:
        size = self.sizes[preset]

        def runs(setting: Setting, volatility: float) -> Runs:
            return Runs.of(setting, play(experiment(setting, volatility, size)))

        evidence = Evidence(
            simulated=tuple(runs(SIMULATED, sigma) for sigma in VOLATILITIES),
            written=tuple(runs(WRITTEN, sigma) for sigma in VOLATILITIES),
            control=runs(CONTROL, CONTROL_VOLATILITY),
            episodes=size.episodes,
        )
        return examine(evidence)


def examine(e: Evidence) -> Finding:
    """Judge the claims by the runs of all experiments."""
    claims = all_claims(e)
    counted = f"{tally(claims)} {statements(claims)}"
    return Finding(f"{answer(e)}\n\n{counted}", claims, sections(e), notes(e))


def notes(e: Evidence) -> tuple[str, ...]:
    """What a reader must know to judge the comparison."""
    failed = [f"{runs.failed} {runs.title}" for runs in e.everything if runs.failed]
    left_out = (f"Sessions that failed to learn are left out: {', '.join(failed)}.",) if failed else ()
    return *shortened(e.episodes), *left_out, BENCHMARKS, PUBLISHED, WORDS, TOGETHER
