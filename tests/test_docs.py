"""What the documentation names is there: files, modules, commands with their options, targets, links."""

import ast
import importlib
import re
import shlex
from functools import cache
from itertools import product
from pathlib import Path

import pytest
import typer

from tacitlab import cli, registry
from tacitlab.documents import METAGAMES, descriptions
from tacitlab.lab.experiment import load
from test_architecture import LEVELS

ROOT = Path(__file__).parents[1]
PACKAGE = ROOT / "src" / "tacitlab"
DOCUMENTS = [ROOT / name for name in ("README.md", "CONTRIBUTING.md")] + sorted((ROOT / "docs").rglob("*.md"))
COMMANDS = typer.main.get_command(cli.app).commands
OF_THE_READER = ("my", "own", "SCENARIO", "RUN", "NAME", "FILE", "runs/", "-")  # how the reader's own names begin
SHAPE = re.compile(r"\{([^{}]*)\}")

each_document = pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.name)


@cache
def text_of(document: Path) -> str:
    return document.read_text()


def spread(path: str) -> list[str]:
    """A path whose braces stand for several, as in a shell."""
    parts = [part.split(",") if k % 2 else [part] for k, part in enumerate(SHAPE.split(path))]
    return [re.sub(r"\s", "", "".join(chosen)) for chosen in product(*parts)]


def paths_in(text: str) -> set[str]:
    """Every path of the repository that a text names, in prose or code."""
    found = re.findall(r"(?<![\w./-])(?:src|tests|benchmarks|examples|docs)/[\w./*-]*(?:\{[^{}]*\}[\w./*-]*)*", text)
    return {path.rstrip(".") for name in found for path in spread(name)}


@each_document
def test_files_of_the_repository_are_there(document):
    missing = [path for path in paths_in(text_of(document)) if not list(ROOT.glob(path.rstrip("/")))]
    assert not missing


@each_document
def test_files_of_rooms_are_there(document):
    """As design.md names them: below the folder of the package."""
    rooms = "|".join(path.name for path in PACKAGE.iterdir() if path.is_dir())
    named = re.findall(rf"(?<![\w./-])(?:{rooms})/[\w./*-]+\.(?:py|yaml|csv)", text_of(document))
    assert not [path for path in named if not list(PACKAGE.glob(path))]
    alone = [name for name in re.findall(r"`(\w+\.py)`", text_of(document)) if not name.startswith("my_")]
    assert not [name for name in alone if not list(PACKAGE.rglob(name))]


def test_layers_are_those_that_are_held():
    """Rooms stand in design.md in the order that the test of the architecture enforces, and none is missing."""
    told = re.search(r"^## Layers\n+(.*?):", text_of(ROOT / "docs" / "design.md"), re.DOTALL | re.MULTILINE).group(1)
    layers = [set(names.strip("`\n ").split(", ")) for names in told.split("<")]
    assert len(layers) == len(LEVELS)
    assert all(names <= level for names, level in zip(layers, LEVELS, strict=True))
    rooms = {path.name for path in PACKAGE.iterdir() if (path / "__init__.py").exists()}
    assert rooms <= set().union(*layers)


@each_document
def test_modules_and_their_names_are_there(document):
    for name in sorted(set(re.findall(r"\btacitlab(?:\.[A-Za-z_]\w*)+", text_of(document)))):
        if name != registry.GROUP:  # of entry points
            assert found(name) is not None, name


def found(name: str):
    """A module, or what it holds; None if there is no such thing."""
    for cut in range(name.count(".") + 1, 0, -1):
        module = ".".join(name.split(".")[:cut])
        try:
            node = importlib.import_module(module)
        except ModuleNotFoundError:
            continue
        for part in name.split(".")[cut:]:
            node = getattr(node, part, None)
        return node
    return None


@each_document
def test_code_imports_what_there_is(document):
    for block in re.findall(r"```python\n(.*?)```", text_of(document), re.DOTALL):
        for node in ast.walk(ast.parse(block)):
            if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("tacitlab"):
                for alias in node.names:
                    assert found(f"{node.module}.{alias.name}") is not None, f"{node.module} has no {alias.name}"


@each_document
def test_links_lead_somewhere(document):
    links = re.findall(r"\]\((?!https?:)([^)#\s]+)", text_of(document))
    assert not [link for link in links if not (document.parent / link).exists()]


@each_document
def test_targets_of_make_are_there(document):
    rules = re.findall(r"^([a-z -]+):", (ROOT / "Makefile").read_text(), re.MULTILINE)
    known = [name for names in rules for name in names.split()]
    named = re.findall(r"(?:`|^)make ([a-z-]+)", text_of(document), re.MULTILINE)
    assert not set(named) - set(known)


# --- commands ------------------------------------------------------------------------------------------------------


def commands_in(document: Path) -> list[list[str]]:
    """Commands in blocks of code, a line each, and within sentences."""
    text = text_of(document)
    blocks = re.findall(r"^```\w*\n(.*?)^```", text.replace("\\\n", " "), re.DOTALL | re.MULTILINE)
    lines = [line.removeprefix("$ ") for block in blocks for line in block.splitlines()]
    prose = re.sub(r"^```.*?^```", "", text, flags=re.DOTALL | re.MULTILINE)
    said = [" ".join(span.split()) for span in re.findall(r"`(tacit [^`]*)`", prose)]
    single = [part.strip() for line in [*lines, *said] for part in line.split("; ")]
    return [shlex.split(line, comments=True)[1:] for line in single if line.startswith("tacit ")]


KINDS = {kind for room in registry.ROOMS for kind in registry.entries(room)}
NAMED = {
    "run": {*descriptions()}, "sweep": {*descriptions()}, "metagame": {*descriptions(METAGAMES)},
    "study": {*registry.entries("study")}, "check": KINDS,
    "show": {*descriptions(), *descriptions(METAGAMES), *KINDS},
}  # fmt: skip


@each_document
def test_commands_and_what_they_name_are_there(document):
    for words in commands_in(document):
        if words[0].startswith("-") or words[0].isupper():
            continue
        command, *rest = words
        assert command in COMMANDS, words
        options = {option for parameter in COMMANDS[command].params for option in parameter.opts} | {"--help"}
        assert {word.split("=")[0] for word in rest if re.match(r"--[a-z]", word)} <= options, words
        if rest and command in NAMED and not rest[0].startswith(OF_THE_READER) and "." not in rest[0]:
            assert rest[0] in NAMED[command], words


@each_document
def test_fields_that_commands_set_are_there(document):
    """Experiments that blocks of code play are built, with all that is changed in them."""
    for words in commands_in(document):
        if words[0] != "run" or len(words) < 3 or words[1].startswith(OF_THE_READER) or "..." in words:
            continue
        ends = next((k for k, word in enumerate(words) if word.startswith("--")), len(words))
        if not re.search(r"my_|\.py|run:|\.\.\.|=[A-Z]+\b", " ".join(words)):
            assert load(words[1], words[2:ends]).sessions >= 1
