"""The value that people are shown is the critics' own."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from toy_run import CONFIG, toy_trainer

from robot_rl.agents.sac import SAC
from robot_rl.nn.backbone import BackboneConfig
from robot_rl.nn.vision_config import VisionConfig
from robot_rl.specs import ActionSpec, ArraySpec, EnvSpec
from robot_rl.training.state_value import state_value


@pytest.fixture(scope="module")
def agent(tmp_path_factory):
    trainer = toy_trainer(tmp_path_factory.mktemp("run") / "run", CONFIG)
    trainer.train()
    return trainer.agent


def obs(x, y):
    return {"state/position": np.array([x, y], np.float32)}


def test_it_is_the_mean_of_the_critics_for_the_action_given(agent):
    action = np.array([0.3, -0.9], np.float32)
    inputs = agent.networks.inputs({"state/position": torch.tensor([[0.4, -0.2]])})
    with torch.no_grad():
        values = agent.critic(agent.critic.see(inputs), torch.as_tensor(action)[None])
    assert len(values.flatten()) == agent.config.num_critics
    assert state_value(agent, obs(0.4, -0.2), action) == pytest.approx(float(values.mean()), abs=1e-6)


def test_it_differs_by_state_and_by_action(agent):
    still, moving = np.zeros(2, np.float32), np.array([1.0, 1.0], np.float32)
    values = {state_value(agent, obs(0.1, 0.0), still), state_value(agent, obs(0.9, 0.0), still)}
    assert len(values | {state_value(agent, obs(0.1, 0.0), moving)}) == 3


def test_looking_changes_nothing(agent):
    before = {name: value.clone() for name, value in agent.state_dict().items()}
    state_value(agent, obs(0.4, -0.2), np.zeros(2, np.float32))
    for name, value in agent.state_dict().items():
        assert torch.equal(value, before[name]), name


@pytest.mark.parametrize("encoder", ["frozen", "cnn"])
def test_agents_that_see_value_what_they_see(encoder):
    front = ArraySpec((32, 32, 3), "uint8")
    spec = EnvSpec("pixels", {"state/arm/height": ArraySpec((1,)), "image/front": front}, ActionSpec(("x",)), 0.1, 20)
    backbone = BackboneConfig(stage=8, pretrained=False, precision="float32")
    vision = VisionConfig(encoder=encoder, backbone=backbone, components=4, embeddings=2, bottleneck=8)
    agent = SAC(spec, replace(CONFIG.sac, vision=vision, precision="float32"))
    images = np.random.default_rng(0).integers(0, 256, (8, 32, 32, 3), np.uint8)
    agent.networks.sight.fit_projections({"image/front": images})
    agent.set_normalizer({"state/arm/height": np.array([[0.0], [1.0]], np.float32)})
    values = [
        state_value(agent, {"state/arm/height": np.zeros(1, np.float32), "image/front": image}, np.zeros(1, np.float32))
        for image in (*images[:3], images[0])
    ]
    assert len(set(values[:3])) == 3
    assert values[3] == pytest.approx(values[0])
