"""Tests for those who write a market or a learner of their own: does it keep the contract that all others rely on?"""

from tacit.testing.learner import check_learner
from tacit.testing.market import check_market

__all__ = ["check_learner", "check_market"]
