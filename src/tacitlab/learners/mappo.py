"""Multi-agent proximal policy optimisation: own actors, a critic that sees everything."""

from typing import TYPE_CHECKING, Literal, Self

from pydantic import model_validator

from tacitlab.learners.base import MarketSeat
from tacitlab.learners.ppo import PPO
from tacitlab.schema import param

if TYPE_CHECKING:
    from tacitlab.learners.deep.base import Group


class MAPPO(PPO):
    """Proximal policy optimisation with central critics: in training values depend on all there is to know.

    Actors see what their agents see, in training and afterwards. Critics see the market's global state, and what the
    agent itself sees, and are needed in training alone. Each gradient, of the actor and of the critic, is
    clipped by its own norm.

    With ``parameters: own`` and ``critic: shared`` actors differ and the value function is one: sensible where all get
    the same reward.

    References
    ----------
    C. Yu et al., "The surprising effectiveness of PPO in cooperative multi-agent games", NeurIPS 2022.

    Examples
    --------
    >>> MAPPO(critic="own")
    Traceback (most recent call last):
    ...
    tacitlab.errors.TacitError: critic: agents with one actor have one critic; set parameters=own, or critic=shared
    """

    kind: Literal["mappo"] = "mappo"  # type: ignore[assignment]
    parameters: Literal["own", "shared"] = param("shared", "actors of each agent's own, or one for the whole group")
    critic: Literal["own", "shared"] = param(
        "shared", "value functions of each agent's own, or one for the whole group"
    )
    critic_sees: Literal["world", "both"] = param(
        "both", "the market's global state alone, or what the agent itself sees, too"
    )
    agent_ids: bool = param(True, "agents that share a network are told apart by an input of their own each")

    @model_validator(mode="after")
    def _paired(self) -> Self:
        if self.parameters == "shared" and self.critic == "own":
            raise ValueError("critic: agents with one actor have one critic; set parameters=own, or critic=shared")
        return self

    def group(self, seat: MarketSeat) -> "Group":
        from tacitlab.learners.deep.mappo import build

        return build(self, seat)
