"""Episodes made of recordings: what the source leaves open is taken from the options, and nothing is guessed."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np

from demos.formats.observed import observed
from demos.formats.options import ImportOptions
from demos.formats.recording import Reader, Recording
from robot_rl.data.episode import Episode, step_columns
from robot_rl.data.spec_json import check_same_spec
from robot_rl.errors import ConfigError, DatasetError
from robot_rl.specs import ActionSpec, ArraySpec, EnvSpec
from robot_rl.types import EpisodeInfo

RANGE_SLACK = 1e-5
"""Rounding may carry a scaled action this far past 1."""


def episodes(reader: Reader, options: ImportOptions, source: str) -> Iterator[Episode]:
    """Yield the episodes of a dataset as ours, one by one.

    Args:
        reader: The dataset, opened.
        options: What it does not say.
        source: What the episodes say of their origin: `lerobot:pusht`.

    Raises:
        ConfigError: If something is not said; the message lists all of it, each with the option that says it.
        DatasetError: If the dataset is damaged, or an action outside its range.
    """
    spec: EnvSpec | None = None
    for recording in reader:
        if recording.spec is not None and options != ImportOptions():
            raise ConfigError(f"{recording.where} was exported by robot-rl and says all; to say otherwise add --ignore-origin")
        if recording.spec is not None:
            episode = _own(recording)
        else:
            episode = _foreign(recording, options, options.max_steps or reader.longest, source)
        spec = spec or episode.spec
        check_same_spec(episode.spec, spec, recording.where)
        _check_ends(episode, recording.where)
        yield episode


def _own(recording: Recording) -> Episode:
    """Return an episode that robot-rl exported."""
    spec, info, steps = recording.spec, recording.info, dict(recording.steps)
    if spec is None or info is None:
        raise DatasetError(f"{recording.where}: what robot-rl wrote about it is damaged")
    missing = [name for name in step_columns(spec) if name != "action" and name not in steps]
    missing += [key for key in spec.obs if key not in recording.obs]
    if missing:
        raise DatasetError(f"{recording.where}: {', '.join(missing)} is missing, which robot-rl exported; --ignore-origin")
    obs = {key: recording.obs[key] for key in spec.obs}
    return Episode(spec=spec, info=info, obs=obs, action=recording.action, successes=steps.pop("success"), **steps)


def _foreign(recording: Recording, options: ImportOptions, max_steps: int, source: str) -> Episode:
    _check_said(recording, options)
    recording = _with_final_obs(recording, options)
    where, length = recording.where, recording.length
    obs = observed(recording.obs, options, where)
    action, names = _action(recording, options)
    control_dt = options.control_dt or recording.control_dt or 0.0
    steps = _outcome(recording, options)
    env = options.env or recording.env or source
    spec = EnvSpec(
        name=env,
        obs={key: ArraySpec(rows.shape[1:], str(rows.dtype)) for key, rows in obs.items()},
        action=ActionSpec(names),
        control_dt=control_dt,
        max_steps=max_steps,
        extra={"source": source},
    )
    stamp = recording.steps.get("stamp", np.arange(length) * control_dt).astype(np.float64)
    policy_action = recording.steps.get("policy_action")
    return Episode(
        spec=spec,
        info=EpisodeInfo(options.task or recording.task or env, source, recording.seed, dict(recording.extra)),
        obs=obs,
        action=action,
        policy_action=action if policy_action is None else _scaled(policy_action, recording, options, "policy_action"),
        is_intervention=recording.steps.get("is_intervention", np.zeros(length)).astype(bool),
        clamped=recording.steps.get("clamped", np.zeros(length)).astype(bool),
        policy_version=recording.steps.get("policy_version", np.zeros(length)).astype(np.int64),
        stamp=stamp - stamp[0],
        **steps,
    )


def _check_said(recording: Recording, options: ImportOptions) -> None:
    """Raise ConfigError with everything that neither the source nor the options say."""
    rows = max((len(rows) for rows in recording.obs.values()), default=0)
    has = recording.steps.keys()
    has_range = recording.action_range is not None or options.action_scale or options.action_low
    unsaid = {
        "the time between steps: --control-dt S": not (options.control_dt or recording.control_dt),
        "what is seen after the last action: --final-obs repeat|drop": rows == recording.length and options.final_obs is None,
        "whether episodes end by the task or by time: --ends terminated|truncated|success": not (
            options.ends or {"terminated", "truncated"} <= has or {"done", "truncated"} <= has
        ),
        "what success is: --success last|reward|never": "success" not in has and options.success is None,
        "rewards: --reward success|zero": "reward" not in has and options.reward is None,
        "which actions become -1 and 1: --action-low and --action-high, or --action-scale": not has_range,
    }
    if any(unsaid.values()):
        listed = "; ".join(what for what, is_unsaid in unsaid.items() if is_unsaid)
        raise ConfigError(f"{recording.where} does not say {listed}")
    if options.success == "reward" and "reward" not in has:
        raise ConfigError(f"{recording.where} has no rewards, so --success reward means nothing; last or never")


def _with_final_obs(recording: Recording, options: ImportOptions) -> Recording:
    """Return the recording with T + 1 observations."""
    length = recording.length
    rows = {name: len(values) for name, values in recording.obs.items()}
    wrong = [f"{name} {count}" for name, count in rows.items() if count not in (length, length + 1)]
    wrong += [f"{name} {len(values)}" for name, values in recording.steps.items() if len(values) != length]
    if length < 1 or wrong:
        raise DatasetError(f"{recording.where}: {length} actions do not go with {', '.join(wrong) or 'an episode'}")
    if all(count == length + 1 for count in rows.values()):
        return recording
    if options.final_obs == "drop":
        if length < 2:
            raise DatasetError(f"{recording.where}: nothing is left of its one step when the last action is dropped")
        obs = {name: values[:length] for name, values in recording.obs.items()}
        steps = {name: _moved_up(name, values) for name, values in recording.steps.items()}
        return replace(recording, obs=obs, action=recording.action[:-1], steps=steps)
    obs = {name: np.concatenate([values[:length], values[-1:]]) for name, values in recording.obs.items()}
    return replace(recording, obs=obs)


def _moved_up(name: str, values: np.ndarray) -> np.ndarray:
    """Return a column without its last row, whose outcome goes to the step before."""
    if name not in ("reward", "success", "terminated", "truncated", "done"):
        return values[:-1]
    merged = values[:-1].copy()
    merged[-1] = values[-2] + values[-1] if name == "reward" else bool(values[-2]) or bool(values[-1])
    return merged


def _action(recording: Recording, options: ImportOptions) -> tuple[np.ndarray, tuple[str, ...]]:
    """Return actions [T, A] in [-1, 1] and the names of their dimensions."""
    action = _scaled(recording.action, recording, options, "action")
    dim = action.shape[1]
    names = options.names or recording.action_names or tuple(f"action/{index}" for index in range(dim))
    if len(names) != dim:
        raise ConfigError(f"{recording.where}: actions have {dim} dimensions, and names {len(names)}: {' '.join(names)}")
    return action, names


def _scaled(values: np.ndarray, recording: Recording, options: ImportOptions, what: str) -> np.ndarray:
    """Return actions [T, A] in [-1, 1], float32."""
    values = values[:, None] if values.ndim == 1 else values
    if values.ndim != 2 or values.dtype.kind not in "fiu":
        raise DatasetError(f"{recording.where}: {what} is {values.dtype} {list(values.shape)}; expected numbers [T, A]")
    low, high = _range(recording, options, values.shape[1])
    if not np.isfinite([low, high]).all() or not (low < high).all():
        raise ConfigError(f"{recording.where}: actions from {low} to {high} cannot be scaled; --action-low and --action-high")
    is_ours = (low == -1).all() and (high == 1).all()
    scaled = np.asarray(values, np.float64) if is_ours else 2 * (np.asarray(values, np.float64) - low) / (high - low) - 1
    beyond = ~(np.abs(scaled) <= 1 + RANGE_SLACK)  # written so that NaN is found too
    if beyond.any():
        step, dim = np.argwhere(beyond)[0]
        raise DatasetError(
            f"{recording.where}: {what} {dim} of step {step} is {values[step, dim]:g}, outside {low[dim]:g} to {high[dim]:g}; "
            "--action-low and --action-high, or --action-scale, say what becomes -1 and 1"
        )
    return np.clip(scaled, -1, 1).astype(np.float32)


def _range(recording: Recording, options: ImportOptions, dim: int) -> tuple[np.ndarray, np.ndarray]:
    if options.action_scale:
        low, high = -np.array(options.action_scale), np.array(options.action_scale)
    elif options.action_low:
        low, high = np.array(options.action_low), np.array(options.action_high)
    else:
        low, high = recording.action_range or (np.array(-1.0), np.array(1.0))
    for bound in (low, high):
        if bound.size not in (1, dim):
            raise ConfigError(f"{recording.where}: {bound.size} bounds for actions of {dim} dimensions; give 1 or {dim}")
    return np.broadcast_to(np.float64(low), dim), np.broadcast_to(np.float64(high), dim)


def _outcome(recording: Recording, options: ImportOptions) -> dict[str, np.ndarray]:
    """Return reward, terminated, truncated and successes, [T] each."""
    steps, length = recording.steps, recording.length
    last = np.arange(length) == length - 1
    if options.success is None:
        success = steps["success"].astype(bool)
    else:
        success = {"last": last, "never": ~last & False, "reward": steps.get("reward", last * 0) > 0}[options.success]
    reward = success if options.reward == "success" else last & False if options.reward == "zero" else steps["reward"]
    if recording.is_cut:
        terminated, truncated = last & False, last
    elif options.ends is not None:
        is_terminated = {"terminated": True, "truncated": False, "success": success[-1]}[options.ends]
        terminated, truncated = last & is_terminated, last & (not is_terminated)
    else:
        truncated = steps["truncated"].astype(bool)
        terminated = (steps["terminated"] if "terminated" in steps else steps["done"].astype(bool) & ~truncated).astype(bool)
        truncated = truncated | (last & ~terminated)  # a recording that just stops was cut off
    return {"reward": reward.astype(np.float32), "terminated": terminated, "truncated": truncated, "successes": success}


def _check_ends(episode: Episode, where: str) -> None:
    early = np.flatnonzero((episode.terminated | episode.truncated)[:-1])
    if len(early):
        raise DatasetError(f"{where}: ends at step {early[0]} and goes on for {episode.length} steps; --ends, or split it")


def source_name(format_name: str, path: Path) -> str:
    """Return what episodes say of their origin."""
    return f"{format_name}:{path.name}"
