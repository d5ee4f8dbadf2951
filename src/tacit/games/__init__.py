"""Stage games, one file each, with their benchmarks."""

from tacit.games.auction import FirstPriceAuction
from tacit.games.base import Actions, CongestionForm, NormalForm, StageGame
from tacit.games.bertrand import Bertrand
from tacit.games.bertrand_homogeneous import HomogeneousBertrand
from tacit.games.bertrand_linear import LinearBertrand
from tacit.games.braess import Braess
from tacit.games.cournot import Cournot
from tacit.games.el_farol import ElFarol
from tacit.games.matrix import Matrix
from tacit.games.minority import Minority
from tacit.games.network import Network
from tacit.games.pigou import Pigou
from tacit.games.prisoners_dilemma import PrisonersDilemma
from tacit.games.public_goods import PublicGoods

#: Every registered stage game; a new game is one file and one line here.
GAMES: tuple[type[StageGame], ...] = (
    Bertrand, LinearBertrand, HomogeneousBertrand, Cournot, PrisonersDilemma, Matrix, PublicGoods, Minority, ElFarol,
    FirstPriceAuction, Pigou, Braess, Network,
)  # fmt: skip

__all__ = [
    "GAMES", "Actions", "Bertrand", "Braess", "CongestionForm", "Cournot", "ElFarol", "FirstPriceAuction",
    "HomogeneousBertrand", "LinearBertrand", "Matrix", "Minority", "Network", "NormalForm", "Pigou",
    "PrisonersDilemma", "PublicGoods", "StageGame",
]  # fmt: skip
