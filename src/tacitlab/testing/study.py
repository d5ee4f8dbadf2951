"""Does a study say what it is, so that it can be listed, played and judged?"""

import inspect

from tacitlab.studies.base import Study
from tacitlab.testing.promises import Promises, together


def check_study(study: Study | type[Study]) -> None:
    """Look at what a study says of itself and raise an error about the promises that it breaks.

    What it finds takes minutes and is not looked at: a test of its own plays it in small.

    Raises
    ------
    AssertionError
        One line for each.

    Examples
    --------
    >>> from tacitlab import registry
    >>> check_study(registry.find("study", "curve-tuning"))
    """
    kind = study if isinstance(study, type) else type(study)
    check = Promises(kind.__name__)

    def text(name: str, mend: str) -> None:
        value = getattr(kind, name, None)
        check(isinstance(value, str) and value.strip(), f"it has no {name}; {mend}")

    def presets() -> None:
        good = isinstance(kind.presets, tuple) and kind.presets and all(isinstance(p, str) for p in kind.presets)
        check(good, f"presets are {kind.presets!r}; give names, of which 'quick' takes minutes")
        check("quick" in kind.presets, f"presets are {', '.join(kind.presets)}; one of them must be 'quick'")

    def sizes() -> None:
        found = getattr(kind, "sizes", None)
        if isinstance(found, dict):
            missing = [preset for preset in kind.presets if preset not in found]
            check(not missing, f"sizes lacks {', '.join(missing)}; say how much each preset plays")

    def find() -> None:
        taken = list(inspect.signature(kind.find).parameters)
        check(taken[1:3] == ["preset", "play"], f"find takes {taken}; let it take self, preset and play")

    def instance() -> None:
        check.made("an object without arguments", kind)

    together(
        lambda: text("name", "give the class a line name = ..."),
        lambda: text("question", "ask in one line what the claim answers"),
        lambda: text("source", "cite what is claimed, or say that it is your own"),
        presets, sizes, find, instance,
    )  # fmt: skip
