"""What an outsider adds to a game to steer those who learn in it, one file each."""

from tacitlab.engine.arrays import Steering
from tacitlab.interventions.base import Intervention, NoIntervention
from tacitlab.interventions.own import OwnIntervention
from tacitlab.interventions.platform import DynamicProminence, LearnedThreshold, Prominence
from tacitlab.interventions.recommender import Recommender
from tacitlab.interventions.toll import Toll

#: Every registered intervention; a new one is one file and one line here.
INTERVENTIONS: tuple[type[Intervention], ...] = (
    NoIntervention, Recommender, Toll, Prominence, DynamicProminence, LearnedThreshold, OwnIntervention,
)  # fmt: skip

__all__ = [
    "INTERVENTIONS", "DynamicProminence", "Intervention", "LearnedThreshold", "NoIntervention", "OwnIntervention",
    "Prominence", "Recommender", "Steering", "Toll",
]  # fmt: skip
