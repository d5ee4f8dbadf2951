"""Cooperation in the resource market: the whole answer on runs that are made up, and what is played."""

from functools import partial
from types import SimpleNamespace

import numpy as np
import pytest
from made_up import interval, told
from made_up_market import World, optimum

from approved import approved
from tacitlab.studies.resource_cooperation import evidence, figures, study
from tacitlab.studies.resource_cooperation.evidence import SIZES, Size, gather
from tacitlab.studies.resource_cooperation.study import examine

SMALL = Size(sessions=6, exact_sessions=5, scale_sessions=5, agents=(3, 5), episodes=20, test_episodes=8, steps=16)
BRIEF = Size(sessions=6, exact_sessions=5, scale_sessions=5, agents=(5,), everything=False, episodes=20,
             test_episodes=8, steps=16)  # fmt: skip
FEW = Size(sessions=4, exact_sessions=3, scale_sessions=3, agents=(5,), everything=False, episodes=20,
           test_episodes=8, steps=16)  # fmt: skip
SCALE = {"literal": 50, "capped": 1, "sound": 0.5, "gains": 0.3}
RULES = {"hold": 0, "random": 100, "volume-matched": -20, "trend-follower": 90, "buy-to-limit": 0, "contrarian": 30,
         "myopic": 120, "rebalance": 110}  # fmt: skip
COOPERATIVE = World(
    gain={"literal": 145, "capped": 150, "sound": 146, "gains": 140, **RULES, "sold": 25, "scrambled": 70, "none": 65,
          "contrarian-alone": 12, "responder": 4, "spoofer": 3},
    windows={"constant": (18, 61, 140), "0118": (16, 55, 160), "literal": (17, 59, 145.2), "capped": (16, 57, 139)},
    active={"hold": 0, "hold-noise": 0.3, "random": 0.7, "volume-matched": 0.5},
    noise={"hold": 0.9, "random": 1.3, "trend-follower": 1.2, "buy-to-limit": 1.1, "volume-matched": 1.0, "myopic": 0.8,
           "literal": 0.5, "capped": 0.6, "sound": 0.55, "contrarian": 0.95, "noise-2": 0.7, "noise-8": 0.75,
           "hold-noise-2": 0.85, "hold-noise-8": 0.9},
    lean={"literal": -0.6, "capped": -0.5, "sound": -0.4, "gains": -0.55, "hold": 0.0}, scale=SCALE, memory=0.9,
    lost=(3, -1, -2),
)  # fmt: skip
SELFISH = World(
    gain={"literal": 50, "capped": 40, "sound": 45, "gains": 48, **RULES, "volume-matched": 70, "buy-to-limit": 95,
          "contrarian": 80, "sold": 43, "scrambled": 60, "none": 65},
    windows={"constant": (50, 61, 55), "0118": (70, 60, 52), "literal": (71, 64, 54), "capped": (75, 66, 50),
             "sound": (76, 63, 49), "gains": (76, 63, 49)},
    active={"hold": 0, "random": 0.7, "volume-matched": 0.9}, memory=-0.8, scale=SCALE,
    noise={"hold": 0.5, "random": 0.8, "trend-follower": 0.9, "buy-to-limit": 0.95, "volume-matched": 1.0},
    lean={"literal": 0.6, "capped": 0.5, "sound": 0.4, "gains": 0.55, "hold": 0.0},
)  # fmt: skip
MIXED = World(
    gain={"literal": 145, "capped": 40, "sound": 100, "gains": 110, **RULES, "scrambled": 70, "sold": 72},
    windows={"constant": (30, 61, 62), "literal": (71, 64, 145), "capped": (75, 66, 66), "sound": (76, 80, 49)},
    active={"hold": 0, "random": 0.7}, scale=SCALE,
    noise={"hold": 0.9, "random": 1.3, "volume-matched": 0.6, "literal": 0.9, "capped": 0.5, "sound": 2.0},
    lean={"literal": -0.6, "capped": 0.0, "sound": 0.5, "hold": 0.0},
)  # fmt: skip
VAGUE = World(gain={"literal": 100, "capped": 101, "sound": 99, **RULES, "buy-to-limit": 98, "sold": 48}, windows={},
              scale=SCALE, apart=0.4, active={"hold": 0}, lost=(1, 0, 0))  # fmt: skip


@pytest.fixture(scope="module")
def made():
    """Everything that is made up, by world and size."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(evidence, "benchmarks_of", optimum)
        patch.setattr(study, "mean_interval", interval)
        patch.setattr(study, "statistic_of_means", partial(study.statistic_of_means, resamples=199))

        def of(world, size):
            patch.setattr(evidence, "exploitability", world.exploited)
            return gather(size, world.played)

        yield of


def test_answer_and_claims(made):
    e = made(COOPERATIVE, SMALL)
    claims = study.all_claims(e)
    approved("resource_cooperation/cooperative", [study.answer(e, claims), *claims])
    approved("resource_cooperation/crowds", figures.crowd_charts(e.crowds, e.post))


def test_the_whole_page(made):
    found = examine(made(SELFISH, BRIEF))
    approved("resource_cooperation/selfish", [found.verdict(), found.answer, *found.notes, *found.sections])


@pytest.mark.parametrize(("name", "world", "size"), [("mixed", MIXED, BRIEF), ("few", COOPERATIVE, FEW),
                                                     ("vague", VAGUE, BRIEF)])  # fmt: skip
def test_other_answers(made, name, world, size):
    e = made(world, size)
    approved(f"resource_cooperation/{name}", study.answer(e, study.all_claims(e)))


@pytest.mark.parametrize(
    ("sessions", "traders", "crowd", "rows"), [(25, 2, False, 40), (25, 2, True, 2), (3, 50, True, 50)]
)
def test_long_episodes_are_shown_in_blocks(sessions, traders, crowd, rows):
    orders = np.random.default_rng(0).normal(size=(sessions, 230, traders))
    played = SimpleNamespace(path=lambda name: orders, market=SimpleNamespace(traders=traders))
    (shown,) = figures.heat_map(played, "title", crowd=crowd).marks
    assert shown.z.shape == (rows, 115)
    assert shown.z[1, 3] == pytest.approx(orders[0, 6:8, 1].mean())
    assert shown.x[3] == 7
    everybody = {"hold": SimpleNamespace(path=lambda name: orders[..., 0])}
    many = SimpleNamespace(gain=np.zeros(sessions))
    arena = SimpleNamespace(everybody=everybody, setting=evidence.SOUND, learned=many)
    assert len(figures.fan_panels(arena, ["hold"]).panels[0].marks[0].x) == 200


@pytest.mark.parametrize("preset", ["quick", "paper"])
def test_what_is_played(preset, monkeypatch):
    seen = []

    def record(experiment):
        """Much less of it, but for what is told."""
        seen.append(experiment)
        market = experiment.environment.model_copy(
            update={"steps": 4, "traders": min(experiment.environment.traders, 3)}
        )
        short = {"environment": market, "sessions": 2, "test": experiment.test.model_copy(update={"episodes": 2})}
        return COOPERATIVE.played(experiment.model_copy(update=short))

    monkeypatch.setattr(evidence, "exploitability", lambda result, sessions: seen.append(sessions))
    monkeypatch.setattr("tacitlab.lab.seating.check", lambda experiment: None)  # of runs that are not made
    gather(SIZES[preset], record)
    exact = [found for found in seen if isinstance(found, int)]
    asked = {name: getattr(study.ResourceCooperation, name) for name in ("name", "question", "source")}
    played = told([found for found in seen if not isinstance(found, int)]).replace("\n  ", "; ")
    approved(f"resource_cooperation/played-{preset}", {**asked, "exact": exact, "played": played}, exact=True)
