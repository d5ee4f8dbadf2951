"""Imports point one way and modules stay small."""

import ast
from pathlib import Path

import pytest

SOURCE = Path(__file__).parents[1] / "src" / "tacit"
MODULES = sorted(SOURCE.rglob("*.py"))

#: A module may import its own level and lower ones.
LEVELS = [
    {"errors", "schema", "documents"},
    {"theory", "measures"},
    {"games", "learners"},
    {"engine", "store"},
    {"lab"},
    {"report"},
    {"studies"},
    {"catalogue", "cli"},
]
LEVEL = {name: level for level, names in enumerate(LEVELS) for name in names}


def package(path: Path) -> str:
    return path.relative_to(SOURCE).parts[0].removesuffix(".py")


def imports(path: Path) -> set[str]:
    """Packages of tacit that a module imports, at the top or inside functions, but not for types alone."""
    found = set()
    for node in ast.walk(_without_type_checking(ast.parse(path.read_text()))):
        if isinstance(node, ast.ImportFrom) and node.module and node.module.split(".")[0] == "tacit":
            parts = node.module.split(".")
            found |= {parts[1]} if len(parts) > 1 else {alias.name for alias in node.names}
        elif isinstance(node, ast.Import):
            found |= {a.name.split(".")[1] for a in node.names if a.name.startswith("tacit.")}
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
    assert len(path.read_text().splitlines()) <= 400
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.FunctionDef):
            doc = ast.get_docstring(node, clean=False) or ""
            length = node.end_lineno - node.lineno + 1 - len(doc.splitlines())
            assert length <= 60, f"{node.name} has {length} lines"
