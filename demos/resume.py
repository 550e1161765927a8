"""Going on with a set of demonstrations that was left unfinished."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from robot_rl.data.episode_writer import DISCARDED_PREFIX
from robot_rl.data.episodes import recover
from robot_rl.data.stored_episode import StoredEpisode


@dataclass(frozen=True, slots=True)
class Recovered:
    """What became of the episodes whose writer died."""

    kept: int
    """those with a success: nothing is missing but what came after it"""
    put_aside: int
    """those that were cut before any: no demonstrations, and discarded as if a person had said so"""


def recover_demos(folder: str | Path) -> Recovered:
    """Close the half-written episodes of a folder of demonstrations that nobody is writing to."""
    kept = put_aside = 0
    for path in recover(folder):
        if StoredEpisode(path).steps("success").any():
            kept += 1
        else:
            path.rename(path.with_name(DISCARDED_PREFIX + path.name))
            put_aside += 1
    return Recovered(kept, put_aside)
