"""Randomisation draws around the scene as it was built, within the bounds, and from the seed alone."""

from __future__ import annotations

import numpy as np
import pytest

from robot_rl.errors import ConfigError
from sim.randomize import MODERATE, Randomization, Randomizer

FIELDS = (
    "body_mass",
    "geom_friction",
    "actuator_biasprm",
    "actuator_forcerange",
    "light_diffuse",
    "mat_rgba",
    "cam_pos",
)


def values(physics) -> dict[str, np.ndarray]:
    return {name: getattr(physics.model, name).copy() for name in FIELDS}


def test_no_spread_changes_nothing(station, rng):
    before = values(station.physics)
    Randomizer(station.physics, Randomization()).reset(rng)
    for name, value in values(station.physics).items():
        np.testing.assert_allclose(value, before[name], rtol=1e-12, err_msg=name)


@pytest.mark.parametrize("name", FIELDS)
def test_every_quantity_is_drawn(station, rng, name):
    before = values(station.physics)[name]
    Randomizer(station.physics, MODERATE).reset(rng)
    assert np.abs(values(station.physics)[name] - before).max() > 0


def test_many_draws_do_not_drift_from_the_plan(station, rng):
    nominal = values(station.physics)
    randomizer = Randomizer(station.physics, MODERATE)
    for _ in range(100):
        randomizer.reset(rng)
        drawn = values(station.physics)
        mass = drawn["body_mass"][nominal["body_mass"] > 0] / nominal["body_mass"][nominal["body_mass"] > 0]
        assert np.all(np.abs(mass - 1) <= MODERATE.mass + 1e-9)
        assert np.abs(drawn["cam_pos"] - nominal["cam_pos"]).max() <= MODERATE.camera_m + 1e-9


def test_spring_and_its_bound_change_together(station, rng):
    before = values(station.physics)
    Randomizer(station.physics, Randomization(stiffness=0.3)).reset(rng)
    after = values(station.physics)
    model = station.physics.model
    spring = [model.actuator(index).name.startswith("spring") for index in range(model.nu)]
    factor = after["actuator_forcerange"][spring, 1] / before["actuator_forcerange"][spring, 1]
    assert factor == pytest.approx(factor[0])
    assert after["actuator_biasprm"][spring, 1] / before["actuator_biasprm"][spring, 1] == pytest.approx(factor)


def test_same_rng_same_scene(station):
    randomizer = Randomizer(station.physics, MODERATE)
    draws = []
    for _ in range(2):
        randomizer.reset(np.random.default_rng(3))
        draws.append(values(station.physics))
    for name in FIELDS:
        np.testing.assert_array_equal(draws[0][name], draws[1][name])


@pytest.mark.parametrize("field", ["mass", "friction", "stiffness", "light"])
@pytest.mark.parametrize("spread", [-0.1, 1.0])
def test_a_factor_cannot_reach_zero(field, spread):
    with pytest.raises(ConfigError, match=field):
        Randomization(**{field: spread})
