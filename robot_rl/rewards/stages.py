"""Rewards for tasks that are done in steps: ordered stages, each paid once."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

from robot_rl.atomic_file import write_json
from robot_rl.errors import ConfigError
from robot_rl.protocols import RewardModel
from robot_rl.rewards.classifier import SuccessClassifier
from robot_rl.rewards.reward import ClassifierReward
from robot_rl.specs import EnvSpec
from robot_rl.types import Observation

STAGES = "stages.json"
"""In a folder: names the folders of the stages' classifiers, in order, relative to it."""


class StagedReward:
    """A RewardModel of stages that are passed in order. Each pays once an episode; success is the last.

    Only the next stage is asked, so a stage that no longer holds later on is not paid twice, and one that is met early
    counts when its turn comes.
    """

    def __init__(self, stages: Sequence[RewardModel], payments: Sequence[float] | None = None) -> None:
        """Put stages in order.

        Args:
            stages: Who says that a stage is passed.
            payments: Reward of each; None: equal, adding up to 1.

        Raises:
            ConfigError: If there is no stage, or not a payment for each.
        """
        if not stages:
            raise ConfigError("a staged reward needs at least one stage")
        self.stages = tuple(stages)
        self.payments = tuple(payments or [1.0 / len(stages)] * len(stages))
        if len(self.payments) != len(self.stages):
            raise ConfigError(f"{len(self.payments)} payments for {len(self.stages)} stages")
        self.passed = 0
        """stages behind us in this episode"""

    def begin_episode(self) -> None:
        """Start again with the first stage."""
        self.passed = 0
        for stage in self.stages:
            stage.begin_episode()

    def __call__(self, obs: Observation) -> tuple[float, bool]:
        """Return (what the stages passed in this frame pay, whether the last is passed and holds)."""
        if self.passed == len(self.stages):
            return 0.0, self.stages[-1](obs)[1]
        paid = 0.0
        while self.passed < len(self.stages) and self.stages[self.passed](obs)[1]:
            paid += self.payments[self.passed]
            self.passed += 1
        return paid, self.passed == len(self.stages)


def save_stages(folder: Path, stages: Sequence[str], payments: Sequence[float] | None = None) -> None:
    """Make `folder` a staged reward of the classifiers in these folders, relative to it."""
    folder.mkdir(parents=True, exist_ok=True)
    write_json(folder / STAGES, {"stages": list(stages), "payments": None if payments is None else list(payments)})


def load_reward(folder: str | Path, spec: EnvSpec, *, device: str = "cpu") -> ClassifierReward | StagedReward:
    """Return the reward that a folder holds: a classifier, or stages of them.

    Args:
        folder: What `launch/train_reward.py` wrote, or `save_stages`.
        spec: Of the environment to be rewarded.
        device: Where to compute.

    Raises:
        ConfigError: If the folder holds neither.
        SpecMismatch: If it was trained on other cameras, sizes or crops.
    """
    folder = Path(folder)
    if (folder / STAGES).exists():
        try:
            about = json.loads((folder / STAGES).read_text())
            names, payments = about["stages"], about.get("payments")
        except (ValueError, KeyError, AttributeError) as error:
            raise ConfigError(f"{folder / STAGES} is damaged: {error!r}") from error
        return StagedReward([load_reward(folder / name, spec, device=device) for name in names], payments)
    classifier = SuccessClassifier.load(folder, device=device)
    classifier.check(spec)
    return ClassifierReward(classifier)
