"""Find where a camera is: lead the arm about, mark places from which the printed board is in the picture.

python launch/calibrate_camera.py stations/lab.toml wrist --board.square-m 0.025
python launch/calibrate_camera.py stations/lab.toml front --mounted fixed       # the board is held by the gripper
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Annotated, Literal

import numpy as np
import tyro
from command_line import parse, run_script
from led import led_env, marked, require_leader
from person import CockpitOptions, person
from rich.console import Console

from robot_rl.deploy.hand_eye import Board, HandEye, Intrinsics, camera_of, find_corners, hand_eye
from robot_rl.envs.takeover import TakeOverMode
from robot_rl.errors import ConfigError
from robot_rl.geometry import Pose
from robot_rl.station_file import load_station


@dataclass(frozen=True, slots=True)
class CalibrateConfig:
    """Which camera."""

    station: Annotated[str, tyro.conf.Positional]
    """station file, or its name in stations/"""
    camera: Annotated[str, tyro.conf.Positional]
    """its name there"""
    mounted: Literal["wrist", "fixed"] = "wrist"
    """wrist: on the arm, the board stands; fixed: the camera stands, the board is on the arm"""
    board: Board = field(default_factory=Board)
    teleop: str | None = None
    """device to lead the arm with; None: the station's"""
    takeover: TakeOverMode = "touch"
    """how that takes over"""
    cockpit: Annotated[CockpitOptions, tyro.conf.arg(name="")] = field(default_factory=CockpitOptions)


def main(config: CalibrateConfig) -> None:
    """Let a person lead the arm, and print where the camera is.

    Raises:
        ConfigError: If the station has no such camera, or the pictures do not suffice.
        DeviceError: If a device fails; the robot is held.
    """
    console = Console(stderr=True, emoji=False)
    station = load_station(config.station)
    if config.camera not in station.cameras:
        raise ConfigError(f"{station.source} has no camera {config.camera!r}; it has: {', '.join(station.cameras) or 'none'}")
    env = led_env(station)
    camera = env.cameras[config.camera]
    tools: list[Pose] = []
    corners: list[np.ndarray] = []
    try:
        title = f"calibrating {config.camera}"
        with person(config.teleop, config.takeover, config.cockpit, env, seed=0, title=title, console=console) as company:
            require_leader(company)

            def say(text: str) -> None:
                console.print(text, soft_wrap=True)
                if company.cockpit is not None:
                    company.cockpit.say(text)

            for arm, _ in marked(company.beside(env), say):
                found = find_corners(camera.read(max_age=env.config.max_frame_age_s).image, config.board)
                if found is None:
                    say("the board is not all in the picture: not counted")
                    continue
                tools.append(arm.pose)
                corners.append(found)
    finally:
        env.close()
    lens, boards = camera_of(corners, config.board, (camera.spec.width, camera.spec.height))
    print(report(config, lens, hand_eye(tools, boards, config.mounted)))


def report(config: CalibrateConfig, lens: Intrinsics, found: HandEye) -> str:
    """Return what was found, in lines for people and for a station's notes."""
    frame = "tcp" if config.mounted == "wrist" else "base"
    focal = f"fx {lens.matrix[0, 0]:.1f}, fy {lens.matrix[1, 1]:.1f}, cx {lens.matrix[0, 2]:.1f}, cy {lens.matrix[1, 2]:.1f}"
    return "\n".join(
        [
            f"camera {config.camera}: lens {focal} px, reprojection {lens.error_px:.2f} px",
            f"T_{frame}_camera: position_m = {np.round(found.pose.position, 4).tolist()}, "
            f"rotvec_rad = {np.round(found.pose.rotvec, 4).tolist()}",
            f"the board seems to move by {1e3 * found.position_error_m:.1f} mm and {found.rotation_error_rad:.3f} rad (rms)",
        ]
    )


if __name__ == "__main__":
    run_script(lambda: main(parse(CalibrateConfig, __doc__)))
