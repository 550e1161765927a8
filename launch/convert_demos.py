"""Convert demonstrations: ours to a format of another project, or theirs to ours.

python launch/convert_demos.py data/peg_insert out/peg_insert --to lerobot
python launch/convert_demos.py data/peg_insert out/peg_insert.hdf5 --to robomimic
python launch/convert_demos.py ph/low_dim.hdf5 data/can --from robomimic --ends success --success reward
python launch/convert_demos.py pusht data/pusht --from lerobot --action-low 0 --action-high 512 --final-obs repeat
"""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Literal

import tyro
from command_line import parse, run_script, show_log
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from demos.formats.convert import OnEpisode, Summary, export_dataset, import_dataset
from demos.formats.options import ExportOptions, ImportOptions
from robot_rl.errors import ConfigError


@dataclass(frozen=True, slots=True)
class ConvertConfig:
    """What to convert into what."""

    source: tyro.conf.Positional[Path]
    """dataset to read"""
    destination: tyro.conf.Positional[Path]
    """dataset to write; it must not exist yet"""
    to: Literal["lerobot", "robomimic", "diffusion_policy", "umi", "minari"] | None = None
    """the other project's format, when the source is ours"""
    from_: Annotated[
        Literal["lerobot", "robomimic", "diffusion_policy", "umi", "serl", "minari"] | None, tyro.conf.arg(name="from")
    ] = None
    """the other project's format, when the destination is to be ours"""
    reading: Annotated[ImportOptions, tyro.conf.arg(name="")] = field(default_factory=ImportOptions)
    writing: Annotated[ExportOptions, tyro.conf.arg(name="")] = field(default_factory=ExportOptions)

    def __post_init__(self) -> None:
        if (self.to is None) == (self.from_ is None):
            raise ConfigError("say either --to FORMAT, of a dataset of ours, or --from FORMAT, of another project's")
        if self.to is not None and self.reading != ImportOptions():
            raise ConfigError("options that say what a foreign dataset does not say go with --from, not with --to")
        if self.from_ is not None and self.writing != ExportOptions():
            raise ConfigError("options that say how another format is written go with --to, not with --from")


def main(config: ConvertConfig) -> None:
    """Convert, and show how it goes.

    Raises:
        ConfigError: If the destination exists, or the source does not say something that an option must say.
        DatasetError: If the source is damaged; nothing is left of the destination.
    """
    console = Console(stderr=True)
    show_log(console)
    with _progress(console) as progress:
        bar = progress.add_task(f"{config.source} as {config.to or 'ours'}", total=None)

        def on_episode(done: int, total: int) -> None:
            progress.update(bar, completed=done, total=total)

        summary = _convert(config, on_episode)
    console.print(f"{config.destination}: {summary.num_episodes} episodes, {summary.num_steps} steps", soft_wrap=True)


def _convert(config: ConvertConfig, on_episode: OnEpisode) -> Summary:
    if config.to is not None:
        return export_dataset(config.to, config.source, config.destination, config.writing, on_episode)
    return import_dataset(config.from_ or "", config.source, config.destination, config.reading, on_episode)


def _progress(console: Console) -> Progress:
    """Return the progress display."""
    return Progress(TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn(), console=console)


if __name__ == "__main__":
    run_script(lambda: main(parse(ConvertConfig, __doc__)))
