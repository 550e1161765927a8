"""Write a copy of a dataset that says something else of success: by hand, or by a trained classifier.

python launch/relabel_demos.py data/lift data/lift2 --success 3=57-60 7= ecf6a0=41-
python launch/relabel_demos.py data/lift data/lift2 --labels verdicts.json --no-end-at-success
python launch/relabel_demos.py data/lift data/lift2 --classifier rewards/lift
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import tyro
from command_line import parse, run_script
from rich.console import Console
from rich.table import Table

from demos.relabel import parse_label, read_labels, relabel_by_hand
from robot_rl.data.labels import Labels
from robot_rl.data.stored_episode import StoredEpisode
from robot_rl.errors import ConfigError


@dataclass(frozen=True, slots=True)
class RelabelConfig:
    """What to relabel, and by whom."""

    folder: Annotated[Path, tyro.conf.Positional]
    """dataset; it is not touched"""
    out: Annotated[Path, tyro.conf.Positional]
    """folder of the copy; must not hold episodes"""
    success: tuple[str, ...] = ()
    """EPISODE=STEPS: an episode's number (inspect_demos.py shows it) or a part of its name, and the steps that are a success,
    as 57-60,62 or 57- or nothing. Others are copied as they are"""
    labels: Path | None = None
    """the same in a file, {"NAME": [57, 58]}, as in verdicts.json"""
    classifier: Path | None = None
    """folder of a trained success classifier, which judges every step of every episode"""
    end_at_success: bool = True
    """let relabelled episodes end at their first success"""
    by: str = "hand"
    """who labels by hand, stored with the episodes"""

    def __post_init__(self) -> None:
        given = sum((bool(self.success), self.labels is not None, self.classifier is not None))
        if given != 1:
            raise ConfigError("give one of --success, --labels and --classifier")


def main(config: RelabelConfig) -> None:
    """Write the copies, and show what changed.

    Raises:
        ConfigError: If a label makes no sense, or `out` holds episodes.
        DatasetError: If an episode is damaged.
        SpecMismatch: If the classifier was made for other cameras.
    """
    written = relabelled(config)
    table = Table(title=str(config.out))
    for name in ("", "episode", "success before", "now", "steps before", "now"):
        table.add_column(name)
    for number, path in enumerate(written):
        before, now = (Labels.of(StoredEpisode(folder / path.name)) for folder in (config.folder, config.out))
        table.add_row(
            str(number),
            path.name,
            _success(before),
            _success(now),
            str(before.length),
            str(now.length),
            style="" if _success(before) != _success(now) or before.length != now.length else "dim",
        )
    Console(stderr=True, emoji=False).print(table)


def relabelled(config: RelabelConfig) -> list[Path]:
    """Write the copies and return their paths."""
    if config.classifier is not None:
        # Here and not above: it takes torch, which is slow to import, and labels by hand need none of it.
        from robot_rl.rewards.classifier import SuccessClassifier
        from robot_rl.rewards.relabelling import relabel

        return relabel(
            config.folder, SuccessClassifier.load(config.classifier), config.out, end_at_success=config.end_at_success
        )
    labels = dict(parse_label(text) for text in config.success) if config.labels is None else read_labels(config.labels)
    if len(labels) < len(config.success):
        raise ConfigError(f"an episode is named twice in --success {' '.join(config.success)}")
    return relabel_by_hand(config.folder, config.out, labels, end_at_success=config.end_at_success, by=config.by)


def _success(labels: Labels) -> str:
    steps = int(labels.success.sum())
    return f"{steps} steps" if steps else "-"


if __name__ == "__main__":
    run_script(lambda: main(parse(RelabelConfig, __doc__)))
