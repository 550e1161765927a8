"""Playing a recorded episode's actions again, and how far what happens is from what was recorded."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np

from demos.defects import RATES
from robot_rl.data.stored_episode import StoredEpisode
from robot_rl.envs.factory import Env
from robot_rl.errors import ConfigError, SpecMismatch
from robot_rl.geometry import quaternion_conjugate, quaternion_multiply, quaternion_to_rotvec, rotvec_to_quaternion
from robot_rl.specs import EnvSpec
from robot_rl.types import Observation

UNITS = {"position": "m", "height": "m", "rotation": "rad", "qpos": "rad", "opening": "openings"}


@dataclass(frozen=True, slots=True)
class StartLimits:
    """How far the start of a replay may be from the recorded one: actions are steps, and lead elsewhere from elsewhere."""

    position_m: float = 0.05
    """for entries in m"""
    angle_rad: float = 0.3
    """for entries in rad"""


@dataclass(frozen=True, slots=True)
class Deviation:
    """How far one entry of the observation was from the recorded one: a distance, an angle, or the largest of its numbers."""

    key: str
    unit: str
    start: float
    largest: float
    largest_at: int
    """observation, 0 is the first"""
    final: float
    rms: float


@dataclass(frozen=True, slots=True)
class ReplayReport:
    """How a replay went."""

    steps: int
    """recorded"""
    played: int
    """of them"""
    cut: str
    """why not all were played, or an empty string"""
    was_success: bool
    """as it was recorded"""
    is_success: bool
    """by the environment, now"""
    clamped: int
    """steps whose command the safety limit changed, now"""
    deviations: tuple[Deviation, ...]
    """of every entry but images that is in both"""


def replay(
    env: Env,
    episode: StoredEpisode,
    *,
    seed: int | None = None,
    limits: StartLimits | None = None,
    on_step: Callable[[int], None] = lambda _: None,
) -> ReplayReport:
    """Play an episode's actions in `env`, with everything that protects it there, and compare.

    Args:
        env: Must not end at success, and run for as many steps.
        episode: What is played.
        seed: Of the start; None: the recorded one.
        limits: Of the start; defaults if None.
        on_step: Called with the number of steps that have been played.

    Raises:
        SpecMismatch: If the actions or the control period are others; nothing moves.
        ConfigError: If the start is not where the recording started; the robot holds there.
        DeviceError: If the reset fails.
    """
    check_playable(env.env_spec, episode)
    recorded = {key: episode.obs(key) for key in _shared_states(episode, env.env_spec)}
    actions = episode.steps("action")
    try:
        obs, _ = env.reset(seed=episode.info.seed if seed is None else seed)
        seen = [obs]
        _check_start(recorded, obs, limits or StartLimits())
        cut, is_success, clamped = "", False, 0
        for number, action in enumerate(actions, 1):
            obs, _, terminated, truncated, info = env.step(action)
            if info["fault"]:
                cut = info["fault"]
                break
            seen.append(obs)
            is_success, clamped = is_success or bool(info["success"]), clamped + bool(info["clamped"])
            on_step(number)
            if (terminated or truncated) and number < len(actions):
                cut = f"the environment ended the episode after {number} steps"
                break
    finally:
        getattr(getattr(env, "unwrapped", env), "stop", lambda: None)()
    there = {key: np.stack([obs[key] for obs in seen]) for key in recorded}
    return ReplayReport(
        steps=len(actions),
        played=len(seen) - 1,
        cut=cut,
        was_success=bool(episode.steps("success").any()),
        is_success=is_success,
        clamped=clamped,
        deviations=tuple(_deviation(key, rows[: len(seen)], there[key]) for key, rows in recorded.items()),
    )


def check_playable(spec: EnvSpec, episode: StoredEpisode) -> None:
    """Raise SpecMismatch unless an episode's actions mean the same in an environment of `spec`, and its states are observed."""
    if episode.spec.action != spec.action:
        raise SpecMismatch(f"episode {episode.name} has actions {episode.spec.action}; {spec.name!r} takes {spec.action}")
    then, now = episode.spec.control_dt, spec.control_dt
    if abs(then - now) > 1e-6:
        raise SpecMismatch(f"episode {episode.name} was recorded every {then:g} s; {spec.name!r} acts every {now:g} s")
    if any(not key.startswith("image/") for key in episode.spec.obs) and not _shared_states(episode, spec):
        raise SpecMismatch(
            f"of what episode {episode.name} recorded ({', '.join(sorted(episode.spec.obs))}), {spec.name!r} observes nothing"
            f" ({', '.join(sorted(spec.obs))}), so that nobody could tell whether it is the same"
        )


def _shared_states(episode: StoredEpisode, spec: EnvSpec) -> list[str]:
    """Return the recorded entries but images that the environment observes as well. Reads nothing."""
    recorded = episode.spec.obs
    return [key for key in recorded if not key.startswith("image/") and spec.obs.get(key) == recorded[key]]


def _check_start(recorded: Mapping[str, np.ndarray], obs: Observation, limits: StartLimits) -> None:
    far = []
    for key, rows in recorded.items():
        unit = UNITS.get(_quantity(key))
        bound = {"m": limits.position_m, "rad": limits.angle_rad}.get(unit or "")
        distance = float(_distances(key, rows[:1], obs[key][None])[0])
        if bound is not None and distance > bound:
            far.append(f"{key} by {distance:.3g} {unit} (limit {bound:g})")
    if far:
        raise ConfigError(
            f"the start is not the recorded one: {'; '.join(far)}. Put robot and scene where they were, or raise the limits"
        )


def _deviation(key: str, recorded: np.ndarray, seen: np.ndarray) -> Deviation:
    distance = _distances(key, recorded, seen)
    return Deviation(
        key=key,
        unit=UNITS.get(_quantity(key), ""),
        start=float(distance[0]),
        largest=float(distance.max()),
        largest_at=int(distance.argmax()),
        final=float(distance[-1]),
        rms=float(np.sqrt(np.mean(distance**2))),
    )


def _distances(key: str, recorded: np.ndarray, seen: np.ndarray) -> np.ndarray:
    """Return how far each observation of an entry, [n, ...], is from the recorded one, [n]."""
    quantity, recorded, seen = _quantity(key), recorded.astype(float), seen.astype(float)
    if quantity == "rotation" and recorded.shape[1:] == (3,):
        turns = [
            quaternion_multiply(rotvec_to_quaternion(now), quaternion_conjugate(rotvec_to_quaternion(then)))
            for then, now in zip(recorded, seen, strict=True)
        ]
        return np.array([float(np.linalg.norm(quaternion_to_rotvec(turn))) for turn in turns])
    step = (seen - recorded).reshape(len(seen), -1)
    return np.linalg.norm(step, axis=1) if quantity in ("position", *RATES) else np.abs(step).max(axis=1)


def _quantity(key: str) -> str:
    return key.rpartition("/")[2]
