"""What is promised, and what is said where a promise is broken."""

from collections.abc import Callable
from typing import Any

import jax


class Promises:
    """Raises one line for a broken promise."""

    def __init__(self, about: str) -> None:
        self.about = f"{about}: "

    def __call__(self, kept: Any, promise: str) -> None:
        if not kept:
            raise AssertionError(self.about + promise)

    def result(self, what: str, function: Callable[..., Any], *inputs: Any) -> Any:
        """Shapes of a function's outputs; what it raises becomes one line."""
        try:
            return jax.eval_shape(function, *inputs)
        except Exception as error:
            reason = str(error).strip().splitlines() or [type(error).__name__]
            raise AssertionError(f"{self.about}{what} cannot be compiled: {reason[0]}") from error

    def arrays(self, what: str, tree: Any) -> None:
        """All leaves are arrays: a Python number would be compiled into the program."""
        for path, leaf in jax.tree_util.tree_leaves_with_path(tree):
            name = jax.tree_util.keystr(path)
            self(isinstance(leaf, jax.Array), f"{what}{name} is a {type(leaf).__name__}; make it an array, or static")


def said(array: Any) -> str:
    """Kind and shape of an array, as people write them."""
    return f"{array.dtype}{list(array.shape)}"
