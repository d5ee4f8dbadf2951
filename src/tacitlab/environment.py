"""What stage games and markets have in common: a name in scenario files, players, payoffs, benchmarks."""

from abc import abstractmethod
from typing import ClassVar, NamedTuple

from tacitlab.schema import Spec
from tacitlab.theory.benchmarks import Benchmarks, Profile


class Words(NamedTuple):
    """How people call what happens in an environment."""

    role: str
    payoff: str
    unit: str
    cost: str  # where payoffs are negative costs: the cost; else empty

    @property
    def sign(self) -> float:
        """Minus 1 where people speak of costs."""
        return -1.0 if self.cost else 1.0

    @property
    def outcome(self) -> str:
        """What an agent gets or pays."""
        return self.cost or self.payoff


class Environment(Spec):
    """Where agents meet: a stage game or a market."""

    role: ClassVar[str] = "player"
    payoff_name: ClassVar[str] = "payoff"
    payoff_unit: ClassVar[str] = ""
    cost_name: ClassVar[str] = ""  # where payoffs are negative costs: how people call the cost

    def words(self) -> Words:
        """How people call what happens here."""
        return Words(self.role, self.payoff_name, self.payoff_unit, self.cost_name)

    @property
    @abstractmethod
    def n_players(self) -> int:
        """Number of players."""

    @abstractmethod
    def benchmarks(self) -> Benchmarks:
        """Competitive and cooperative outcomes."""

    def random_play(self) -> Profile | None:
        """Uniformly random play, where its payoff is known exactly; None elsewhere."""
        return None
