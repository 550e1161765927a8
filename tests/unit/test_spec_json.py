import json
from dataclasses import replace

import pytest

from robot_rl.data.spec_json import check_same_spec, spec_from_json, spec_to_json
from robot_rl.errors import SpecMismatch
from robot_rl.specs import ActionSpec, ArraySpec, EnvSpec

OBS = {"state/arm/tcp": ArraySpec((3,)), "image/front": ArraySpec((8, 8, 3), "uint8")}
SPEC = EnvSpec("counting", OBS, ActionSpec(("x", "gripper"), (1,)), control_dt=0.25, max_steps=50, extra={"a": "b"})


def test_a_spec_survives_json():
    assert spec_from_json(json.loads(json.dumps(spec_to_json(SPEC)))) == SPEC


def test_a_mismatch_by_repeated_actions_says_so():
    repeated = replace(SPEC, control_dt=0.5, extra={"action_repeat": "2"})
    with pytest.raises(SpecMismatch, match=r"control_dt: 0.25 s instead of 0.5 s \(action_repeat 1 instead of 2\)"):
        check_same_spec(SPEC, repeated, "an episode")
