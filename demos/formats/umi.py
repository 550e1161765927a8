"""UMI's dataset: a replay buffer of cameras, gripper poses and widths, without actions."""

from __future__ import annotations

import logging
import re
from collections.abc import Iterator, Mapping
from itertools import pairwise
from pathlib import Path

import numpy as np

from demos.formats import diffusion_policy
from demos.formats.diffusion_policy import own
from demos.formats.options import ExportOptions, ImportOptions
from demos.formats.origin import flat_names
from demos.formats.own import OwnDataset
from demos.formats.recording import Recording
from demos.formats.zarr_buffer import Buffer
from robot_rl.data.episode import Episode
from robot_rl.envs.actions import AXES
from robot_rl.errors import ConfigError, DatasetError
from robot_rl.geometry import Pose, quaternion_to_rotvec
from robot_rl.specs import ArraySpec

_logger = logging.getLogger(__name__)


class UmiReader:
    """A dataset of UMI. An action is the motion from one pose to the next along the tool's axes, and the gripper's opening."""

    def __init__(self, path: Path, options: ImportOptions) -> None:
        """Open it.

        Raises:
            DatasetError: If it is something else.
            ConfigError: If no scale says which motion becomes an action of 1.
        """
        self._buffer, self._scale = Buffer(path), options.pose_scale
        self.num_episodes = len(self._buffer.ends)
        self._origin = self._buffer.origin(options)
        self.longest = int(self._buffer.lengths.max(initial=0)) - (self._origin is None)
        if self._origin is not None:
            return
        self._robots = sorted(match[1] for name in self._buffer.data if (match := re.fullmatch(r"(robot\d+)_eef_pos", name)))
        parts = [f"{robot}_{part}" for robot in self._robots for part in ("eef_rot_axis_angle", "gripper_width")]
        missing = [name for name in parts if name not in self._buffer.data]
        if missing or not self._robots:
            found = ", ".join(sorted(self._buffer.data))
            raise DatasetError(f"{path}: no {', '.join(missing) or 'robot0_eef_pos'}, as UMI has it; there are {found}")
        if self._scale is None:
            raise ConfigError(
                f"{path} has poses and no actions: --pose-scale M RAD WIDTH says which motion in a step becomes 1, and how "
                "far the fingers are apart when open (m)"
            )

    def __iter__(self) -> Iterator[Recording]:
        """Yield the episodes in order."""
        for index, (where, rows) in enumerate(self._buffer.episodes()):
            yield self._foreign(where, rows) if self._origin is None else own(self._buffer, self._origin, index, where, rows)

    def _foreign(self, where: str, rows: dict[str, np.ndarray]) -> Recording:
        names, actions = [], []
        if len(next(iter(rows.values()))) < 2:
            raise DatasetError(f"{where}: a single pose is no motion")
        for robot in self._robots:
            actions += [self._motion(robot, rows, where), self._opening(robot, rows, where)]
            arm, gripper = ("arm", "gripper") if len(self._robots) == 1 else (robot, f"{robot}_gripper")
            names += [*(f"{arm}/{axis}" for axis in AXES), gripper]
        one = np.array(1.0)
        return Recording(where, rows, np.concatenate(actions, axis=1), action_names=tuple(names), action_range=(-one, one))

    def _motion(self, robot: str, rows: Mapping[str, np.ndarray], where: str) -> np.ndarray:
        """Return the motions of a gripper between poses, [T, 6] in [-1, 1]."""
        positions, rotations = rows[f"{robot}_eef_pos"], rows[f"{robot}_eef_rot_axis_angle"]
        poses = [Pose.of(position, rotation) for position, rotation in zip(positions, rotations, strict=True)]
        motions = [before.inverse() @ after for before, after in pairwise(poses)]
        metres, radians, _ = self._scale or (1.0, 1.0, 1.0)
        shift, turn = np.array([motion.position for motion in motions]), np.array([motion.rotvec for motion in motions])
        for moved, scale, unit in ((shift, metres, "m"), (turn, radians, "rad")):
            if np.abs(moved).max() > scale:
                raise DatasetError(
                    f"{where}: {robot} moves {np.abs(moved).max():.4g} {unit} in a step, more than the {scale:g} {unit} of "
                    "--pose-scale; raise it"
                )
        return np.concatenate([shift / metres, turn / radians], axis=1)

    def _opening(self, robot: str, rows: Mapping[str, np.ndarray], where: str) -> np.ndarray:
        """Return the openings that a gripper reached, [T, 1], -1 closed .. 1 open."""
        width, limit = np.asarray(rows[f"{robot}_gripper_width"], np.float64).reshape(-1, 1), (self._scale or (0, 0, 1.0))[2]
        if width.min() < 0 or width.max() > limit:
            raise DatasetError(
                f"{where}: {robot}_gripper_width is {width.min():.4g} to {width.max():.4g} m, outside 0 to the {limit:g} m of "
                "--pose-scale; raise it"
            )
        return (2 * width / limit - 1)[1:]


class Writer(diffusion_policy.Writer):
    """Writes a dataset of UMI: cameras under its names, and poses and widths where they are observed, besides all of ours.

    Poses are those of `pose/<arm>`, in the base frame, or the observed position and rotation, by default in the frame of
    the episode's start: UMI uses poses relative to each other only.
    """

    def __init__(self, path: Path, dataset: OwnDataset, options: ExportOptions) -> None:
        """Find the poses.

        Raises:
            ConfigError: If a gripper is observed, and nothing says how wide it opens.
        """
        obs = dataset.spec.obs
        moved = dict.fromkeys(name.partition("/")[0] for name in dataset.spec.action.names)
        self._arm = next((arm for arm in moved if f"pose/{arm}" in obs or _is_pose(obs, arm)), None)
        self._gripper = next((key for key in obs if key.endswith("/opening") and obs[key].shape == (1,)), None)
        self._width_m = options.gripper_width_m
        if self._gripper is not None and self._width_m is None:
            raise ConfigError(
                f"UMI has the gripper's width, ours its opening {self._gripper!r}: --gripper-width-m says how wide 1 is"
            )
        if self._arm is None or self._gripper is None:
            _logger.warning(
                "%s: poses or widths are not observed, so UMI's own training will not take the export", dataset.folder
            )
        super().__init__(path, dataset, options)

    def arrays(self, dataset: OwnDataset) -> dict[str, str]:
        """Return by observation key the array it goes to: images are camera0_rgb, camera1_rgb ..."""
        images = sorted(key for key in dataset.spec.obs if key.startswith("image/"))
        cameras = {key: f"camera{index}_rgb" for index, key in enumerate(images)}
        return flat_names(tuple(dataset.spec.obs), "_") | cameras

    def more(self) -> Mapping[str, ArraySpec]:
        """Return UMI's arrays of numbers."""
        arrays: dict[str, ArraySpec] = {}
        if self._arm is not None:
            arrays |= {f"robot0_{name}": ArraySpec((3,)) for name in ("eef_pos", "eef_rot_axis_angle")}
            arrays |= {f"robot0_demo_{end}_pose": ArraySpec((6,), "float64") for end in ("start", "end")}
        if self._gripper is not None:
            arrays["robot0_gripper_width"] = ArraySpec((1,))
        return arrays

    def more_rows(self, episode: Episode) -> Mapping[str, np.ndarray]:
        """Return what UMI's arrays have of an episode."""
        rows: dict[str, np.ndarray] = {}
        if self._arm is not None:
            pose = _poses(episode.obs, self._arm)[:-1]
            rows = {"robot0_eef_pos": pose[:, :3], "robot0_eef_rot_axis_angle": pose[:, 3:]}
            rows |= {f"robot0_demo_{end}_pose": np.tile(pose[at], (len(pose), 1)) for end, at in (("start", 0), ("end", -1))}
        if self._gripper is not None and self._width_m is not None:
            rows["robot0_gripper_width"] = (episode.obs[self._gripper][:-1] * self._width_m).astype(np.float32)
        return rows


def open_dataset(path: Path, options: ImportOptions) -> UmiReader:
    """Return a reader of the folder or zip file `path`."""
    return UmiReader(path, options)


def _poses(obs: Mapping[str, np.ndarray], arm: str) -> np.ndarray:
    """Return the poses of a tool, [T + 1, 6]: m, then rotation vectors, rad."""
    if f"pose/{arm}" not in obs:
        return np.concatenate([obs[f"state/{arm}/{name}"] for name in ("position", "rotation")], axis=1)
    pose = obs[f"pose/{arm}"].astype(np.float64)
    return np.concatenate([pose[:, :3], [quaternion_to_rotvec(quaternion) for quaternion in pose[:, 3:]]], axis=1)


def _is_pose(obs: Mapping[str, ArraySpec], arm: str) -> bool:
    keys = (f"state/{arm}/position", f"state/{arm}/rotation")
    return all(key in obs and obs[key].shape == (3,) for key in keys)
