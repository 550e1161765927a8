"""Mirrored batches: laws of reflection, and windows that stay consistent."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from robot_rl.data.batch import Batch
from robot_rl.data.mirror import Mirror
from robot_rl.errors import ConfigError
from robot_rl.geometry import quaternion_to_matrix, rotvec_to_quaternion
from robot_rl.specs import ActionSpec, ArraySpec, EnvSpec

SPEC = EnvSpec(
    "task",
    {
        "state/hole/position": ArraySpec((3,)),
        "state/hole/rotation": ArraySpec((3,)),
        "state/arm/wrench": ArraySpec((12,)),
        "state/gripper/opening": ArraySpec((1,)),
        "state/arm/height": ArraySpec((1,)),
    },
    ActionSpec(("arm/x", "arm/y", "arm/z", "arm/roll", "arm/pitch", "arm/yaw", "gripper")),
    0.1,
    100,
)
REFLECTION = {"x": np.diag([-1.0, 1.0, 1.0]), "y": np.diag([1.0, -1.0, 1.0])}


def make_batch(size: int = 64) -> Batch:
    generator = torch.Generator().manual_seed(0)
    obs = {key: torch.randn(2, size, *entry.shape, generator=generator) for key, entry in SPEC.obs.items()}
    return Batch(obs, torch.randn(1, size, 7, generator=generator), *(torch.ones(1, size) for _ in range(3)), torch.ones(size))


@pytest.mark.parametrize("axis", ["x", "y"])
def test_mirrored_rows_obey_the_law_of_reflection(axis):
    batch = make_batch()
    mirrored = Mirror(SPEC, (axis,), seed=0)(batch)
    reflection = REFLECTION[axis]
    changed = 0
    for row in range(64):
        before, after = batch.obs["state/hole/position"][:, row].numpy(), mirrored.obs["state/hole/position"][:, row].numpy()
        is_mirrored = not np.array_equal(before, after)
        changed += is_mirrored
        transform = reflection if is_mirrored else np.eye(3)
        np.testing.assert_allclose(after, before @ transform)
        for step in range(2):  # a rotation R becomes M R M, whatever its axis
            turn = [quaternion_to_matrix(rotvec_to_quaternion(b.obs["state/hole/rotation"][step, row].double().numpy()))
                    for b in (batch, mirrored)]  # fmt: skip
            np.testing.assert_allclose(turn[1], transform @ turn[0] @ transform, atol=1e-6)
        np.testing.assert_allclose(mirrored.action[0, row, :3], batch.action[0, row, :3].numpy() @ transform)
    assert 16 < changed < 48


def test_all_parts_of_a_window_are_mirrored_together():
    batch, mirror = make_batch(), Mirror(SPEC, ("x", "y"), seed=1)
    mirrored = mirror(batch)
    flipped_x = mirrored.action[0, :, 0] != batch.action[0, :, 0]
    for key, column in (
        ("state/hole/position", 0),
        ("state/hole/rotation", 1),
        ("state/arm/wrench", 6),
        ("state/arm/wrench", 10),
    ):
        for step in range(2):
            assert torch.equal(mirrored.obs[key][step, :, column] != batch.obs[key][step, :, column], flipped_x)
    for key in ("state/gripper/opening", "state/arm/height"):
        assert torch.equal(mirrored.obs[key], batch.obs[key])
    assert torch.equal(mirrored.action[..., 2], batch.action[..., 2])


CAMERAS = {
    "state/hole/position": ArraySpec((3,)),
    "image/front": ArraySpec((2, 4, 3), "uint8"),
    "feature/wrist": ArraySpec((5, 2, 2), "float16"),
    "mirrored/wrist": ArraySpec((5, 2, 2), "float16"),
}


def test_pictures_are_mirrored_with_their_window():
    generator = torch.Generator().manual_seed(0)
    obs = {key: (100 * torch.rand(2, 64, *entry.shape, generator=generator)).to(getattr(torch, entry.dtype))
           for key, entry in CAMERAS.items()}  # fmt: skip
    batch = Batch(obs, torch.ones(1, 64, 2), *(torch.ones(1, 64) for _ in range(3)), torch.ones(64))
    mirrored = Mirror(EnvSpec("seeing", CAMERAS, ActionSpec(("arm/x", "arm/y")), 0.1, 10), ("y",), seed=0)(batch)
    assert set(mirrored.obs) == {"state/hole/position", "image/front", "feature/wrist"}
    is_mirrored = mirrored.action[0, :, 1] < 0
    assert 16 < is_mirrored.sum() < 48
    for row, flipped in enumerate(is_mirrored.tolist()):
        image, feature = obs["image/front"][:, row], obs["mirrored/wrist" if flipped else "feature/wrist"][:, row]
        assert torch.equal(mirrored.obs["image/front"][:, row], image.flip(2) if flipped else image)
        assert torch.equal(mirrored.obs["feature/wrist"][:, row], feature)
        sign = -1.0 if flipped else 1.0
        assert torch.equal(mirrored.obs["state/hole/position"][:, row, 1], sign * obs["state/hole/position"][:, row, 1])


@pytest.mark.parametrize(("left_out", "axes", "problem"), [("", ("x",), "left to right"), ("mirrored/wrist", ("y",), "beside")])
def test_pictures_that_cannot_be_mirrored_are_refused(left_out, axes, problem):
    spec = EnvSpec("seeing", {key: CAMERAS[key] for key in CAMERAS if key != left_out}, ActionSpec(("arm/y",)), 0.1, 10)
    with pytest.raises(ConfigError, match=problem):
        Mirror(spec, axes, seed=0)


def test_two_mirrors_make_four_kinds():
    batch, mirror = make_batch(400), Mirror(SPEC, ("x", "y"), seed=2)
    signs = (mirror(batch).action[0] / batch.action[0])[:, :2].round()
    kinds, counts = signs.unique(dim=0, return_counts=True)
    assert len(kinds) == 4
    assert counts.min() > 60


def test_the_choice_goes_on_after_a_restart():
    batch, mirror = make_batch(), Mirror(SPEC, ("y",), seed=3)
    mirror(batch)
    state = {name: value.clone() for name, value in mirror.state_dict().items()}
    expected = mirror(batch).action
    other = Mirror(SPEC, ("y",), seed=4)
    other.load_state_dict(state)
    assert torch.equal(other(batch).action, expected)


@pytest.mark.parametrize(
    ("obs", "actions"), [({"state/obs": ArraySpec((5,))}, ("arm/x",)), ({"state/arm/position": ArraySpec((3,))}, ("wheel",))]
)
def test_what_cannot_be_mirrored_is_refused(obs, actions):
    with pytest.raises(ConfigError, match="cannot mirror"):
        Mirror(EnvSpec("other", obs, ActionSpec(actions), 0.1, 10), ("x",), seed=0)
