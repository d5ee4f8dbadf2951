"""Both studies of meta-games end to end in small, and their statistics on games with known answers."""

import json
import math
from typing import ClassVar

import numpy as np
import pytest

from tacitlab.measures.statistics import Estimate
from tacitlab.metagame.analysis import Analysis
from tacitlab.metagame.estimated_game import EstimatedGame, PayoffTable
from tacitlab.metagame.game import metagame_from
from tacitlab.metagame.run import MetaResult, estimate
from tacitlab.studies import metagames
from tacitlab.studies.base import Player, Verdict
from tacitlab.studies.bertrand_metagame import study as bertrand
from tacitlab.studies.braess_metagame import study as braess
from tacitlab.studies.frame import Published
from tacitlab.studies.page import write_report


class TinyBertrand(bertrand.BertrandMetagame):
    presets = ("tiny",)
    sizes: ClassVar = {
        "tiny": bertrand.Size(((1, 9), (1, 5), (2,)), 3, ((1,), (0, 5), (2,)), 3, (100, 400), 6, (60, 3))
    }


class TinyBraess(braess.BraessMetagame):
    presets = ("tiny",)
    sizes: ClassVar = {"tiny": braess.Size(((1, 8), (1, 5), (0, 7)), 60, 2, 6, 2, 4, (30, 2))}


@pytest.mark.parametrize("study", [TinyBertrand(), TinyBraess()], ids=lambda s: s.name)
def test_a_study_ends_with_a_report(study, tmp_path):
    play = Player(tmp_path)
    finding = study.find("tiny", play)
    again = study.find("tiny", play)  # what lies there is not played again
    assert again.answer == finding.answer
    assert len({claim.name for claim in finding.claims}) == len(finding.claims)
    text = write_report(study, "tiny", finding, tmp_path).read_text()
    for words in ("best-response graph", "Where symmetric equilibria may lie", "Best replies: alpha", "while learning"):
        assert words in text
    found = json.loads((tmp_path / "claims.json").read_text())
    assert any("regret" in claim["claim"] and claim["published"] == 0 for claim in found["claims"])


@pytest.mark.parametrize("places", [bertrand.MIDDLE, bertrand.COARSE])
def test_grids_hold_the_published_bertrand_equilibrium(places):
    grid = metagames.grid(bertrand.AXES, places)
    for name, value in bertrand.EQUILIBRIUM.items():
        values = next(v for k, v in grid.items() if k.endswith(name))
        assert min(abs(v - value) for v in values) < 0.005


@pytest.mark.parametrize("places", [braess.MIDDLE, braess.COARSE])
def test_grids_hold_the_published_braess_profiles(places):
    for profile in (*braess.FIXED, *braess.CYCLE):
        for (name, values), chosen in zip(braess.AXES.items(), places, strict=True):
            assert np.abs(values[list(chosen)] - profile[name.removeprefix("exploration.")]).min() < 0.006


def test_the_published_size():
    game = bertrand.metagame("whole", bertrand.FINE, 20)
    assert (game.size, game.entries, game.periods, game.sessions) == (1000, 500_500, 10_000, 20)


def known(payoffs, noise, sessions, seed=0):
    """An analysis of a game with known payoffs and known noise."""
    payoffs = np.asarray(payoffs, dtype=float)
    others = [{"kind": "fixed", "action": k % 2} for k in range(len(payoffs))]
    game = metagame_from({"environment": {"kind": "prisoners-dilemma"}, "others": others, "periods": 1, "sessions": 2})
    table, at = PayoffTable.empty(*payoffs.shape), np.indices(payoffs.shape).reshape(2, -1)
    rng = np.random.default_rng(seed)
    table.add(*at, payoffs[tuple(at)][:, None] + noise * rng.standard_normal((payoffs.size, sessions)))
    games = {window: EstimatedGame((table,)) for window in ("online", "last")}
    return Analysis(MetaResult(game, games, {}, facts={"periods": 9.0, "sessions": 3.0}), "online")


def number(found, published):
    return metagames.number_claim(found, "number", Published(published, "so many"))


def test_statistics_of_a_known_game():
    """Two equilibria, one of them with a larger payoff; the third profile is refuted."""
    payoffs = [[1.0, 0.0, 3.0], [0.0, 2.5, 0.0], [0.0, 0.0, 2.9]]
    found = known(payoffs, 0.05, 10)
    assert found.possible.tolist() == [0, 1]
    np.testing.assert_allclose(found.probabilities, [1, 1, 0.0], atol=0.02)
    assert (found.number.low, found.number.high) == (2, 2)
    assert found.rank(2).mean == 2
    assert found.best == 2
    assert found.gain(1).mean == pytest.approx(0.75, abs=0.05)  # between 1, both defect, and 3, both cooperate
    assert found.price(1) == pytest.approx(1.5 / 1.9, abs=0.05)
    assert number(found, 1.0).judged() is Verdict.NOT
    assert number(found, 2.0).judged() is Verdict.REPRODUCED
    assert found.relative_regret(2).mean == pytest.approx(100 * 0.1 / 3, abs=1)
    assert math.isclose(found.ranking.sum(), 1)


def test_noisy_replies_leave_the_number_of_equilibria_open():
    """Where all replies pay the same every profile is an equilibrium; noise lets one reply seem better."""
    found = known(np.ones((40, 40)), 1.0, 4)
    assert found.number.high < 10
    assert number(found, 30.0).judged() is Verdict.UNDECIDED
    assert number(found, 41.0).judged() is Verdict.NOT


def test_profiles_are_shown_once():
    found = known([[1.0, 0.0], [1.5, 2.5]], 0.05, 10)
    assert found.leading == found.best == 1
    both = "most likely equilibrium, best symmetric profile"
    assert metagames.distinct(found, {"published": 1 - found.best}) == [
        (both, found.best),
        ("published", 1 - found.best),
    ]


@pytest.mark.parametrize(
    ("low", "high", "verdict"),
    [
        (0.0, 0.9, Verdict.REPRODUCED),
        (1.1, 4.0, Verdict.NOT),
        (0.1, 4.0, Verdict.UNDECIDED),
        (0.0, 40.0, Verdict.UNDECIDED),
    ],
)
def test_noise_makes_no_equilibrium(low, high, verdict):
    """A regret is never negative: that its interval reaches down to 0 says nothing if it reaches up, too."""
    regret = Estimate((low + high) / 2, low, high, 1.0, 9)
    assert metagames.equilibrium_claim("x", regret, "P").judged() is verdict


@pytest.mark.parametrize(("end", "verdict"), [(2, Verdict.UNDECIDED), (1, Verdict.NOT)])
def test_what_may_be_a_best_reply_is_never_proved(end, verdict):
    """To profile 0 strategy 2 pays most, as far as these sessions tell; strategy 1 surely does not."""
    a = known([[1.0, 0.0, 0.0], [0.0, 2.5, 0.0], [1.5, 0.0, 2.9]], 0.05, 10)
    claim = braess._reply(a, "whole session", 0, end)
    assert claim.judged() is verdict
    assert claim.measured.mean == (verdict is Verdict.UNDECIDED)


def test_a_closer_look_finds_what_the_matrix_says():
    """A fixed high price against itself in a dilemma: the regret is known exactly."""
    game = metagame_from(
        {"environment": {"kind": "prisoners-dilemma"}, "others": [{"kind": "fixed", "action": k} for k in (0, 1)],
         "periods": 5, "sessions": 2}
    )  # fmt: skip
    online, last = metagames.closer_look(game, 0, 3).values()
    assert online.mean == last.mean == pytest.approx(40.0)  # 5 instead of 3
    assert Analysis(estimate(game), "online").relative_regret(0).mean == pytest.approx(40.0)
