"""Turned batches: laws of rotation, windows that stay consistent, and actions that stay possible."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch

from robot_rl.data.batch import Batch
from robot_rl.data.turn import Turn
from robot_rl.errors import ConfigError
from robot_rl.geometry import quaternion_to_matrix, rotvec_to_quaternion
from robot_rl.specs import ActionSpec, ArraySpec, EnvSpec

SPEC = EnvSpec(
    "task",
    {
        "state/puck/position": ArraySpec((3,)),
        "state/puck/rotation": ArraySpec((3,)),
        "state/arm/wrench": ArraySpec((12,)),
        "state/gripper/opening": ArraySpec((1,)),
    },
    ActionSpec(("arm/x", "arm/y", "arm/z", "arm/roll", "arm/pitch", "gripper")),
    0.1,
    100,
)


def make_batch(size=64, largest=0.6) -> Batch:
    generator = torch.Generator().manual_seed(0)
    obs = {key: torch.randn(3, size, *entry.shape, generator=generator) for key, entry in SPEC.obs.items()}
    action = largest * (2.0 * torch.rand(2, size, 6, generator=generator) - 1.0)
    return Batch(obs, action, *(torch.ones(2, size) for _ in range(3)), torch.ones(size))


def angles(before: Batch, after: Batch) -> torch.Tensor:
    """Return by what each window's first action was turned, [B]."""
    old, new = (torch.view_as_complex(batch.action[0, :, :2].contiguous()) for batch in (before, after))
    return (new / old).angle()


def matrix(angle: float) -> np.ndarray:
    return quaternion_to_matrix(rotvec_to_quaternion(np.array([0.0, 0.0, angle])))


def test_every_vector_of_a_window_turns_by_the_same_angle():
    batch = make_batch()
    turned = Turn(SPEC, seed=0)(batch)
    for row, angle in enumerate(angles(batch, turned).tolist()):
        turn = matrix(angle)
        for step in range(3):
            for key in ("position", "rotation"):
                before, after = (b.obs[f"state/puck/{key}"][step, row].numpy() for b in (batch, turned))
                np.testing.assert_allclose(after, turn @ before, atol=1e-5)
            for column in range(0, 12, 3):
                before, after = (b.obs["state/arm/wrench"][step, row, column : column + 3].numpy() for b in (batch, turned))
                np.testing.assert_allclose(after, turn @ before, atol=1e-5)
        for step in range(2):
            for column in (0, 3):
                before, after = (b.action[step, row, column : column + 2].numpy() for b in (batch, turned))
                np.testing.assert_allclose(after, turn[:2, :2] @ before, atol=1e-5)


def test_a_rotation_is_that_of_the_turned_object():
    batch = make_batch()
    turned = Turn(SPEC, seed=0)(batch)
    for row, angle in enumerate(angles(batch, turned).tolist()):
        before, after = (
            quaternion_to_matrix(rotvec_to_quaternion(b.obs["state/puck/rotation"][0, row].double().numpy()))
            for b in (batch, turned)
        )
        np.testing.assert_allclose(after, matrix(angle) @ before @ matrix(angle).T, atol=1e-5)


def test_angles_are_all_around_and_the_rest_is_kept():
    batch = make_batch(2000)
    turned = Turn(SPEC, seed=0)(batch)
    found = angles(batch, turned)
    assert torch.histc(found, 8, -math.pi, math.pi).min() > 150
    assert torch.equal(turned.action[..., [2, 5]], batch.action[..., [2, 5]])
    assert torch.equal(turned.obs["state/gripper/opening"], batch.obs["state/gripper/opening"])
    assert torch.equal(turned.reward, batch.reward)


def test_no_action_leaves_the_bounds():
    batch = make_batch(500, largest=1.0)
    turned = Turn(SPEC, seed=0)(batch)
    assert turned.action.abs().max() <= 1.0
    is_turned = (turned.action != batch.action).any(-1).any(0)
    assert 0.2 < is_turned.float().mean() < 0.9
    kept = turned.obs["state/puck/position"][:, ~is_turned]
    assert torch.equal(kept, batch.obs["state/puck/position"][:, ~is_turned])


def test_the_angles_go_on_after_a_restart():
    batch, turn = make_batch(), Turn(SPEC, seed=3)
    turn(batch)
    state = {name: value.clone() for name, value in turn.state_dict().items()}
    expected, other = turn(batch), Turn(SPEC, seed=4)
    other.load_state_dict(state)
    assert torch.equal(other(batch).action, expected.action)


@pytest.mark.parametrize(
    ("key", "dim", "actions", "told"),
    [
        ("state/speed", 1, ("x", "y"), "speed"),
        ("image/front", 3, ("x", "y"), "pictures"),
        ("state/puck/position", 3, ("x", "z"), "x and y"),
        ("state/puck/position", 3, ("x", "y", "joint3"), "joint3"),
    ],
)
def test_what_cannot_be_turned_is_named(key, dim, actions, told):
    with pytest.raises(ConfigError, match=told):
        Turn(EnvSpec("other", {key: ArraySpec((dim,))}, ActionSpec(actions), 0.1, 10), seed=0)
