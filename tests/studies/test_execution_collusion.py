"""The study of collusion in execution: the digitised numbers, every claim on runs whose answer is known, end to end."""

import hashlib
import json
import shutil
from dataclasses import replace
from types import SimpleNamespace
from typing import ClassVar

import numpy as np
import pytest
import xarray as xr
from made_up_runs import SMALL, TWAP, front, runs_of

from tacitlab.errors import TacitError
from tacitlab.learners import DQN
from tacitlab.markets import Execution
from tacitlab.studies import liquidations
from tacitlab.studies.base import Player, Verdict
from tacitlab.studies.execution_collusion import deviation, figures, study
from tacitlab.studies.execution_collusion.deviation import Answers, Rivals
from tacitlab.studies.execution_collusion.study import Evidence, ExecutionCollusion
from tacitlab.studies.liquidations import (
    CONTROL,
    SIMULATED,
    WRITTEN,
    Runs,
    Size,
    change,
    digitised,
    recosted,
    reference,
)
from tacitlab.studies.page import claim_table, write_report

SIGMAS = liquidations.VOLATILITIES


def evidence_of(simulated=15.0, written=14.0, control=13.0, saved=1.0, control_schedule=TWAP, episodes=5000):
    """Six runs in every experiment around these costs, and what switching saves."""

    def some(setting, sigma, cost, schedule=TWAP):
        around = np.tile(np.linspace(-0.1, 0.1, 6)[:, None], 2)
        tilt = np.outer(np.linspace(-1, 1, 6), np.linspace(1, -1, 10))[:, :, None]
        return runs_of(setting, sigma, cost + around, schedule + 0.1 * tilt)

    found = Evidence(
        tuple(some(SIMULATED, sigma, simulated) for sigma in SIGMAS),
        tuple(some(WRITTEN, sigma, written) for sigma in SIGMAS),
        some(CONTROL, 1e-3, control, control_schedule), episodes,
    )  # fmt: skip
    values = np.tile(saved + np.linspace(-0.1, 0.1, 6)[:, None], 2)
    answers = Answers(values + 0.5, values, np.abs(values))
    found.__dict__["answers"] = {runs.title: answers for runs in found.everything}
    return found


# --- the published numbers ---------------------------------------------------------------------------------------


def test_the_digitised_data_are_whole():
    for sigma in SIGMAS:
        costs, schedules = liquidations.centroids()[sigma], liquidations.schedules()[sigma]
        assert costs.shape == (20, 2)
        assert schedules.shape == (20, 10, 2)
        np.testing.assert_allclose(schedules.sum(axis=1), 100)
        assert schedules.min() > -0.01
    assert liquidations.centroids()[1e-9][1].tolist() == pytest.approx([7.749, 12.82])


def test_benchmarks_of_both_games():
    late, written = reference(2, "simultaneous"), reference(1, "coin-toss")
    assert (round(late.nash_cost, 3), round(late.optimum_cost, 3)) == (8.574, 8.333)
    assert (round(written.nash_cost, 3), written.optimum_cost) == (12.679, pytest.approx(11.5))
    assert round(reference(1, "simultaneous").nash_cost, 4) == 12.0706
    assert late.game.costs(late.game.twap()) == pytest.approx(9.2)
    assert study.twap_saving(written) == pytest.approx(1.325)


def test_the_papers_nash_star_is_schied_and_zhang_at_lag_1():
    market = Execution(order="simultaneous")
    assert market.game.costs(market.schied_zhang()).round(4).tolist() == [liquidations.NASH_STAR] * 2


def test_published_runs_judged_by_the_stars_and_by_eq_4():
    by_star = [int(digitised(sigma).below_star.sum()) for sigma in SIGMAS]
    eq_4 = [recosted(sigma, 1, "simultaneous") for sigma in SIGMAS]
    assert by_star == [12, 6, 11]
    assert [int(digitised(sigma).in_stars.sum()) for sigma in SIGMAS] == [10, 6, 9]
    assert [round(float(one.mean.mean()), 2) for one in eq_4] == [11.94, 12.07, 11.60]
    assert [f"{one.index.mean():.2g}" for one in eq_4] == ["0.12", "-0.0015", "0.44"]
    assert [int((one.quadrant == 2).sum()) for one in eq_4] == [5, 4, 6]


def test_published_costs_are_those_of_lag_2():
    for sigma, late, early in zip(SIGMAS, (0.030, 0.041, 0.054), (0.186, 0.164, 0.162), strict=True):
        for lag, expected in ((2, late), (1, early)):
            apart = recosted(sigma, lag, "simultaneous").costs - digitised(sigma).costs
            assert round(float(np.sqrt(np.mean(apart**2))) / 10, 3) == expected
    assert int((digitised(1e-9).costs.sum(axis=1) < 22).sum()) == 19
    assert min(float(digitised(sigma).mean.min()) for sigma in SIGMAS) > 9.2
    assert sum(int(digitised(sigma).below.sum()) for sigma in SIGMAS) == 0
    assert "19 of 20 mean costs and 92.3 %" in study.impossible()
    assert "within 0.42 (root mean square), under Eq 4 within 1.71." in study.impossible()
    assert "none of 60 published runs cost less on average; the cheapest one costs 9.36" in study.none_beats_nash()
    assert (
        "K would be 0.12 (95 % CI -0.44 to 0.33, n=20) (not told from Nash), -0.0 (95 % CI -0.6 to 0.3, n=20) (not "
        "told from Nash), 0.44 (95 % CI 0.22 to 0.58, n=20) (below Nash)" in study.published_runs()
    )


# --- experiments -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("episodes", [400, 1000, 5000])
def test_exploration_ends_where_the_papers_does(episodes):
    for setting in (SIMULATED, WRITTEN, CONTROL):
        one = liquidations.experiment(setting, 1e-3, Size(8, episodes))
        assert one.learners[0].exploration.knots(one.steps)[-1, 1] == pytest.approx(0.0355, abs=2e-4)
        assert one.test.epsilon == pytest.approx(0.0355 if setting is SIMULATED else 0, abs=2e-4)


def test_experiments_are_those_of_the_paper():
    size = ExecutionCollusion.sizes["paper"]
    simulated, written, control = (liquidations.experiment(s, 1e-3, size) for s in (SIMULATED, WRITTEN, CONTROL))
    assert simulated.learners[0] == DQN()
    assert (simulated.sessions, simulated.length.episodes, simulated.test.episodes) == (20, 5000, 2500)
    assert (simulated.market.lag, simulated.market.order, simulated.market.foresee_last_trade) == (
        2, "simultaneous", False,
    )  # fmt: skip
    assert (written.market.lag, written.market.order, written.market.foresee_last_trade) == (1, "coin-toss", True)
    assert control.market == written.market.model_copy(update={"reward": "trade"})
    assert control.seed == written.seed != liquidations.experiment(WRITTEN, 1e-2, size).seed
    names = [liquidations.experiment(s, sigma, size).name for s in (SIMULATED, WRITTEN) for sigma in SIGMAS]
    assert len({*names, control.name}) == 7


def test_failed_sessions_are_left_out_and_counted():
    played = liquidations.experiment(WRITTEN, 1e-3, Size(3))
    payoff = -np.arange(12.0).reshape(3, 2, 2)
    payoff[1] = np.nan
    data = xr.Dataset(
        {
            "failure": ("session", [0, 2, 0]),
            "test_payoff": (("session", "episode", "agent"), payoff),
            "test_trade": (("session", "step", "agent"), np.full((3, 10, 2), 10.0)),
            "payoff": (("session", "time", "agent"), -np.ones((3, 4, 2))),
        },
        coords={"time": np.arange(4) + 1},
    )
    found = Runs.of(WRITTEN, SimpleNamespace(data=data, experiment=played))
    assert (found.failed, found.numbers.tolist()) == (1, [0, 2])
    assert found.costs.tolist() == [[1.0, 2.0], [9.0, 10.0]]
    assert found.title == "as written, σ = 0.001"
    assert figures.failures(found) == "1 of 3 sessions failed to learn (values beyond all bounds) and are left out."
    lost = data.assign(failure=("session", [1, 1, 1]))
    with pytest.raises(TacitError, match="all 3 sessions failed"):
        Runs.of(WRITTEN, SimpleNamespace(data=lost, experiment=played))


# --- claims ------------------------------------------------------------------------------------------------------


def by_name(found):
    found = list(found)
    assert len({claim.name for claim in found}) == len(found)
    return {claim.name: claim for claim in found}


@pytest.mark.parametrize("sigma", SIGMAS)
def test_the_published_runs_reproduce_themselves(sigma):
    theirs = digitised(sigma)
    found = list(study.figure_claims(runs_of(SIMULATED, sigma, theirs.costs, theirs.schedules)))
    assert len(found) == 8
    assert [claim.z for claim in found] == pytest.approx([0.0] * 8, abs=1e-9)
    assert all(claim.judged() is Verdict.REPRODUCED and claim.published_se > 0 for claim in found)


def test_other_runs_do_not():
    nash = reference(2, "simultaneous").nash_schedule
    found = study.figure_claims(runs_of(SIMULATED, 1e-9, np.full((20, 2), 8.574), nash[:, None]))
    missed = {claim.name.split(": ", 1)[1] for claim in found if claim.judged() is Verdict.NOT}
    assert {"mean shortfall (currency)", "difference between the agents' costs (currency)"} <= missed
    assert "sold in the first half of the time (share)" in missed


@pytest.mark.parametrize(
    ("cost", "place", "below"), [(11.5, "below", 1.0), (14.0, "above", 0.0), (12.679, "not told from", 0.5)]
)
def test_costs_beside_the_equilibrium_of_the_game_played(cost, place, below):
    nash = reference(1, "coin-toss").nash_cost
    runs = runs_of(WRITTEN, 1e-3, (nash if place == "not told from" else cost) + np.array([[-0.1] * 2, [0.1] * 2] * 5))
    assert liquidations.place(runs) == place
    found = by_name(study.equilibrium_claims(runs))
    k = found["as written, σ = 0.001: K, 0 at Nash and 1 at the joint optimum"].measured
    assert k.mean == pytest.approx((nash - runs.costs.mean()) / (nash - 11.5))
    assert found["as written, σ = 0.001: runs that cost less than Nash, 12.679 (share)"].measured.mean == below
    saving = found["as written, σ = 0.001: what a best response would save an agent (currency)"].measured
    assert saving.mean == pytest.approx(1.325)
    relative = found["as written, σ = 0.001: what a best response would save, share of the Nash cost"].measured
    assert relative.mean == pytest.approx(1.325 / nash)


def test_the_papers_words_are_judged_in_both_rectangles():
    """Costs of 10 lie in the rectangle of the stars, and above every equilibrium of the game with lag 2."""
    found = by_name(study.rectangle_claims(runs_of(SIMULATED, 1e-9, np.full((20, 2), 10.0))))
    verdicts = [claim.judged() for claim in found.values()]
    assert verdicts == [Verdict.REPRODUCED, Verdict.NOT, Verdict.UNDECIDED]  # nobody is faster: nothing to judge
    own = found["as simulated, σ = 1e-9: most in the rectangle of the game, 8.333 to 8.574"]
    assert (own.measured.mean, own.measured.n) == (0.0, 20)


def test_half_in_the_rectangle_and_the_rest_predatory():
    costs = [[10.0, 10.0]] * 10 + [[10.0, 12.0]] * 9 + [[12.0, 12.0]]
    fast = np.stack([np.eye(10)[0], np.eye(10)[5]], axis=1) * 100
    found = list(study.rectangle_claims(runs_of(SIMULATED, 1e-3, costs, fast)))
    half, rest, own_half, own_rest, faster = found
    assert (half.measured.mean, half.published, half.judged()) == (0.5, 0.5, Verdict.REPRODUCED)
    assert (rest.measured.mean, rest.measured.n, rest.judged()) == (0.9, 10, Verdict.REPRODUCED)
    assert (own_half.measured.mean, own_half.judged()) == (0.0, Verdict.NOT)
    assert own_rest.measured.mean == 0.0
    assert faster.measured.mean == pytest.approx(9 / 20)


def test_majority_needs_an_interval_beyond_one_half():
    for true, verdict in ((19, Verdict.REPRODUCED), (12, Verdict.UNDECIDED), (1, Verdict.NOT)):
        assert liquidations.majority("most", np.arange(20) < true, "").judged() is verdict
    assert liquidations.majority("most", np.zeros(0, dtype=bool), "").judged() is Verdict.UNDECIDED


def test_slower_start_at_large_noise():
    early, late = (np.repeat(one[:, None], 2, axis=1) for one in (np.linspace(19, 1, 10), np.linspace(1, 19, 10)))
    groups = [
        runs_of(WRITTEN, s, np.full((6, 2), 12.0), one) for s, one in zip(SIGMAS, (early, early, late), strict=True)
    ]
    (slower,), (faster,) = study.pace_claims(groups), study.pace_claims(groups[::-1])
    assert slower.measured.mean == pytest.approx(-0.5)
    assert (slower.judged(), faster.judged()) == (Verdict.REPRODUCED, Verdict.NOT)
    assert "59 %, 53 % and 57 %" in slower.note
    assert slower.note.endswith("slowest at σ = 0.001")


# --- the answer --------------------------------------------------------------------------------------------------


def test_six_intervals_are_wider_than_one():
    """Below the equilibrium by the interval of 95 %, not told from it by one of six."""
    nash, around = reference(1, "coin-toss").nash_cost, np.tile(np.linspace(-0.1, 0.1, 6)[:, None], 2)
    for shift in np.linspace(-0.03, -0.12, 40):
        runs = runs_of(WRITTEN, 1e-3, nash + shift + around)
        alone, together = liquidations.estimate(runs.mean), liquidations.estimate(runs.mean, 6)
        assert together.low < alone.low < alone.high < together.high
        if alone.high < nash < together.high:
            assert (liquidations.place(runs), liquidations.place(runs, 6)) == ("below", "not told from")
            e = evidence_of(written=nash + shift)
            assert study.verdict(e).startswith("Collusion: not shown. In none of the 6 experiments")
            return
    pytest.fail("no such shift was tried")


def test_near_is_what_an_interval_says():
    """Half the way from TWAP to the equilibrium is 4.45: on average all of these are nearer than that to TWAP."""
    step = np.array([1.0, -1.0] * 5)[:, None]

    def said(sizes):
        schedules = np.stack([TWAP + size * step for size in sizes])
        return study._where([runs_of(WRITTEN, 1e-3, np.full((len(sizes), 2), 12.0), schedules)])

    assert said([3.9, 4.0, 4.1, 3.9, 4.0, 4.1]).endswith("near TWAP")
    assert said([3.9, 4.0, 4.1, 3.9, 4.0, 4.1]).startswith("4.00 (95 % CI 3.90 to 4.10, n=6) from TWAP, ")
    assert said([1.0, 7.0, 1.0, 7.0, 1.0, 7.0]).endswith("near none of them")


def test_control_and_written_are_paired_by_session():
    e = evidence_of()
    new, old = e.control, e.beside_control
    apart = np.linspace(-3, 3, 6)[:, None]
    old, new = replace(old, costs=12.0 + apart + [[0, 0]]), replace(new, costs=11.9 + apart + [[0, 0]])
    found = change(new, old, "mean")
    assert (found.mean, found.n) == (pytest.approx(-0.1), 6)
    assert found.high - found.low < 1e-9, "what sessions share does not count"
    part = replace(new, costs=new.costs[[1, 4]], schedules=new.schedules[[1, 4]], numbers=np.array([1, 4]))
    assert (change(part, old, "mean").mean, change(part, old, "mean").n) == (pytest.approx(-0.1), 2)
    both = replace(e, written=(e.written[0], old, e.written[2]), control=new)
    k = by_name(study.control_claims(both))["control less as written, σ = 0.001: K"].measured
    assert k.high - k.low < 1e-9


# --- end to end --------------------------------------------------------------------------------------------------


class Tiny(ExecutionCollusion):
    presets = ("tiny",)
    sizes: ClassVar = {"tiny": SMALL}


@pytest.fixture(scope="module")
def played(tmp_path_factory):
    """The study in small, without the search for Pareto fronts."""
    folder = tmp_path_factory.mktemp("execution")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(liquidations, "pareto_front", front)
        patch.setattr(deviation, "EPISODES", 2)
        # With the rewards of the others: the market needs no compiling then.
        patch.setattr(study, "CONTROL", CONTROL._replace(key=WRITTEN.key))
        reference.cache_clear()
        finding = Tiny().find("tiny", Player(folder))
        path = write_report(Tiny(), "tiny", finding, folder)
        again = Tiny().find("tiny", Player(folder))
    reference.cache_clear()
    return finding, path, again


def test_every_claim_has_a_name_of_its_own_and_published_values_a_source(played):
    found = played[0].claims
    assert len({claim.name for claim in found}) == len(found)
    assert len(found) > 80
    for claim in found:
        assert bool(claim.source) == (claim.published is not None or claim.margin is not None), claim.name
    assert {claim.measured.n for claim in found if "less as written" not in claim.name} <= {0, 1, 2}


def test_report_is_written(played):
    finding, path, _ = played
    text = path.read_text()
    for part in ("Does the rival answer a deviation?", "The published runs", "Control, σ = 0.001", "learned for 20"):
        assert part in text
    written = json.loads((path.parent / "claims.json").read_text())
    assert [one["claim"] for one in written["claims"]] == [claim.name for claim in finding.claims]
    charts = [chart for section in finding.sections for chart in section.charts]
    assert len(charts) == 2 + 2 + 2 + 3 * 7
    assert all("published" not in str(chart.title).lower() or chart.caption for chart in charts)


def test_a_complete_study_is_read_not_played(played):
    assert played[2].answer == played[0].answer
    assert [str(one.measured) for one in played[2].claims] == [str(one.measured) for one in played[0].claims]


def test_rivals_choose_what_the_other_agents_network_values_most(played):
    """By a loop over shares, with the transform of Ning, Lin and Jaimungal and the network in plain NumPy."""
    from tacitlab.lab.run import load

    result = load(played[1].parent / "written-0.001")
    rivals, stored = Rivals.of(Runs.of(WRITTEN, result)), result.policy_reader(0)
    held, price = np.array([100.0, 63.0, 7.0]), np.array([10.0, 9.93, 9.85])
    found = rivals.greedy(4, np.tile(held, (4, 1)), np.tile(price, (4, 1)))
    for row, (session, agent) in enumerate(((0, 1), (0, 0), (1, 1), (1, 0))):  # the rival of each agent
        part = {name.removeprefix("0."): x[session, agent].astype(float) for name, x in stored.items()}
        for place in range(3):
            values = []
            for sold in np.arange(held[place] + 1):
                a, b = 1 - held[place] / 101, sold / 101
                s = (a + b) / max(a, b)
                x = np.array([(4 - 4.5) / 4.5, 1 - 2 * s * a, 2 * s * b - 1, (price[place] - 10) / 0.2])
                x = part["embedding.weight"] @ x + part["embedding.bias"]
                x = part["layers.0.weight"] @ x + part["layers.0.bias"]
                x = np.where(x > 0, x, 0.01 * x)
                values.append((part["layers.1.weight"] @ x + part["layers.1.bias"])[0])
            chosen = values[int(found[row, place])]
            assert chosen == pytest.approx(max(values), abs=1e-5 * (1 + np.ptp(values)))


def test_rivals_see_prices_where_nothing_moves_them(played):
    """Without permanent impact the range of prices is that of the noise: once, a division by zero."""
    from tacitlab.lab.run import load

    rivals = Rivals.of(Runs.of(WRITTEN, load(played[1].parent / "written-0.001")))
    still = replace(rivals, market=rivals.market.model_copy(update={"permanent": 0.0}))
    assert np.isfinite(still.against(np.full((4, 10), 10.0))).all()


def test_rivals_follow_what_they_did_in_a_test_without_chance(played):
    """Greedy and at almost no noise, the rival sells to a fixed schedule what it sold to the agent that followed it."""
    from tacitlab.lab.run import load

    runs = Runs.of(WRITTEN, load(played[1].parent / "written-1e-09"))
    own = runs.schedules.swapaxes(1, 2).reshape(-1, 10)
    sold = Rivals.of(runs).against(own).reshape(-1, 2, 10)[:, ::-1].swapaxes(1, 2)
    np.testing.assert_allclose(sold, runs.schedules, atol=1e-3)


def test_an_older_run_is_found_although_a_field_was_added_since(played, tmp_path):
    """A scenario without a field means its default."""
    source, copy = played[1].parent / "written-0.001", tmp_path / "written-0.001"
    shutil.copytree(source, copy)
    scenario, manifest = copy / "scenario.yaml", copy / "manifest.json"
    lines = [line for line in scenario.read_text().splitlines(keepends=True) if "risk_aversion" not in line]
    scenario.write_text("".join(lines))
    known = json.loads(manifest.read_text())
    known["scenario"] = hashlib.sha256(scenario.read_bytes()).hexdigest()
    manifest.write_text(json.dumps(known))
    wanted = liquidations.experiment(WRITTEN, 1e-3, SMALL)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("tacitlab.studies.base.run", lambda *rest, **more: pytest.fail("played again"))
        assert Player(tmp_path)(wanted).experiment == wanted
        with pytest.raises(TacitError, match="holds another experiment"):
            Player(tmp_path)(wanted.model_copy(update={"seed": 77}))


def test_published_values_have_the_digits_of_the_measured_ones():
    claim = study.beside("cost", np.linspace(8, 13, 20), np.linspace(10.1325, 10.1325, 20))
    shown = claim_table([claim, study._half("half", np.arange(20) < 10)]).rows
    assert (shown[0][1], shown[0][4]) == ("10.5", "10.1")
    assert shown[1][4] == "0.5"


def test_a_market_of_another_kind_is_refused(played):
    from tacitlab.lab.run import load

    runs = Runs.of(WRITTEN, load(played[1].parent / "written-0.001"))
    other = runs.result.experiment.market.model_copy(update={"features": "plain"})
    strange = replace(runs.result, experiment=runs.result.experiment.model_copy(update={"environment": other}))
    with pytest.raises(TacitError, match="the paper's market"):
        Rivals.of(replace(runs, result=strange))
