"""The study of misspecified volatility: pairs of runs whose answer is known, and end to end in small."""

from dataclasses import replace
from types import SimpleNamespace
from typing import ClassVar

import numpy as np
import pytest
from made_up_runs import SMALL, front, runs_of

from tacitlab.audits.execution import expected_spread
from tacitlab.lab.run import load
from tacitlab.studies import liquidations
from tacitlab.studies.base import Player, Verdict
from tacitlab.studies.execution_misspecified import study
from tacitlab.studies.execution_misspecified.study import CALM, NOISY, ExecutionMisspecified, Pair
from tacitlab.studies.liquidations import SIMULATED, WRITTEN, reference
from tacitlab.studies.page import write_report

RNG = np.random.default_rng(1)
OURS = 100 * RNG.dirichlet(np.ones(10), (8, 2)).swapaxes(1, 2)
OTHERS = 100 * RNG.dirichlet(np.ones(10), (8, 2)).swapaxes(1, 2)
COSTS = 10 + RNG.normal(0, 0.1, (8, 2))


def pair(test_changes_schedules=False, spread=1.0, setting=SIMULATED):
    """Trained without noise, tested with much: costs then spread by ``spread``."""
    return Pair(
        mixed=runs_of(setting, CALM, COSTS, OTHERS if test_changes_schedules else OURS, test=NOISY, spread=spread),
        same_training=runs_of(setting, CALM, COSTS - 0.5, OURS, spread=0.01),
        same_test=runs_of(setting, NOISY, COSTS, OTHERS, spread=1.1),
    )


def test_policies_that_keep_their_schedules_in_a_test_with_noise():
    found = pair()
    own, alike, others = found.distances()
    assert (own.mean, own.low, own.high) == (0, 0, 0)

    def apart(one, two):
        return min(np.sqrt(np.mean((one - two[:, order]) ** 2)) for order in ([0, 1], [1, 0]))

    assert others.mean == pytest.approx(np.mean([apart(one, two) for one in OURS for two in OTHERS]))
    pairs = [apart(OURS[i], OURS[j]) for i in range(8) for j in range(8) if i != j]
    assert alike.mean == pytest.approx(np.mean(pairs))
    same, different = found.nearer()
    assert same.mean == pytest.approx(others.mean)
    assert same.low > 0
    assert different.mean == pytest.approx(others.mean - alike.mean)
    spread = found.mixed.spread[:, None], found.same_test.spread
    own = np.abs(found.mixed.spread - found.same_training.spread).mean()
    assert found.spreads_nearer().mean == pytest.approx(own - np.abs(spread[0] - spread[1]).mean())
    assert found.spreads_nearer().low > 0


@pytest.mark.parametrize("part", range(5))
def test_intervals_cover_although_all_runs_meet_the_same_others(part):
    """Runs of the paper's number, some of which go far astray; means over rows of pairs covered two thirds."""
    random, n = np.random.default_rng(3), 10

    def runs(many, shift):
        astray = 1 + 3 * (random.random((many, 1, 1)) < 0.3)
        return shift + astray * random.normal(0, 1, (many, 6, 2))

    def drawn(many):
        trained = runs(many, 0.0)
        one = [trained + 0.3 * random.normal(0, 1, trained.shape), trained, runs(many, 0.5)]
        spreads = [np.exp(random.normal(0, 0.3, many)) for _ in one]
        numbers = np.arange(many)
        return Pair(
            *(SimpleNamespace(schedules=x, spread=s, numbers=numbers) for x, s in zip(one, spreads, strict=True))
        )

    def estimates(found):
        return (*found.distances()[1:], *found.nearer(), found.spreads_nearer())

    true = np.mean([[one.mean for one in estimates(drawn(60))] for _ in range(8)], axis=0)[part]
    found = [estimates(drawn(n))[part] for _ in range(400)]
    covered = np.mean([one.low <= true <= one.high for one in found])
    assert 0.915 <= covered <= 0.985


def test_policies_that_change_with_the_test_and_costs_that_do_not():
    found = pair(test_changes_schedules=True, spread=0.02)
    assert found.spreads_nearer().high < 0
    assert found.distances()[0].low > 1


def test_sessions_are_matched_by_their_numbers():
    found = pair()
    part = found.mixed
    for name in ("numbers", "costs", "schedules", "shortfalls"):
        object.__setattr__(part, name, getattr(part, name)[[1, 4]])
    np.testing.assert_array_equal(found.matched(found.same_training.mean), found.same_training.mean[[1, 4]])
    assert found.distances()[0].mean == 0
    assert found.distances()[0].n == 2


def by_name(found):
    found = list(found)
    assert len({claim.name for claim in found}) == len(found)
    return {claim.name.split(": ", 1)[1]: claim for claim in found}


def test_claims_of_a_known_pair():
    found = by_name(study.pair_claims(pair()))
    assert found["most in the paper's rectangle"].judged() is Verdict.REPRODUCED
    assert found["most in the rectangle of the game, 8.333 to 8.574"].judged() is Verdict.NOT
    change = found["change of the mean shortfall (currency)"].measured
    assert (change.mean, change.se) == (pytest.approx(0.5), pytest.approx(0, abs=1e-12))
    nearer = [claim.judged() for name, claim in found.items() if "nearer to" in name]
    assert nearer[:2] == [Verdict.REPRODUCED] * 2
    assert len(nearer) == 3
    ratio = found["standard deviation of costs, relative to that by chance alone"].measured
    assert ratio.mean == pytest.approx(np.mean(1 / expected_spread(OURS, NOISY).mean(axis=1)))
    changed = by_name(study.pair_claims(pair(test_changes_schedules=True, spread=0.02)))
    nearer = [claim.judged() for name, claim in changed.items() if "nearer to" in name]
    assert nearer[0] is Verdict.NOT


def test_agents_are_exchangeable_between_runs():
    swapped = replace(pair(), same_test=runs_of(SIMULATED, NOISY, COSTS, OTHERS[..., ::-1], spread=1.1))
    assert swapped.distances()[2].mean == pytest.approx(pair().distances()[2].mean)


def test_the_coin_adds_to_the_spread_as_written_only():
    one, two = (pair(setting=setting).mixed.noise for setting in (WRITTEN, SIMULATED))
    assert (one > two).all()
    np.testing.assert_allclose(two, expected_spread(OURS, NOISY).mean(axis=1))


class Tiny(ExecutionMisspecified):
    presets = ("tiny",)
    sizes: ClassVar = {"tiny": SMALL}


@pytest.fixture(scope="module")
def played(tmp_path_factory):
    folder = tmp_path_factory.mktemp("misspecified")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(liquidations, "pareto_front", front)
        reference.cache_clear()
        finding = Tiny().find("tiny", Player(folder))
        path = write_report(Tiny(), "tiny", finding, folder)
    reference.cache_clear()
    return finding, path


def test_report_is_written(played):
    finding, path = played
    text = path.read_text()
    for part in ("What the test changes", "As written, σ = 0.01, tested at 1e-9", "§ 4.5.1 (P)"):
        assert part in text
    assert len({claim.name for claim in finding.claims}) == len(finding.claims) == 46
    charts = [chart for section in finding.sections for chart in section.charts]
    assert len(charts) == 2 + 3 * 4
    assert "statements judged by a margin" in finding.answer
    assert "misspecified cases" in finding.answer


def test_runs_with_the_same_training_share_their_policies(played):
    folder = played[1].parent
    assert len([path for path in folder.iterdir() if path.is_dir()]) == 8
    for key in ("simulated", "written"):
        for train, other in (("1e-09", "0.01"), ("0.01", "1e-09")):
            own, mixed = (load(folder / f"{key}-{train}-{test}") for test in (train, other))
            assert own.data.payoff.equals(mixed.data.payoff)
            for name, values in own.policy_reader(0).items():
                np.testing.assert_array_equal(values, mixed.policy_reader(0)[name])
            assert mixed.experiment.test_market().volatility == float(other)
