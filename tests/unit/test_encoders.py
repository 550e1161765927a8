"""The state vector: order, standardisation and the magnified view of poses."""

from __future__ import annotations

import torch

from robot_rl.nn.encoders import StateEncoder
from robot_rl.specs import ArraySpec

OBS = {
    "state/hole/position": ArraySpec((3,)),
    "state/arm/wrench": ArraySpec((6,)),
    "image/front": ArraySpec((8, 8, 3), "uint8"),
}


def observe(size: int) -> dict[str, torch.Tensor]:
    generator = torch.Generator().manual_seed(0)
    return {key: 0.05 * torch.randn(size, entry.shape[0], generator=generator) for key, entry in OBS.items() if "state" in key}


def test_keys_are_concatenated_in_sorted_order():
    encoder = StateEncoder(OBS)
    x = encoder({"state/hole/position": torch.ones(2, 3), "state/arm/wrench": torch.zeros(2, 6)})
    assert encoder.dim == 9
    assert torch.equal(x[0], torch.tensor([0.0] * 6 + [1.0] * 3))


def test_the_magnified_view_sees_half_a_millimetre_of_poses_only():
    plain, fine = StateEncoder(OBS), StateEncoder(OBS, fine_scale=10.0)
    data = observe(500)
    plain.fit(data)
    fine.fit(data)
    assert fine.dim == plain.dim + 3
    here = {key: torch.zeros(1, entry.shape[0]) for key, entry in OBS.items() if "state" in key}
    there = {**here, "state/hole/position": torch.tensor([[0.0005, 0.0, 0.0]])}
    coarse_change = (plain(there) - plain(here)).abs().max()
    fine_change = (fine(there) - fine(here)).abs().max()
    assert fine_change > 8.0 * coarse_change
    assert torch.equal(fine(here)[..., :9], plain(here))


def test_the_magnified_view_is_centred_where_the_pose_is_zero():
    encoder = StateEncoder(OBS, fine_scale=10.0)
    encoder.fit({key: value + 0.2 for key, value in observe(500).items()})
    here = {key: torch.zeros(1, entry.shape[0]) for key, entry in OBS.items() if "state" in key}
    assert torch.equal(encoder(here)[0, -3:], torch.zeros(3))
