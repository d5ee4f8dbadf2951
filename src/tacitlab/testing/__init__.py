"""Tests for those who write a member of their own: does it keep the contract that all others rely on?

``tacit check FILE.py:NAME`` runs the one that fits; in a test of your own, call it.
"""

from typing import TYPE_CHECKING

from tacitlab import registry

if TYPE_CHECKING:
    from tacitlab.testing.battery import check as check
    from tacitlab.testing.game import check_game as check_game
    from tacitlab.testing.intervention import check_intervention as check_intervention
    from tacitlab.testing.learner import check_learner as check_learner
    from tacitlab.testing.market import check_market as check_market
    from tacitlab.testing.measure import check_measure as check_measure
    from tacitlab.testing.study import check_study as check_study

__getattr__, __dir__ = registry.lazily(__name__)  # games, measures and studies are checked without JAX
