"""What stage games and markets have in common: a name in scenario files, players, payoffs, benchmarks."""

from abc import abstractmethod
from typing import ClassVar

from tacit.schema import Spec
from tacit.theory.benchmarks import Benchmarks


class Environment(Spec):
    """Where agents meet: a stage game or a market."""

    role: ClassVar[str] = "player"
    payoff_name: ClassVar[str] = "payoff"
    payoff_unit: ClassVar[str] = ""
    cost_name: ClassVar[str] = ""  # where payoffs are negative costs: how people call the cost

    @property
    @abstractmethod
    def n_players(self) -> int:
        """Number of players."""

    @abstractmethod
    def benchmarks(self) -> Benchmarks:
        """Competitive and cooperative outcomes."""
