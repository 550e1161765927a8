"""Show what a dataset holds and what is wrong with it; or a picture of it.

python launch/inspect_demos.py data/lift
python launch/inspect_demos.py data/lift --filmstrip lift.png --only -1 3
python launch/inspect_demos.py data/lift --json
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Annotated

import tyro
from command_line import parse, run_script
from rich.console import Console
from rich.table import Table
from rich.text import Text

from demos.filmstrip import write_filmstrip
from demos.inspect import EpisodeReport, find_episode, inspect_episode, leftovers
from robot_rl.data.episodes import list_episodes
from robot_rl.errors import ConfigError

MAX_STRIPS = 20
"""Episodes on a picture, unless more are named."""


@dataclass(frozen=True, slots=True)
class InspectConfig:
    """What to look at."""

    folder: Annotated[Path, tyro.conf.Positional]
    """of the dataset"""
    only: tuple[str, ...] = ()
    """episodes by number, counted from 0 in the order of time (-1 is the newest), or by a part of their name; none: all"""
    filmstrip: Path | None = None
    """PNG to write: moments of each episode (of the newest 20, if none are named)"""
    moments: int = 8
    """pictures of an episode on it"""
    defects: bool = True
    """look for defects, which reads every picture"""
    json: bool = False
    """print one JSON object instead of a table; the status is then 0 whatever is found"""


def main(config: InspectConfig) -> int:
    """Print the table and the defects; return 1 if there are any.

    Raises:
        ConfigError: If there is no such folder, or no such episode.
    """
    if not config.folder.is_dir():
        raise ConfigError(f"no episodes at {config.folder}: there is no such folder")
    paths = list_episodes(config.folder)
    numbers = {path: number for number, path in enumerate(paths)}
    chosen = [find_episode(config.folder, which) for which in config.only] or paths
    if config.filmstrip is not None:
        write_filmstrip(chosen if config.only else chosen[-MAX_STRIPS:], config.filmstrip, moments=config.moments)
        Console(stderr=True, emoji=False).print(f"written: {config.filmstrip}", soft_wrap=True, markup=False)
    reports = {numbers[path]: inspect_episode(path, with_defects=config.defects) for path in chosen}
    rest = leftovers(config.folder)
    if config.json:
        episodes = [{"number": number, **asdict(report)} for number, report in reports.items()]
        print(json.dumps({"folder": str(config.folder), "episodes": episodes, "leftovers": asdict(rest)}))
        return 0
    console = Console(emoji=False)
    console.print(episode_table(config.folder, reports))
    for notes, numbers_of in notes_of(reports).items():
        console.print(f"{notes}: {', '.join(map(str, numbers_of))}", style="dim", soft_wrap=True, markup=False)
    if rest.half_written:
        console.print(f"{len(rest.half_written)} half-written: their writer died, or is at work", style="yellow")
    if rest.discarded:
        console.print(
            f"{len(rest.discarded)} discarded; take {'.discarded-'!r} from their names to bring them back", markup=False
        )
    found = [(number, defect) for number, report in reports.items() for defect in report.defects]
    for number, defect in found:
        console.print(Text.assemble((f"{number:4d}  ", "dim"), (f"{defect.kind:12}", "yellow"), defect.what), soft_wrap=True)
    if not reports:
        console.print("no episodes", style="yellow")
    elif config.defects and not found:
        console.print("no defects found")
    return 1 if found else 0


def episode_table(folder: Path, reports: dict[int, EpisodeReport]) -> Table:
    """Return one row an episode, and their sum."""
    values = list(reports.values())
    table = Table(title=str(folder), caption=_cameras(values), show_footer=True)
    for name, footer in (
        ("", len(values)),
        ("recorded, UTC", ""),
        ("source", ""),
        ("steps", sum(report.steps for report in values)),
        ("s", f"{sum(report.seconds for report in values):.1f}"),
        ("success", sum(report.success for report in values)),
        ("human", ""),
        ("MB", f"{sum(report.num_bytes for report in values) / 1e6:.1f}"),
        ("defects", sum(len(report.defects) for report in values)),
    ):
        is_text = name in ("recorded, UTC", "source")
        table.add_column(name, footer=str(footer), justify="left" if is_text else "right", no_wrap=True)
    for number, report in reports.items():
        table.add_row(
            str(number),
            report.recorded[5:-3] or report.name,
            report.source,
            str(report.steps),
            f"{report.seconds:.1f}",
            f"{report.success_steps} steps" if report.success else "-",
            f"{report.intervention_rate:.0%}",
            f"{report.num_bytes / 1e6:.1f}",
            str(len(report.defects) or ""),
        )
    return table


def notes_of(reports: dict[int, EpisodeReport]) -> dict[str, list[int]]:
    """Return which episodes have which notes, the number of their start apart."""
    shared: dict[str, list[int]] = {}
    for number, report in reports.items():
        notes = [f"{name}={value}" for name, value in (report.notes or {}).items() if name != "start"]
        if notes:
            shared.setdefault(" ".join(notes), []).append(number)
    return shared


def _cameras(reports: list[EpisodeReport]) -> str:
    """Return which cameras there are, and which of their pictures are JPEG."""
    names = dict.fromkeys(camera for report in reports for camera in report.cameras)
    lossy = {camera for report in reports for camera in report.jpeg_cameras}
    shown = ", ".join(f"{name} (JPEG)" if name in lossy else name for name in names)
    return f"cameras: {shown or 'none'}"


if __name__ == "__main__":
    run_script(lambda: main(parse(InspectConfig, __doc__)))
