"""What an agent makes of its cameras: features, and where the tool has to go."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from toy_goal import CONFIG, SPEC, VISION, episode, observation

from robot_rl.agents.sac import SAC
from robot_rl.agents.sac_policy import SACPolicy
from robot_rl.agents.sight import POSITION, ROTATION, Sight
from robot_rl.data.features import Featurizer
from robot_rl.errors import ConfigError
from robot_rl.nn.goal_fitting import GoalFrames, fit_member
from robot_rl.nn.vision_config import GoalConfig, VisionConfig

DEMOS = [episode(seed) for seed in range(12)]


def sight_with(vision=VISION, *, mirrored=False, demos=DEMOS, seed=0):
    sight = Sight(SPEC, vision, torch.Generator().manual_seed(0), mirrored=mirrored)
    metrics = sight.fit(demos, seed)
    return sight, metrics


@pytest.fixture(scope="module")
def fitted():
    return sight_with()


def test_policies_are_told_the_goal_and_nothing_of_pictures_or_poses(fitted):
    assert set(fitted[0].replay_obs) == {"state/arm/height", POSITION, ROTATION}
    assert set(fitted[0].look(observation(np.zeros(2)))) == set(fitted[0].replay_obs)


def test_both_has_features_too():
    sight = Sight(SPEC, replace(VISION, policy_sees="both"), torch.Generator())
    assert set(sight.replay_obs) == {"state/arm/height", "feature/wrist", POSITION, ROTATION}


@pytest.mark.parametrize(
    "settings", [{}, {"policy_sees": "both"}, {"policy_sees": "features"}, {"encoder": "cnn", "policy_sees": "features"}]
)
@pytest.mark.parametrize("count", [1, 3])
def test_replay_gets_what_its_spec_says_and_no_more(settings, count):
    sight, _ = sight_with(replace(VISION, **settings))
    for encoded in sight.encode([observation(np.zeros(2)) for _ in range(count)]):
        assert set(encoded) == set(sight.replay_obs)


def test_the_goal_is_found_in_pictures_that_nobody_labelled(fitted):
    sight, metrics = fitted
    squares = np.random.default_rng(5).uniform(-0.04, 0.04, (30, 2))
    goals = np.stack([sight.look(observation(square))[POSITION].numpy()[:2] for square in squares])
    assert np.abs(goals - squares).mean() < 0.012  # a pixel is 8 mm wide; always the middle would be 20 mm off
    assert metrics["goal/position_m"] < 0.01


def test_a_demonstration_is_judged_by_who_has_not_seen_it(fitted):
    sight, _ = fitted
    features = sight.encode([observation(np.array([0.02, 0.02]))], demo=0)[0][POSITION]
    other = sight.encode([observation(np.array([0.02, 0.02]))], demo=1)[0][POSITION]
    mine = sight.encode([observation(np.array([0.02, 0.02]))])[0][POSITION]
    assert not np.array_equal(features, other)
    assert not np.array_equal(features, mine)
    again = sight.encode([observation(np.array([0.02, 0.02]))], demo=2)[0][POSITION]
    np.testing.assert_array_equal(features, again)  # two folds: demonstrations 0 and 2 are judged by the same


def test_a_member_learns_nothing_of_the_demonstrations_that_it_judges():
    """Goals of every second demonstration that are wrong by a metre bend all but the member that judges these."""
    sight, _ = sight_with()
    frames = GoalFrames.joined(sight._demos)
    is_wrong = frames.demo % 2 == 1
    bent = replace(frames, goals=frames.goals + is_wrong[:, None].float())
    for index, is_same in ((1, True), (0, False), (2, False)):
        before = [parameter.clone() for parameter in sight.goals.members[index].parameters()]
        rows = None if index == 2 else (frames.demo % 2 != index).nonzero().squeeze(-1)
        weights = []
        for data in (frames, bent):
            for parameter, value in zip(sight.goals.members[index].parameters(), before, strict=True):
                parameter.copy_(value)
            fit_member(sight.goals, index, data, rows, seed=0)
            weights.append([parameter.clone() for parameter in sight.goals.members[index].parameters()])
        assert all(map(torch.equal, *weights)) == is_same


def test_a_mirrored_task_learns_from_pictures_exchanged_left_to_right():
    goals = [sight_with(mirrored=mirrored, demos=DEMOS[:4])[0].look(observation(np.array([0.0, 0.03])))[POSITION]
             for mirrored in (False, True)]  # fmt: skip
    assert not torch.equal(*goals)
    sight = sight_with(mirrored=True, demos=DEMOS[:4])[0]
    left, right = (sight.look(observation(np.array([0.0, side])))[POSITION] for side in (-0.03, 0.03))
    np.testing.assert_allclose(left * torch.tensor([1.0, -1.0, 1.0]), right, atol=0.02)


def test_the_same_demonstrations_and_seed_give_the_same_sight(fitted):
    again, _ = sight_with()
    for name, value in fitted[0].state_dict().items():
        assert torch.equal(value, again.state_dict()[name]), name


def test_acting_and_storing_see_the_same_goal(fitted):
    obs = observation(np.array([0.01, -0.02]))
    several = [observation(np.array([0.01, side])) for side in (-0.02, 0.0, 0.02)]
    acted = fitted[0].look(obs)[POSITION].numpy()
    np.testing.assert_array_equal(fitted[0].encode([obs])[0][POSITION], acted)
    np.testing.assert_allclose(fitted[0].encode(several)[0][POSITION], acted, atol=1e-5)


def test_successes_of_its_own_are_learned_from_every_so_often():
    sight, _ = sight_with(demos=DEMOS[:4])
    before = [parameter.clone() for parameter in sight.goals.members[-1].parameters()]
    folds = [parameter.clone() for parameter in sight.goals.members[0].parameters()]
    told = sight.learn_from(episode(50), seed=0)
    assert 0.0 < told["goal/position_m"] < 0.1
    assert all(map(torch.equal, before, sight.goals.members[-1].parameters()))
    sight.learn_from(episode(51), seed=0)  # refit_every is 2
    assert not all(map(torch.equal, before, sight.goals.members[-1].parameters()))
    assert all(map(torch.equal, folds, sight.goals.members[0].parameters()))


def test_more_successes_make_it_see_better():
    few, _ = sight_with(demos=DEMOS[:2])
    new = [episode(seed) for seed in range(200, 212)]
    first = few.learn_from(episode(60), seed=0)["goal/position_m"]
    for success in new:
        few.learn_from(success, seed=0)
    later = [few.learn_from(episode(seed), seed=0)["goal/position_m"] for seed in (61, 62, 63)]
    assert max(later) < first


def test_restoring_only_remembers():
    sight, _ = sight_with(demos=DEMOS[:4])
    before = [parameter.clone() for parameter in sight.goals.parameters()]
    for seed in (50, 51, 52, 53):
        assert sight.learn_from(episode(seed), seed=0, refit=False) == {}
    assert all(map(torch.equal, before, sight.goals.parameters()))


def test_demonstrations_that_all_fail_are_refused():
    with pytest.raises(ConfigError, match="none of 2 demonstrations"):
        sight_with(demos=[episode(seed, is_success=False) for seed in range(2)])


def test_no_demonstrations_are_refused():
    with pytest.raises(ConfigError, match="record some"):
        sight_with(demos=[])


def test_an_environment_without_the_tools_pose_is_refused_at_once():
    spec = replace(SPEC, obs={key: entry for key, entry in SPEC.obs.items() if key != "pose/arm"})
    with pytest.raises(ConfigError, match="tool_pose"):
        Sight(spec, VISION, torch.Generator())


def test_a_goal_needs_the_frozen_encoder():
    with pytest.raises(ConfigError, match="frozen"):
        VisionConfig(policy_sees="goal", encoder="cnn")


@pytest.mark.parametrize(
    "values", [{"folds": 1}, {"steps": 0}, {"hidden_share": 1.0}, {"hidden_dims": ()}, {"learning_rate": 0.0}]
)
def test_settings_that_cannot_be_are_named(values):
    with pytest.raises(ConfigError, match=f"vision.goal.{next(iter(values))}"):
        GoalConfig(**values)


def test_the_backbone_runs_once_for_a_frame_that_is_acted_upon_and_stored(fitted, monkeypatch):
    frames = []
    original = Featurizer._maps
    monkeypatch.setattr(Featurizer, "_maps", lambda self, jobs: frames.append(len(jobs)) or original(self, jobs))
    obs = observation(np.array([0.0, 0.01]))
    fitted[0].look(obs)
    fitted[0].encode([obs])
    assert sum(frames) == 1


def test_a_saved_policy_sees_the_goal_too(tmp_path):
    agent = SAC(SPEC, CONFIG)
    agent.learn_to_see(DEMOS)
    agent.policy().save(tmp_path)
    loaded, obs = SACPolicy.load(tmp_path), observation(np.array([0.02, 0.02]))
    np.testing.assert_allclose(loaded.act(obs, explore=False), agent.act(obs, explore=False), atol=1e-6)


def test_an_agent_that_is_restored_sees_as_before():
    agent, twin = SAC(SPEC, CONFIG), SAC(SPEC, CONFIG)
    agent.learn_to_see(DEMOS)
    twin.load_state_dict(agent.state_dict())
    obs = observation(np.array([0.02, -0.02]))
    np.testing.assert_array_equal(agent.act(obs, explore=False), twin.act(obs, explore=False))
