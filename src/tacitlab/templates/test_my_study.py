import pytest
from my_study import MyStudy, examine

from tacitlab.measures.statistics import Estimate
from tacitlab.studies.base import Claim, Player, more_than
from tacitlab.testing import check_study


def test_it_says_what_it_is():
    check_study(MyStudy)


def test_it_is_played_in_small(tmp_path, monkeypatch):
    monkeypatch.setattr(MyStudy, "sizes", {"quick": 20})
    finding = MyStudy().find("quick", Player(tmp_path))
    assert finding.claims[0].measured.n == 20


@pytest.mark.parametrize(
    ("low", "words"), [(0.1, "remember cooperate more"), (-0.3, "may or may not"), (-0.9, "do not")]
)
def test_words_follow_from_the_interval(low, words):
    claim = Claim("gain from memory", Estimate(low + 0.2, low, low + 0.4, 0.1, 40), margin=more_than(0, fewest=20))
    assert words in examine(claim).answer
