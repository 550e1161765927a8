"""What an agent makes of its cameras once, before anything is learned by reward: features, and where the tool has to go."""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor, nn

from robot_rl.data.episode import Episode
from robot_rl.data.features import FIT_FRAMES, Featurizer
from robot_rl.data.hindsight import hindsight_goals, pose_key
from robot_rl.errors import ConfigError
from robot_rl.nn.backbone import Backbone
from robot_rl.nn.goal_estimator import GoalEstimator
from robot_rl.nn.vision_config import VisionConfig
from robot_rl.specs import ArraySpec, EnvSpec
from robot_rl.types import Metrics, Observation

if TYPE_CHECKING:
    from robot_rl.nn.goal_fitting import GoalFrames

POSITION, ROTATION = "state/goal/position", "state/goal/rotation"
"""Entries that tell a policy where the tool has to go, in its own frame: m and rad."""
ENCODED_AT_ONCE = 64
"""Frames of a camera."""


class Sight(nn.Module):
    """Turns the observations of an environment into those that replay keeps and policies act upon.

    Without cameras, or where a network learns from the frames themselves, that is what the environment gives but for
    `pose/<arm>`, which only labels are made of.
    """

    def __init__(
        self,
        spec: EnvSpec,
        config: VisionConfig,
        generator: torch.Generator,
        *,
        backbone: Backbone | None = None,
        mirrored: bool = False,
    ) -> None:
        """Prepare for an environment; `fit` or `load_state_dict` comes next.

        Args:
            spec: Of the environment.
            config: Of the eyes.
            generator: Draws weights.
            backbone: Of a frozen camera encoder; None: the pretrained one that the config names.
            mirrored: The task looks the same with left and right exchanged.

        Raises:
            ConfigError: If the goal is wanted, and the environment does not tell the tool's pose.
        """
        super().__init__()
        is_frozen = config.encoder == "frozen" and any(key.startswith("image/") for key in spec.obs)
        self.config, self.mirrored = config, mirrored
        shows_features = config.policy_sees != "goal"
        obs = {key: entry for key, entry in spec.obs.items() if not key.startswith("pose/")}
        self.featurizer = (
            Featurizer(obs, config, backbone=backbone, mirrored=mirrored and shows_features) if is_frozen else None
        )
        self.goals: GoalEstimator | None = None
        self._state_keys: tuple[str, ...] = ()
        self._demos: list[GoalFrames] = []
        self._successes: deque[GoalFrames] = deque(maxlen=config.goal.max_successes)
        self._num_successes = 0
        if self.featurizer is not None:
            obs = self.featurizer.replay_obs
            if config.estimates_goal:
                pose_key(spec)
                self._state_keys = tuple(sorted(key for key in obs if key.rpartition("/")[2] in config.goal.quantities))
                features = {key: entry for key, entry in obs.items() if key.startswith("feature/")}
                state_dim = sum(obs[key].shape[0] for key in self._state_keys)
                self.goals = GoalEstimator(features, state_dim, config, generator)
                kept = {key: entry for key, entry in obs.items() if shows_features or key.startswith("state/")}
                obs = kept | {POSITION: ArraySpec((3,)), ROTATION: ArraySpec((3,))}
        self.replay_obs = obs
        """Observations as replay keeps them."""

    @property
    def learns(self) -> bool:
        """Whether there is anything to `fit`."""
        return self.featurizer is not None

    @property
    def goal_state_keys(self) -> tuple[str, ...]:
        """State entries by which, beside features, the goal is estimated; none where it is not."""
        return self._state_keys

    def fit(self, demos: Sequence[Episode], seed: int, more: Sequence[Episode] = ()) -> Metrics:
        """Learn from demonstrations what can be learned without reward; nothing without a frozen encoder.

        Args:
            demos: Those that replay is given too, in the same order.
            seed: Of the learning.
            more: Episodes that only the goal is learned from, as far as they succeed: recordings for a reward classifier.

        Returns:
            How well the goal is known in demonstrations that it was not learned from.

        Raises:
            ConfigError: If there are none, or none with a goal to be known in hindsight.
        """
        if self.featurizer is None:
            return {}
        self.fit_projections(_some_frames(demos))
        if self.goals is None:
            return {}
        from robot_rl.nn.goal_fitting import GoalFrames, fit_goals  # learning: who only acts does without

        self.recall(demos, more)
        errors = fit_goals(self.goals, GoalFrames.joined(self._demos), seed)
        return {f"goal/{name}": value for name, value in asdict(errors).items()}

    def recall(self, demos: Sequence[Episode], more: Sequence[Episode] = ()) -> None:
        """Take what is learned from, for one that has been loaded instead of fitted; arguments as of `fit`.

        Raises:
            ConfigError: If none tells a goal in hindsight.
        """
        if self.goals is None:
            return
        told = [self._goal_frames(demo, index) for index, demo in enumerate(demos) if demo.success]
        if not told:
            raise ConfigError(
                f"none of {len(demos)} demonstrations succeeds, so none tells where the tool has to go; "
                "record successful ones, or set vision.policy_sees to features"
            )
        self._demos = told + [self._goal_frames(episode, -1) for episode in more if episode.success]

    def learn_from(self, success: Episode, seed: int, *, refit: bool = True) -> Metrics:
        """Remember a success of the agent's own, and after every so many learn from all anew where the tool has to go.

        Args:
            success: A new episode that succeeded.
            seed: Of the learning.
            refit: False: only remember, as when episodes are restored whose lesson is in the weights.

        Returns:
            How well the goal was known in it before: frames that nothing was learned from.
        """
        every = self.config.goal.refit_every
        if self.goals is None or not every:
            return {}
        from robot_rl.nn.goal_fitting import GoalFrames, errors_of, fit_member

        frames = self._goal_frames(success, demo=-1)
        self._successes.append(frames)
        self._num_successes += 1
        if not refit:
            return {}
        errors = errors_of(self.goals(frames.views, frames.state), frames.goals)
        if self._num_successes % every == 0:
            everything = GoalFrames.joined([*self._demos, *self._successes])
            fit_member(self.goals, self.goals.folds, everything, None, seed + self._num_successes)
        return {f"goal/{name}": value for name, value in asdict(errors).items()}

    def fit_projections(self, images: Mapping[str, np.ndarray]) -> None:
        """Fix the projection of camera features from images uint8 [T, H, W, C] a key; nothing without a frozen encoder.

        Raises:
            ConfigError: If there are none.
        """
        if self.featurizer is None:
            return
        if not images:
            raise ConfigError("a frozen camera encoder is fitted to demonstrations; record some, or set vision.encoder to cnn")
        self.featurizer.fit(images)

    def look(self, obs: Observation) -> dict[str, Tensor]:
        """Return one observation as policies act upon it: entries of `replay_obs`, without a batch dimension."""
        seen = {key: torch.as_tensor(value) for key, value in obs.items() if key in self.replay_obs}
        if self.featurizer is None:
            return seen
        features = self.featurizer.central(obs)
        return seen | ({} if self.config.policy_sees == "goal" else features) | self._goal(features, obs, None)

    def encode(self, observations: Sequence[Observation], *, demo: int | None = None) -> list[Observation]:
        """Return observations as replay keeps them. A single step's cost nothing more where they were acted upon.

        Args:
            observations: Consecutive ones.
            demo: Index of the demonstration they are of; None: of none.
        """
        if self.featurizer is not None:
            together = len(observations) > 2
            encode = self.featurizer.encode
            observations = self.featurizer.encode_many(observations) if together else [*map(encode, observations)]
        if self.goals is not None:
            observations = [self._with_goal(obs, demo) for obs in observations]
        return [{key: value for key, value in obs.items() if key in self.replay_obs} for obs in observations]

    def _with_goal(self, encoded: Observation, demo: int | None) -> Observation:
        """Return an encoded observation with the goal."""
        features = {key: torch.as_tensor(value) for key, value in encoded.items() if key.startswith("feature/")}
        # Of several crops the first is the frame itself. One observation at a time: in a batch, sums round differently.
        central = {key: value if value.ndim == 3 else value[0] for key, value in features.items()}
        return encoded | {key: value.cpu().numpy() for key, value in self._goal(central, encoded, demo).items()}

    def _goal(self, features: dict[str, Tensor], obs: Observation, demo: int | None) -> dict[str, Tensor]:
        if self.goals is None:
            return {}
        device = self.goals.scale.device
        state = torch.from_numpy(np.concatenate([*(obs[key] for key in self._state_keys), np.zeros(0, np.float32)]))
        views = {key: view.to(device)[None] for key, view in features.items()}
        goal = self.goals(views, state.to(device)[None], unseen_by=demo)[0]
        return {POSITION: goal[:3], ROTATION: goal[3:]}

    def _goal_frames(self, episode: Episode, demo: int) -> GoalFrames:
        """Return what the goal can be learned from in a successful episode."""
        goals = hindsight_goals(episode)
        if self.goals is None or goals is None:
            raise ValueError("goals are learned from successful episodes, where they are estimated")
        from robot_rl.nn.goal_fitting import GoalFrames

        device = self.goals.scale.device
        state = [episode.obs[key] for key in self._state_keys]
        return GoalFrames(
            views=self._features(episode, mirrored=False),
            mirrored=self._features(episode, mirrored=True) if self.mirrored else {},
            state=torch.from_numpy(np.concatenate([*state, np.zeros((len(goals), 0), np.float32)], -1)).to(device),
            goals=torch.from_numpy(goals).to(device),
            demo=torch.full((len(goals),), demo, device=device),
        )

    def _features(self, episode: Episode, *, mirrored: bool) -> dict[str, Tensor]:
        """Return the features of all frames, float16 [T+1, C, h, w] by `feature/<camera>`."""
        if self.featurizer is None:
            return {}
        chunks: list[dict[str, Tensor]] = []
        for start in range(0, episode.length + 1, ENCODED_AT_ONCE):
            rows = slice(start, start + ENCODED_AT_ONCE)
            images = {key: torch.from_numpy(np.array(episode.obs[key][rows])) for key in self.featurizer.images}
            chunks.append(self.featurizer({key: view.flip(-2) if mirrored else view for key, view in images.items()}))
        return {key: torch.cat([chunk[key] for chunk in chunks]) for key in chunks[0]}


def _some_frames(demos: Sequence[Episode]) -> dict[str, np.ndarray]:
    """Return images [T, H, W, C] a camera key, spread evenly over the demonstrations; nothing without any."""
    if not demos:
        return {}
    keys = [key for key in demos[0].obs if key.startswith("image/")]
    places = [(index, step) for index, episode in enumerate(demos) for step in range(episode.length + 1)]
    chosen = np.linspace(0, len(places) - 1, min(FIT_FRAMES, len(places))).round().astype(int)
    return {key: np.stack([demos[places[at][0]].obs[key][places[at][1]] for at in chosen]) for key in keys}
