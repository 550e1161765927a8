import itertools
import os
import shutil
import signal
from dataclasses import asdict, replace

import numpy as np
import pytest
import torch
from toy_env import MAX_STEPS, Point
from toy_run import CONFIG, WITHOUT_DEMOS, toy_trainer

from robot_rl.data.episode_writer import EpisodeWriter
from robot_rl.data.episodes import list_episodes, load_dataset
from robot_rl.errors import DeviceError, RunError
from robot_rl.rewards.verdicts import read_verdicts
from robot_rl.runs import RunFolder
from robot_rl.training import checkpoints
from robot_rl.training.config import RewardConfig
from robot_rl.training.experience import numbered
from robot_rl.training.seeds import episode_seed

BOTH = pytest.mark.parametrize("config", [CONFIG, WITHOUT_DEMOS], ids=["demos", "scratch"])


class Died(BaseException):
    """Ends a run in the middle of a step, without a chance to save."""


class Mortal(Point):
    """Calls something in its n-th step."""

    def __init__(self, step, action, **options):
        super().__init__(**options)
        self.fatal_step, self.action = step, action

    def step(self, action):
        if self.total_steps + 1 == self.fatal_step:
            self.action()
        return super().step(action)


def die():
    raise Died


def interrupt():
    os.kill(os.getpid(), signal.SIGINT)


def stored(folder):
    return load_dataset(folder / "episodes")


def stored_steps(folder):
    return sum(episode.length for episode in stored(folder))


def owed(config, env_steps):
    """Critic updates of a run that has `env_steps`."""
    if config.demos.episodes:
        return config.warm_start.critic_steps + config.sac.utd_ratio * (env_steps - config.warm_start.env_steps)
    return config.sac.utd_ratio * (env_steps - config.random_steps)


def assert_same_agent(one, other):
    states = one.agent.state_dict(), other.agent.state_dict()
    assert states[0].keys() == states[1].keys()
    for name, value in states[0].items():
        assert torch.equal(value, states[1][name]), name


def results(trainer):
    return [{**asdict(row), "wall_s": 0.0} for row in trainer.counters.evaluations]


# Counting


@pytest.mark.parametrize("utd_ratio", [0.2, 1.0, 3.0])
@BOTH
def test_every_step_after_learning_starts_owes_exactly_the_update_ratio(tmp_path, config, utd_ratio):
    config = replace(config, sac=replace(config.sac, utd_ratio=utd_ratio), env_steps=40)
    trainer = toy_trainer(tmp_path / "run", config)
    assert trainer.train()
    assert trainer.counters.env_steps == trainer.env.total_steps == stored_steps(tmp_path / "run") == 40
    assert len(trainer.experience.online) == 40
    assert trainer.agent.critic_updates == pytest.approx(owed(config, 40))


@BOTH
def test_no_steps_before_learning_means_updates_from_the_first(tmp_path, config):
    config = replace(config, random_steps=0, warm_start=replace(config.warm_start, env_steps=0), env_steps=10)
    trainer = toy_trainer(tmp_path / "run", config)
    trainer.train()
    assert trainer.agent.critic_updates == owed(config, 10)


def test_evaluations_are_measured_at_exact_steps_and_at_the_end(tmp_path):
    trainer = toy_trainer(tmp_path / "run", replace(CONFIG, env_steps=60))
    trainer.train()
    assert [row.env_steps for row in trainer.counters.evaluations] == [0, 25, 50, 60]
    assert [row["env_steps"] for row in trainer.run.evaluations()] == [0, 25, 50, 60]
    assert list(trainer.run.evaluations()[0])[:5] == ["env_steps", "wall_s", "successes", "episodes", "mean_length"]


# Storing


def test_time_outs_are_truncated_and_successes_terminated(tmp_path):
    for radius in (0.0, 1.0):
        trainer = toy_trainer(tmp_path / f"{radius}", WITHOUT_DEMOS, Point(radius=radius))
        trainer.train()
        for episode in stored(tmp_path / f"{radius}"):
            is_success = radius > 0.0
            assert episode.terminated[-1] == is_success
            assert episode.truncated[-1] != is_success
            assert not episode.terminated[:-1].any()
            assert not episode.truncated[:-1].any()
        assert len(stored(tmp_path / "0.0")) == 3  # 20 + 20 + 10 steps: the last one is cut, as truncated


def test_a_step_with_a_fault_is_never_stored_and_ends_its_episode_as_truncated(tmp_path):
    trainer = toy_trainer(tmp_path / "run", WITHOUT_DEMOS, Point(radius=0.0, fault_every=7))
    trainer.train()
    assert trainer.counters.env_steps == stored_steps(tmp_path / "run") == 50
    assert trainer.env.total_steps == 58  # a fault every seventh: 8 steps that are neither counted nor kept
    lengths = [episode.length for episode in stored(tmp_path / "run")]
    assert lengths == [6] * 8 + [2]
    assert all(episode.truncated[-1] and not episode.terminated[-1] for episode in stored(tmp_path / "run"))


def test_a_device_that_always_fails_at_once_ends_the_run(tmp_path):
    trainer = toy_trainer(tmp_path / "run", WITHOUT_DEMOS, Point(fault_every=1))
    with pytest.raises(DeviceError, match=r"5 episodes in a row .* the arm said no"):
        trainer.train()


def test_random_actions_fill_the_cube_before_learning_without_demonstrations(tmp_path):
    config = replace(WITHOUT_DEMOS, random_steps=60, env_steps=60)
    toy_trainer(tmp_path / "run", config, Point(radius=0.0)).train()
    actions = np.concatenate([episode.action for episode in stored(tmp_path / "run")])
    assert len(np.unique(actions, axis=0)) == 60
    assert actions.min() < -0.8
    assert actions.max() > 0.8
    assert abs(actions.mean()) < 0.25


# Repeating


@BOTH
def test_the_same_seed_gives_the_same_evaluations_and_weights(tmp_path, config):
    one, two = (toy_trainer(tmp_path / name, config) for name in "ab")
    one.train()
    two.train()
    assert_same_agent(one, two)
    assert results(one) == results(two)


def test_another_seed_gives_other_weights_and_other_starts(tmp_path):
    one, two = (toy_trainer(tmp_path / str(seed), replace(CONFIG, seed=seed)) for seed in (0, 1))
    one.train()
    two.train()
    weights = [trainer.agent.state_dict() for trainer in (one, two)]
    assert any(not torch.equal(value, weights[1][name]) for name, value in weights[0].items() if "weight" in name)
    assert not set(one.env.seeds) & set(two.env.seeds)


def test_measuring_never_disturbs_training(tmp_path):
    often, never = (replace(CONFIG, evaluation=replace(CONFIG.evaluation, every=every)) for every in (3, 1000))
    one, two = toy_trainer(tmp_path / "often", often), toy_trainer(tmp_path / "never", never)
    one.train()
    two.train()
    assert len(one.counters.evaluations) > len(two.counters.evaluations)
    assert_same_agent(one, two)


def test_evaluation_starts_are_none_of_training(tmp_path):
    trainer = toy_trainer(tmp_path / "run")
    trainer.train()
    measured = [seed for seed in trainer.eval_env.seeds if seed == episode_seed(0, "evaluate", 1)]
    assert len(measured) == 2 * len(trainer.counters.evaluations)  # mean and sampled actions
    assert not set(trainer.env.seeds) & set(trainer.eval_env.seeds)


# Going on


@BOTH
def test_a_run_that_is_continued_is_the_run_that_never_stopped(tmp_path, config):
    def run(name, env_steps):
        trainer = toy_trainer(tmp_path / name, replace(config, env_steps=env_steps), Point(radius=0.0))
        assert trainer.train()
        return trainer

    config = replace(config, evaluation=replace(config.evaluation, every=MAX_STEPS))
    whole = run("whole", 3 * MAX_STEPS)
    run("parts", MAX_STEPS)  # whole episodes: a stop within one would cut it
    parts = run("parts", 3 * MAX_STEPS)
    assert parts.env.total_steps == 2 * MAX_STEPS
    assert_same_agent(parts, whole)
    assert results(parts) == results(whole)
    assert parts.counters.episodes == whole.counters.episodes


def test_a_checkpoint_follows_the_episode_in_which_the_agent_was_measured(tmp_path):
    folder = tmp_path / "run"
    with pytest.raises(Died):
        toy_trainer(folder, CONFIG, Mortal(45, die, radius=0.0)).train()
    step, state = checkpoints.latest(folder / "checkpoints")
    assert step == state["counters"]["env_steps"] == 2 * MAX_STEPS  # measured at 25 steps


@BOTH
@pytest.mark.parametrize("step", [3, 24, 33])
def test_a_run_that_died_keeps_its_steps_and_pays_what_they_owe(tmp_path, config, step):
    folder = tmp_path / "run"
    with pytest.raises(Died):
        toy_trainer(folder, config, Mortal(step, die)).train()
    assert stored_steps(folder) == step - 1
    trainer = toy_trainer(folder, config)
    assert trainer.train()
    assert trainer.env.total_steps == 50 - (step - 1)
    assert trainer.counters.env_steps == stored_steps(folder) == len(trainer.experience.online) == 50
    assert trainer.agent.critic_updates == owed(config, 50)
    assert [row.env_steps for row in trainer.counters.evaluations] == [0, 25, 50]
    seeds = [episode.info.seed for episode in stored(folder)]
    assert len(set(seeds)) == len(seeds)


@pytest.mark.parametrize("step", [3, 33])
def test_a_signal_ends_the_run_between_two_steps_and_it_goes_on(tmp_path, step):
    folder = tmp_path / "run"
    stopped = toy_trainer(folder, CONFIG, Mortal(step, interrupt))
    assert not stopped.train()
    assert stopped.counters.env_steps == stored_steps(folder) == step  # the step in which it came is complete
    assert checkpoints.latest(folder / "checkpoints")[0] == step
    trainer = toy_trainer(folder)
    assert trainer.train()
    assert trainer.counters.env_steps == stored_steps(folder) == 50
    assert trainer.agent.critic_updates == owed(CONFIG, 50)


def test_steps_of_an_episode_that_a_crash_left_open_are_learnt_from(tmp_path):
    folder = tmp_path / "run"
    toy_trainer(folder, env=Point(radius=0.0)).train()
    template = stored(folder)[0]
    seconds = itertools.count()
    writer = EpisodeWriter(folder / "episodes", template.spec, now=lambda: float(next(seconds)))  # flushes every step
    writer.begin_episode(numbered(template.info, 3, 50))
    for transition in itertools.islice(template.transitions(), 5):
        writer.add(transition)
    trainer = toy_trainer(folder, replace(CONFIG, env_steps=60), Point(radius=0.0))
    trainer.train()
    assert trainer.env.total_steps == 5
    assert len(trainer.experience.online) == stored_steps(folder) == 60
    assert trainer.agent.critic_updates == owed(CONFIG, 60)
    assert not list((folder / "episodes").glob(".open-*"))


def test_a_stop_while_catching_up_is_no_loss_either(tmp_path):
    folder = tmp_path / "run"
    with pytest.raises(Died):
        toy_trainer(folder, CONFIG, Mortal(24, die)).train()
    stopped = toy_trainer(folder, report=lambda status: interrupt() if status.phase == "catching up" else None)
    assert not stopped.train()
    assert stopped.counters.env_steps == 0
    trainer = toy_trainer(folder)
    assert trainer.train()
    assert trainer.counters.env_steps == stored_steps(folder) == 50
    assert trainer.agent.critic_updates == owed(CONFIG, 50)


def test_a_damaged_checkpoint_costs_time_only(tmp_path):
    folder = tmp_path / "run"
    toy_trainer(folder).train()
    newest = max((folder / "checkpoints").iterdir())
    newest.write_bytes(newest.read_bytes()[:-1])
    trainer = toy_trainer(folder, replace(CONFIG, env_steps=60))
    trainer.train()
    assert trainer.counters.env_steps == stored_steps(folder) == 60
    assert trainer.agent.critic_updates == owed(CONFIG, 60)


def test_without_any_checkpoint_the_agent_starts_over_with_the_episodes_there_are(tmp_path):
    folder = tmp_path / "run"
    toy_trainer(folder).train()
    shutil.rmtree(folder / "checkpoints")
    trainer = toy_trainer(folder, replace(CONFIG, env_steps=60))
    trainer.train()
    assert trainer.env.total_steps == 10
    assert trainer.agent.critic_updates == owed(CONFIG, 60)
    assert [row["env_steps"] for row in trainer.run.evaluations()] == [0, 25, 50, 60]


def test_steps_of_a_damaged_episode_stay_counted(tmp_path):
    folder = tmp_path / "run"
    toy_trainer(folder).train()
    lost = list_episodes(folder / "episodes")[0]
    length = stored(folder)[0].length
    (lost / "zarr.json").write_text("{")
    with pytest.raises(Died):
        toy_trainer(folder, replace(CONFIG, env_steps=70), Mortal(15, die)).train()
    trainer = toy_trainer(folder, replace(CONFIG, env_steps=70))
    trainer.train()
    assert trainer.counters.env_steps == 70
    assert trainer.env.total_steps == 70 - 50 - 14
    assert len(trainer.experience.online) == 70 - length
    assert trainer.agent.critic_updates == owed(CONFIG, 70)


def test_a_checkpoint_of_another_version_is_named(tmp_path):
    folder = tmp_path / "run"
    toy_trainer(folder).train()
    checkpoints.save(folder / "checkpoints", 50, {"weights": 1})
    with pytest.raises(RunError, match=r"step 50 .* another version"):
        toy_trainer(folder).train()


def test_a_finished_run_stays_as_it_is(tmp_path):
    folder = tmp_path / "run"
    first = toy_trainer(folder)
    first.train()
    again = toy_trainer(folder)
    assert again.train()
    assert again.env.total_steps == 0
    assert_same_agent(again, first)
    assert results(again) == results(first)


# Showing


def test_phases_are_reported_in_order(tmp_path):
    seen = []
    toy_trainer(tmp_path / "run", report=seen.append).train()
    phases = [status.phase for status in seen]
    assert phases == ["cloning", "training", "settling the critic", "training", "training"]
    assert [status.env_steps for status in seen] == [0, 0, 15, 25, 50]
    assert seen[-1].evaluation is not None
    assert seen[-1].updates == owed(CONFIG, 50)


def test_the_run_folder_has_policies_that_act(tmp_path):
    trainer = toy_trainer(tmp_path / "run")
    assert trainer.train()
    assert RunFolder.open(tmp_path / "run").evaluations()
    clone = trainer.clone_policy()
    assert clone is not None
    obs, _ = trainer.env.reset(seed=0)
    assert not np.allclose(clone.act(obs, explore=False), trainer.agent.act(obs, explore=False))
    assert toy_trainer(tmp_path / "other", WITHOUT_DEMOS).clone_policy() is None


class Deceived(Point):
    """What `Judged` makes of it with a classifier that calls every third step of an episode a success."""

    def step(self, action):
        obs, _, success, truncated, info = super().step(action)
        claimed = self.steps == 3
        return obs, float(claimed), claimed, truncated, {**info, "success": claimed, "true_success": success}


def test_what_was_true_is_kept_beside_episodes_that_a_classifier_judged(tmp_path):
    trainer = toy_trainer(tmp_path, replace(CONFIG, reward=RewardConfig(source="classifier")), env=Deceived())
    trainer.train()
    verdicts = read_verdicts(tmp_path / "episodes")
    names = [path.name for path in list_episodes(tmp_path / "episodes")]
    assert set(verdicts) == set(names)
    claimed = [name for name, episode in zip(names, stored(tmp_path), strict=True) if episode.success]
    assert trainer.counters.claimed_successes == len(claimed) > 0
    assert trainer.counters.false_successes == sum(not verdicts[name] for name in claimed) > 0


def test_where_the_environment_itself_pays_there_is_nothing_to_keep(tmp_path):
    toy_trainer(tmp_path).train()
    assert not read_verdicts(tmp_path / "episodes")


def test_a_learner_that_crashes_leaves_the_robot_held(tmp_path, monkeypatch):
    class Held(Point):
        stops = 0

        def stop(self):
            self.stops += 1

    env = Held()
    trainer = toy_trainer(tmp_path / "run", CONFIG, env)
    monkeypatch.setattr(trainer, "_after_step", lambda: (_ for _ in ()).throw(RuntimeError("out of memory")))
    with pytest.raises(RuntimeError, match="out of memory"):
        trainer.train()
    assert env.stops == 1
