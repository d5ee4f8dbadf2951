"""A study of your own: a claim, named with its margin before anything is played, and what became of it."""

from collections.abc import Mapping
from typing import ClassVar

from tacitlab.lab.experiment import load
from tacitlab.measures.outcome import Gain
from tacitlab.studies.base import Claim, Finding, Player, Study, more_than, paired_difference
from tacitlab.studies.frame import say


class MyStudy(Study):
    """Prisoners who remember the last period beside prisoners who remember nothing, session by session."""

    name: ClassVar[str] = "my-study"
    question: ClassVar[str] = "do Q-learners who remember what happened cooperate more than those who do not?"
    source: ClassVar[str] = "yours: author, title, year, table"
    sizes: ClassVar[Mapping[str, int]] = {"quick": 40, "paper": 1000}  # sessions: all that presets may differ in

    def find(self, preset: str, play: Player) -> Finding:
        """``play`` plays an experiment into the study's folder, or reads what lies there."""
        gains = []
        for memory in (1, 0):
            change = [f"name=memory-{memory}", f"learners.memory={memory}", f"sessions={self.sizes[preset]}"]
            gains.append(Gain().of(play(load("prisoners-dilemma", [*change, "length.stable_for=2000"]))))
        return examine(Claim("gain from memory", paired_difference(*gains), margin=more_than(0, fewest=20)))


def examine(claim: Claim) -> Finding:
    """The answer is made of the claim, so that no word outlives its number."""
    words = say(claim.judged(), "cooperate more", "do not cooperate more", "may or may not cooperate more")
    return Finding(f"Q-learners who remember {words}: {claim.measured} of the way from Nash to the optimum.", (claim,))
