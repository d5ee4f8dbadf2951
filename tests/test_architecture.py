"""Imports point one way and modules stay small."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

SOURCE = Path(__file__).parents[1] / "src" / "tacitlab"
MODULES = sorted(SOURCE.rglob("*.py"))

#: A module may import its own level and lower ones.
LEVELS = [
    {"errors", "registry", "schema", "sources", "kinds", "documents", "listing", "naming"},
    {"theory", "measures"},
    {"environment"},
    {"games", "learners", "markets"},
    {"engine", "store"},
    {"interop", "interventions"},
    {"lab"},
    {"audits", "plot", "sweep"},
    {"report"},
    {"metagame"},
    {"studies"},
    {"__main__", "catalogue", "cli", "scaffold", "templates", "testing"},
]
#: Only these may import JAX: everything else must start without it.
WITH_JAX = (
    "learners/actor_critic.py",
    "learners/best_response.py",
    "learners/centralised.py",
    "learners/ddpg.py",
    "learners/dqn.py",
    "learners/joint_q.py",
    "learners/parts/",
    "learners/ppo.py",
    "learners/value_decomposition.py",
    "markets/",
    "engine/deep.py",
    "engine/devices.py",
    "engine/tally.py",
    "interop/jaxmarl_dynamics.py",
    "interop/pettingzoo.py",
    "audits/",
    "lab/baselines.py",
    "lab/deep_play.py",
    "lab/earlier.py",
    "templates/",
    "testing/",
)

LEVEL = {name: level for level, names in enumerate(LEVELS) for name in names}


def package(path: Path) -> str:
    return path.relative_to(SOURCE).parts[0].removesuffix(".py")


def imports(path: Path) -> set[str]:
    """Packages of tacit that a module imports, at the top or inside functions, but not for types alone."""
    found = set()
    for node in ast.walk(_without_type_checking(ast.parse(path.read_text()))):
        if isinstance(node, ast.ImportFrom) and node.module and node.module.split(".")[0] == "tacitlab":
            parts = node.module.split(".")
            found |= {parts[1]} if len(parts) > 1 else {alias.name for alias in node.names}
        elif isinstance(node, ast.Import):
            found |= {a.name.split(".")[1] for a in node.names if a.name.startswith("tacitlab.")}
    return found


def _without_type_checking(tree: ast.Module) -> ast.Module:
    tree.body = [n for n in tree.body if not (isinstance(n, ast.If) and "TYPE_CHECKING" in ast.unparse(n.test))]
    return tree


@pytest.mark.parametrize("path", MODULES, ids=lambda p: str(p.relative_to(SOURCE)))
def test_imports_point_one_way(path):
    if path.name == "__init__.py" and path.parent == SOURCE:
        return
    for other in imports(path):
        assert LEVEL[other] <= LEVEL[package(path)], f"{package(path)} imports {other}"


@pytest.mark.parametrize("path", MODULES, ids=lambda p: str(p.relative_to(SOURCE)))
def test_modules_stay_small(path):
    assert len(path.read_text().splitlines()) <= 600
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.FunctionDef):
            doc = ast.get_docstring(node, clean=False) or ""
            length = node.end_lineno - node.lineno + 1 - len(doc.splitlines())
            assert length <= 60, f"{node.name} has {length} lines"


@pytest.mark.parametrize("path", MODULES, ids=lambda p: str(p.relative_to(SOURCE)))
def test_jax_is_imported_only_where_it_is_used(path):
    place = str(path.relative_to(SOURCE))
    names = {a.name for n in ast.walk(ast.parse(path.read_text())) if isinstance(n, ast.Import) for a in n.names}
    names |= {n.module or "" for n in ast.walk(ast.parse(path.read_text())) if isinstance(n, ast.ImportFrom)}
    heavy = {name.split(".")[0] for name in names} & {"jax", "jaxlib", "equinox", "optax", "jaxtyping"}
    assert not heavy or place.startswith(WITH_JAX), f"{place} imports {heavy}"


@pytest.mark.parametrize(("family", "most"), [("ppo", 5), ("value_decomposition", 6)])
def test_an_algorithm_is_read_in_a_few_files(family, most):
    """Everything of the learners that a family imports, for itself or through others, is counted."""
    found, left = set(), {f"learners.{family}"}
    while left:
        name = left.pop()
        found.add(name)
        tree = _without_type_checking(ast.parse((SOURCE / f"{name.replace('.', '/')}.py").read_text()))
        left |= {m for m in _modules(tree) if m.startswith("learners.") and _is_module(m)} - found
    assert len(found) <= most, sorted(found)


def _modules(tree: ast.Module) -> set[str]:
    """What a module imports of the package; a name that is imported may be a module."""
    froms = [n for n in ast.walk(tree) if isinstance(n, ast.ImportFrom) and n.module]
    names = {n.module for n in froms} | {f"{n.module}.{a.name}" for n in froms for a in n.names}
    return {name.removeprefix("tacitlab.") for name in names if name.startswith("tacitlab.")}


def _is_module(name: str) -> bool:
    return (SOURCE / f"{name.replace('.', '/')}.py").exists()


def test_only_the_crew_on_a_cluster_imports_ray():
    for path in MODULES:
        names = {name for node in ast.walk(ast.parse(path.read_text())) for name in _names(node)}
        assert "ray" not in names or path.name == "ray_crew.py", path


def _names(node: ast.AST) -> set[str]:
    if isinstance(node, ast.ImportFrom):
        return {(node.module or "").split(".")[0]}
    return {alias.name.split(".")[0] for alias in node.names} if isinstance(node, ast.Import) else set()


COMMANDS = [["list"], ["show", "bertrand"], ["show", "q-learning"], ["--help"], ["sweep", "--help"]]
HEAVY = {"jax", "ray"}
OF_A_LIST = HEAVY | {"scipy", "numba", "numpy", "xarray", "pandas"}


@pytest.mark.parametrize("command", COMMANDS, ids=" ".join)
def test_listing_and_showing_what_plays_with_tables_start_without_jax(command):
    code = (
        "import sys; from tacitlab.cli import guarded, app; guarded(lambda: app(sys.argv[1:], standalone_mode=False)); "
    )
    unwanted = OF_A_LIST if command[-1] in ("list", "--help") else HEAVY
    code += f"sys.exit(' '.join({unwanted} & set(sys.modules)) or None)"
    done = subprocess.run([sys.executable, "-c", code, *command], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


def test_a_stage_game_is_prepared_without_jax():
    code = "from tacitlab.lab.experiment import load; from tacitlab.lab.run import prepare; prepare(load('bertrand'));"
    code += "import sys; sys.exit('jax' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code]).returncode == 0


def test_slow_tests_exist():
    """Lines of slow.txt that name nothing would hide that a test was renamed."""
    folder = Path(__file__).parent
    for line in (folder / "slow.txt").read_text().splitlines():
        if line and not line.startswith("#"):
            file, _, name = line.partition("::")
            assert f"def {name.partition('[')[0]}(" in (folder / file).read_text() or not name, line


def test_the_rule_sees_imports():
    """A package that was renamed would make every rule above hold of nothing."""
    assert {"games", "errors", "schema"} <= imports(SOURCE / "lab" / "experiment.py")


def test_no_two_files_of_tests_have_one_name():
    """They are imported by their names alone: the second would not be collected."""
    names = [path.name for path in Path(__file__).parent.rglob("test_*.py")]
    assert sorted(names) == sorted(set(names))
