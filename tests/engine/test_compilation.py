"""What is compiled is found again by the next process, wherever the source lies."""

from importlib.util import module_from_spec, spec_from_file_location

import pytest

from tacitlab.engine import compilation

SOURCE = '''
def doubled(x):
    """Twice as much."""
    return 2 * x
'''


@pytest.fixture
def kept(tmp_path, monkeypatch):
    """The folder of compiled code."""
    folder = tmp_path / "kept"
    folder.mkdir()
    monkeypatch.setattr(compilation, "cache_folder", lambda: folder)
    return folder


def checkout(folder):
    """The function as a checkout in this folder has it, compiled and called."""
    folder.mkdir()
    (folder / "doubling.py").write_text(SOURCE)
    spec = spec_from_file_location("doubling", folder / "doubling.py")
    module = module_from_spec(spec)
    spec.loader.exec_module(module)
    function = compilation.compiled()(module.doubled)
    assert function(21) == 42
    return function


def test_another_checkout_finds_what_one_has_compiled(kept, tmp_path):
    first, second = checkout(tmp_path / "first"), checkout(tmp_path / "second")
    assert (sum(first.stats.cache_hits.values()), sum(first.stats.cache_misses.values())) == (0, 1)
    assert (sum(second.stats.cache_hits.values()), sum(second.stats.cache_misses.values())) == (1, 0)
    assert (kept / "doubling.py").read_text() == SOURCE


def test_where_no_copy_can_be_made_it_is_compiled_all_the_same(kept, tmp_path, monkeypatch):
    def full(*_):
        raise OSError("no space left on device")

    monkeypatch.setattr(compilation.shutil, "copyfile", full)
    assert checkout(tmp_path / "first").py_func.__code__.co_filename == str(tmp_path / "first/doubling.py")
