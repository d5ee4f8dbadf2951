"""Do Q-learning firms collude, and is it collusion? The baseline of Calvano et al. (2020)."""

from typing import ClassVar

import numpy as np

from tacitlab.lab.experiment import load
from tacitlab.lab.result import Result
from tacitlab.measures.statistics import mean_interval
from tacitlab.report.answer import TOLERANCE
from tacitlab.studies.base import Claim, Finding, Player, Study, tally
from tacitlab.studies.bertrand_collusion import figures
from tacitlab.studies.bertrand_collusion.claims import all_claims
from tacitlab.studies.bertrand_collusion.evidence import Evidence
from tacitlab.studies.bertrand_collusion.published import RUNS

SESSIONS = {"quick": 200, "paper": 1000}
RARE = 0.05  # a property that fewer sessions have is called rare

PUBLISHED_ERRORS = (
    f"Published values rest on {RUNS:,} runs. Their standard error is sd / sqrt({RUNS}) where the sd is known, "
    f"binomial for shares of runs, and otherwise that of our own sessions at {RUNS:,} runs."
)
TEST = (
    "Best responses: the one-step test, the published one, lets everybody return to the learned strategies after one "
    "deviation. Full re-optimisation compares with the exact best response of the repeated game and has another name "
    "here; only it tests for an equilibrium."
)
PHASE = (
    "Impulse responses by the authors' routine depend on where a limit cycle is said to start if it is longer than 1. "
    "Theirs starts at the successor of the last learning state, a phase that chance decides: ours are averages over "
    "all phases."
)


class BertrandCollusion(Study):
    """Profit gain, punishment and best responses of Q-learning duopolists, beside the published values."""

    name: ClassVar[str] = "bertrand-collusion"
    question: ClassVar[str] = "do Q-learning firms collude, and is it collusion?"
    source: ClassVar[str] = (
        "Calvano, Calzolari, Denicolò and Pastorello, Artificial intelligence, algorithmic pricing, and collusion, "
        "American Economic Review 110(10), 2020, 3267-3297.\n\n"
        "(P) published, (R) printed by a re-run of the authors' public code, (R*) computed by an independent script "
        "from the limit strategies of such a re-run."
    )

    def find(self, preset: str, play: Player) -> Finding:
        return examine(play(load("bertrand", [f"sessions={SESSIONS[preset]}"])))


def examine(result: Result) -> Finding:
    """Judge the claims by the sessions of a result of the ``bertrand`` scenario."""
    evidence = Evidence.of(result)
    claims = all_claims(evidence)
    return Finding(answer(evidence, claims), claims, figures.sections(evidence), notes(evidence))


def notes(e: Evidence) -> tuple[str, ...]:
    """What a reader must know to judge the comparison."""
    ties = ~e.deviations.profitable & ~e.deviations.incentive_compatible
    deterred = (
        f"IC: in {_percent(ties.mean())} of the observations the deviation earns exactly as much as the path, because "
        "the static best reply is the price of the path itself. The definition wants strictly less; the published .936 "
        "agrees with the share with ties counted as deterred (a large validation run gave .920 strictly and .938 with "
        "ties)."
    )
    return PUBLISHED_ERRORS, deterred, TEST, PHASE


def answer(e: Evidence, claims: tuple[Claim, ...]) -> str:
    """What the study concludes: outcome, mechanism, equilibrium, and how much of it agrees with the paper."""
    return "\n\n".join((_outcome(e), _mechanism(e), _equilibrium(e), _conclusion(e), tally(claims)))


def _outcome(e: Evidence) -> str:
    benchmarks, gain = e.result.benchmarks(), mean_interval(e.gain.mean)
    nash, monopoly = (float(np.mean(p.quantities["price"])) for p in (benchmarks.nash, benchmarks.optimum))
    verdict = "yes" if gain.low > TOLERANCE else "no" if gain.high < TOLERANCE else "undecided"
    return (
        f"Supra-competitive prices: {verdict}. The firms end at a price of {e.cycle.actions.mean():.3f}, between Nash "
        f"({nash:.3f}) and monopoly ({monopoly:.3f}), and cover {gain:.3f} of the way from competitive to monopoly "
        "profit."
    )


def punished(e: Evidence) -> bool:
    """Whether the rival's answer deters: deviating loses, and loses more than against a rival who does not answer."""
    found = e.deviations.per_session(e.deviations.gain_percent)
    lost, by_answer = mean_interval(found), mean_interval(found - e.control.per_session(e.control.gain_percent))
    return lost.high < 0 and by_answer.high < 0


def _percent(share: float, digits: int = 1) -> str:
    return f"{100 * share:.{digits}f} %"


def _mechanism(e: Evidence) -> str:
    found, control = e.deviations, e.control
    gain, without = found.gain_percent.mean(), control.gain_percent.mean()
    return (
        f"Supported by punishment: {'yes' if punished(e) else 'not shown'}, against a deviation of one period. It is "
        f"deterred in {_percent(1 - found.profitable.mean())} of the cases (ties counted) and changes the deviator's "
        f"discounted profit by {gain:+.1f} %: the rival changes its price by "
        f"{_percent(found.immediate_response.mean())}, and in {_percent(found.returned.mean(), 2)} of the cases play "
        f"returns to the path, after {found.length.mean():.1f} periods. Against a rival who keeps its price the same "
        f"deviation would bring {without:+.1f} % and be deterred in {_percent(1 - control.profitable.mean())}."
    )


def _equilibrium(e: Evidence) -> str:
    nash, full = e.one_step.nash_on_path.mean(), e.full.equilibrium_on_path.mean()
    verdict = "almost never" if full < RARE else f"in {_percent(full, 0)} of the sessions"
    return (
        f"Best responses: {verdict}. The published one-step test finds {_percent(nash)} of the sessions in equilibrium "
        f"on path; full re-optimisation finds {_percent(full)}. A rational firm in the place of either one would earn "
        f"{e.forgone.per_period.mean():.4f} money a period more, {_percent(e.forgone.share.mean())} of what it then "
        f"earns, and would cost the other one {e.forgone.rivals_loss.mean():.4f}."
    )


def _conclusion(e: Evidence) -> str:
    if punished(e) and e.full.equilibrium_on_path.mean() < RARE:
        reading = (
            "the strategies punish, which deters a single deviation, but they are no equilibrium: whoever may deviate "
            "for longer takes money from them"
        )
    elif punished(e):
        reading = "the strategies punish, and many withstand a best responder"
    else:
        reading = "no punishment that deters was shown, so the prices alone prove nothing"
    return f"Supra-competitive prices are an outcome; collusion is a mechanism. Here {reading}."
