"""Checkpoints: what was written is read back whole, or not at all."""

import numpy as np
import pytest

from tacitlab.engine import checkpoint
from tacitlab.engine.checkpoint import Checkpoint
from tacitlab.engine.curves import Curves
from tacitlab.errors import TacitError

LEAVES = [
    np.arange(12, dtype=np.float32).reshape(3, 4), np.array([1, -(2**31)], np.int32), np.zeros((3, 0), np.float32),
    np.array([True, False]), np.array(7, np.uint32), np.array([np.nan, np.inf, -0.0], np.float32),
    *(np.full(2, k, np.float32) for k in range(20)),
]  # fmt: skip


@pytest.fixture
def at_once(monkeypatch):
    """However short the time since the last one."""
    monkeypatch.setattr(checkpoint, "EVERY", -1.0)


def curves():
    found = Curves.empty(2, 3, 10, 2, ("price",))
    found.sums += np.random.default_rng(0).normal(size=found.sums.shape)
    found.failure[1], found.failed_at[1] = 2, 17
    return found


def written(folder, done=123):
    point = Checkpoint(folder, 4, "2 x cpu")
    point.write(done, LEAVES, curves().arrays())
    return point


def test_what_was_written_is_read_back(tmp_path, at_once):
    done, leaves, arrays = written(tmp_path / "new").read()
    assert done == 123
    for found, wanted in zip(leaves, LEAVES, strict=True):
        assert found.dtype == wanted.dtype
        np.testing.assert_array_equal(found, wanted)
    again = Curves.empty(2, 3, 10, 2, ("price",)).restored(arrays)
    for name, array in again.arrays().items():
        np.testing.assert_array_equal(array, curves().arrays()[name])
    again.failure[0] = 1  # it goes on


def test_the_last_one_counts(tmp_path, at_once):
    written(tmp_path, 5)
    assert written(tmp_path, 9).read()[0] == 9
    assert [path.name for path in tmp_path.iterdir()] == ["000004.safetensors"]


def test_a_torn_file_is_none(tmp_path, at_once):
    point = written(tmp_path)
    whole = point.path.read_bytes()
    for length in [0, 1, 7, 8, 9, 100, len(whole) // 2, len(whole) - 1]:
        point.path.write_bytes(whole[:length])
        assert point.read() is None, f"{length} bytes of {len(whole)}"
    for text in (b"\xff" * 200, b"{}", b"\x10" + bytes(7) + b"{not json at all"):
        point.path.write_bytes(text)
        assert point.read() is None
    point.path.write_bytes(whole)
    assert point.read() is not None


def test_none_where_there_is_none(tmp_path):
    assert Checkpoint(tmp_path, 0, "1 x cpu").read() is None
    Checkpoint(tmp_path / "nowhere", 0, "1 x cpu").remove()


def test_other_devices_are_refused_in_one_line(tmp_path, at_once):
    written(tmp_path)
    with pytest.raises(TacitError) as error:
        Checkpoint(tmp_path, 4, "1 x cpu").read()
    message = str(error.value)
    assert "2 x cpu" in message
    assert "1 x cpu" in message
    assert "--threads" in message
    assert "\n" not in message


def test_they_are_written_now_and_then_only(tmp_path, monkeypatch):
    clock = [100.0]
    monkeypatch.setattr(checkpoint.time, "monotonic", lambda: clock[0])
    point = Checkpoint(tmp_path, 0, "1 x cpu")
    for now, done in ((100.0, None), (109.9, None), (110.0, 3), (115.0, 3), (120.0, 5)):
        clock[0] = now
        point.write(done or 1, LEAVES[:1], {})
        found = point.read()
        assert (found and found[0]) == done


def test_nothing_is_left_of_a_complete_shard(tmp_path, at_once):
    folder = tmp_path / "partial"
    first, second = Checkpoint(folder, 0, "cpu"), Checkpoint(folder, 1, "cpu")
    first.write(1, LEAVES, {})
    second.write(1, LEAVES, {})
    first.remove()
    assert folder.is_dir()
    assert second.read() is not None
    second.remove()
    assert not folder.exists()


def test_a_checkpoint_that_cannot_be_written_is_one_line(tmp_path, at_once):
    (tmp_path / "checkpoints").write_text("not a folder")
    with pytest.raises(TacitError, match=r"writing a checkpoint failed \(.*\); what was complete is safe"):
        written(tmp_path / "checkpoints")
