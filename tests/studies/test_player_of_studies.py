"""The player of a study: what it plays, reads, continues and refuses; and what studies refuse, word for word."""

from types import SimpleNamespace

import pytest
import xarray as xr

from tacitlab.errors import TacitError
from tacitlab.lab.experiment import load
from tacitlab.measures.statistics import Estimate
from tacitlab.studies import base, frame
from tacitlab.studies.base import Claim, Player, Verdict, by_session, named, paired

EXPERIMENT = load("prisoners-dilemma", ["sessions=2", "length.periods=50"])


def refused(call, *arguments):
    with pytest.raises(TacitError) as error:
        call(*arguments)
    return str(error.value)


@pytest.fixture
def stored(tmp_path, monkeypatch):
    """A study's folder in which a run of the experiment lies, as the manifest says; notes what is done with it."""
    seen, manifest = [], {"status": "complete", "program": {"own": "before"}}
    (tmp_path / EXPERIMENT.name).mkdir()
    (tmp_path / EXPERIMENT.name / base.MANIFEST).touch()
    fake = SimpleNamespace(scenario=EXPERIMENT.dump, manifest=manifest)
    monkeypatch.setattr(base, "RunFolder", lambda path: fake)
    monkeypatch.setattr(base, "run", lambda *what, **how: seen.append(("run", *what, how)))
    monkeypatch.setattr(base, "resume", lambda *what, **how: seen.append(("resume", *what, how)))
    monkeypatch.setattr(base, "load", lambda path: f"loaded {path.name}")
    monkeypatch.setattr(base, "program", lambda experiment: "now")
    monkeypatch.setattr(base, "own_difference", lambda before, now: "" if before["own"] == now else "mine.py")
    return tmp_path, manifest, seen


def test_what_is_not_there_is_played(tmp_path, monkeypatch):
    seen = []
    monkeypatch.setattr(base, "run", lambda experiment, path, **how: seen.append((experiment, path, how)) or "played")
    assert Player(tmp_path / "study")(EXPERIMENT) == "played"
    assert Player(tmp_path / "study", 3, lambda name: f"bar of {name}", 11)(EXPERIMENT) == "played"
    path = tmp_path / "study" / EXPERIMENT.name
    assert seen == [
        (EXPERIMENT, path, {"threads": None, "progress": None}),
        (EXPERIMENT.model_copy(update={"seed": 11}), path, {"threads": 3, "progress": f"bar of {EXPERIMENT.name}"}),
    ]


def test_what_is_there_is_read_and_goes_on(stored):
    folder, manifest, seen = stored
    manifest["program"] = {"own": "now"}
    assert Player(folder)(EXPERIMENT) == f"loaded {EXPERIMENT.name}"
    manifest["program"] = {}
    assert Player(folder)(EXPERIMENT) == f"loaded {EXPERIMENT.name}"
    assert seen == []
    manifest["status"] = "running"
    Player(folder, 2, anyway=True, tell=print)(EXPERIMENT)
    how = {"threads": 2, "progress": None, "anyway": True, "tell": print}
    assert seen == [("resume", folder / EXPERIMENT.name, how)]


def test_what_another_program_or_experiment_has_played_is_refused(stored):
    folder, _, _ = stored
    assert refused(Player(folder), EXPERIMENT) == (
        f"{folder / EXPERIMENT.name}: it was played by another program (mine.py); bring that back, name another folder "
        "with --out, or take it as it is with --anyway"
    )
    assert Player(folder, anyway=True)(EXPERIMENT) == f"loaded {EXPERIMENT.name}"
    assert refused(Player(folder, seed=5), EXPERIMENT) == (
        f"{folder / EXPERIMENT.name}: holds another experiment; name another folder with --out, or remove it"
    )
    (folder / "file").touch()
    assert refused(Player, folder / "file").endswith("; name a folder that can be written")
    assert "creating the study's folder" in refused(Player, folder / "file")


def test_refusals_say_what_to_do(tmp_path):
    claim, header = Claim(" gain ", Estimate(1, 1, 1, 0, 1)), "name,value,rounding,sd,runs,source\n"
    (tmp_path / "values.csv").write_text(header + "a,1,,,,x\na,2,,,,x\n")
    assert refused(named, [claim, claim]) == "claims: 'gain' stands twice; name them apart"
    assert refused(frame.published, str(tmp_path / "study.py"), "values.csv") == (
        "values.csv: 'a' stands twice; name them apart"
    )
    assert refused(frame.say, Verdict.REPORTED, "a", "b", "c") == (
        "verdict: 'no published value' has no word here; it must decide a claim or leave it undecided"
    )
    nameless = xr.DataArray([1.0], dims="session")
    for pair in ((nameless, by_session([1.0], [0])), (by_session([1.0], [0]), nameless)):
        assert refused(paired, *pair) == (
            "session: the values have no numbers of their sessions; label them by `by_session`"
        )
