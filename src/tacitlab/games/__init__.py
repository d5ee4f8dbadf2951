"""Stage games, one file each, with their benchmarks."""

from tacitlab.games.auction import FirstPriceAuction
from tacitlab.games.base import Actions, CongestionForm, NormalForm, StageGame
from tacitlab.games.bertrand import Bertrand
from tacitlab.games.bertrand_homogeneous import HomogeneousBertrand
from tacitlab.games.bertrand_linear import LinearBertrand
from tacitlab.games.braess import Braess
from tacitlab.games.cournot import Cournot
from tacitlab.games.el_farol import ElFarol
from tacitlab.games.matrix import Matrix
from tacitlab.games.minority import Minority
from tacitlab.games.network import Network
from tacitlab.games.pigou import Pigou
from tacitlab.games.prisoners_dilemma import PrisonersDilemma
from tacitlab.games.public_goods import PublicGoods

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
