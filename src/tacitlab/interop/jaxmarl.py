"""Environments of the JaxMARL library as markets, so that learners can be compared with those of others."""

from importlib.util import find_spec
from typing import TYPE_CHECKING, ClassVar, Literal, Self

from pydantic import model_validator

from tacitlab.errors import TacitError
from tacitlab.markets.base import Market, Quantity, Role
from tacitlab.schema import param
from tacitlab.theory.benchmarks import Benchmarks

if TYPE_CHECKING:
    from tacitlab.interop.jaxmarl_dynamics import JaxMarlDynamics

Option = bool | int | float | str | None


class JaxMarl(Market):
    """An environment of JaxMARL, by the name that its ``make`` knows; needs ``pip install 'tacitlab[jaxmarl]'``.

    Agents whose names differ only by a number, and whose observations and actions have the same form, are one role.
    Observations are flattened, as they are; a continuous action from -1 to 1 stands for the range of its space. The
    global state is what the environment calls ``world_state``, else all observations one after the other, as in
    JaxMARL's scripts for MAPPO. An episode ends for all agents together; which actions are available is not passed on.

    JaxMARL has one flag for an episode that is over and for one that is merely cut at its last step. Its scripts treat
    both as the end, after which nothing follows; ``cut: truncated`` values what would follow a cut. No benchmarks are
    known.

    References
    ----------
    A. Rutherford et al., "JaxMARL: multi-agent RL environments and algorithms in JAX", NeurIPS 2024.

    Examples
    --------
    >>> JaxMarl(env="MPE_simple_spread_v3").horizon  # doctest: +SKIP
    26
    """

    role: ClassVar[str] = "agent"
    payoff_name: ClassVar[str] = "return"
    kind: Literal["jaxmarl"] = "jaxmarl"
    env: str = param("MPE_simple_spread_v3", "name of the environment in JaxMARL")
    options: dict[str, Option] = param({}, "what its constructor is told, such as {num_agents: 5}")
    longest: int | None = param(None, "longest episode; none: as the environment says", "steps", ge=1)
    cut: Literal["truncated", "terminated"] = param(
        "truncated", "whether an episode that is as long as it may be could go on (truncated), or is over"
    )
    rewards: Literal["own", "mean"] = param("own", "each agent's own, or the mean of all, as a team's")

    @model_validator(mode="after")
    def _known(self) -> Self:
        if find_spec("jaxmarl") is None:
            raise ValueError("kind: jaxmarl is not installed; run pip install 'tacitlab[jaxmarl]'")
        return self

    def __hash__(self) -> int:
        return hash(self.model_dump_json())

    @property
    def horizon(self) -> int:
        from tacitlab.interop.jaxmarl_dynamics import library

        own = library(self).longest
        if self.longest is None and own is None:
            raise TacitError(f"environment.longest: {self.env} does not say how long an episode is; give a number")
        return min(bound for bound in (self.longest, own) if bound is not None)

    @property
    def common_reward(self) -> bool:
        return self.rewards == "mean"

    def roles(self) -> tuple[Role, ...]:
        from tacitlab.interop.jaxmarl_dynamics import library

        return library(self).roles

    def quantities(self) -> tuple[Quantity, ...]:
        return (Quantity("reward"),)

    def benchmarks(self) -> Benchmarks:
        return Benchmarks((), (), False, {}, ("no benchmark is known of an environment of another library",))

    def dynamics(self) -> "JaxMarlDynamics":
        from tacitlab.interop.jaxmarl_dynamics import build

        return build(self)
