"""Train a success classifier on recorded episodes, and tell how far it can be trusted.

python launch/train_reward.py data/lift_successes data/lift_failures --out rewards/lift --cameras front wrist
python launch/train_reward.py data/... --add-policy-episodes runs/lift/.../episodes --out rewards/lift2
"""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Annotated, Any

import tyro
from command_line import parse, run_script, show_log
from rich.console import Console
from rich.table import Table

from robot_rl.atomic_file import write_json
from robot_rl.data.spec_json import check_same_spec
from robot_rl.errors import ConfigError
from robot_rl.nn.memory import keep_freed_memory
from robot_rl.plain import to_plain
from robot_rl.provenance import describe
from robot_rl.rewards.classifier_file import FILE
from robot_rl.rewards.config import ClassifierConfig
from robot_rl.rewards.frames import LabelledEpisode, content_hash, load_labelled
from robot_rl.rewards.judging import measure, reward_hacking
from robot_rl.rewards.pictures import plot_most_confused, plot_reliability
from robot_rl.rewards.training import TrainedClassifier, train_classifier
from robot_rl.training.device import resolve_device

SHOWN = (
    "frames",
    "positives",
    "threshold",
    "accuracy",
    "precision",
    "recall",
    "auc",
    "false_positives",
    "false_positive_rate",
    "false_positive_bound",
    "calibration_error",
)
"""Figures of the table, in order."""


@dataclass(frozen=True, slots=True)
class TrainRewardConfig:
    """What to learn from, and where to put it."""

    data: Annotated[tuple[Path, ...], tyro.conf.Positional]
    """folders of episodes, successes and failures; what a step's `success` flag says is the label of what was seen after it"""
    out: Path
    """folder of the classifier; must not hold one already"""
    add_policy_episodes: tuple[Path, ...] = ()
    """folders of the agent's own episodes with the truth (`verdicts.json`, or their own flags): what fools the classifier in
    them is learned from"""
    test: tuple[Path, ...] = ()
    """folders of episodes that are only measured"""
    first_is_success: bool = False
    """the first observation of an episode shows a success"""
    seed: int = 0
    """of split, weights, augmentation and batches"""
    device: str = "auto"
    """auto, cpu, cuda or cuda:<index>"""
    classifier: Annotated[ClassifierConfig, tyro.conf.arg(name="")] = field(default_factory=ClassifierConfig)


def load(config: TrainRewardConfig, folders: tuple[Path, ...]) -> dict[Path, list[LabelledEpisode]]:
    """Return the labelled episodes of each folder."""
    settings = config.classifier
    return {
        folder: load_labelled(
            folder,
            settings.cameras,
            starts_with_success=config.first_is_success,
            max_identical=settings.max_identical,
        )
        for folder in folders
    }


def check_fit(data: dict[Path, list[LabelledEpisode]]) -> None:
    """Raise SpecMismatch unless all episodes were recorded with the same observations and actions."""
    first = next(iter(data.values()))[0].episode.spec
    for folder, episodes in data.items():
        for item in episodes:
            check_same_spec(item.episode.spec, first, f"episode {item.name} in {folder}")


def describe_data(data: dict[Path, list[LabelledEpisode]], keys: list[str]) -> list[dict[str, Any]]:
    """Return what a classifier says of the data it came from."""
    return [
        {
            "folder": str(folder),
            "episodes": len(episodes),
            "frames": sum(len(item.labels) for item in episodes),
            "successes": sum(int(item.labels.sum()) for item in episodes),
            "faults": [asdict(fault) for item in episodes for fault in item.faults],
            "content": content_hash(episodes, keys),
        }
        for folder, episodes in data.items()
    ]


def describe_classifier(trained: TrainedClassifier, tests: dict[Path, list[LabelledEpisode]]) -> dict[str, Any]:
    """Return the figures that are kept with the classifier."""
    policy = trained.policy
    return {
        "held_out": trained.scores.to_json(),
        "seconds": round(trained.seconds, 1),
        "policy": policy
        and {
            "hard_negatives": policy.hard_negatives,
            "before": policy.before.to_json(),
            "after": policy.after.to_json(),
        },
        "test": {
            str(folder): {
                **measure(trained.classifier, episodes).to_json(),
                "reward_hacking": reward_hacking(trained.classifier, episodes).to_json(),
            }
            for folder, episodes in tests.items()
        },
    }


def summary(about: dict[str, Any], version: str) -> Table:
    """Return the table that is shown at the end."""
    table = Table(title=f"success classifier {version}")
    table.add_column("figure")
    columns = {"held out": about["held_out"], **{f"test {Path(name).name}": figures for name, figures in about["test"].items()}}
    for name in columns:
        table.add_column(name, justify="right")
    for name in SHOWN:
        table.add_row(name.replace("_", " "), *(_show(figures[name]) for figures in columns.values()))
    if about["policy"]:
        before, after = about["policy"]["before"], about["policy"]["after"]
        table.add_section()
        table.add_row("hard negatives", str(about["policy"]["hard_negatives"]))
        for name, report in (("reward hacking before", before), ("reward hacking after", after)):
            table.add_row(name, f"{report['hacked']} of {report['called']} called")
    return table


def main(config: TrainRewardConfig) -> None:
    """Train, measure, and write the classifier with its report.

    Raises:
        ConfigError: If a class or a camera is missing, there are too few episodes, or `out` holds a classifier.
        SpecMismatch: If the episodes do not fit each other.
    """
    console = Console(stderr=True)
    show_log(console)
    keep_freed_memory()
    if (config.out / FILE).exists():
        raise ConfigError(f"{config.out} holds a classifier already; give another --out, so that each version stays")
    data, added, tests = (load(config, folders) for folders in (config.data, config.add_policy_episodes, config.test))
    check_fit({**data, **added, **tests})
    with console.status("training") as status:
        trained = train_classifier(
            _all(data),
            config.classifier,
            policy_episodes=_all(added),
            seed=config.seed,
            device=resolve_device(config.device),
            on_step=lambda name, step: status.update(f"{name}: step {step} of {config.classifier.steps}"),
        )
        about = describe_classifier(trained, tests)
    classifier = trained.classifier
    keys = list(classifier.entries)
    classifier.about = {**about, "data": describe_data(data, keys), "policy_data": describe_data(added, keys)}
    classifier.about["seed"], classifier.about["environment"] = config.seed, describe()
    version = classifier.save(config.out)
    write_json(config.out / "report.json", {"version": version, "config": to_plain(classifier.config), **classifier.about})
    plot_reliability(trained, config.out / "reliability.png")
    plot_most_confused(trained, config.out / "most_confused.png")
    console.print(summary(about, version))
    console.print(f"written to {config.out}: {', '.join(sorted(path.name for path in config.out.iterdir()))}")


def _all(data: dict[Path, list[LabelledEpisode]]) -> list[LabelledEpisode]:
    return [item for episodes in data.values() for item in episodes]


def _show(value: float | None) -> str:
    if value is None:
        return "-"
    return str(value) if isinstance(value, int) else f"{value:.4f}"


if __name__ == "__main__":
    run_script(lambda: main(parse(TrainRewardConfig, __doc__)))
