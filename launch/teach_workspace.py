"""Find a station's workspace: lead the tool to corners of the box that it may work in, and mark each.

python launch/teach_workspace.py stations/lab.toml --teleop gamepad
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Annotated

import tyro
from command_line import parse, run_script
from led import led_env, marked, require_leader
from person import CockpitOptions, person
from rich.console import Console

from robot_rl.deploy.workspace import workspace_of, workspace_toml
from robot_rl.envs.takeover import TakeOverMode
from robot_rl.station_file import load_station


@dataclass(frozen=True, slots=True)
class TeachConfig:
    """Where, and with which hand."""

    station: Annotated[str, tyro.conf.Positional]
    """station file, or its name in stations/"""
    margin_m: float = 0.01
    """by which the box is smaller than what was taught, but for its floor"""
    teleop: str | None = None
    """device to lead the arm with; None: the station's"""
    takeover: TakeOverMode = "touch"
    """how that takes over"""
    cockpit: Annotated[CockpitOptions, tyro.conf.arg(name="")] = field(default_factory=CockpitOptions)


def main(config: TeachConfig) -> None:
    """Let a person lead the arm, and print the table for the station's file.

    Raises:
        ConfigError: If what was marked leaves no box.
        DeviceError: If a device fails; the robot is held.
    """
    console = Console(stderr=True, emoji=False)
    env = led_env(load_station(config.station), whole_reach=True)
    try:
        with person(
            config.teleop, config.takeover, config.cockpit, env, seed=0, title="teaching a workspace", console=console
        ) as company:
            require_leader(company)

            def say(text: str) -> None:
                console.print(text, soft_wrap=True)
                if company.cockpit is not None:
                    company.cockpit.say(text)

            places = [arm.pose.position for arm, _ in marked(company.beside(env), say)]
    finally:
        env.close()
    print(workspace_toml(env.config.action.part, workspace_of(places, config.margin_m)), end="")


if __name__ == "__main__":
    run_script(lambda: main(parse(TeachConfig, __doc__)))
