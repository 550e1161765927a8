"""Episodes in which a camera in the hand sees a bright square: where it is in the picture, there the tool goes."""

import gymnasium as gym
import numpy as np

from robot_rl.agents.sac_config import SACConfig
from robot_rl.data.episode import Episode
from robot_rl.nn.backbone import BackboneConfig
from robot_rl.nn.vision_config import GoalConfig, VisionConfig
from robot_rl.specs import ActionSpec, ArraySpec, EnvSpec
from robot_rl.types import EpisodeInfo

SIZE = 32
REACH = 0.1
"""m from the middle of the picture to its edge."""
STEP = 0.02
"""m that an action of 1 moves."""
SPEC = EnvSpec(
    "square",
    {
        "state/arm/height": ArraySpec((1,)),
        "pose/arm": ArraySpec((7,)),
        "image/wrist": ArraySpec((SIZE, SIZE, 3), "uint8"),
    },
    ActionSpec(("arm/x", "arm/y")),
    control_dt=0.1,
    max_steps=20,
)
VISION = VisionConfig(
    policy_sees="goal",
    num_crops=1,
    backbone=BackboneConfig(stage=8, pretrained=False, precision="float32"),
    components=4,
    bottleneck=16,
    goal=GoalConfig(folds=2, steps=300, batch_size=64, hidden_dims=(32,), hidden_share=0.0, refit_every=2, pool="flat"),
)
CONFIG = SACConfig(batch_size=16, hidden_dims=(16,), critic_actor_ratio=1, utd_ratio=1.0, vision=VISION, precision="float32")


def picture(offset: np.ndarray) -> np.ndarray:
    """What the hand sees of a square at `offset` [2], m: x up, y to the right."""
    image = np.full((SIZE, SIZE, 3), 40, np.uint8)
    row, column = ((1.0 - offset / REACH * np.array([1.0, -1.0])) / 2.0 * (SIZE - 8)).round().astype(int)
    image[max(row, 0) : row + 8, max(column, 0) : column + 8] = 250
    return image


def episode(seed: int, *, length: int = 8, is_success: bool = True) -> Episode:
    """A tool that goes to its square in a straight line."""
    rng = np.random.default_rng(seed)
    start, square = rng.uniform(-0.04, 0.04, 2), rng.uniform(-0.04, 0.04, 2)
    share = np.linspace(0.0, 1.0, length + 1)[:, None]
    tool = start + share * (square - start)
    poses = np.concatenate([tool, np.tile([0.2, 1.0, 0.0, 0.0, 0.0], (length + 1, 1))], -1)
    obs = {
        "state/arm/height": np.full((length + 1, 1), 0.2, np.float32),
        "pose/arm": poses.astype(np.float32),
        "image/wrist": np.stack([picture(square - at) for at in tool]),
    }
    action = (np.diff(tool, axis=0) / STEP).astype(np.float32)
    none, last = np.zeros(length, bool), np.arange(length) == length - 1
    success = last & is_success
    return Episode(
        SPEC, EpisodeInfo("square", "demo"), obs, action, success.astype(np.float32), success, last & ~success, success,
        action, none, none, np.zeros(length, np.int64), 0.1 * np.arange(length),
    )  # fmt: skip


def observation(square: np.ndarray) -> dict[str, np.ndarray]:
    """What is seen at the origin of a square there, [2], m."""
    return {
        "state/arm/height": np.array([0.2], np.float32),
        "pose/arm": np.array([0, 0, 0.2, 1, 0, 0, 0], np.float32),
        "image/wrist": picture(square),
    }


class SquareEnv(gym.Env):
    """Move the hand over the square."""

    action_space = gym.spaces.Box(-1.0, 1.0, (2,), np.float32)
    env_spec = SPEC

    def __init__(self):
        self._rng = np.random.default_rng(0)

    def reset(self, *, seed=None, options=None):
        self._rng = self._rng if seed is None else np.random.default_rng(seed)
        self._tool, self._square = self._rng.uniform(-0.04, 0.04, (2, 2))
        self._steps = 0
        return self._obs(), {"stamp": 0.0}

    def step(self, action):
        self._steps += 1
        self._tool = np.clip(self._tool + STEP * action, -REACH, REACH)
        success = bool(np.linalg.norm(self._square - self._tool) < 0.02)
        info = {
            "action": action, "policy_action": action, "is_intervention": False, "clamped": False, "success": success,
            "true_success": success, "stamp": 0.1 * self._steps, "fault": "", "exertion": None,
        }  # fmt: skip
        return self._obs(), float(success), success, self._steps == SPEC.max_steps and not success, info

    def _obs(self):
        return observation(self._square - self._tool) | {
            "pose/arm": np.array([*self._tool, 0.2, 1, 0, 0, 0], np.float32),
        }

    def oracle(self, obs, *, explore=False):
        return np.clip((self._square - self._tool) / 0.04, -1.0, 1.0).astype(np.float32)
