"""What an outsider adds to a game to steer those who learn in it, one file each."""

from typing import TYPE_CHECKING

from tacitlab import registry

if TYPE_CHECKING:
    from tacitlab.engine.arrays import Steering as Steering
    from tacitlab.interventions.base import Intervention as Intervention
    from tacitlab.interventions.base import NoIntervention as NoIntervention
    from tacitlab.interventions.own import OwnIntervention as OwnIntervention
    from tacitlab.interventions.platform import DynamicProminence as DynamicProminence
    from tacitlab.interventions.platform import LearnedThreshold as LearnedThreshold
    from tacitlab.interventions.platform import Prominence as Prominence
    from tacitlab.interventions.recommender import Recommender as Recommender
    from tacitlab.interventions.toll import Toll as Toll

__getattr__, __dir__ = registry.lazily(__name__)  # these names, and any new member, are imported when they are used
