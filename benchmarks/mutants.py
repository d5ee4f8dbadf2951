"""How much the tests notice: small faults are planted one at a time in the rooms that speak.

`make mutants` runs this. A first run of the tests records which of them execute which line (kept in `.mutants/` until
a source or a test changes); then every fault of a sample, drawn evenly from all that could be planted, meets the
tests that execute its line. The operators are those of mutmut, plus one for words: a word that has an opposite is
replaced by it, any other text is spoilt. What no test executes has survived.
"""

import argparse
import collections
import concurrent.futures
import hashlib
import json
import os
import queue
import random
import re
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import libcst as cst
from libcst.metadata import MetadataWrapper, PositionProvider
from mutmut.mutation import mutators
from scipy.stats import binomtest

ROOT = Path(__file__).parents[1]
PACKAGE = Path("src/tacitlab")
ROOMS = ("studies", "report", "audits")
TESTS = ("studies", "report", "measures", "learners/test_strategy.py", "lab/test_exploitability.py",
         "lab/test_measuring.py", "lab/test_quotes.py", "lab/test_run.py")  # fmt: skip
SCRATCH = ROOT / ".mutants"
LONGEST = 40.0  # seconds of tests that a fault meets, the quickest first
OPPOSITES = [
    ("above", "below"), ("more", "less"), ("higher", "lower"), ("cooperative", "competitive"), ("best", "worst"),
    ("reproduced", "undecided"), ("refuted", "reproduced"), ("first", "last"), ("before", "after"), ("learn", "ignore"),
    ("equilibrium", "optimum"), ("monopoly", "Nash"), ("buy", "sell"), ("with", "without"), ("every", "no"),
    ("all", "none"), ("is", "is not"), ("are", "are not"), ("do", "do not"), ("not", "indeed"), ("largest", "smallest"),
    ("gain", "loss"), ("faster", "slower"), ("cheaper", "dearer"), ("inside", "outside"), ("price", "volume"),
]  # fmt: skip
NEGATED: dict[type, type] = {
    cst.LessThan: cst.GreaterThanEqual,
    cst.LessThanEqual: cst.GreaterThan,
    cst.GreaterThan: cst.LessThanEqual,
    cst.GreaterThanEqual: cst.LessThan,
    cst.Equal: cst.NotEqual,
    cst.NotEqual: cst.Equal,
}
OTHER = {**{b: a for a, b in OPPOSITES}, **dict(OPPOSITES)}


def _flipped(text: str) -> str:
    """Text with one word turned round, or spoilt where no word of it has an opposite."""
    for match in re.finditer(r"[A-Za-z]+", text):
        word = match.group()
        other = OTHER.get(word.lower())
        if other:
            other = other.capitalize() if word[0].isupper() else other
            return text[: match.start()] + other + text[match.end() :]
    return re.sub(r"[A-Za-z]+", lambda match: f"{match.group()}XX", text, count=1)


def _negated(node: cst.ComparisonTarget) -> Iterator[cst.CSTNode]:
    """The opposite of a comparison. (`<` for `<=` says the same of nearly every measured number.)"""
    other = NEGATED.get(type(node.operator))
    if other:
        yield node.with_changes(operator=other())


def _word(node: cst.SimpleString | cst.FormattedStringText) -> Iterator[cst.CSTNode]:
    if isinstance(node, cst.FormattedStringText):
        changed = _flipped(node.value)
        if changed != node.value:
            yield node.with_changes(value=changed)
    else:
        inner = node.value[len(node.prefix) + len(node.quote) : -len(node.quote)]
        changed = _flipped(inner)
        if changed != inner:
            yield node.with_changes(value=f"{node.prefix}{node.quote}{changed}{node.quote}")


OPERATORS: dict[str, list[tuple[type, Callable]]] = {
    "word": [(cst.SimpleString, _word), (cst.FormattedStringText, _word)],
    "verdict": [
        (cst.Name, mutators.operator_name),
        (cst.UnaryOperation, mutators.operator_remove_unary_ops),
        (cst.IfExp, mutators.operator_if_exp),
        (cst.CSTNode, mutators.operator_keywords),
        (cst.BooleanOperation, mutators.operator_swap_op),
        (cst.ComparisonTarget, _negated),
    ],
    "number": [
        (cst.BaseNumber, mutators.operator_number),
        (cst.BinaryOperation, mutators.operator_swap_op),
        (cst.AugAssign, mutators.operator_swap_op),
    ],
}
# No verdict: types, imports, `@dataclass(frozen=True)`; documentation, too, see below.
NOT_RUN = (cst.Annotation, cst.ImportFrom, cst.Import, cst.TypeAlias, cst.Decorator)


class _Places(cst.CSTVisitor):
    """Every fault that could be planted in a module: kind, line, node, and what takes its place."""

    METADATA_DEPENDENCIES = (PositionProvider,)

    def __init__(self) -> None:
        super().__init__()
        self.found: list[tuple[str, int, cst.CSTNode, cst.CSTNode]] = []

    def on_visit(self, node: cst.CSTNode) -> bool:
        if isinstance(node, NOT_RUN) or (isinstance(node, cst.Expr) and isinstance(node.value, cst.SimpleString)):
            return False
        if isinstance(node, cst.FormattedStringExpression):  # but not how it is formatted
            node.expression.visit(self)
            return False
        for kind, pairs in OPERATORS.items():
            for sort, operator in pairs:
                if isinstance(node, sort):
                    line = self.get_metadata(PositionProvider, node).start.line
                    self.found += [(kind, line, node, changed) for changed in operator(node)]
        return True


def faults(path: Path) -> list[dict]:
    """All faults of a file, each with the file's text as it would be."""
    wrapper = MetadataWrapper(cst.parse_module((ROOT / path).read_text()))
    places = _Places()
    wrapper.visit(places)
    return [
        {"path": str(path), "kind": kind, "line": line, "number": number, "node": node, "changed": changed,
         "module": wrapper.module}
        for number, (kind, line, node, changed) in enumerate(places.found)
    ]  # fmt: skip


def drawn(paths: list[Path], count: int, seed: int) -> list[dict]:
    """A sample without replacement over all files, one third of each kind."""
    rng = random.Random(seed)
    by_kind = collections.defaultdict(list)
    for path in paths:
        for fault in faults(path):
            by_kind[fault["kind"]].append(fault)
    sample = []
    for number, kind in enumerate(OPERATORS):
        share = count // 3 + (number < count % 3)
        sample += rng.sample(by_kind[kind], min(share, len(by_kind[kind])))
    for fault in sample:
        node, changed, module = fault.pop("node"), fault.pop("changed"), fault.pop("module")
        fault["text"] = module.deep_replace(node, changed).code
        fault["was"], fault["is"] = module.code_for_node(node), module.code_for_node(changed)
    return sample


def recorded(rooms: tuple[str, ...], tests: list[str]) -> dict:
    """Which tests execute which line, and how long each takes; from `.mutants/` where nothing has changed since."""
    digest = hashlib.sha256("\n".join(tests).encode())
    for path in sorted([*(ROOT / "src").rglob("*.py"), *(ROOT / "tests").rglob("*.py")]):
        if path != Path(__file__):
            digest.update(path.read_bytes())
    kept = SCRATCH / "executed.json"
    if kept.exists():
        found = json.loads(kept.read_text())
        if found["digest"] == digest.hexdigest():
            return found
    SCRATCH.mkdir(exist_ok=True)
    print("which tests execute which line ...", flush=True)
    environment = {**os.environ, "CI": "1", "PYTHONPATH": str(ROOT / "src")}
    command = [sys.executable, __file__, "--record", str(kept), digest.hexdigest(), *rooms, "--tests", *tests]
    subprocess.run(command, cwd=ROOT, env=environment)
    return json.loads(kept.read_text())


def record(kept: str, digest: str, rooms: list[str], tests: list[str]) -> int:
    """Run the tests once under coverage, with every test (and what sets it up) as a context of its own."""
    import coverage
    import pytest

    cover = coverage.Coverage(
        data_file=None, include=[str(ROOT / PACKAGE / room / "*") for room in rooms], config_file=False
    )
    seconds: dict[str, float] = collections.defaultdict(float)
    failed: set[str] = set()

    class Recorder:
        @pytest.hookimpl(tryfirst=True)
        def pytest_runtest_setup(self, item: pytest.Item) -> None:
            cover.switch_context(f"{item.nodeid}|setup")

        @pytest.hookimpl(tryfirst=True)
        def pytest_runtest_call(self, item: pytest.Item) -> None:
            cover.switch_context(f"{item.nodeid}|call")

        def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
            seconds[report.nodeid] += report.duration
            if report.failed:  # as it is: no fault can be told from that
                failed.add(report.nodeid)

    cover.start()
    code = pytest.main(["-m", "not slow", "-p", "no:cacheprovider", *tests], plugins=[Recorder()])
    cover.stop()
    data = cover.get_data()
    lines = {
        str(Path(name).relative_to(ROOT)): {str(n): c for n, c in data.contexts_by_lineno(name).items()}
        for name in data.measured_files()
    }
    sound = {test: spent for test, spent in seconds.items() if test not in failed}
    Path(kept).write_text(json.dumps({"digest": digest, "seconds": sound, "lines": lines}))
    return int(code)


def met_by(fault: dict, executed: dict) -> list[str]:
    """The tests that a fault meets, the quickest first.

    What sets up one test of a file may be shared by all of them, and what runs on import belongs to no test: then
    whoever executes anything of the file is asked.
    """
    lines = executed["lines"].get(fault["path"], {})
    seconds: dict[str, float] = executed["seconds"]
    asked = set()
    contexts = [c for c in lines.get(str(fault["line"]), []) if c]
    for context in contexts or [c for found in lines.values() for c in found if c]:
        test, _, phase = context.rpartition("|")
        if phase == "setup":
            file = test.partition("::")[0]
            asked |= {name for name in seconds if name.partition("::")[0] == file}
        else:
            asked.add(test)
    asked &= seconds.keys()  # without those that fail as they are
    chosen, total = [], 0.0
    for test in sorted(asked, key=lambda test: (seconds[test], test)):
        total += seconds[test]
        if chosen and total > LONGEST:
            break
        chosen.append(test)
    return chosen


def verdict(fault: dict, executed: dict, places: "queue.Queue[Path]") -> dict:
    """What the tests say of one fault."""
    tests = met_by(fault, executed)
    told = {k: fault[k] for k in ("path", "line", "kind", "was", "is")} | {"tests": len(tests)}
    if not tests:
        return told | {"outcome": "survived"}
    place = places.get()
    file = place / fault["path"]
    sound = file.read_text()
    file.write_text(fault["text"])
    environment = {**os.environ, "CI": "1", "PYTHONPATH": str(place / "src"), "PYTHONDONTWRITEBYTECODE": "1"}
    arguments = ["-x", "-q", "-p", "no:cacheprovider", "-p", "no:xdist", *tests]
    try:
        run = subprocess.run(
            [sys.executable, "-m", "pytest", *arguments], cwd=place, env=environment, capture_output=True, timeout=600
        )
        outcome = {0: "survived", 1: "killed", 2: "killed", 3: "killed", 4: "killed"}.get(run.returncode, "killed")
    except subprocess.TimeoutExpired:
        outcome = "killed"
    finally:
        file.write_text(sound)
        places.put(place)
    return told | {"outcome": outcome}


def main() -> int:
    """Draw, plant, ask, tell."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--count", type=int, default=180, help="faults planted (180)")
    parser.add_argument("--seed", type=int, default=1, help="of the draw (1)")
    parser.add_argument("--only", default="", help="only in paths that contain this")
    parser.add_argument("--processes", type=int, default=2)
    parser.add_argument("--tests", nargs="+", help="only these (all that make test runs for these rooms)")
    parser.add_argument("--record", nargs="+", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.record:
        return record(options.record[0], options.record[1], options.record[2:], options.tests)
    paths = [p.relative_to(ROOT) for room in ROOMS for p in sorted((ROOT / PACKAGE / room).rglob("*.py"))]
    sample = drawn([p for p in paths if options.only in str(p)], options.count, options.seed)
    everything = [f"tests/{name}" for name in TESTS] + [str(PACKAGE / room) for room in ROOMS]
    executed = recorded(ROOMS, options.tests or everything)
    places: queue.Queue[Path] = queue.Queue()
    for number in range(options.processes):
        place = SCRATCH / f"copy-{number}"
        shutil.rmtree(place, ignore_errors=True)
        for name in ("src", "tests", "examples", "docs", "README.md", "pyproject.toml", "benchmarks"):
            if (ROOT / name).is_dir():
                shutil.copytree(ROOT / name, place / name)
            else:
                shutil.copy(ROOT / name, place / name)
        places.put(place)
    with concurrent.futures.ThreadPoolExecutor(options.processes) as pool:
        told = []
        for found in pool.map(lambda fault: verdict(fault, executed, places), sample):
            told.append(found)
            mark = "." if found["outcome"] == "killed" else "S"
            print(mark, end="", flush=True)
    print()
    return tell(told)


def tell(told: list[dict]) -> int:
    """Print the survivors and the share killed, of each kind and room, with its interval."""
    for found in told:
        if found["outcome"] == "survived":
            place = f"{found['path']}:{found['line']}"
            print(f"{place}: {found['was']!r} -> {found['is']!r} ({found['tests']} tests)")
    (SCRATCH / "told.json").write_text(json.dumps(told, indent=1))
    groups: dict[str, list[bool]] = collections.defaultdict(list)
    for found in told:
        killed = found["outcome"] == "killed"
        for group in (found["kind"], Path(found["path"]).parts[2], "all"):
            groups[group].append(killed)
    for group, killed in groups.items():
        low, high = binomtest(sum(killed), len(killed)).proportion_ci(method="wilson")
        share = f"{sum(killed) / len(killed):.0%} ({low:.0%} to {high:.0%})"
        print(f"{group:10} {sum(killed):4} of {len(killed):4} killed: {share}")
    return 0 if sum(groups["all"]) >= 0.9 * len(groups["all"]) else 1


if __name__ == "__main__":
    raise SystemExit(main())
