"""What `record_demos.py` is told: the command line of a recording."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Literal

import tyro
from person import SIMULATED, CockpitOptions

from demos.sitting import SittingPlan
from robot_rl.data.image_array import SMALL_PIXELS, ImageCompression
from robot_rl.envs.options import EnvOptions
from robot_rl.envs.takeover import TakeOverMode
from robot_rl.errors import ConfigError

SCRIPTED = "scripted"
STATION = "station"
"""The input device that the station's file names."""


@dataclass(frozen=True, slots=True)
class RecordConfig:
    """What to record."""

    env: str
    """reach, pick_lift, peg_insert, push_planar, bin_pick, gymnasium:<id>, dmc:<domain>-<task>, metaworld:<task>,
    station:<file>, or package.module:factory"""
    out: Path
    """folder of the dataset"""
    policy: str | None = None
    """who acts: `scripted` (our tasks, Meta-World, Adroit's door), or `package.module:factory` called with (env, seed); None:
    `scripted`, or nobody where a person drives"""
    teleop: str | None = None
    """who drives: keyboard, gamepad, spacemouse, leader, browser, or package.module:Device; None or `scripted`: the policy.
    `simulated`: a scripted person takes over from the policy"""
    takeover: TakeOverMode = "touch"
    """how a person takes over: by touching the device, while holding its button, or by tapping it once and again"""
    episodes: int = 20
    """demonstrations to keep"""
    failures: int = 0
    """failures to keep besides, for a reward classifier (by a person)"""
    failures_out: Path | None = None
    """folder of what a person calls a failure; None: <out>_failures, or `out` with --keep all"""
    countdown_s: float = 3.0
    """s between a reset and an episode by a person"""
    resume: bool = False
    """go on with an unfinished set: what the folder holds counts, and what a crash left half-written is closed"""
    note: tuple[str, ...] = ()
    """name=value, stored with every episode"""
    images: Literal["auto", "lossless", "jpeg"] = "auto"
    """auto: pictures beyond 256x256 pixels are stored as JPEG, others as they are; or all as they are; or all as JPEG"""
    jpeg_quality: int = 90
    """1 to 95"""
    past_success: int = 0
    """steps for which an episode goes on after success, holding what was reached: success to train a reward classifier on"""
    clumsy: bool = False
    """let what the policy does go wrong: failures to train a reward classifier on (our tasks; with --keep all)"""
    keep: Literal["success", "all"] = "success"
    """keep successful episodes only, or all"""
    max_attempts: int | None = None
    """attempts after which to give up; None: ten for each demonstration"""
    seed: int | None = None
    """decides starts and noise; None: the number of episodes in the folder, so that adding to it repeats nothing"""
    cockpit: Annotated[CockpitOptions, tyro.conf.arg(name="")] = field(default_factory=CockpitOptions)
    options: Annotated[EnvOptions, tyro.conf.arg(name="")] = field(default_factory=EnvOptions)

    def __post_init__(self) -> None:
        if self.episodes < 1:
            raise ConfigError(f"episodes {self.episodes} is below 1")
        if self.past_success < 0:
            raise ConfigError(f"past_success {self.past_success} is negative")
        if self.max_attempts is not None and self.max_attempts < 1:
            raise ConfigError(f"max_attempts {self.max_attempts} is below 1")
        if self.seed is not None and self.seed < 0:
            raise ConfigError(f"seed {self.seed} is negative")
        if not self.is_by_person and self.failures:
            raise ConfigError(f"failures {self.failures} are what a person records; give --teleop, or --clumsy --keep all")
        if any("=" not in note or not note.partition("=")[0] for note in self.note):
            raise ConfigError(f"note {' '.join(self.note)} is not name=value")
        self.compression  # noqa: B018
        if self.is_by_person:
            self.plan(0)

    @property
    def is_by_person(self) -> bool:
        """Whether somebody drives who can be asked."""
        return self.teleop not in (None, SCRIPTED, SIMULATED)

    @property
    def teleop_device(self) -> str | None:
        """Who is beside the robot, as `person` calls them."""
        return None if self.teleop == SCRIPTED else self.teleop

    @property
    def acting(self) -> str | None:
        """Who acts while nobody drives; None: nobody."""
        return self.policy or (None if self.is_by_person else SCRIPTED)

    @property
    def compression(self) -> ImageCompression:
        """Which images become JPEG."""
        above = {"auto": SMALL_PIXELS, "lossless": None, "jpeg": 0}[self.images]
        return ImageCompression(above, self.jpeg_quality)

    @property
    def notes(self) -> dict[str, str | int | float | bool]:
        """What is stored with every episode."""
        notes: dict[str, str | int | float | bool] = {} if self.teleop is None else {"teleop": self.teleop}
        return notes | {name: value for name, _, value in (note.partition("=") for note in self.note)}

    @property
    def failures_folder(self) -> Path:
        """Where a person's failures go."""
        beside = self.out if self.keep == "all" else self.out.with_name(f"{self.out.name}_failures")
        return self.failures_out or beside

    def plan(self, seed: int) -> SittingPlan:
        """Return what a person shall record."""
        return SittingPlan(self.episodes, self.failures, self.countdown_s, seed, notes=self.notes)
