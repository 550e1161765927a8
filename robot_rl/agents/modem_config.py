"""Hyper-parameters of the world-model agent, with presets that reproduce the published recipes."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from pydantic import TypeAdapter

from robot_rl.agents.handover import HandoverConfig
from robot_rl.agents.planner_config import PlannerConfig
from robot_rl.agents.ranges import halved, require_at_most_one, require_discount, require_not_negative, require_positive
from robot_rl.errors import ConfigError
from robot_rl.nn.blocks import Activation
from robot_rl.nn.precision import Precision
from robot_rl.nn.vision_config import VisionConfig

WhoActs = Literal["planner", "policy", "unanimous"]
MAX_HORIZON = 100
_POSITIVE = (
    "lr", "encoder_lr_scale", "grad_clip", "tau", "rho", "utd_ratio", "clone_std", "scale_tau", "scale_least", "average_tau",
)  # fmt: skip
_NOT_NEGATIVE = (
    "consistency_weight", "reward_weight", "value_weight", "termination_weight", "entropy_weight", "clone_noise",
    "bc_weight", "bc_halving_steps", "bc_weight_min", "constraint_weight",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class ModemConfig:
    """One line each. `tdmpc2()`, `modem()` and `modem_v2()` plan as published, on TD-MPC2's networks without its faults."""

    batch_size: int = 256
    """windows an update"""
    horizon: int = 3
    """steps of a window, over which the model is unrolled"""
    discount: float = 0.97
    """per environment step"""
    rho: float = 0.5
    """weight of each step of a window relative to the one before it"""
    latent_dim: int = 128
    """length of the latent state"""
    simnorm_dim: int = 8
    """entries of the latent that make one distribution"""
    keep_state: bool = False
    """let actor, critics and model see the standardised state beside the latent"""
    encoder_dims: tuple[int, ...] = (256,)
    """widths of the encoder's hidden layers"""
    hidden_dims: tuple[int, ...] = (256, 256)
    """widths of the hidden layers of all other networks"""
    activation: Activation = "silu"
    """non-linearity after each hidden layer, which is normalised before"""
    num_critics: int = 5
    """critics in the ensemble"""
    num_min_critics: int = 2
    """critics drawn without replacement, of those that judge an actor, of which the smallest makes the target"""
    actor_q: Literal["mean", "min"] = "mean"
    """what the actor climbs: the mean or the minimum of as many critics; of all its own where there are several actors"""
    num_actors: int = 1
    """actors in the ensemble; each has num_critics / num_actors critics of its own"""
    num_bins: int = 101
    """bins in which rewards and values are classified"""
    bin_limit: float = 10.0
    """symlog of the largest reward or value that can be told"""
    td_lambda: float = 0.0
    """share that later rewards of a window have in the critics' targets; 0: one step ahead, 1: as far as the window goes"""
    target_clip: tuple[float, float] | None = None
    """feasible returns, (0, 1) for one success reward; clipping targets to them ends overestimation"""
    consistency_weight: float = 20.0
    """of the distance between predicted and encoded latents"""
    reward_weight: float = 0.1
    """of the reward's cross-entropy"""
    value_weight: float = 0.1
    """of the values' cross-entropy"""
    termination_weight: float = 1.0
    """of the termination's cross-entropy"""
    entropy_weight: float = 1e-4
    """of the policy's entropy, that of the squashed Gaussian, in its loss"""
    scale_tau: float = 0.01
    """share by which the scale of values follows a batch's"""
    scale_least: float = 1.0
    """smallest scale that values are divided by in the policy's loss"""
    lr: float = 3e-4
    """Adam's step size"""
    encoder_lr_scale: float = 0.3
    """the encoder's step size, relative to that"""
    grad_clip: float = 20.0
    """largest norm of the gradient of model and encoder together, and of the policy"""
    tau: float = 0.01
    """share of the critics that moves into their targets at each update"""
    utd_ratio: float = 1.0
    """updates per environment step; may be fractional"""
    bc_weight: float = 1.0
    """weight of cloning the demonstrated rows in the policy's loss"""
    bc_halving_steps: int = 0
    """environment steps of learning after which that weight is half of what it was; 0: it stays"""
    bc_weight_min: float = 0.0
    """what that weight does not fall below"""
    average_tau: float = 1.0
    """share by which the policy that is measured and deployed follows what is learned, at each update; 1: it is the same"""
    constraint_weight: float = 0.0
    """weight of staying near the actions that were executed in the policy's loss (after TD-M(PC)^2 and Newt)"""
    pretrain_model: bool = True
    """learn the whole model from the demonstrations while cloning; otherwise encoder and policy only"""
    clone_std: float = 0.2
    """standard deviation, before the squashing, that a cloned policy acts with"""
    clone_noise: float = 0.0
    """noise on the standardised state while cloning: few demonstrations are learned by heart without"""
    fine_scale: float = 0.0
    """magnification of a second view of poses about zero, for tasks of less than a millimetre; 0: none"""
    handover: HandoverConfig = field(default_factory=HandoverConfig)
    """who acts while exploring: the cloned policy, or what was learned since (`explore_action`)"""
    planner: PlannerConfig = field(default_factory=PlannerConfig)
    """how plans are made"""
    explore_action: WhoActs = "planner"
    """who acts while exploring; unanimous: the planner where all critics expect more of its plan, else the policy"""
    eval_action: WhoActs = "planner"
    """who acts when measured or deployed"""
    eval_sampled: bool = False
    """draw measured and deployed actions as exploring ones are: an elite plan with noise, or a sample of the policy"""
    vision: VisionConfig = field(default_factory=VisionConfig)
    """how cameras are seen; nothing without them"""
    precision: Precision = "auto"
    """arithmetic of the hidden layers' products while learning; auto: bfloat16 on processors that have it"""

    def __post_init__(self) -> None:
        for name, largest in (("batch_size", 1_000_000), ("horizon", MAX_HORIZON), ("num_critics", 1000), ("num_actors", 1000)):
            if not 1 <= getattr(self, name) <= largest:
                raise ConfigError(f"{name} {getattr(self, name)} is not in 1..{largest}")
        require_positive(self, _POSITIVE)
        require_not_negative(self, _NOT_NEGATIVE)
        require_at_most_one(self, ("lr", "tau", "rho", "scale_tau", "average_tau"))
        require_discount(self.discount)
        if not 0.0 <= self.td_lambda <= 1.0:
            raise ConfigError(f"td_lambda {self.td_lambda:g} is not in 0..1")
        if self.num_critics % self.num_actors:
            raise ConfigError(f"num_critics {self.num_critics} is not a multiple of num_actors {self.num_actors}")
        if not 1 <= self.num_min_critics <= self.num_critics // self.num_actors:
            raise ConfigError(f"num_min_critics {self.num_min_critics} is not in 1..{self.num_critics // self.num_actors}")
        if self.latent_dim < 1 or self.simnorm_dim < 2 or self.latent_dim % self.simnorm_dim:
            raise ConfigError(f"latent_dim {self.latent_dim} is not a multiple of simnorm_dim {self.simnorm_dim}, at least 2")
        if not self.hidden_dims or not self.encoder_dims or min(*self.hidden_dims, *self.encoder_dims) < 1:
            raise ConfigError(f"hidden_dims {self.hidden_dims} and encoder_dims {self.encoder_dims} need a width each")
        if self.target_clip is not None and not -math.inf < self.target_clip[0] < self.target_clip[1] < math.inf:
            raise ConfigError(f"target_clip {self.target_clip} is not (low, high)")
        if self.planner.proposal != "gaussian" and self.planner.num_pi_trajs < 1:
            raise ConfigError(f"proposal {self.planner.proposal!r} needs num_pi_trajs of at least 1")

    @classmethod
    def from_demonstrations(cls) -> ModemConfig:
        """Ours for a sparse success reward and demonstrations; docs/experiments/world_model_recipe.md tells how it was found.

        Held at the demonstrations first, and let go as the critics learn, of which the smallest value counts everywhere. The
        networks are small and see the state itself, so that they can be fitted often between two steps of the robot.
        """
        return cls(
            batch_size=128,
            horizon=5,
            discount=0.95,
            latent_dim=64,
            keep_state=True,
            encoder_dims=(128,),
            hidden_dims=(128, 128),
            num_min_critics=5,
            actor_q="min",
            bin_limit=1.0,
            td_lambda=1.0,
            target_clip=(0.0, 1.0),
            utd_ratio=4.0,
            bc_weight=100.0,
            bc_halving_steps=200,
            bc_weight_min=0.1,
            clone_noise=0.05,
            clone_std=0.1,
            average_tau=0.005,
            planner=PlannerConfig(horizon=5, num_iterations=1, proposal="policy", pi_std=0.05, pessimism=3.0, explore_std=0.15),
            eval_action="policy",
        )

    @classmethod
    def tdmpc2(cls) -> ModemConfig:
        """TD-MPC2 (arXiv 2310.16828) in its size of a million parameters, which has two critics; no cloning."""
        return cls(
            activation="mish",
            encoder_dims=(256, 256),
            hidden_dims=(384, 384),
            num_critics=2,
            bc_weight=0.0,
            eval_action="planner",
            planner=PlannerConfig(
                num_samples=488, num_elites=64, num_pi_trajs=24, num_iterations=6, proposal="gaussian", temperature=0.5,
                relative_temperature=False, pessimism=0.0, explore_std=2.0,
            ),
        )  # fmt: skip

    @classmethod
    def modem(cls) -> ModemConfig:
        """MoDem's phases and planner (arXiv 2212.05698 and its repository): cloning, seeding, then plans drawn widely."""
        return cls(
            discount=0.99,
            horizon=5,
            num_critics=2,
            bc_weight=0.0,
            pretrain_model=False,
            planner=PlannerConfig(
                horizon=5, num_samples=512, num_elites=64, num_pi_trajs=25, num_iterations=6, proposal="gaussian", momentum=0.1,
                temperature=0.5, relative_temperature=False, pessimism=0.0, explore_std=2.0,
            ),
        )  # fmt: skip

    @classmethod
    def modem_v2(cls) -> ModemConfig:
        """MoDem-V2's three ingredients (arXiv 2309.14236 and its repository): plans around five actors, handover, disagreement.

        A critic judges the next actor instead of the best of the others, and the clone acts by its mean instead of by the best
        of 510 noisy actions.
        """
        return cls(
            discount=0.95,
            horizon=5,
            num_actors=5,
            num_critics=10,
            bc_weight=0.0,
            pretrain_model=False,
            handover=HandoverConfig(end=100_000, by="step"),
            planner=PlannerConfig(
                horizon=5, num_samples=510, num_elites=64, num_pi_trajs=60, num_iterations=1, proposal="policy",
                temperature=0.5, relative_temperature=False, pessimism=10.0, pessimism_at="terminal",
                warm_start=False, explore_std=0.1,
            ),
        )  # fmt: skip

    @classmethod
    def from_json(cls, values: Mapping[str, Any]) -> ModemConfig:
        """Return the config that `dataclasses.asdict` made before a round trip through JSON."""
        return TypeAdapter(cls).validate_python(values)

    def bc_weight_at(self, step: int) -> float:
        """Return the cloning weight after `step` environment steps of learning."""
        return halved(self.bc_weight, self.bc_weight_min, self.bc_halving_steps, step)
