"""The registry: what it finds without importing it, and what it says of what is not there."""

import importlib
import inspect
import subprocess
import sys
from pathlib import Path

import pytest

import tacitlab
from tacitlab import registry
from tacitlab.errors import TacitError

SOURCE = Path(tacitlab.__file__).parent
GAME = """
from typing import Literal
import numpy as np
from tacitlab.games import Actions, NormalForm, StageGame

class Base(StageGame):
    \"\"\"What they share.\"\"\"
    @property
    def n_players(self): return 2
    def actions(self): return Actions("choice", np.array([[0.0, 1.0]] * 2))
    def form(self): return NormalForm.from_tensor(np.ones((2, 2, 2)))
    def benchmarks(self): raise NotImplementedError

class Flat(Base):
    \"\"\"Everybody always earns one.\"\"\"
    kind: Literal["flat"] = "flat"

class Helper:
    pass
"""


def _everything() -> None:
    for path in SOURCE.rglob("*.py"):
        name = ".".join(("tacitlab", *path.relative_to(SOURCE).with_suffix("").parts)).removesuffix(".__init__")
        if path.parent.name == "templates":
            continue  # of members that are not there yet
        if path.name not in ("__main__.py", "ray_crew.py", "pettingzoo.py", "jaxmarl_dynamics.py"):
            importlib.import_module(name)


def _descendants(cls: type) -> set[type]:
    return {cls}.union(*(_descendants(child) for child in cls.__subclasses__()))


def _named(room: str, cls: type) -> str | None:
    """The kind that a class says itself, rather than its parent."""
    if room in ("study", "measure"):
        return vars(cls).get("name" if room == "study" else "kind")
    return cls.model_fields["kind"].default if "kind" in vars(cls).get("__annotations__", {}) else None


@pytest.mark.parametrize("room", registry.ROOMS)
def test_it_finds_what_there_is_and_nothing_else(room):
    _everything()
    module, _, name = registry.ROOMS[room].root.partition(":")
    root = getattr(importlib.import_module(module), name)
    there = {}
    for cls in _descendants(root):
        kind = _named(room, cls)
        if cls.__module__.startswith("tacitlab.") and not inspect.isabstract(cls) and isinstance(kind, str):
            there[kind] = f"{cls.__module__}:{cls.__qualname__}"
    found = {kind: entry for kind, entry in registry.entries(room).items() if entry.origin == "tacitlab"}
    assert {kind: entry.target for kind, entry in found.items()} == there
    for kind, entry in found.items():
        cls = registry.find(room, kind)
        line = cls.question if room == "study" else cls.__doc__.strip().splitlines()[0]
        assert entry.line == line
        assert registry.written_kind(cls) == kind
        assert registry.source_of(cls) is None


def test_it_imports_nothing_to_list():
    code = (
        "import sys; from tacitlab import registry\nfor room in registry.ROOMS: assert registry.entries(room)\n"
        "print([m for m in sys.modules if m.partition('.')[0] in "
        "('numpy', 'pydantic', 'scipy', 'numba', 'jax', 'rich') or m.startswith('tacitlab.games')])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


# --- users' files --------------------------------------------------------------------------------------------------


@pytest.fixture
def flat(tmp_path) -> Path:
    path = tmp_path / "flat.py"
    path.write_text(GAME)
    return path


def test_a_class_in_a_file(flat, monkeypatch):
    cls = registry.find(["game", "market"], "flat.py:Flat", flat.parent)
    assert registry.source_of(cls) == flat.resolve()
    assert registry.written_kind(cls) == f"{flat.resolve()}:Flat"
    assert registry.find("game", registry.written_kind(cls)) is cls
    monkeypatch.chdir(flat.parent)
    assert registry.find("game", "flat.py:Flat") is cls
    assert cls().form().payoffs.sum() == 8


def test_a_file_that_has_changed_is_read_again(flat):
    before = registry.find("game", f"{flat}:Flat")
    flat.write_text(GAME.replace("np.ones", "3 * np.ones"))
    after = registry.find("game", f"{flat}:Flat")
    assert (before().form().payoffs.max(), after().form().payoffs.max()) == (1, 3)
    with pytest.raises(TacitError, match=r"flat.py has changed since Flat was made; make the object again"):
        registry.written_kind(before)


def test_a_module_that_is_imported_already_is_the_same_one(flat, monkeypatch):
    monkeypatch.syspath_prepend(flat.parent)
    (flat.parent / "flat_rules.py").write_text(GAME)
    module = importlib.import_module("flat_rules")
    assert registry.find("game", f"{flat.parent}/flat_rules.py:Flat") is module.Flat
    assert registry.written_kind(module.Flat) == f"{(flat.parent / 'flat_rules.py').resolve()}:Flat"
    assert registry.find("game", "flat_rules:Flat") is module.Flat


def test_a_file_may_import_what_lies_beside_it(tmp_path):
    (tmp_path / "beside_it.py").write_text("VALUE = 7\n")
    (tmp_path / "two.py").write_text(GAME.replace("import numpy", "from beside_it import VALUE\nimport numpy"))
    assert registry.find("game", f"{tmp_path}/two.py:Flat").__module__.startswith("tacitlab_file_two")
    assert str(tmp_path) not in sys.path


def test_a_file_alone_is_enough_where_one_class_fits(tmp_path, flat):
    with pytest.raises(TacitError, match=r"flat.py has several classes; name one, for example .*flat.py:Base"):
        registry.find("game", str(flat))
    (tmp_path / "one.py").write_text(GAME.replace("class Base", "class _Base").replace("Flat(Base)", "Flat(_Base)"))
    assert registry.find("game", str(tmp_path / "one.py")).__name__ == "Flat"
    with pytest.raises(TacitError, match=r"one.py has no class that is a learner; derive one from Learner"):
        registry.find("learner", str(tmp_path / "one.py"))


MISTAKES = {
    "bertrnd": "kind: 'bertrnd' is unknown; did you mean 'bertrand'?",
    "nothing-like-it": "kind: 'nothing-like-it' is unknown; `tacit list` shows what there is, or name FILE.py:CLASS",
    "ppo": "kind: 'ppo' is a learner where a game or a market is needed; `tacit list` shows all kinds",
    "none.py:Flat": "kind: none.py cannot be read (No such file or directory); name a Python file, from the",
    "flat.py:Flatt": "kind: flat.py has no class 'Flatt'; did you mean 'Flat'?",
    "flat.py:Zzz": "kind: flat.py has no class 'Zzz'; it has Base, Flat, Helper",
    "flat.py:Helper": "kind: 'flat.py:Helper' is no class that fits where a game or a market is needed; name another",
    "broken.py:Flat": "kind: broken.py fails when imported, line 3: NameError: name 'jpn' is not defined; mend",
    "wrong.py:Flat": "kind: wrong.py fails when imported, line 2: SyntaxError: invalid syntax; mend the file",
    "tacitlab.nowhere:Flat": "kind: tacitlab.nowhere:Flat: tacitlab.nowhere cannot be imported (ModuleNotFoundError:",
    "tacitlab.learners.ppo:PPO": "kind: 'tacitlab.learners.ppo:PPO' is a learner where a game or a market is needed;",
}


@pytest.mark.parametrize("kind", MISTAKES)
def test_mistakes_are_told_in_one_line(flat, monkeypatch, kind):
    monkeypatch.chdir(flat.parent)
    Path("broken.py").write_text("import numpy as np\n\nx = jpn.zeros(3)\n")
    Path("wrong.py").write_text("x = 1\nx = = 2\n")
    with pytest.raises(TacitError) as error:
        registry.find(["game", "market"], kind)
    assert str(error.value).startswith(MISTAKES[kind])
    assert "\n" not in str(error.value)
    assert not [name for name in sys.modules if name.startswith(("tacitlab_file_broken", "tacitlab_file_wrong"))]


def test_a_class_that_no_file_holds_is_refused(flat):
    base = registry.find("game", f"{flat}:Base")

    class Local(base):
        pass

    with pytest.raises(TacitError, match=r"kind: Local is in no file where it could be found again .*; define it at"):
        registry.written_kind(Local)


# --- installed packages --------------------------------------------------------------------------------------------


@pytest.fixture
def installed(tmp_path, monkeypatch):
    """A distribution that brings two games, one of which gets its base by way of its own package."""
    package = tmp_path / "site" / "flatland"
    package.mkdir(parents=True)
    (package / "__init__.py").write_text("raise RuntimeError('nothing may import this to list it')\n")
    (package / "base.py").write_text(GAME.replace("Flat(Base)", "Unused(Base)"))
    (package / "rules.py").write_text(
        'from .base import Base as Parent\nfrom typing import Literal\n\nclass Plain(Parent):\n    """Plain."""\n'
        '    kind: Literal["plain"] = "plain"\n'
    )
    info = tmp_path / "site" / "flatland-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: flatland\nVersion: 1.0\n")
    points = "plain = flatland.rules:Plain\nbertrand = flatland.rules:Plain\nodd = flatland.nowhere:Odd\n"
    (info / "entry_points.txt").write_text(f"[tacitlab.kinds]\n{points}")
    monkeypatch.syspath_prepend(str(tmp_path / "site"))
    yield package
    for name in [name for name in sys.modules if name.partition(".")[0] == "flatland"]:
        del sys.modules[name]


def test_installed_packages_bring_kinds(installed):
    found = registry.entries("game")
    assert found["plain"] == ("plain", "game", "flatland.rules:Plain", "Plain.", "flatland")
    assert found["bertrand"].origin == "tacitlab"  # nobody replaces what the package has
    assert "plain" not in registry.entries("market")
    (installed / "__init__.py").write_text("")
    cls = registry.find(["game"], "plain")
    assert cls.__module__ == "flatland.rules"
    assert registry.written_kind(cls) == "plain"
    assert registry.source_of(cls) is None
    with pytest.raises(TacitError, match=r"kind: odd: flatland.nowhere cannot be imported"):
        registry.find("game", "odd")


def test_two_packages_may_not_share_a_kind(installed):
    (installed / "__init__.py").write_text("")
    other = installed.parent / "worldflat-1.0.dist-info"
    other.mkdir()
    (other / "METADATA").write_text("Metadata-Version: 2.1\nName: worldflat\nVersion: 1.0\n")
    (other / "entry_points.txt").write_text("[tacitlab.kinds]\nplain = flatland.rules:Parent\n")
    registry._installed.cache_clear()
    with pytest.raises(TacitError, match=r"'plain' is brought by flatland and by worldflat; name the class instead"):
        registry.find("game", "plain")
    assert registry.find("game", "flatland.rules:Plain").__name__ == "Plain"
