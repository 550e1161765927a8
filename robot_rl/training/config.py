"""What a training run is made of, as one value that is written into the run."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Literal, get_args

from pydantic import TypeAdapter, ValidationError

from robot_rl.agents.modem_config import ModemConfig
from robot_rl.agents.sac_config import SACConfig
from robot_rl.envs.options import EnvOptions
from robot_rl.envs.takeover import TakeOverMode
from robot_rl.errors import ConfigError, RunError

MAX_THREADS = 1024
"""More than any machine has cores for: starting as many takes minutes."""
MAX_VETO_S = 60.0
OF_SUCCESS = (0.0, 1.0)
"""Range of returns where success is rewarded once."""


@dataclass(frozen=True, slots=True)
class DemoConfig:
    """Where demonstrations come from."""

    episodes: int = 20
    """demonstrations to learn from; 0: none"""
    policy: str = "scripted"
    """who demonstrates when there is no folder: `scripted`, or `package.module:factory` called with (env, seed)"""
    folder: str | None = None
    """recorded demonstrations; None: record them with the policy"""

    def __post_init__(self) -> None:
        if self.episodes < 0:
            raise ConfigError(f"demo episodes {self.episodes} is negative")


Agent = Literal["sac", "modem"]
AGENTS: tuple[str, ...] = get_args(Agent)
"""The fields of their settings have the same names."""
SEED_STEPS = {"sac": 300, "modem": 100}
"""Environment steps that a clone acts, by agent; SAC with 100 inserts later (docs/experiments/world_model_recipe.md)."""
CLONE_STEPS = {"sac": 1500, "modem": 4000}
"""Updates of cloning, by agent: what each was measured with; at insertion the world model gains nothing by more (same page)."""


@dataclass(frozen=True, slots=True)
class WarmStartConfig:
    """How the agent is brought to the level of its demonstrations before it may change; nothing of it without them."""

    clone_steps: int | None = None
    """behaviour cloning updates of the actor on the demonstrations. None: 1500 for sac, 4000 for modem"""
    env_steps: int | None = None
    """environment steps that the clone acts before learning starts; they count as environment steps. None: 300 for sac, 100
    for modem"""
    critic_steps: int = 1500
    """critic updates on demonstrations and the clone's rollouts, actor frozen"""

    def __post_init__(self) -> None:
        for name in ("clone_steps", "env_steps", "critic_steps"):
            if (getattr(self, name) or 0) < 0:
                raise ConfigError(f"warm start {name} {getattr(self, name)} is negative")


@dataclass(frozen=True, slots=True)
class EvaluationConfig:
    """When and how success is measured."""

    every: int = 500
    """environment steps between evaluations"""
    episodes: int = 20
    """episodes of each"""
    sampled: bool = True
    """measure actions as they are while exploring too, on the same starts; where those are plans, that takes longest"""
    final_episodes: int = 50
    """episodes of the last one, on starts never seen before; clone and demonstrator are measured on the same"""
    videos: int = 4
    """episodes filmed at the end; 0: none"""
    regrasp: bool = False
    """let a gripper that has closed on nothing open and go up by itself while measured, as `env.regrasp` always does. A miss
    then costs the learning agent its episode, and the measured one a second"""

    def __post_init__(self) -> None:
        for name in ("every", "episodes", "final_episodes"):
            if getattr(self, name) < 1:
                raise ConfigError(f"evaluation {name} {getattr(self, name)} is below 1")
        if self.videos < 0:
            raise ConfigError(f"evaluation videos {self.videos} is negative")


@dataclass(frozen=True, slots=True)
class RewardConfig:
    """What pays the agent while it learns. Evaluation goes by the environment's own success in any case."""

    source: Literal["env", "classifier"] = "env"
    """env: the environment's own reward; classifier: a success classifier that sees what the agent sees"""
    classifier: str | None = None
    """folder of a trained one; None: train one in the run, on labelled episodes of a scripted demonstrator"""
    success_episodes: int = 20
    """episodes to train it on that reach success"""
    failure_episodes: int = 30
    """episodes to train it on in which a clumsy hand tries again and again, and mostly fails"""
    look_around: bool = False
    """in those that succeed the hand is led about before it goes to work, so that goals are seen from everywhere"""
    past_success_steps: int = 15
    """steps for which those that succeed go on after their first success"""
    consecutive: int = 1
    """frames in a row that it must take for a success: what is paid on the way to success alone is where a policy stops"""
    state: tuple[str, ...] | None = None
    """entries that the classifier looks at beside the cameras; None: all but openings of grippers, which few successes show in
    one way only: what is held askew is held too"""

    def __post_init__(self) -> None:
        for name, least in (("success_episodes", 2), ("failure_episodes", 2), ("past_success_steps", 0), ("consecutive", 1)):
            if getattr(self, name) < least:
                raise ConfigError(f"reward {name} {getattr(self, name)} is below {least}")


@dataclass(frozen=True, slots=True)
class TrainConfig:
    """One training run."""

    task: str
    """reach, pick_lift, peg_insert, push_planar, bin_pick, gymnasium:<id>, dmc:<domain>-<task>, metaworld:<task>,
    station:<file>, or package.module:factory"""
    env: EnvOptions = field(default_factory=EnvOptions)
    agent: Agent = "sac"
    """which learner: soft actor-critic, or a world model that plans"""
    sac: SACConfig = field(default_factory=SACConfig)
    modem: ModemConfig = field(default_factory=ModemConfig)
    reward: RewardConfig = field(default_factory=RewardConfig)
    demos: DemoConfig = field(default_factory=DemoConfig)
    warm_start: WarmStartConfig = field(default_factory=WarmStartConfig)
    evaluation: EvaluationConfig = field(default_factory=EvaluationConfig)
    seed: int = 0
    """decides everything that is random: demonstrations, starts, networks, batches"""
    env_steps: int = 5000
    """environment steps of the whole run"""
    random_steps: int = 500
    """environment steps of uniformly random actions at the start; only without demonstrations"""
    demo_fraction: float = 0.5
    """share of every batch that is drawn from the demonstrations"""
    mirror: tuple[Literal["x", "y"], ...] = ()
    """learn from mirror images too; for tasks that look the same with these tool axes turned round"""
    turn: bool = False
    """learn from experience turned about the tool's axis too; for tasks that look the same from all sides to the hand"""
    self_imitation: bool = True
    """let the agent's own quick successes count as demonstrations; nothing without demonstrations"""
    teleop: str | None = None
    """who may take over while the agent acts: simulated (a scripted person, in our tasks), or on keyboard, gamepad, spacemouse,
    leader or browser; what they do joins the demonstrations. None: nobody"""
    takeover: TakeOverMode = "touch"
    """how a person takes over: by touching the device, while holding its button, or by tapping it once and again"""
    veto_s: float = 1.0
    """s in which a person may still contradict a classifier that called an episode a success"""
    replay_capacity: int = 200_000
    """environment steps that the online replay holds"""
    device: str = "auto"
    """auto, cpu or cuda"""
    threads: int = 0
    """torch threads; 0: leave as it is"""

    def __post_init__(self) -> None:
        for name in ("env_steps", "replay_capacity"):
            if getattr(self, name) < 1:
                raise ConfigError(f"{name} {getattr(self, name)} is below 1")
        for name, largest in (("seed", 2**63 - 1), ("random_steps", 2**63 - 1), ("threads", MAX_THREADS)):
            if not 0 <= getattr(self, name) <= largest:
                raise ConfigError(f"{name} {getattr(self, name)} is not in 0..{largest}")
        if not 0.0 <= self.veto_s <= MAX_VETO_S:
            raise ConfigError(f"veto_s {self.veto_s:g} is not in 0..{MAX_VETO_S:g} s")
        clip = getattr(self, self.agent).target_clip
        returns_more = self.env.reward == "dense" or not self.env.end_at_success
        if clip == OF_SUCCESS and self.reward.source == "env" and returns_more:
            cause = "reward dense" if self.env.reward == "dense" else "no-end-at-success"
            raise ConfigError(
                f"{self.agent} target_clip {clip} is the range of one reward at success, and env {cause} returns more; "
                f"give --{self.agent}.target-clip None, or the range of possible returns"
            )
        if not 0.0 <= self.demo_fraction <= 1.0:
            raise ConfigError(f"demo_fraction {self.demo_fraction} is not in 0..1")

    @property
    def evaluation_env(self) -> EnvOptions:
        """Where policies are measured."""
        return replace(self.env, viewer=False, regrasp=self.env.regrasp or self.evaluation.regrasp)

    @property
    def measures_sampled(self) -> bool:
        """Whether actions are also measured as they are while exploring: not where they are drawn so anyway."""
        modem = self.modem
        is_same = self.agent == "modem" and modem.eval_sampled and modem.eval_action == modem.explore_action
        return self.evaluation.sampled and not is_same

    @property
    def seed_steps(self) -> int:
        """Environment steps that the clone acts before learning starts."""
        own = self.warm_start.env_steps
        return SEED_STEPS[self.agent] if own is None else own

    @property
    def clone_steps(self) -> int:
        """Updates of cloning."""
        own = self.warm_start.clone_steps
        return CLONE_STEPS[self.agent] if own is None else own


def config_from_json(values: Mapping[str, Any]) -> TrainConfig:
    """Return the configuration that a run's config.json holds.

    Raises:
        RunError: If it was not written by this version; the message names the fields.
    """
    try:
        return _ADAPTER.validate_python(values)
    except ValidationError as error:
        causes = "; ".join(f"{'.'.join(map(str, item['loc']))}: {item['msg']}" for item in error.errors())
        raise RunError(f"config.json does not fit this version: {causes}") from error


_ADAPTER = TypeAdapter(TrainConfig)
