"""The collusion study end to end on a tiny market, its statistics by hand, and how studies judge claims."""

import json
import math
from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest

from tacitlab.lab.experiment import load
from tacitlab.lab.run import run
from tacitlab.measures.statistics import Estimate, mean_interval
from tacitlab.plot.chart import Line, Points
from tacitlab.studies import base, page
from tacitlab.studies.base import Claim, Finding, Player, Verdict, farthest, tally
from tacitlab.studies.bertrand_collusion import study as collusion
from tacitlab.studies.bertrand_collusion.evidence import Evidence, joint_chance, over_observations, resampled
from tacitlab.studies.bertrand_collusion.study import BertrandCollusion, examine, punished
from tacitlab.theory.repeated import RepeatedPlay

TINY = [
    "environment.n_prices=5", "learners.exploration.beta=1e-3", "length.stable_for=2000", "trace.window=500",
    "trace.windows=20",
]  # fmt: skip


@pytest.fixture(scope="module")
def result():
    return run(load("bertrand", ["sessions=6", *TINY]), threads=1)


@pytest.fixture(scope="module")
def evidence(result):
    return Evidence.of(result)


@pytest.fixture(scope="module")
def finding(result):
    return examine(result)


# --- the study -------------------------------------------------------------------------------------------------


def test_every_published_claim_has_a_verdict_and_a_source(finding):
    assert len(finding.claims) > 40
    assert len({claim.name for claim in finding.claims}) == len(finding.claims)
    for claim in finding.claims:
        assert (claim.judged() is Verdict.REPORTED) == (claim.published is None)
        assert bool(claim.source) == (claim.published is not None)


def test_report_and_claims_are_written(finding, tmp_path):
    path = page.write_report(BertrandCollusion(), "quick", finding, tmp_path)
    text = path.read_text()
    for part in ("Forced deviation by the authors", "Control: a rival who does not answer", "tacit study", "(R*)"):
        assert part in text
    written = json.loads((tmp_path / "claims.json").read_text())
    assert written["verdict"] == str(finding.verdict())
    assert [one["claim"] for one in written["claims"]] == [claim.name for claim in finding.claims]
    assert all(one["measured"] is None or math.isfinite(one["measured"]) for one in written["claims"])


def test_presets_differ_in_the_number_of_sessions_only(tmp_path, monkeypatch, result):
    played = []

    def play(self, experiment):
        played.append(experiment)
        return result

    monkeypatch.setattr(Player, "__call__", play)
    study = BertrandCollusion()
    for preset in study.presets:
        study.find(preset, Player(tmp_path))
    assert [one.sessions for one in played] == [200, 1000]
    assert played[0] == load("bertrand", ["sessions=200"])
    assert played[1] == load("bertrand", ["sessions=1000"])


def test_answer_and_figures(finding, evidence):
    assert "an outcome; collusion is a mechanism" in finding.answer
    assert tally(finding.claims) in finding.answer
    charts = [chart for section in finding.sections for chart in section.charts]
    assert len(charts) == 8
    response = next(chart for chart in charts if chart.title == "Answer to a price cut")
    curve = next(mark for mark in response.marks if isinstance(mark, Line) and mark.name == "deviator")
    assert curve.y[0] == pytest.approx(evidence.cycle.actions.mean())
    np.testing.assert_allclose(curve.y[1:], evidence.deviations.of_deviator("actions").mean(0)[: len(curve.y) - 1])
    points = next(mark for mark in response.marks if isinstance(mark, Points) and mark.name == "rival")
    np.testing.assert_array_equal(points.y, [value.value for value in collusion.theirs("defined", "rival", "price")])


def test_one_session_says_nothing():
    found = examine(run(load("bertrand", ["sessions=1", *TINY]), threads=1))
    assert found.claims[0].judged() is Verdict.UNDECIDED
    assert "undecided" in found.answer


def test_statistics_of_one_session_by_hand(result, evidence):
    """Follow the strategies of a session from its final state, one period at a time."""
    session, discount = int(np.argmax(evidence.cycle.lengths)), 0.95
    game = result.experiment.game
    prices, strategies = game.prices()[0], [one[session] for one in result.strategies()]
    state, visited = int(result.final_history()[session, 0]), []
    while state not in visited:
        visited.append(state)
        state = int(strategies[0][state]) * 5 + int(strategies[1][state])
    assert state == visited[0]  # the final state lies on the limit cycle
    played = [[int(own[s]) for own in strategies] for s in visited]
    profits = game.profits(prices[np.array(played)])
    nash, monopoly = (game.profits(p)[0] for p in (game.nash_prices(), game.monopoly_prices()))
    assert evidence.cycle.lengths[session] == len(visited) == int(result.data.cycle_length[session])
    np.testing.assert_allclose(evidence.gain.mean[session], (profits.mean() - nash) / (monopoly - nash))
    np.testing.assert_allclose(evidence.cycle.payoffs[session], result.data.limit_payoff[session])
    np.testing.assert_allclose(evidence.cycle.actions[session], prices[np.array(played)].mean(0))

    def value(state, first=None):
        """Discounted profits of both firms, the first joint action given."""
        total = np.zeros(2)
        for period in range(800):
            joint = [int(own[state]) for own in strategies] if period or first is None else first
            total += discount**period * game.profits(prices[joint])
            state = joint[0] * 5 + joint[1]
        return total

    deterred, optimal = [], True
    for state, joint in zip(visited, played, strict=True):
        for firm in (0, 1):
            changes = [[a if i == firm else joint[i] for i in (0, 1)] for a in range(5)]
            reply = int(np.argmax([game.profits(prices[one])[firm] for one in changes]))
            worth = [value(state, one)[firm] for one in changes]
            deterred.append(worth[reply] < value(state)[firm] - 1e-9)
            optimal &= max(worth) <= value(state)[firm] + 1e-9
    here = evidence.deviations.session == session
    assert evidence.deviations.incentive_compatible[here].mean() == np.mean(deterred)
    assert evidence.one_step.nash_on_path[session] == optimal


def test_claims_are_means_over_sessions(finding, evidence):
    found = {claim.name: claim for claim in finding.claims}
    assert found["profit gain Δ"].measured.mean == evidence.gain.mean.mean()
    assert found["profit gain Δ"].published_se == pytest.approx(0.112 / math.sqrt(1000))
    times = (evidence.result.data.periods.values - 2000) / 25_000
    assert found["time to convergence, sd (episodes)"].measured.mean == pytest.approx(times.std(ddof=1))
    nash = found["Nash on path, one-step test"]
    assert nash.published_se == pytest.approx(math.sqrt(0.505 * 0.495 / 1000))
    ic = found["deviation deterred (IC), strictly"].measured
    assert ic.mean == pytest.approx(evidence.deviations.incentive_compatible.mean())
    assert ic.n == 6
    # No sd is published: that of our sessions stands for it.
    loss = found["punishment length (periods)"]
    assert loss.published_se == pytest.approx(loss.measured.se * math.sqrt(6 / 1000))


def test_farthest_period_of_a_series(evidence):
    ours = evidence.defined["deviator", "price"]
    each = collusion.period_claims("defined", "deviator", "price", evidence.defined, evidence)
    assert len(each) == 9
    assert [claim.measured.mean for claim in each] == pytest.approx(list(ours[:, :9].mean(0)))
    worst = farthest(each)
    assert abs(worst.z) == max(abs(claim.z) for claim in each if not math.isnan(claim.z))
    shown = next(c for c in collusion.series_claims(evidence) if c.name.startswith("defined: deviator's price"))
    assert shown.z == worst.z
    assert shown.name.endswith(worst.name)


def test_price_cuts_are_from_constant_paths_downwards(evidence):
    cuts = evidence.cuts
    assert np.all(evidence.cycle.lengths[cuts.session] == 1)
    assert np.all(cuts.target < cuts.start)
    constant = np.flatnonzero(evidence.cycle.lengths == 1)
    path = np.round((evidence.cycle.actions[constant] - evidence.prices[0][0]) / np.diff(evidence.prices[0])[0])
    assert len(cuts.session) == path.sum()  # as many cuts as lower prices


def by_hand(result, strategies):
    """Evidence with other strategies, all sessions alike, played from state 0."""
    evidence = Evidence.of(result)
    play = RepeatedPlay(evidence.play.payoffs, (5, 5), 1, np.tile(strategies, (6, 1, 1)))
    return replace(evidence, play=play, cycle=play.limit_cycle(0, evidence.prices))


def test_authors_phase_is_averaged_out(result):
    """On a cycle of length 2 each of the two forced prices meets each of the two states."""
    strategies = np.zeros((2, 25), dtype=np.int64)
    strategies[:, 0], strategies[:, 1] = 4, 3  # the states that the routine replies to, the first of them on the path
    evidence = by_hand(result, strategies)
    assert evidence.cycle.lengths[0] == 2
    prices = evidence.prices[0]
    replies = [evidence.play.static_replies[0, 5 * rival + rival] for rival in (4, 3)]
    np.testing.assert_allclose(evidence.routine["deviator", "price"][:, 0], prices[replies].mean())
    np.testing.assert_allclose(evidence.routine["rival", "price"][:, 0], prices[[4, 0]].mean())


def test_nobody_who_never_answers_punishes(result):
    evidence = by_hand(result, np.full((2, 25), 4))
    assert not punished(evidence)
    assert evidence.deviations.profitable.all()
    np.testing.assert_array_equal(evidence.control.gain, evidence.deviations.gain)


def test_sessions_without_a_constant_path(result):
    strategies = np.zeros((2, 25), dtype=np.int64)
    strategies[:, 0] = 4
    evidence = by_hand(result, strategies)
    assert all(claim.judged() is Verdict.UNDECIDED for claim in collusion.cut_claims(evidence))


# --- words -----------------------------------------------------------------------------------------------------------


class Responses:
    """Deviations whose worth to the deviator is known session by session."""

    gain_percent = None

    def __init__(self, gains):
        self.gains = np.asarray(gains)

    def per_session(self, _):
        return self.gains


@pytest.mark.parametrize(
    ("loss", "without", "deters"),
    [(-1.0, 2.0, True), (-1.0, -2.0, False), (1.0, 2.0, False), (0.0, 2.0, False), (-1.0, -1.0, False)],
)
def test_who_is_punished(evidence, loss, without, deters):
    """Deviating must lose for sure, and more for sure than against a rival who does not answer."""
    noise = 0.1 * np.array([-1.0, 0.3, -0.2, 0.9, -0.6, 0.6])
    e = SimpleNamespace(deviations=Responses(loss + noise), control=Responses(without - noise))
    assert punished(e) is deters


@pytest.mark.parametrize(("gain", "word"), [(0.8, "yes"), (0.0, "no"), (collusion.TOLERANCE, "undecided")])
def test_the_outcome_turns_with_the_gain(evidence, gain, word):
    found = {"profit gain Δ": estimate(gain, 0.001)}
    said = collusion.outcome(evidence, found)
    assert said.startswith(f"Supra-competitive prices: {word}.")
    assert f"cover {found['profit gain Δ']:.3f} of the way" in said
    assert f"at a price of {evidence.cycle.actions.mean():.3f}, where Nash is 1.473 and monopoly 1.925" in said


def numbers(full=0.01):
    return {
        "Nash on path, one-step test": estimate(0.505), "both optimal on path, full re-optimisation": estimate(full),
        "forgone value (money a period)": estimate(0.0432),
        "forgone value, share of the best response's": estimate(0.13),
        "rival's loss to a best responder (money a period)": estimate(0.0765),
    }  # fmt: skip


def test_best_responses_turn_with_their_share():
    assert collusion.equilibrium(numbers(0.049)).startswith("Best responses: almost never. ")
    said = collusion.equilibrium(numbers(0.051))
    assert said.startswith("Best responses: in 5 % of the sessions. ")
    for part in (
        "finds 50.5 % of the sessions",
        "re-optimisation finds 5.1 %",
        "0.0432 money",
        "13.0 % of",
        "one 0.0765",
    ):
        assert part in said


@pytest.mark.parametrize(
    ("punished", "rare", "words"),
    [
        (True, True, "but they are hardly ever an equilibrium"),
        (True, False, "some withstand a best responder"),
        (False, True, "no punishment that deters was shown"),
        (False, False, "no punishment that deters was shown"),
    ],
)
def test_the_conclusion_turns_with_what_was_shown(punished, rare, words):
    others = {
        "but they are hardly ever an equilibrium",
        "some withstand a best responder",
        "no punishment that deters was shown",
    }
    said = collusion.conclusion(punished, rare)
    assert [one for one in others if one in said] == [words]


def test_the_mechanism_says_what_the_claims_found(evidence, finding):
    found = {claim.name: claim.measured for claim in finding.claims}
    said = collusion.mechanism(evidence, found)
    assert f"Supported by punishment: {'yes' if punished(evidence) else 'not shown'}," in said
    deterred = 100 * (1 - evidence.deviations.profitable.mean())
    alone = 100 * (1 - evidence.control.profitable.mean())
    assert f"deterred in {deterred:.1f} % of the cases (ties counted)" in said
    assert f"would bring {evidence.control.gain_percent.mean():+.1f} % and be deterred in {alone:.1f} %." in said
    assert f"discounted profit by {evidence.deviations.gain_percent.mean():+.1f} %" in said
    assert f"after {evidence.deviations.length.mean():.1f} periods" in said
    assert f"changes its price by {100 * evidence.deviations.immediate_response.mean():.1f} %" in said


def test_published_values_are_those_of_the_paper():
    """Spot checks of the table against the text: table 1, figure 4 and the cycles of all 1,000 runs."""
    table = collusion.PUBLISHED
    assert collusion.RUNS == 1000 == sum(table[f"cycles of length {n}"].value for n in range(1, 8))
    assert (table["profit gain Δ"].value, table["profit gain Δ"].sd) == (0.84872, 0.112)
    assert [value.value for value in collusion.theirs("routine", "rival", "profit")][::8] == [0.17258, 0.31846]
    assert [table[f"cycle {group}: share"].value for group in collusion.GROUPS] == [
        0.277,
        0.366,
        0.643,
        0.238,
        0.119,
        1,
    ]
    assert table["one firm BR on path, one-step test"].value == 0.686


# --- statistics of the study -----------------------------------------------------------------------------------


def test_observations_count_alike_and_sessions_are_resampled():
    found = over_observations(np.array([0, 0, 0, 2]), [1.0, 2.0, 3.0, 6.0])
    assert found.mean == 3.0
    assert found.n == 2
    assert math.isnan(over_observations(np.array([], dtype=np.intp), np.array([])).mean)


def test_resampled_median():
    found = resampled(np.arange(101.0), np.median)
    assert found.mean == 50
    assert 35 < found.low < 50 < found.high < 65
    assert math.isnan(resampled([1.0], np.median).se)


def test_joint_chance():
    rng = np.random.default_rng(2)
    correlated = rng.normal(size=(400, 3)) @ np.array([[1, 1, 0], [0, 1, 1], [0, 0, 1]])
    truth = np.zeros(3)
    chances = [joint_chance(correlated[a : a + 100], truth, 10**9) for a in range(0, 400, 100)]
    assert min(chances) > 0.01
    assert joint_chance(correlated, truth + [0.5, -0.5, 0.5], 10**9) < 1e-6
    assert math.isnan(joint_chance(correlated[:3], truth, 1000))
    assert math.isnan(joint_chance(np.ones((9, 3)), truth, 1000))
    one = rng.normal(size=(50, 1))
    t = one.mean() / (one.std(ddof=1) / math.sqrt(50))
    from scipy.stats import t as student

    # In one dimension Hotelling's test is Student's.
    np.testing.assert_allclose(joint_chance_of_one(one), 2 * student.sf(abs(t), 49), rtol=1e-6)


def joint_chance_of_one(values):
    doubled = np.column_stack([values, values])  # the second period says nothing new
    return joint_chance(doubled, np.zeros(2), 10**12)


# --- how studies judge -----------------------------------------------------------------------------------------


def estimate(mean, se=1.0, n=100):
    return Estimate(mean, mean - 2 * se, mean + 2 * se, se, n)


def distant(z, **options):
    return Claim("claim", estimate(z), 0.0, "source", **options)


@pytest.mark.parametrize(
    ("claim", "z", "verdict"),
    [
        (distant(1.9), 1.9, Verdict.REPRODUCED),
        (distant(-2.1), -2.1, Verdict.NOT),
        (distant(5.0, published_se=math.sqrt(24)), 1.0, Verdict.REPRODUCED),
        (distant(0.4, rounding=0.5), 0.0, Verdict.REPRODUCED),
        (distant(-2.4, rounding=0.5), -1.9, Verdict.REPRODUCED),
        (Claim("end of a range", Estimate(0.3, 0.3, 0.3, 0.0, 10), 0.25, rounding=0.05), 0.0, Verdict.REPRODUCED),
        (Claim("exact", Estimate(1.0, 1.0, 1.0, 0.0, 10), 1.0), 0.0, Verdict.REPRODUCED),
        (Claim("exactly wrong", Estimate(1.1, 1.1, 1.1, 0.0, 10), 1.0), math.inf, Verdict.NOT),
        (Claim("one session", mean_interval([1.1]), 1.0), math.nan, Verdict.UNDECIDED),
        (Claim("no session", mean_interval([]), 1.0, published_se=1.0), math.nan, Verdict.UNDECIDED),
        (Claim("unpublished", estimate(1.0)), math.nan, Verdict.REPORTED),
        (distant(9.0, verdict=Verdict.PARTLY), 9.0, Verdict.PARTLY),
        (distant(2.7, family=9), 2.7, Verdict.REPRODUCED),
        (distant(2.9, family=9), 2.9, Verdict.NOT),
    ],
)
def test_verdict_of_a_claim(claim, z, verdict):
    np.testing.assert_allclose(claim.z, z)
    assert claim.judged() is verdict


def test_few_sessions_are_judged_by_students_t():
    from scipy.stats import t

    for n, published_se in ((4, 0.0), (8, 0.0), (20, 1.5)):
        claim = Claim("claim", estimate(-3.0, n=n), 0.0, published_se=published_se)
        spread, freedom = math.hypot(1, published_se), (n - 1) * (1 + published_se**2) ** 2
        assert claim.chance == pytest.approx(2 * t.sf(3 / spread, freedom))
        assert -3 < claim.z < 0
    assert math.isfinite(Claim("very far", estimate(1e9, n=40), 0.0).z)
    rng, trials = np.random.default_rng(3), 2000
    missed = sum(
        Claim("true", Estimate(float(x.mean()), 0, 0, float(x.std(ddof=1)) / 2, 4), 0.0).judged() is Verdict.NOT
        for x in rng.normal(size=(trials, 4))
    )
    assert missed / trials == pytest.approx(base.CHANCE, abs=0.015), "not 14 %, as two standard errors would have it"


def test_chance_of_a_claim():
    assert distant(2.0).chance == pytest.approx(base.CHANCE) == pytest.approx(0.0455, abs=1e-5)
    family = distant(3.0, family=9)
    assert family.chance == pytest.approx(9 * distant(3.0).chance)
    assert distant(family.bound, family=9).chance == pytest.approx(base.CHANCE)
    assert math.isnan(Claim("unpublished", estimate(1.0)).chance)


def test_farthest_of_a_family():
    unknown = Claim("one session", mean_interval([1.0]), 0.0)
    worst = farthest([distant(1.0), distant(-2.0), unknown, distant(1.5)])
    assert worst.z == -2.0
    assert worst.family == 3
    assert farthest([unknown]).judged() is Verdict.UNDECIDED


def verdict(*found):
    return Finding("", found).verdict()


def test_verdict_of_a_finding():
    good, miss, far, reported = distant(0.5), distant(2.3), distant(6.0), Claim("unpublished", estimate(1.0))
    undecided = Claim("one session", mean_interval([1.1]), 1.0)
    assert verdict(good, reported) is Verdict.REPRODUCED
    assert verdict(reported) is Verdict.REPORTED
    assert verdict(undecided, reported) is Verdict.UNDECIDED
    assert verdict(miss, far) is Verdict.NOT
    assert verdict(good, far) is Verdict.PARTLY
    # Chance explains 4 misses among 40 claims, but not 5, one very far, or one that the study judged by itself.
    assert verdict(*[good] * 36, *[miss] * 4, undecided) is Verdict.REPRODUCED
    assert verdict(*[good] * 35, *[miss] * 5) is Verdict.PARTLY
    assert verdict(*[good] * 39, far) is Verdict.PARTLY
    assert verdict(*[good] * 39, replace(good, verdict=Verdict.NOT)) is Verdict.PARTLY
    assert verdict(*[good] * 39, replace(good, verdict=Verdict.PARTLY)) is Verdict.PARTLY
    assert verdict(replace(far, verdict=Verdict.PARTLY)) is Verdict.PARTLY


def test_number_of_misses_that_chance_explains():
    from scipy.stats import binom

    for misses in range(8):
        np.testing.assert_allclose(base._at_least(misses, 40), binom.sf(misses - 1, 40, base.CHANCE))


def test_tally_names_the_wider_bound():
    assert "Bonferroni" not in tally([distant(1.0)])
    text = tally([distant(1.0), distant(3.0), distant(2.5, family=9), Claim("unpublished", estimate(1.0))])
    assert text.startswith("2 of 3 published values lie within 2 standard errors (Bonferroni's bound")


def test_a_stored_run_is_not_played_again(tmp_path):
    player = Player(tmp_path / "new" / "folder", threads=1)
    assert player.folder.is_dir()
    (tmp_path / "file").touch()
    with pytest.raises(base.TacitError, match=r"file: .*name a folder that can be written"):
        Player(tmp_path / "file")
    experiment = load("bertrand", ["sessions=2", *TINY])
    first = player(experiment)
    assert player(experiment).manifest["content_hash"] == first.manifest["content_hash"]
    with pytest.raises(base.TacitError, match="another experiment"):
        player(load("bertrand", ["sessions=3", *TINY]))
