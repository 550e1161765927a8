"""Training runs in the toy environment, small enough for unit tests."""

from dataclasses import replace
from pathlib import Path

from toy_env import Point, Straight

from demos.record import record
from robot_rl.agents.sac_config import SACConfig
from robot_rl.data.episodes import load_dataset
from robot_rl.envs.intervention import Intervention
from robot_rl.protocols import Teleop
from robot_rl.runs import RunFolder
from robot_rl.training.config import DemoConfig, EvaluationConfig, TrainConfig, WarmStartConfig
from robot_rl.training.loop import Trainer

CONFIG = TrainConfig(
    task="toy_env:make",
    sac=SACConfig(hidden_dims=(8,), batch_size=8, utd_ratio=1.0, clone_std=0.3),
    demos=DemoConfig(episodes=3, policy="toy_env:scripted"),
    warm_start=WarmStartConfig(clone_steps=10, env_steps=15, critic_steps=5),
    evaluation=EvaluationConfig(every=25, episodes=2, final_episodes=3, videos=2),
    env_steps=50,
    random_steps=15,
    device="cpu",
)
WITHOUT_DEMOS = replace(CONFIG, demos=DemoConfig(episodes=0))


def toy_trainer(
    folder: Path, config: TrainConfig = CONFIG, env: Point | None = None, *, teleop: Teleop | None = None, **options
) -> Trainer:
    """Return the trainer of a new run, or of the one that the folder holds already; perhaps with a person beside it."""
    is_new = not (folder / "config.json").exists()
    with RunFolder.create(folder, config) if is_new else RunFolder.resume(folder) as run:  # tests need no lock
        env = env or Point()
        eval_env = Point(radius=env.radius)
        demos = folder / "demos"
        if config.demos.episodes and not demos.exists():
            record(Point(), Straight(0), demos, config.demos.episodes, seed=0)
        acting_env = env if teleop is None else Intervention(env, teleop)
        return Trainer(config, run, acting_env, eval_env, load_dataset(demos), **options)
