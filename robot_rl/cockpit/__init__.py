"""The cockpit: one page in a browser that shows a robot at work, and from which it is driven, labelled and stopped."""

from robot_rl.cockpit.cockpit import Cockpit
from robot_rl.cockpit.config import CockpitConfig

__all__ = ["Cockpit", "CockpitConfig"]
