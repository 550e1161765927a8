"""Play the actions of a recorded episode again, in simulation or on the robot, and report how far it goes astray.

python launch/replay_episode.py data/lift 3
python launch/replay_episode.py data/lift ecf6a0 --env my_lab.station:make --teleop gamepad
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Annotated

import tyro
from command_line import parse, run_script
from person import SIMULATED, CockpitOptions, person
from rich.console import Console
from rich.table import Table

from demos.inspect import find_episode
from demos.replay_episode import ReplayReport, StartLimits, check_playable, replay
from robot_rl.data.stored_episode import StoredEpisode
from robot_rl.envs.factory import TASKS, make_env
from robot_rl.envs.options import EnvOptions
from robot_rl.envs.takeover import TakeOverMode
from robot_rl.errors import ConfigError


@dataclass(frozen=True, slots=True)
class ReplayConfig:
    """What to play, and where."""

    folder: Annotated[Path, tyro.conf.Positional]
    """of the dataset"""
    episode: Annotated[str, tyro.conf.Positional]
    """its number, counted from 0 in the order of time (-1 is the newest), or a part of its name"""
    env: str | None = None
    """environment, as record_demos.py takes it; None: the task that the episode names"""
    seed: int | None = None
    """of the start; None: the recorded one"""
    start: Annotated[StartLimits, tyro.conf.arg(name="start")] = field(default_factory=StartLimits)
    teleop: str | None = None
    """who is beside the robot and can pause and stop it: keyboard, gamepad, spacemouse or browser"""
    takeover: TakeOverMode = "hold"
    """when that person is in control: a replay in human hands is no replay"""
    cockpit: Annotated[CockpitOptions, tyro.conf.arg(name="")] = field(default_factory=CockpitOptions)
    options: Annotated[EnvOptions, tyro.conf.arg(name="")] = field(default_factory=EnvOptions)
    json: bool = False
    """print one JSON object instead of a table"""

    def __post_init__(self) -> None:
        if self.teleop == SIMULATED:
            raise ConfigError("teleop simulated would correct the replay; give a device with a stop, or none")


def main(config: ReplayConfig) -> int:
    """Play and report; return 1 if not all of it could be played.

    Raises:
        ConfigError: If there is no such episode, or the start is not the recorded one.
        SpecMismatch: If its actions do not fit the environment.
        DeviceError: If the robot cannot be reset.
    """
    console = Console(stderr=True, emoji=False)
    episode = StoredEpisode(find_episode(config.folder, config.episode))
    if config.env is None and episode.info.task not in TASKS:
        known = ", ".join(sorted(TASKS))
        raise ConfigError(f"episode {episode.name} is of {episode.info.task!r}, none of {known}; give --env")
    steps = max(episode.length, config.options.max_steps or 0)
    env = make_env(config.env or episode.info.task, replace(config.options, end_at_success=False, max_steps=steps))
    try:
        check_playable(env.env_spec, episode)
        title = f"replaying {episode.name}"
        with (
            person(config.teleop, config.takeover, config.cockpit, env, seed=0, title=title, console=console) as company,
            console.status(title) as status,
        ):
            report = replay(
                company.beside(env),
                episode,
                seed=config.seed,
                limits=config.start,
                on_step=lambda number: status.update(f"step {number} of {episode.length}"),
            )
    finally:
        env.close()
    if config.json:
        print(json.dumps({"episode": episode.name, **asdict(report)}))
    else:
        Console(emoji=False).print(report_table(episode, report))
    return 1 if report.played < report.steps else 0


def report_table(episode: StoredEpisode, report: ReplayReport) -> Table:
    """Return how far each entry was from the recorded one."""
    words = {True: "success", False: "no success"}
    outcome = f"{report.played} of {report.steps} steps, {words[report.was_success]} then, {words[report.is_success]} now"
    clamped = f", {report.clamped} commands clamped" if report.clamped else ""
    cut = f"\ncut short: {report.cut}" if report.cut else ""
    table = Table(title=f"replay of {episode.name}", caption=f"{outcome}{clamped}{cut}")
    for name in ("deviation of", "at start", "largest", "at", "at the end", "rms", "unit"):
        table.add_column(name, justify="left" if name in ("deviation of", "unit") else "right")
    for entry in report.deviations:
        figures = (f"{value:.2g}" for value in (entry.start, entry.largest))
        table.add_row(entry.key, *figures, str(entry.largest_at), f"{entry.final:.2g}", f"{entry.rms:.2g}", entry.unit)
    return table


if __name__ == "__main__":
    run_script(lambda: main(parse(ReplayConfig, __doc__)))
