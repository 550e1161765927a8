"""The exported acting path is the policy: as torch's program, and through onnxruntime."""

from __future__ import annotations

from functools import partial

import numpy as np
import pytest
import torch
from toy_policy import SEES, SPEC, VISIONS, random_observation, toy_modem_policy, toy_policy

from robot_rl.agents.acting_path import acting_path, export_onnx, export_torch, largest_difference
from robot_rl.deploy.onnx_policy import OnnxPolicy
from robot_rl.errors import ConfigError, SpecMismatch

SIGHTS = {"state": (SPEC, None), **{name: (SEES, vision) for name, vision in VISIONS.items()}}
CASES = {
    **{name: partial(toy_policy, *sight) for name, sight in SIGHTS.items()},
    **{f"modem_{name}": partial(toy_modem_policy, *sight) for name, sight in SIGHTS.items()},
    "modem_keeps_state": partial(toy_modem_policy, keep_state=True),
    "modem_clone": partial(toy_modem_policy, is_clone=True),
    "modem_clone_of_a_planner": partial(toy_modem_policy, is_clone=True, eval_action="planner"),
}


@pytest.mark.parametrize("case", CASES)
def test_the_path_acts_as_the_policy_does(case):
    policy = CASES[case]()
    path, rng = acting_path(policy), np.random.default_rng(1)
    seen = [random_observation(policy.spec, rng) for _ in range(20)]
    eager = [policy.act(obs, explore=False) for obs in seen]
    assert np.std(eager, axis=0).min() > 1e-3  # what does not vary would hide a difference
    assert largest_difference(eager, [path.act(obs) for obs in seen]) < 1e-6
    assert "pose/arm" not in path.keys


@pytest.mark.parametrize("case", CASES)
@pytest.mark.filterwarnings("ignore")
def test_what_is_exported_acts_as_the_policy_does(case, tmp_path):
    policy = CASES[case]()
    path, rng = acting_path(policy), np.random.default_rng(2)
    export_torch(path, tmp_path / "path.pt2")
    export_onnx(path, tmp_path / "path.onnx")
    assert len(list(tmp_path.iterdir())) == 2  # the weights are inside
    seen = [random_observation(policy.spec, rng) for _ in range(10)]
    eager = [policy.act(obs, explore=False) for obs in seen]
    program = torch.export.load(tmp_path / "path.pt2").module()
    exported = [program(*(torch.from_numpy(obs[key])[None] for key in path.keys))[0].detach().numpy() for obs in seen]
    assert largest_difference(eager, exported) < 1e-4
    runner = OnnxPolicy(tmp_path / "path.onnx", policy.spec, 7)
    assert largest_difference(eager, [runner.act(obs, explore=False) for obs in seen]) < 1e-4
    assert (runner.version, runner.keys) == (7, path.keys)


def test_a_short_number_type_is_left_before_exporting():
    policy = CASES["features"]()
    featurizer = policy.networks.sight.featurizer
    assert featurizer is not None
    acting_path(policy)
    assert all(
        tensor.dtype == torch.float32 for tensor in featurizer.backbone.state_dict().values() if tensor.is_floating_point()
    )


def test_what_is_random_is_not_exported():
    with pytest.raises(ConfigError, match="eval_action 'sample', which is random"):
        acting_path(toy_policy(eval_action="sample"))
    for settings, how in (
        ({"eval_action": "planner"}, "eval_action 'planner'"),
        ({"eval_action": "unanimous"}, "eval_action 'unanimous'"),
        ({"eval_sampled": True}, "eval_sampled"),
    ):
        with pytest.raises(ConfigError, match=f"acts by {how}, which draws at random"):
            acting_path(toy_modem_policy(**settings))


@pytest.mark.filterwarnings("ignore")
def test_a_runner_names_what_does_not_fit(tmp_path):
    export_onnx(acting_path(toy_policy()), tmp_path / "path.onnx")
    runner = OnnxPolicy(tmp_path / "path.onnx", SPEC, 7)
    obs = random_observation(SPEC, np.random.default_rng(3))
    with pytest.raises(SpecMismatch, match=r"state/arm/position is missing; the policy wants float32 \[3\]"):
        runner.act({"state/gripper/opening": obs["state/gripper/opening"]}, explore=False)
    with pytest.raises(SpecMismatch, match=r"state/arm/position is float32 \[4\]"):
        runner.act(obs | {"state/arm/position": np.zeros(4, np.float32)}, explore=False)
    with pytest.raises(ConfigError, match="does not explore"):
        runner.act(obs, explore=True)
    (tmp_path / "broken.onnx").write_bytes(b"no network")
    with pytest.raises(ConfigError, match=r"broken.onnx cannot be run by onnxruntime"):
        OnnxPolicy(tmp_path / "broken.onnx", SPEC, 7)
