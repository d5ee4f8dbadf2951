"""Do Q-learners in a volatile resource market learn to cooperate? Every claim of the paper, and what it depends on.

The paper ("Emergent Cooperative Intelligence in High-Frequency Resource Allocation") fixes two agents, 1000 steps and
500 episodes, and leaves open what decides every result: at which price orders fill, what an inventory is worth, and
how much agents may hold. Its price law allows orders to fill before their impact, and inventories to be valued after
it: a money pump. The claims are therefore judged in this literal market, in the same market with limited inventories,
where exact benchmarks exist, and in a sound one, in which no round trip gains anything. Nothing is tuned to the paper.
"""

from collections.abc import Mapping
from typing import ClassVar

from tacitlab.studies.base import Claim, Finding, Player, Study, Verdict
from tacitlab.studies.resource_cooperation.answer import answer
from tacitlab.studies.resource_cooperation.claims import (
    efficiency_claims,
    phase_claims,
    reward_claims,
    rise_claims,
    volatility_claims,
)
from tacitlab.studies.resource_cooperation.evidence import Evidence
from tacitlab.studies.resource_cooperation.order import offset_claims, reversion_claims, signal_claims
from tacitlab.studies.resource_cooperation.plays import gather
from tacitlab.studies.resource_cooperation.report import sections
from tacitlab.studies.resource_cooperation.settings import SIZES, Size
from tacitlab.studies.resource_cooperation.stability import attack_claims, crowd_claims

PARTS = (
    reward_claims, rise_claims, efficiency_claims, volatility_claims, phase_claims, offset_claims, signal_claims,
    reversion_claims, crowd_claims, attack_claims,
)  # fmt: skip
NOTES = (
    "Literal market: orders fill at the price before their impact, inventories count at the price after it, and cash "
    "of 10,000 limits purchases. Sound market: orders fill at the integral of the price over the order, and "
    "inventories count for what selling them alone would bring.",
    "Gains of the test are those of frozen, greedy policies. All policies meet the same noise; what of a gain moves "
    "with that of holding, whose expectation is 0, is taken off where gains are compared.",
    "Words of the paper are judged by the sign of the effect: it may be there and be far too small to matter. Read the "
    "numbers.",
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
    claims = tuple(claim for part in PARTS for claim in part(e))
    return Finding(f"{answer(e)}\n\n{count(claims)}", claims, sections(e), NOTES)


def count(claims: tuple[Claim, ...]) -> str:
    """How many statements hold.

    Examples
    --------
    >>> from tacitlab.measures.statistics import Estimate
    >>> count((Claim("a", Estimate(1.0, 0.9, 1.1, 0.05, 9), 1.02), Claim("b", Estimate(1.0, 0.9, 1.1, 0.05, 9))))
    'Of 1 statements that were judged 1 hold, 0 do not, and 0 are undecided.'
    """
    found = [claim.judged() for claim in claims]
    holds, fails, open_ = (found.count(one) for one in (Verdict.REPRODUCED, Verdict.NOT, Verdict.UNDECIDED))
    judged = holds + fails + open_
    return f"Of {judged} statements that were judged {holds} hold, {fails} do not, and {open_} are undecided."
