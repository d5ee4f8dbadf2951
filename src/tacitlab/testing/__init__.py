"""Tests for those who write a market or a learner of their own: does it keep the contract that all others rely on?"""

from tacitlab.testing.learner import check_learner
from tacitlab.testing.market import check_market

__all__ = ["check_learner", "check_market"]
