"""What a market says about itself: roles, parameters, benchmarks; its dynamics, in the same file, say how it moves."""

from abc import abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple, Self

import numpy as np
from numpy.typing import NDArray

from tacitlab.environment import Environment
from tacitlab.schema import validate

if TYPE_CHECKING:
    from tacitlab.markets.motion import Dynamics


@dataclass(frozen=True)
class Discrete:
    """Actions 0 to ``size - 1``."""

    size: int


@dataclass(frozen=True)
class Continuous:
    """Actions are vectors of ``size`` real numbers."""

    size: int


@dataclass(frozen=True)
class Role:
    """Agents of one kind: same observations, same actions.

    Attributes
    ----------
    name : str
    agents : int
    observes : tuple of str
        Names of the observation's components.
    actions : Discrete or Continuous
        Continuous actions are real numbers of size about 1, which the market maps to what is feasible, unless it names
        the candidates itself.
    levels : tuple of int
        How many values, 0 and on, each component of the observation takes; empty if they are continuous.
    outcome, unit : str
        What its payoff is, where it is not what the market calls a payoff: never averaged with that of others.
    """

    name: str
    agents: int
    observes: tuple[str, ...]
    actions: Discrete | Continuous
    levels: tuple[int, ...] = ()
    outcome: str = ""
    unit: str = ""


class Quantity(NamedTuple):
    """Something that a market records in every step: its name, unit, and whether it differs between agents.

    What does not differ is also recorded while agents learn.
    """

    name: str
    unit: str = ""
    by_agent: bool = True

    @property
    def label(self) -> str:
        """The name as people read it."""
        return self.name.replace("_", " ")


class Market(Environment):
    """A Markov game with state, played in episodes."""

    @property
    @abstractmethod
    def horizon(self) -> int:
        """Steps of an episode."""

    @property
    def payoff_steps(self) -> int:
        """What payoffs refer to: 1 if to an episode, the horizon if to a step of it."""
        return 1

    @property
    def common_reward(self) -> bool:
        """Whether all agents always get the same reward, which learners of a team's value rely on."""
        return False

    @abstractmethod
    def roles(self) -> tuple[Role, ...]:
        """The roles; agents are numbered through them in this order."""

    @abstractmethod
    def quantities(self) -> tuple[Quantity, ...]:
        """What is recorded in every step of the test, in the order of ``Outcome.info``."""

    def rules(self) -> dict[str, str]:
        """Names and meanings of the market's scripted policies, for ``kind: rule``."""
        return {}

    def rules_of(self, role: Role) -> dict[str, str]:
        """Those of the ``rules`` that agents of a role can follow; all of them unless the market says otherwise."""
        return self.rules()

    def rule_values(self) -> dict[str, NDArray[np.float64]]:
        """Expected payoffs of all agents, (agents,), if everybody follows a rule: of the rules where they are exact."""
        return {}

    def changed(self, tree: Mapping[str, Any]) -> Self:
        """The same market with other values of its fields, all of which are given as plain data."""
        return validate(type(self), tree)

    @abstractmethod
    def dynamics(self) -> "Dynamics":
        """The market as pure functions on arrays (imports JAX)."""

    @property
    def n_players(self) -> int:
        return sum(role.agents for role in self.roles())
