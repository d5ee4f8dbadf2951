"""What is promised, and what is said where a promise is broken."""

from collections.abc import Callable
from typing import Any

from tacitlab import registry
from tacitlab.errors import TacitError
from tacitlab.schema import Spec, validate


class Promises:
    """Raises one line for a broken promise."""

    def __init__(self, about: str) -> None:
        self.about = f"{about}: "

    def __call__(self, kept: Any, promise: str) -> None:
        if not kept:
            raise AssertionError(self.about + promise)

    def made(self, what: str, function: Callable[..., Any], *inputs: Any) -> Any:
        """What a function returns; what it raises becomes one line."""
        try:
            return function(*inputs)
        except Exception as error:
            raise AssertionError(f"{self.about}{what} fails: {_reason(error)}; mend it") from error

    def result(self, what: str, function: Callable[..., Any], *inputs: Any) -> Any:
        """Shapes of a function's outputs; what it raises becomes one line."""
        import jax

        try:
            return jax.eval_shape(function, *inputs)
        except Exception as error:
            reason = str(error).strip().splitlines() or [type(error).__name__]
            raise AssertionError(f"{self.about}{what} cannot be compiled: {reason[0]}") from error

    def arrays(self, what: str, tree: Any) -> None:
        """All leaves are arrays: a Python number would be compiled into the program."""
        import jax

        for path, leaf in jax.tree_util.tree_leaves_with_path(tree):
            name = jax.tree_util.keystr(path)
            self(isinstance(leaf, jax.Array), f"{what}{name} is a {type(leaf).__name__}; make it an array, or static")

    def stored(self, member: Spec) -> None:
        """What a scenario file would say of it makes the same again."""
        try:
            registry.written_kind(type(member))
        except TacitError as error:
            raise AssertionError(self.about + str(error).removeprefix("kind: ")) from None
        plain = self.made("writing it as plain data", lambda: member.model_dump(mode="json"))
        again = self.made("reading it from plain data", validate, type(member), plain)
        for name in type(member).model_fields:
            same = getattr(again, name) == getattr(member, name)
            self(same, f"{name} is another after it was stored and read; let its type say what it may be")


def together(*parts: Callable[[], None]) -> None:
    """Go through parts that do not rest on each other, and raise an error of one line for each that breaks."""
    broken = []
    for part in parts:
        try:
            part()
        except AssertionError as error:
            broken.append(str(error))
    if broken:
        raise AssertionError("\n".join(broken))


def said(array: Any) -> str:
    """Kind and shape of an array, as people write them."""
    return f"{array.dtype}{list(array.shape)}"


def _reason(error: Exception) -> str:
    lines = str(error).strip().splitlines()
    text = lines[0] if lines else "no reason given"
    return text if isinstance(error, TacitError) else f"{type(error).__name__}: {text}"
