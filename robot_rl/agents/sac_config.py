"""Hyper-parameters of SAC, with presets that reproduce the published recipes."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from pydantic import TypeAdapter

from robot_rl.agents.ranges import halved, require_at_most_one, require_discount, require_not_negative, require_positive
from robot_rl.errors import ConfigError
from robot_rl.nn.blocks import Activation
from robot_rl.nn.precision import Precision
from robot_rl.nn.vision_config import VisionConfig

MAX_WIDTH = 65_536
"""Of a hidden layer: far beyond use, and its square still fits into memory."""
_MAX_COUNT = {
    "batch_size": 1_000_000,
    "num_critics": 1000,
    "num_min_critics": 1000,
    "critic_actor_ratio": 1_000_000,
    "n_step": 10_000,
    "num_action_candidates": 100_000,
}
_POSITIVE = (
    "actor_lr", "critic_lr", "temperature_lr", "init_temperature", "utd_ratio", "clone_std", "reward_scale", "tau",
)  # fmt: skip
_NOT_NEGATIVE = (
    "bc_weight", "bc_halving_steps", "bc_weight_min", "clone_noise", "fine_scale", "grasp_penalty", "grasp_margin",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class SACConfig:
    """One line each. The defaults are ours; `hil_serl()` and `rlpd()` are the published ones."""

    batch_size: int = 256
    """transitions an update"""
    discount: float = 0.98
    """per environment step"""
    tau: float = 0.005
    """share of the critic that moves into its target at each critic update"""
    num_critics: int = 2
    """critics in the ensemble"""
    num_min_critics: int = 2
    """critics drawn without replacement for each target, of which the smallest value counts (REDQ's M)"""
    hidden_dims: tuple[int, ...] = (256, 256)
    """widths of the hidden layers of every network"""
    fine_scale: float = 0.0
    """magnification of a second view of poses about zero, for tasks of less than a millimetre; 0: none"""
    activation: Activation = "relu"
    """non-linearity after each hidden layer"""
    layer_norm: bool = True
    """normalise before each non-linearity; keeps critics from diverging off the data"""
    actor_lr: float = 3e-4
    """Adam's step size for the actor"""
    critic_lr: float = 3e-4
    """Adam's step size for the critics, the gripper's included"""
    temperature_lr: float = 3e-4
    """Adam's step size for the temperature"""
    init_temperature: float = 0.01
    """entropy bonus at the start; for rewards of size 1"""
    target_entropy: float | None = None
    """entropy that the temperature steers to; None: minus half the number of continuous action dimensions"""
    entropy_of: Literal["all", "motion"] = "all"
    """action dimensions whose entropy counts: all, or all but continuous grippers. One that is shut for good has a density
    without bound, and the temperature would have to push the motions apart to make up for it"""
    backup_entropy: bool = False
    """add the next state's entropy bonus to the target"""
    utd_ratio: float = 2.0
    """critic updates per environment step; may be fractional"""
    critic_actor_ratio: int = 2
    """critic updates per update of actor and temperature"""
    n_step: int = 1
    """rewards summed before bootstrapping"""
    actor_q: Literal["mean", "min"] = "mean"
    """what the actor climbs: the ensemble's mean or its minimum"""
    target_clip: tuple[float, float] | None = None
    """feasible returns, (0, 1) for one success reward; clipping targets to them ends overestimation"""
    reward_scale: float = 1.0
    """multiplies rewards"""
    reward_bias: float = 0.0
    """added to every step's scaled reward"""
    bc_weight: float = 0.0
    """weight of behaviour cloning on demonstrations in the actor's loss"""
    bc_halving_steps: int = 0
    """environment steps of learning after which that weight is half of what it was; 0: it stays"""
    bc_weight_min: float = 0.0
    """what that weight does not fall below"""
    bc_q_filter: bool = False
    """clone only demonstrated actions that the critics prefer to the actor's own"""
    clone_std: float = 0.2
    """standard deviation, before the squashing, that a cloned actor explores with"""
    clone_noise: float = 0.0
    """noise on the standardised state while cloning: few demonstrations are learned by heart without"""
    grasp_penalty: float = 0.02
    """what a command that opens a closed gripper, or closes an open one, costs the gripper's critic"""
    grasp_margin: float = 0.1
    """lead in value that demonstrated gripper commands are given while cloning"""
    grasp_epsilon: float = 0.01
    """share of exploring steps with a random gripper command"""
    explore_action: Literal["sample", "best"] = "sample"
    """exploring: a sample, or the best of the candidates by the critics"""
    eval_action: Literal["mean", "sample", "best"] = "mean"
    """evaluating: the mean, a sample, or the best of the candidates by the critics"""
    num_action_candidates: int = 16
    """samples among which `best` chooses, beside the mean"""
    candidate_q: Literal["mean", "min"] = "min"
    """value by which `best` chooses: the ensemble's mean or its minimum"""
    candidate_clone: bool = False
    """let the frozen clone's action compete in `best`"""
    vision: VisionConfig = field(default_factory=VisionConfig)
    """how cameras are seen; nothing without them"""
    precision: Precision = "auto"
    """arithmetic of the hidden layers' products while learning; auto: bfloat16 on processors that have it"""
    compile: bool = False
    """compile the losses with torch.compile; needs a C++ compiler on a CPU"""

    def __post_init__(self) -> None:
        for name, largest in _MAX_COUNT.items():
            if not 1 <= getattr(self, name) <= largest:
                raise ConfigError(f"{name} {getattr(self, name)} is not in 1..{largest}")
        require_positive(self, _POSITIVE)
        require_not_negative(self, _NOT_NEGATIVE)
        for name in ("target_entropy", "reward_bias"):
            if not math.isfinite(getattr(self, name) or 0.0):
                raise ConfigError(f"{name} {getattr(self, name):g} is not finite")
        require_at_most_one(self, ("actor_lr", "critic_lr", "temperature_lr", "tau"))
        if not self.num_min_critics <= self.num_critics:
            raise ConfigError(f"num_min_critics {self.num_min_critics} is not in 1..{self.num_critics}")
        require_discount(self.discount)
        if not 0.0 <= self.grasp_epsilon <= 1.0:
            raise ConfigError(f"grasp_epsilon {self.grasp_epsilon:g} is not in 0..1")
        if not self.hidden_dims or not all(1 <= width <= MAX_WIDTH for width in self.hidden_dims):
            raise ConfigError(f"hidden_dims {self.hidden_dims} needs at least one width, each in 1..{MAX_WIDTH}")
        if self.target_clip is not None and not -math.inf < self.target_clip[0] < self.target_clip[1] < math.inf:
            raise ConfigError(f"target_clip {self.target_clip} is not (low, high)")

    @classmethod
    def from_demonstrations(cls) -> SACConfig:
        """Ours for a sparse success reward and demonstrations; docs/experiments/recipe.md says what each line is for.

        The critics are pessimistic (the smallest of six counts, within the range of possible returns), so that nothing
        unseen looks better than what the demonstrations did. The actor starts at the clone, and is let go as they learn.
        """
        return cls(
            discount=0.95,
            n_step=5,
            tau=0.01,
            num_critics=6,
            num_min_critics=6,
            actor_q="min",
            target_clip=(0.0, 1.0),
            hidden_dims=(128, 128),
            utd_ratio=4.0,
            init_temperature=2e-4,
            temperature_lr=1e-3,
            clone_std=0.1,
            clone_noise=0.05,
            bc_weight=100.0,
            bc_halving_steps=200,
            bc_weight_min=0.1,
        )

    @classmethod
    def hil_serl(cls) -> SACConfig:
        """HIL-SERL (arXiv 2410.21845 and its repository), with a fixed update ratio where theirs runs free."""
        return cls(discount=0.97, activation="tanh", num_critics=2, num_min_critics=2, utd_ratio=2.0, grasp_epsilon=0.0)

    @classmethod
    def rlpd(cls) -> SACConfig:
        """RLPD for dense-reward locomotion from state (arXiv 2302.02948, table 1)."""
        return cls(
            discount=0.99,
            num_critics=10,
            num_min_critics=2,
            init_temperature=1.0,
            backup_entropy=True,
            utd_ratio=20.0,
            critic_actor_ratio=20,
            grasp_epsilon=0.0,
        )

    @classmethod
    def from_json(cls, values: Mapping[str, Any]) -> SACConfig:
        """Return the config that `dataclasses.asdict` made before a round trip through JSON."""
        return TypeAdapter(cls).validate_python(values)

    @property
    def chooses_best(self) -> bool:
        """Whether acting ever chooses among candidates, and so needs the critics."""
        return "best" in (self.explore_action, self.eval_action)

    def bc_weight_at(self, step: int) -> float:
        """Return the cloning weight after `step` environment steps of learning."""
        return halved(self.bc_weight, self.bc_weight_min, self.bc_halving_steps, step)
