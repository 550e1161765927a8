"""What is wrong with a recorded episode: jumps, gaps in time, saturation, standing still, and pictures that show nothing."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from robot_rl.data.frame_faults import FrameScan, runs, scanned_faults
from robot_rl.data.stored_episode import StoredEpisode
from robot_rl.errors import DatasetError
from robot_rl.geometry import quaternion_conjugate, quaternion_multiply, quaternion_to_rotvec, rotvec_to_quaternion
from robot_rl.specs import EnvSpec

RATES = ("twist", "wrench", "qvel")
"""Quantities that a contact makes jump, and that sensors' noise keeps from standing still."""
MAX_IDENTICAL = 5
"""Repetitions of a picture that are borne while something moves: cameras may be slower than control."""


@dataclass(frozen=True, slots=True)
class DefectLimits:
    """Beyond what something counts as a defect."""

    speed: float = 2.0
    """m/s: a position that moves faster has jumped (arms are held to 0.5 m/s)"""
    angular_speed: float = 10.0
    """rad/s: a rotation or joint that turns faster has jumped"""
    outlier: float = 20.0
    """times the 95th percentile of its own changes: entries whose unit is unknown have jumped beyond it"""
    action_jump: float = 1.8
    """change of an action dimension, of the 2 there are, from one step to the next"""
    gap: float = 1.5
    """control periods between two stamps; more: frames were dropped"""
    saturated: float = 0.5
    """share of steps in which a dimension stands at its limit; more: the action's scale is too small"""
    motion: float = 1e-3
    """m, rad or openings: what moves less stands"""
    command: float = 0.02
    """of an action's range: what asks for less asks for nothing"""
    idle_s: float = 2.0
    """s without motion at the start or the end"""


@dataclass(frozen=True, slots=True)
class Defect:
    """One thing that is wrong with an episode."""

    kind: str
    """`state jump`, `action jump`, `gap`, `stamps`, `saturated`, `static`, `idle`, `blank`, `frozen` or `damaged`"""
    what: str
    """for people: which entry, which steps, how much"""


def find_defects(episode: StoredEpisode, limits: DefectLimits | None = None) -> list[Defect]:
    """Return what is wrong with an episode; pictures are read one after the other, so its length costs no memory."""
    limits = limits or DefectLimits()
    try:
        states = {key: rows.astype(float) for key, rows in episode.states().items()}
        action, stamp = episode.steps("action").astype(float), episode.steps("stamp")
        return [
            *_time_defects(stamp, episode.spec.control_dt, limits),
            *_state_jumps(states, episode.spec.control_dt, limits),
            *_action_defects(action, episode.spec, limits),
            *_motion_defects(states, action, episode.spec, limits),
            *_picture_defects(episode, states),
        ]
    except DatasetError as error:
        return [Defect("damaged", str(error))]


def _time_defects(stamp: np.ndarray, dt: float, limits: DefectLimits) -> list[Defect]:
    """Return gaps between, and repetitions of, the stamps of steps."""
    step = np.diff(stamp)
    late, stuck = step > limits.gap * dt, step <= 0
    defects = []
    if late.any():
        missing = int(np.rint(step[late] / dt - 1).sum())
        what = f"{missing} periods of {dt:g} s are missing: longest {step.max():.2f} s, {_at(late)}"
        defects.append(Defect("gap", what))
    if stuck.any():
        kind = "the same stamp twice" if step.min() == 0 else f"stamps that run back by up to {-step.min():.3g} s"
        defects.append(Defect("stamps", f"{kind}, {_at(stuck)}"))
    return defects


def _state_jumps(states: dict[str, np.ndarray], dt: float, limits: DefectLimits) -> list[Defect]:
    defects = []
    for key, rows in states.items():
        quantity = key.rpartition("/")[2]
        if quantity in RATES:
            continue
        change = _changes(quantity, rows)
        known = {"position": limits.speed, "height": limits.speed}
        known |= dict.fromkeys(("rotation", "qpos"), limits.angular_speed)
        if quantity in known:
            bound, unit = known[quantity] * dt, "m" if known[quantity] == limits.speed else "rad"
        elif quantity == "opening" or len(change) < 20:
            continue  # a gripper may snap; and a percentile needs some numbers
        else:
            bound, unit = max(limits.outlier * float(np.percentile(change, 95)), limits.motion), ""
        if (jumps := change > bound).any():
            what = f"{key} changes by {change.max():.3g} {unit}".rstrip()
            defects.append(Defect("state jump", f"{what} in one step, {_at(jumps)}"))
    return defects


def _changes(quantity: str, rows: np.ndarray) -> np.ndarray:
    """Return how far each step moves an entry, [T]: a length, an angle, or the largest change of a number."""
    if quantity == "rotation" and rows.shape[1] == 3:  # near half a turn a rotation vector jumps although nothing turns
        turns = [rotvec_to_quaternion(row) for row in rows]
        between = [quaternion_multiply(after, quaternion_conjugate(before)) for before, after in pairwise(turns)]
        return np.array([np.linalg.norm(quaternion_to_rotvec(turn)) for turn in between])
    step = np.diff(rows, axis=0)
    if quantity in ("position", "height"):
        return np.linalg.norm(step, axis=1)
    return np.abs(step).max(axis=1) if step.size else np.zeros(len(step))


def _action_defects(action: np.ndarray, spec: EnvSpec, limits: DefectLimits) -> list[Defect]:
    defects = []
    for index in spec.action.continuous:
        name, values = spec.action.names[index], action[:, index]
        if "gripper" in name:
            continue  # opens and closes at once, and stays there
        jumps = np.abs(np.diff(values)) >= limits.action_jump
        if jumps.any():
            defects.append(Defect("action jump", f"{name} turns round at full speed, {_at(jumps)}"))
        share = float((np.abs(values) >= 0.999).mean())
        if share > limits.saturated:
            defects.append(Defect("saturated", f"{name} is at its limit in {share:.0%} of the steps"))
    return defects


def _motion_defects(states: dict[str, np.ndarray], action: np.ndarray, spec: EnvSpec, limits: DefectLimits) -> list[Defect]:
    """Return whether nothing moves at all, or for long at the start or the end while nobody wants it to."""
    places = [rows for key, rows in states.items() if key.rpartition("/")[2] not in RATES]
    if not places:
        return []
    length, dt = len(places[0]), spec.control_dt
    first, last = _first_motion(places, limits.motion), _first_motion([rows[::-1] for rows in places], limits.motion)
    if first is None or last is None:
        return [Defect("static", f"nothing moves in {(length - 1) * dt:.1f} s")]
    # An observation may be relative to the hand that moves, so standing is only what nothing is asked of.
    asked = np.abs(action[:, [index for index in spec.action.continuous if "gripper" not in spec.action.names[index]]])
    is_asked = np.concatenate([(asked > limits.command).any(axis=1), [True]])
    defects = []
    for steps, where in (
        (min(first - 1, int(is_asked.argmax())), "first"),
        (min(last - 1, int(np.append(is_asked[:-1][::-1], True).argmax())), "last"),
    ):
        if steps * dt > limits.idle_s:
            defects.append(Defect("idle", f"nothing moves in the {where} {steps * dt:.1f} s"))
    return defects


def _first_motion(places: list[np.ndarray], motion: float) -> int | None:
    """Return the first observation in which something is not where it was at first; None: nothing moves."""
    away = np.any([(np.abs(rows - rows[0]) > motion).any(axis=1) for rows in places], axis=0)
    return int(away.argmax()) if away.any() else None


def _picture_defects(episode: StoredEpisode, states: dict[str, np.ndarray]) -> list[Defect]:
    scans = {camera: FrameScan() for camera in episode.cameras}
    for camera, scan in scans.items():
        for images in episode.images(camera):
            scan.add(images)
    return [
        Defect(fault.kind, f"camera {fault.camera!r}: observations {fault.first} to {fault.last}")
        for fault in scanned_faults(episode.name, scans, states, MAX_IDENTICAL)
    ]


def _at(flags: np.ndarray) -> str:
    """Return where flags between steps are set, for people."""
    where = [f"{first + 1}" if first == last else f"{first + 1} to {last + 1}" for first, last in runs(flags)]
    shown = ", ".join(where[:3]) + (f" and {len(where) - 3} more times" if len(where) > 3 else "")
    return f"at step {shown}"
