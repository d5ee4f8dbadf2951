"""Stage games, one file each, with their benchmarks."""

from typing import TYPE_CHECKING

from tacitlab import registry

if TYPE_CHECKING:
    from tacitlab.games.auction import FirstPriceAuction as FirstPriceAuction
    from tacitlab.games.base import Actions as Actions
    from tacitlab.games.base import CongestionForm as CongestionForm
    from tacitlab.games.base import NormalForm as NormalForm
    from tacitlab.games.base import StageGame as StageGame
    from tacitlab.games.bertrand import Bertrand as Bertrand
    from tacitlab.games.bertrand_homogeneous import HomogeneousBertrand as HomogeneousBertrand
    from tacitlab.games.bertrand_linear import LinearBertrand as LinearBertrand
    from tacitlab.games.braess import Braess as Braess
    from tacitlab.games.cournot import Cournot as Cournot
    from tacitlab.games.el_farol import ElFarol as ElFarol
    from tacitlab.games.matrix import Matrix as Matrix
    from tacitlab.games.minority import Minority as Minority
    from tacitlab.games.network import Network as Network
    from tacitlab.games.pigou import Pigou as Pigou
    from tacitlab.games.prisoners_dilemma import PrisonersDilemma as PrisonersDilemma
    from tacitlab.games.public_goods import PublicGoods as PublicGoods

__getattr__, __dir__ = registry.lazily(__name__)  # these names, and any new member, are imported when they are used
