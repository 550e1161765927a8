"""A policy bundle: a folder with all that deployment needs, read and checked without torch."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from safetensors import SafetensorError, safe_open

from robot_rl.atomic_file import write_json
from robot_rl.data.spec_json import spec_from_json, spec_to_json
from robot_rl.errors import ConfigError, DatasetError
from robot_rl.specs import EnvSpec
from robot_rl.types import Observation

ABOUT, WEIGHTS, ONNX, TORCH, CHECK = "bundle.json", "policy.safetensors", "policy.onnx", "policy.pt2", "check.npz"
RUN_POLICY = "policy"
"""Folder of the newest policy in a run."""
FORMAT_VERSION = 1
ACTION = "action"


@dataclass(frozen=True, slots=True)
class Bundle:
    """What a bundle says of itself. A run folder, or the `policy` folder of one, serves as a bundle without an export."""

    path: Path
    """The folder that holds the weights."""
    name: str
    kind: str
    """Which agent's: `sac`."""
    version: int
    spec: EnvSpec
    """Of the environment it was trained in."""
    config: Mapping[str, Any]
    """Of the agent, encoder and normalisation included."""
    task: str = ""
    """Environment name it was trained in."""
    success: Mapping[str, float] | None = None
    """Its success in the run's last evaluation: k, n, low, high."""
    provenance: Mapping[str, Any] | None = None
    """Versions, platform and git revision of its training."""
    regrasp: bool = False
    """Whether a gripper that had closed on nothing opened by itself when it was measured (`EnvOptions.regrasp`)."""

    @property
    def onnx(self) -> Path | None:
        """The acting path for onnxruntime, if it was exported."""
        path = self.path / ONNX
        return path if path.exists() else None

    def check_data(self) -> tuple[list[Observation], np.ndarray] | None:
        """Return recorded observations and the trained policy's actions [T, A] on them; None if there are none.

        Raises:
            ConfigError: If the file is damaged.
        """
        path = self.path / CHECK
        if not path.exists():
            return None
        try:
            with np.load(path, allow_pickle=False) as stored:
                arrays = {key.replace("|", "/"): stored[key] for key in stored.files}
        except (OSError, ValueError) as error:
            raise ConfigError(f"{path} cannot be read ({error}); export the bundle again") from error
        actions = arrays.pop(ACTION)
        return [{key: rows[step] for key, rows in arrays.items()} for step in range(len(actions))], actions


def open_bundle(path: Path) -> Bundle:
    """Return the bundle in a folder: one that export.py made, a run, or a policy of one.

    Raises:
        ConfigError: If there is none, or a file of it is missing or not the one that was exported.
    """
    if (path / ABOUT).exists():
        return _exported(path)
    folder = next((each for each in (path / RUN_POLICY, path) if (each / WEIGHTS).exists()), None)
    if folder is None:
        raise ConfigError(f"{path} holds no policy: neither {ABOUT}, nor {RUN_POLICY}/{WEIGHTS}, nor {WEIGHTS}")
    about = read_about(folder)
    run = _json(path / "config.json") if (path / "config.json").exists() else {}
    summary = _json(path / "summary.json") if (path / "summary.json").exists() else {}
    environment = _json(path / "environment.json") if (path / "environment.json").exists() else None
    success = summary.get("success") if isinstance(summary.get("success"), dict) else None
    return Bundle(
        folder, path.name, about["kind"], about["version"], _spec(about, folder), about.get("config", {}),
        task=run.get("task", ""), success=success, provenance=environment,
        regrasp=any(run.get(table, {}).get("regrasp", False) for table in ("env", "evaluation")),
    )  # fmt: skip


def write_about(folder: Path, bundle: Bundle, extra: Mapping[str, Any]) -> None:
    """Write `bundle.json` of a folder whose other files are complete; it holds their hashes."""
    files = {file.name: _sha256(file) for file in sorted(folder.iterdir()) if file.is_file() and file.name != ABOUT}
    write_json(
        folder / ABOUT,
        {
            "format_version": FORMAT_VERSION,
            "name": bundle.name,
            "kind": bundle.kind,
            "version": bundle.version,
            "task": bundle.task,
            "spec": spec_to_json(bundle.spec),
            "config": dict(bundle.config),
            "success": bundle.success,
            "provenance": bundle.provenance,
            "regrasp": bundle.regrasp,
            "files": files,
            **extra,
        },
    )


def write_check(folder: Path, observations: list[Observation], actions: np.ndarray) -> None:
    """Write observations and the actions [T, A] on them."""
    rows = {key.replace("/", "|"): np.stack([obs[key] for obs in observations]) for key in observations[0]}
    np.savez_compressed(folder / CHECK, allow_pickle=False, **rows, **{ACTION: actions})


def read_about(folder: Path) -> dict[str, Any]:
    """Return what the weights' file of a folder says of the policy. Raises ConfigError if it cannot be read."""
    try:
        with safe_open(folder / WEIGHTS, framework="numpy") as file:
            about = json.loads((file.metadata() or {})["policy"])
    except (OSError, ValueError, KeyError, SafetensorError) as error:
        raise ConfigError(f"{folder / WEIGHTS} is no readable policy ({error})") from error
    return about


def _exported(path: Path) -> Bundle:
    about = _json(path / ABOUT)
    if about.get("format_version") != FORMAT_VERSION:
        found = about.get("format_version")
        raise ConfigError(f"{path / ABOUT} has format {found}, this version reads {FORMAT_VERSION}; export it again")
    for name, digest in about.get("files", {}).items():
        file = path / name
        if not file.exists():
            raise ConfigError(f"bundle {path} lacks {name}; copy or export it again")
        if _sha256(file) != digest:
            raise ConfigError(f"{file} is not the file that was exported (its hash differs); copy or export it again")
    try:
        return Bundle(
            path, about["name"], about["kind"], about["version"], _spec(about, path), about["config"],
            task=about["task"], success=about["success"], provenance=about["provenance"],
            regrasp=about.get("regrasp", False),
        )  # fmt: skip
    except KeyError as error:
        raise ConfigError(f"{path / ABOUT} lacks {error}; export the bundle again") from error


def _spec(about: Mapping[str, Any], path: Path) -> EnvSpec:
    try:
        return spec_from_json(about["spec"])
    except (DatasetError, KeyError) as error:
        raise ConfigError(f"{path} does not say what environment its policy is for ({error})") from error


def _json(path: Path) -> dict[str, Any]:
    try:
        value = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise ConfigError(f"{path} cannot be read: {error}") from error
    if not isinstance(value, dict):
        raise ConfigError(f"{path} holds no JSON object")
    return value


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
