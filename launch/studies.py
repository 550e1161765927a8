"""The experiments of docs/experiments: what is asked, and the runs that answer it."""

from __future__ import annotations

import shlex
from collections.abc import Mapping
from dataclasses import dataclass
from itertools import product

from published import settings

from robot_rl.agents.modem_config import ModemConfig
from robot_rl.errors import ConfigError
from robot_rl.training.presets import PRESETS


@dataclass(frozen=True, slots=True, eq=False)
class Study:
    """A question, and variants of a training that are run with each of some seeds."""

    name: str
    question: str
    variants: Mapping[str, str]
    """variant to what `launch/train.py` is given: a preset, and the settings in which the variant differs from it"""
    seeds: tuple[int, ...] = (0, 1, 2)

    def runs(self) -> list[StudyRun]:
        """Return the study's runs, one seed of every variant before the next seed: a stopped study compares all."""
        return [StudyRun(self.name, name, self.variants[name], seed) for seed, name in product(self.seeds, self.variants)]


@dataclass(frozen=True, slots=True)
class StudyRun:
    """One training of a study."""

    study: str
    variant: str
    settings: str
    """the variant's"""
    seed: int

    @property
    def name(self) -> str:
        """Of the run's folder and of its files in docs/experiments."""
        return f"{self.variant}-seed{self.seed}"

    @property
    def task(self) -> str:
        """The preset that it trains."""
        return shlex.split(self.settings)[0]

    @property
    def method(self) -> str:
        """What is the same on all tasks: variants of a study of several are named `<task>_<method>`."""
        return self.variant.removeprefix(f"{self.task}_")

    @property
    def arguments(self) -> tuple[str, ...]:
        """What `launch/train.py` is given, the folder apart."""
        return (*shlex.split(self.settings), "--seed", str(self.seed))


PEG = "peg_insert"
PEG_ALONE = f"{PEG} --demos.episodes 0 --evaluation.every 250"
PEG_FEW = f"{PEG} --demos.episodes 5 --env-steps 2000 --evaluation.every 100"
PEG_SOON = f"{PEG} --env-steps 1500 --evaluation.every 100"
PERSON = "--teleop simulated"
CURVE = "--evaluation.no-sampled --evaluation.videos 0"
"""Only the curve: sampled actions are not measured, and nothing is filmed."""
SEEN = (
    f"pick_lift_pixels --reward.source env --env-steps 1000 --evaluation.every 500 {CURVE}"
    " --evaluation.final-episodes 40 --warm-start.critic-steps 500 --sac.utd-ratio 2"
    " --evaluation.no-regrasp --reward.no-look-around --reward.success-episodes 20 --sac.vision.goal.steps 1000"
)
"""Seeing decides: the hand does not try again, and nothing is recorded beside the demonstrations."""
FEATURES = f"{SEEN} --sac.vision.policy-sees features --mirror y --sac.vision.hidden-share 0.2"
NO_CLONING = "--warm-start.clone-steps 0 --warm-start.critic-steps 0"
NO_BC_TERM = "--sac.bc-weight 0 --sac.bc-weight-min 0"
HIL_SERL = (
    f"{NO_CLONING} {NO_BC_TERM} --mirror --no-self-imitation --sac.discount 0.97 --sac.n-step 1 --sac.activation tanh"
    " --sac.hidden-dims 256 256 --sac.num-critics 2 --sac.num-min-critics 2 --sac.actor-q mean --sac.target-clip None"
    " --sac.tau 0.005 --sac.utd-ratio 2 --sac.init-temperature 0.01 --sac.temperature-lr 0.0003 --sac.target-entropy None"
    " --sac.fine-scale 0"
)
"""HIL-SERL's agent (`SACConfig.hil_serl`), which also learns from demonstrations but does not clone them."""


def _ten_demonstrations(env_steps: int, every: int) -> str:
    return f"--demos.episodes 10 --env-steps {env_steps} --warm-start.clone-steps 4000 --evaluation.every {every} {CURVE}"


SHARED = _ten_demonstrations(1000, every=50)
"""What all agents of `second_agent` are given; NO_CLONING after it counts."""
SECOND_AGENT_TASKS = ("pick_lift", "peg_insert", "push_planar", "bin_pick")
PUBLISHED = {"tdmpc2": ModemConfig.tdmpc2(), "modem": ModemConfig.modem(), "modem_v2": ModemConfig.modem_v2()}
"""World models as published; without mirror images, turning and self-imitation, which are ours."""
NEVER_CLONED = ("tdmpc2",)
"""Of them, those that take demonstrations for experience and nothing else."""
OURS = f"{PEG} {_ten_demonstrations(600, every=100)} --agent modem"
"""For ablations: it is at the start that they differ."""


def _rarely_evaluated(env_steps: int, every: int) -> str:
    """Of planners as published: their plans, most of which are made to measure them, cost more than all learning."""
    return f"{_ten_demonstrations(env_steps, every)} --evaluation.episodes 10 --evaluation.final-episodes 20"


def _published(task: str, name: str, budget: str) -> str:
    changes = settings("modem", PUBLISHED[name], PRESETS[task][1].modem)
    start = f"{NO_CLONING} " if name in NEVER_CLONED else ""
    unturned = "--no-turn " if PRESETS[task][1].turn else ""
    return f"{task} {budget} --agent modem --mirror {unturned}--no-self-imitation {start}{changes}"


def _agents(task: str) -> dict[str, str]:
    """Return the agents of `second_agent` on one task, by variant."""
    agents = {"sac": f"{task} {SHARED}", "sac_person": f"{task} {SHARED} {PERSON}"}
    agents |= {name: _published(task, name, _rarely_evaluated(1000, every=500)) for name in PUBLISHED}
    agents["ours"] = f"{task} {SHARED} --agent modem"
    return {f"{task}_{name}": arguments for name, arguments in agents.items()}


STUDIES = {
    study.name: study
    for study in (
        Study(
            "peg_insert",
            "Does a peg go into a hole with 0.5 mm clearance after 20 demonstrations and 5,000 steps, and how fast?",
            {"default": PEG},
        ),
        Study(
            "peg_insert_interventions",
            "Does a person who corrects the policy halve the steps to 95% of the same run without, and are they soon done?",
            {
                "no_demos": PEG_ALONE,
                "no_demos_person": f"{PEG_ALONE} {PERSON}",
                "5_demos": PEG_FEW,
                "5_demos_person": f"{PEG_FEW} {PERSON}",
                "20_demos": PEG_SOON,
                "20_demos_person": f"{PEG_SOON} {PERSON}",
            },
        ),
        Study(
            "pick_lift",
            "Does lifting reach 95% within 2,000 of 3,000 steps without ever falling below the cloned policy?",
            {"default": "pick_lift"},
            seeds=(0, 1, 2, 3, 4),
        ),
        Study(
            "pick_lift_pixels",
            "Does lifting from two cameras, paid by a classifier, reach 95% true success within 3,000 steps?",
            {"default": "pick_lift_pixels"},
        ),
        Study(
            "peg_insert_pixels",
            "How far does insertion from two cameras, paid by a classifier, get within 3,000 steps?",
            {"default": "peg_insert_pixels"},
        ),
        Study(
            "feature_replay",
            "How many shifted versions of a frame should replay hold, of which map, and should a policy see features at all, to"
            " lift from cameras? (The true state pays; 16 of the 81 possible shifts stand for augmentation at every draw.)",
            {
                "goal": SEEN,
                "features": FEATURES,
                "crops_2": f"{FEATURES} --sac.vision.num-crops 2",
                "crops_4": f"{FEATURES} --sac.vision.num-crops 4",
                "crops_16": f"{FEATURES} --sac.vision.num-crops 16",
                "stage_8": f"{FEATURES} --sac.vision.backbone.stage 8 --sac.vision.components 12",
            },
        ),
        Study(
            "foreign",
            "Do environments that are not ours train end to end by the same command? (Curves, no bar.)",
            {
                "adroit_door": "gymnasium --task gymnasium:AdroitHandDoorSparse-v1",
                "cartpole": "dmc --task dmc:cartpole-swingup",
            },
            seeds=(0,),
        ),
        Study(
            "metaworld",
            "How far do our agents get on Meta-World from 5 demonstrations of its experts and a sparse reward, seeing from the"
            " hand, or in room coordinates as Meta-World does? (Steps are actions, each of which lasts two of the simulator's."
            " Curves, no bar.)",
            {
                f"{task.replace('-', '_')}_{agent}{name}": f"metaworld --task metaworld:{task} --agent {agent} {CURVE}{view}"
                for task in ("assembly", "stick-pull", "pick-place-wall")
                for agent in ("sac", "modem")
                for name, view in (("", ""), ("_room", " --env.no-from-hand"))
            },
            seeds=(0,),
        ),
        Study(
            "adroit_door",
            "Do our agents open Adroit's door from 25 planned demonstrations and a sparse reward? (Steps are actions, each of"
            " which lasts two of the simulator's. Curves, no bar.)",
            {agent: f"adroit_door --agent {agent} {CURVE}" for agent in ("sac", "modem")},
            seeds=(0,),
        ),
        Study(
            "ablation_peg_insert",
            "Which parts of the default make it learn peg_insert safely and fast? Each variant lacks or changes one.",
            {
                "default": PEG,
                "no_mirror": f"{PEG} --mirror",
                "no_self_imitation": f"{PEG} --no-self-imitation",
                "no_fine_view": f"{PEG} --sac.fine-scale 0",
                "no_pessimism": f"{PEG} --sac.num-critics 2 --sac.num-min-critics 2 --sac.actor-q mean --sac.target-clip None",
                "no_bc_term": f"{PEG} {NO_BC_TERM}",
                "no_warm_start": f"{PEG} {NO_CLONING}",
                "hil_serl": f"{PEG} {HIL_SERL}",
            },
        ),
        Study(
            "second_agent",
            "Does a world model that plans learn from 10 demonstrations in fewer steps than SAC, and than its ancestors? (The"
            " clone is measured in each run.)",
            {variant: arguments for task in SECOND_AGENT_TASKS for variant, arguments in _agents(task).items()},
        ),
        Study(
            "ablation_modem",
            "What does each ingredient of the second agent do for success and for safety on peg_insert? A variant lacks one, or"
            " has one that the default does without; modem is the published one.",
            {
                "ours": OURS,
                "no_planning": f"{OURS} --modem.explore-action policy",
                "plans_measured": f"{OURS} --modem.eval-action planner",
                "asks_critics": f"{OURS} --modem.explore-action unanimous",
                "no_centering": f"{OURS} --modem.planner.proposal gaussian",
                "handover": f"{OURS} --modem.handover.end 1000",
                "no_state": f"{OURS} --modem.no-keep-state",
                "no_ensemble": f"{OURS} --modem.num-critics 2 --modem.num-min-critics 2",
                "pessimism": f"{OURS} --modem.planner.pessimism 3",
                "no_bc_term": f"{OURS} --modem.bc-weight 0 --modem.bc-weight-min 0",
                "one_step_targets": f"{OURS} --modem.td-lambda 0",
                "no_model_pretraining": f"{OURS} --modem.no-pretrain-model",
                "no_averaging": f"{OURS} --modem.average-tau 1",
                "modem": _published(PEG, "modem", _rarely_evaluated(600, every=600)),
            },
        ),
    )
}
"""By name."""


def choose(names: tuple[str, ...]) -> list[Study]:
    """Return the named studies, all if none is named.

    Raises:
        ConfigError: If there is no such study.
    """
    unknown = [name for name in names if name not in STUDIES]
    if unknown:
        raise ConfigError(f"unknown study {unknown[0]!r}; known: {', '.join(STUDIES)}")
    return [STUDIES[name] for name in names or STUDIES]
