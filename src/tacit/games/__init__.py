"""Stage games, one file each, with their benchmarks."""

from tacit.games.auction import FirstPriceAuction
from tacit.games.base import Actions, CongestionForm, NormalForm, StageGame
from tacit.games.bertrand import Bertrand
from tacit.games.bertrand_homogeneous import HomogeneousBertrand
from tacit.games.bertrand_linear import LinearBertrand
from tacit.games.cournot import Cournot
from tacit.games.matrix import Matrix
from tacit.games.network import Network
from tacit.games.prisoners_dilemma import PrisonersDilemma

#: Every registered stage game; a new game is one file and one line here.
GAMES: tuple[type[StageGame], ...] = (
    Bertrand, LinearBertrand, HomogeneousBertrand, Cournot, PrisonersDilemma, Matrix, 
    FirstPriceAuction, Network,
)  # fmt: skip

__all__ = [
    "GAMES", "Actions", "Bertrand", "CongestionForm", "Cournot", "FirstPriceAuction",
    "HomogeneousBertrand", "LinearBertrand", "Matrix", "Network", "NormalForm", 
    "PrisonersDilemma", "StageGame",
]  # fmt: skip
