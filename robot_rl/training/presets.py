"""Named training runs: one configuration value each, all of whose fields the command line can override."""

from __future__ import annotations

from dataclasses import replace

from robot_rl.agents.modem_config import ModemConfig
from robot_rl.agents.sac_config import SACConfig
from robot_rl.envs.options import EnvOptions
from robot_rl.nn.vision_config import GoalConfig, VisionConfig
from robot_rl.training.config import DemoConfig, EvaluationConfig, RewardConfig, TrainConfig, WarmStartConfig

NO_DEMOS = DemoConfig(episodes=0)
TWO_CAMERAS = EnvOptions(cameras=("front", "wrist"), object_state=False, image_size=128)
LIFT = replace(
    SACConfig.from_demonstrations(),
    target_entropy=-16.0,  # low: where the gripper is shut for good, its density has no bound
    utd_ratio=6.0,
    bc_halving_steps=120,
)
INSERT = replace(SACConfig.from_demonstrations(), target_entropy=-6.0, fine_scale=10.0)
MODEL = ModemConfig.from_demonstrations()
INSERT_MODEL = replace(
    MODEL,
    fine_scale=10.0,
    planner=replace(MODEL.planner, pessimism=0.0),  # plans that doubt stand still
)
PUSH_MODEL = replace(
    MODEL,
    discount=0.98,  # success is further away
    explore_action="policy",  # plans cost success
    bc_weight_min=3.0,  # let go altogether, it unlearns pushing after 2,000 steps, for 1,500
)
PICK_MODEL = replace(MODEL, bc_halving_steps=100, eval_action="planner")
LIFT_MODEL = replace(PICK_MODEL, bc_weight_min=3.0)  # let go altogether, it unlearns lifting after 850 steps
SLOW = replace(
    SACConfig.from_demonstrations(), discount=0.98, utd_ratio=1.0, clone_noise=0.2, bc_halving_steps=2000, bc_weight_min=1.0
)
"""For 50,000 steps: demonstrations are let go of ten times as slowly as where a thousand have to do."""
SLOW_MODEL = replace(
    MODEL,
    discount=SLOW.discount,
    explore_action="policy",
    utd_ratio=0.5,
    clone_noise=SLOW.clone_noise,
    bc_halving_steps=SLOW.bc_halving_steps,
    bc_weight_min=SLOW.bc_weight_min,
)
TELLS_GOAL = VisionConfig(num_crops=1, policy_sees="goal")
# Its own grasps are off by centimetres, and would teach that. Cubes are seen from everywhere, which takes longer to learn.
TELLS_GRASP = replace(TELLS_GOAL, goal=GoalConfig(steps=1500, refit_every=0))

PRESETS: dict[str, tuple[str, TrainConfig]] = {
    "reach": (
        "move the tool to a point; from scratch, no demonstrations",
        TrainConfig(
            task="reach",
            demos=NO_DEMOS,
            env_steps=3000,
            random_steps=300,
            evaluation=EvaluationConfig(every=500),
        ),
    ),
    "pick_lift": (
        "grasp a cube and lift it; from state and 20 demonstrations",
        TrainConfig(
            task="pick_lift",
            mirror=("x", "y"),
            env_steps=3000,
            sac=LIFT,
            modem=LIFT_MODEL,
            evaluation=EvaluationConfig(every=250),
        ),
    ),
    "peg_insert": (
        "insert a square peg with 0.5 mm clearance; from state and 20 demonstrations",
        TrainConfig(
            task="peg_insert",
            mirror=("x", "y"),
            env_steps=5000,
            sac=INSERT,
            modem=INSERT_MODEL,
        ),
    ),
    "push_planar": (
        "push a puck to a mark; from state and 10 demonstrations",
        TrainConfig(
            task="push_planar",
            demos=DemoConfig(episodes=10),
            warm_start=WarmStartConfig(clone_steps=4000),  # turned, ten demonstrations are not soon learned by heart
            mirror=("x", "y"),
            turn=True,
            env_steps=5000,
            sac=SACConfig.from_demonstrations(),
            modem=PUSH_MODEL,
        ),
    ),
    "bin_pick": (
        "grasp a cube among others and lift it out of a bin; from state and 10 demonstrations",
        TrainConfig(
            task="bin_pick",
            demos=DemoConfig(episodes=10),
            mirror=("x", "y"),
            env_steps=5000,
            sac=LIFT,
            modem=PICK_MODEL,
        ),
    ),
    "pick_lift_pixels": (
        "grasp a cube and lift it; from two cameras, 20 demonstrations and a reward that is learned too",
        TrainConfig(
            task="pick_lift",
            env=TWO_CAMERAS,
            reward=RewardConfig(source="classifier", success_episodes=40, look_around=True),
            mirror=("x", "y"),
            env_steps=3000,
            sac=replace(
                LIFT,
                vision=TELLS_GRASP,
                entropy_of="motion",
                target_entropy=-6.0,
                bc_halving_steps=200,
                bc_weight_min=1.0,
            ),
            modem=replace(LIFT_MODEL, vision=TELLS_GRASP),
            # Learning with it, one seed of three unlearned everything (docs/experiments/pixels.md).
            evaluation=EvaluationConfig(every=500, regrasp=True),
        ),
    ),
    "peg_insert_pixels": (
        "insert a square peg with 0.5 mm clearance; from two cameras, 20 demonstrations and a reward that is learned too",
        TrainConfig(
            task="peg_insert",
            env=TWO_CAMERAS,
            reward=RewardConfig(source="classifier", success_episodes=40, failure_episodes=40),
            mirror=("x", "y"),
            env_steps=3000,
            sac=replace(INSERT, vision=TELLS_GOAL),
            modem=replace(INSERT_MODEL, vision=TELLS_GOAL),
            evaluation=EvaluationConfig(every=500),
        ),
    ),
    "metaworld": (
        "any Meta-World task: --task metaworld:<task>; from state and 5 demonstrations of its expert",
        TrainConfig(
            task="metaworld:assembly",
            env=EnvOptions(action_repeat=2, max_steps=100, from_hand=True),  # repeated as by TD-MPC2 and MoDem
            demos=DemoConfig(episodes=5),
            env_steps=50_000,
            sac=replace(SLOW, target_entropy=-8.0),
            modem=SLOW_MODEL,
            evaluation=EvaluationConfig(every=5000),
        ),
    ),
    "adroit_door": (
        "open a door with a hand of 24 joints; from state and 25 demonstrations planned in the simulator",
        TrainConfig(
            task="gymnasium:AdroitHandDoorSparse-v1",
            env=EnvOptions(action_repeat=2, max_steps=100),
            demos=DemoConfig(episodes=25),
            env_steps=50_000,
            sac=SLOW,
            modem=SLOW_MODEL,
            evaluation=EvaluationConfig(every=5000, final_episodes=20),  # its demonstrator plans for 5 s an episode
        ),
    ),
    "gymnasium": (
        "any Gymnasium environment: --task gymnasium:<id>",
        TrainConfig(
            task="gymnasium:AdroitHandDoorSparse-v1",
            env=EnvOptions(reward="dense"),
            demos=NO_DEMOS,
            env_steps=20_000,
            random_steps=2000,
            sac=SACConfig(discount=0.99, utd_ratio=1.0, target_clip=None),
            modem=ModemConfig(discount=0.99, bc_weight=0.0),
            evaluation=EvaluationConfig(every=5000, episodes=10, final_episodes=20),
        ),
    ),
    "dmc": (
        "any dm_control task: --task dmc:<domain>-<task>",
        TrainConfig(
            task="dmc:cartpole-swingup",
            env=EnvOptions(reward="dense"),
            demos=NO_DEMOS,
            env_steps=20_000,
            random_steps=1000,
            sac=SACConfig(discount=0.99, utd_ratio=1.0, target_clip=None),
            modem=ModemConfig(discount=0.99, bc_weight=0.0),
            evaluation=EvaluationConfig(every=2000, episodes=5, final_episodes=10),
        ),
    ),
}
"""Name to (what it does, configuration)."""
