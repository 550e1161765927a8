"""Bundles: what they hold, what is refused, and what they need of a station."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest
from toy_policy import SEES, SPEC, random_observation, saved_run, toy_policy

from robot_rl.deploy.acting import check_actions, load_policy
from robot_rl.deploy.bundle import ABOUT, CHECK, WEIGHTS, open_bundle, write_about, write_check
from robot_rl.deploy.fits import check_fits
from robot_rl.errors import ConfigError, SpecMismatch
from robot_rl.specs import ActionSpec, ArraySpec


@pytest.fixture
def exported(tmp_path):
    """A bundle as export.py leaves it, without ONNX."""
    policy = toy_policy()
    policy.save(tmp_path / "bundle")
    seen = [random_observation(SPEC, np.random.default_rng(seed)) for seed in range(5)]
    write_check(tmp_path / "bundle", seen, np.stack([policy.act(obs, explore=False) for obs in seen]))
    bundle = replace(open_bundle(tmp_path / "bundle"), name="lift", task="pick_lift", provenance={"python": "3.11"})
    write_about(tmp_path / "bundle", bundle, {"exported_at": "now"})
    return tmp_path / "bundle"


def test_a_bundle_comes_back_as_it_was_written(exported):
    bundle = open_bundle(exported)
    assert (bundle.name, bundle.kind, bundle.version, bundle.task) == ("lift", "sac", 7, "pick_lift")
    assert bundle.spec == SPEC
    assert bundle.config["hidden_dims"] == [8, 8]
    assert bundle.provenance == {"python": "3.11"}
    policy = load_policy(bundle)
    assert check_actions(policy, bundle) == 0.0
    obs = random_observation(SPEC, np.random.default_rng(9))
    np.testing.assert_array_equal(policy.act(obs, explore=False), toy_policy().act(obs, explore=False))


def test_a_run_is_a_bundle_too(tmp_path):
    run = saved_run(tmp_path / "run", toy_policy())
    (run / "config.json").write_text('{"task": "reach"}')
    (run / "summary.json").write_text('{"success": {"k": 9, "n": 10, "low": 0.6, "high": 0.98}}')
    bundle = open_bundle(run)
    assert (bundle.name, bundle.task, bundle.version) == ("run", "reach", 7)
    assert bundle.success is not None
    assert bundle.success["k"] == 9
    assert open_bundle(run / "policy").spec == SPEC
    assert check_actions(load_policy(bundle), bundle) is None


@pytest.mark.parametrize(
    ("config", "regrasp"),
    [
        ({"env": {"regrasp": False}, "evaluation": {"regrasp": True}}, True),
        ({"env": {"regrasp": True}, "evaluation": {"regrasp": False}}, True),
        ({"env": {"regrasp": False}, "evaluation": {"regrasp": False}}, False),
        ({}, False),
    ],
)
def test_it_tells_whether_a_hand_that_misses_tried_again_when_measured(tmp_path, config, regrasp):
    run = saved_run(tmp_path / "run", toy_policy())
    (run / "config.json").write_text(json.dumps(config))
    bundle = open_bundle(run)
    assert bundle.regrasp == regrasp
    write_about(run / "policy", bundle, {})
    assert open_bundle(run / "policy").regrasp == regrasp


def test_a_policy_that_acts_differently_here_is_refused(exported):
    bundle = open_bundle(exported)
    with pytest.raises(ConfigError, match="policy lift acts differently here than where it was exported"):
        check_actions(toy_policy(seed=1), bundle)


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (lambda path: (path / WEIGHTS).unlink(), "lacks policy.safetensors; copy or export it again"),
        (lambda path: (path / WEIGHTS).write_bytes(b"x" * 99), "policy.safetensors is not the file that was exported"),
        (lambda path: (path / CHECK).write_bytes(b"x"), "check.npz is not the file that was exported"),
        (lambda path: (path / ABOUT).write_text("{"), "bundle.json cannot be read"),
        (lambda path: (path / ABOUT).write_text("[]"), "bundle.json holds no JSON object"),
        (lambda path: (path / ABOUT).write_text('{"format_version": 9}'), "has format 9, this version reads 1"),
        (lambda path: edit(path, spec={}), "does not say what environment its policy is for"),
        (lambda path: edit(path, name=None), "bundle.json lacks 'name'"),
    ],
)
def test_a_damaged_bundle_says_what_is_wrong(exported, damage, message):
    damage(exported)
    with pytest.raises(ConfigError, match=message):
        open_bundle(exported)


def edit(path, **changes):
    about = json.loads((path / ABOUT).read_text())
    for key, value in changes.items():
        about.pop(key) if value is None else about.update({key: value})
    (path / ABOUT).write_text(json.dumps(about))


def test_no_bundle_and_no_exported_form_are_named(tmp_path, exported):
    with pytest.raises(ConfigError, match=r"holds no policy: neither bundle.json, nor policy/policy.safetensors"):
        open_bundle(tmp_path)
    with pytest.raises(ConfigError, match=r"holds no ONNX file; make one with launch/export.py"):
        load_policy(open_bundle(exported), "onnx")
    with pytest.raises(ConfigError, match=r"unknown policy kind 'oracle'.*known: "):
        load_policy(replace(open_bundle(exported), kind="oracle"))


def differs(message, **changes):
    with pytest.raises(SpecMismatch, match=f"policy lift does not fit lab, and nothing was moved: .*{message}"):
        check_fits(SEES, replace(SEES, **changes), policy_name="lift", place="lab")


def test_a_policy_fits_where_it_sees_at_least_what_it_saw():
    more = replace(SEES, name="other", max_steps=3, obs={**SEES.obs, "image/back": ArraySpec((9, 9, 3), "uint8")})
    check_fits(SEES, more, policy_name="lift", place="lab")
    check_fits(SEES, replace(SEES, obs={k: v for k, v in SEES.obs.items() if k != "pose/arm"}), policy_name="", place="")
    check_fits(replace(SEES, extra={}), replace(SEES, extra={"action/frame": "tcp"}), policy_name="", place="")


def test_what_does_not_fit_is_named_with_its_remedy():
    less = {key: value for key, value in SEES.obs.items() if key != "image/front"}
    differs(r"camera 'front' \(uint8 \[32, 32, 3\]\) is missing: add \[cameras.front\]", obs=less)
    differs(r"image/front is uint8 \[64, 64, 3\], wanted uint8 \[32, 32, 3\]",
            obs={**SEES.obs, "image/front": ArraySpec((64, 64, 3), "uint8")})  # fmt: skip
    differs("state/gripper/opening .* is missing: add 'opening' of 'gripper'",
            obs={key: value for key, value in SEES.obs.items() if "opening" not in key})  # fmt: skip
    differs(r"it moves arm/x gripper \(discrete\) arm/y, the station arm/x arm/y: set \[task.action\]",
            action=ActionSpec(("arm/x", "arm/y")))  # fmt: skip
    differs("it moves .*the station arm/x gripper arm/y", action=ActionSpec(SEES.action.names))
    differs("it acts every 0.1 s, the station every 0.05 s: set .* control_dt", control_dt=0.05)


@pytest.mark.parametrize(("key", "value"), [("action/position_scale_m", "0.05"), ("observation/frames", "cube:base")])
def test_the_same_numbers_must_mean_the_same(key, value):
    theirs = replace(SEES, extra={key: "0.02"})
    with pytest.raises(SpecMismatch, match=rf"{key} was '0.02', here '{value}': set \[task"):
        check_fits(theirs, replace(SEES, extra={key: value}), policy_name="lift", place="lab")
