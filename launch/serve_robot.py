"""Serve a station's robot to SERL and HIL-SERL clients, which then drive it unchanged, within its own limits.

python launch/serve_robot.py sim
python launch/serve_robot.py franka --port 5000 --endpoints.home 0.5 0.0 0.3
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Annotated

import tyro
from command_line import parse, run_script, show_log
from rich.console import Console

from hardware.serl_endpoints import EndpointConfig
from hardware.serl_goal import GoalConfig
from hardware.serl_http import SerlHttpServer
from robot_rl.station_file import load_station


@dataclass(frozen=True, slots=True)
class ServeConfig:
    """Which robot to serve, and where."""

    station: Annotated[str, tyro.conf.Positional]
    """name of a file in stations/, or a path to a .toml"""
    host: str = "127.0.0.1"
    """address to listen on; the protocol knows no password, so whoever reaches another one drives the robot"""
    port: int = 5000
    """port to listen on"""
    goals: GoalConfig = field(default_factory=GoalConfig)
    endpoints: EndpointConfig = field(default_factory=EndpointConfig)


def main(config: ServeConfig) -> None:
    """Serve until Ctrl-C; the robot is held and let go of at the end."""
    console = Console()
    show_log(console)
    robot = load_station(config.station).build_robot()
    with SerlHttpServer(robot, config.host, config.port, config.goals, config.endpoints) as server:
        console.print(f"serving {robot.spec.name} at {server.url}/ ; Ctrl-C holds the robot and ends")
        server.run()


if __name__ == "__main__":
    run_script(lambda: main(parse(ServeConfig, __doc__)))
