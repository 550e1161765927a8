"""What a run was made with: versions, platform and git revision, and nothing that names a machine or a person."""

from __future__ import annotations

import os
import platform
import subprocess
from datetime import UTC, datetime
from importlib import metadata
from pathlib import Path
from typing import Any

import torch

PACKAGES = (
    "robot-rl",
    "torch",
    "numpy",
    "mujoco",
    "gymnasium",
    "dm-control",
    "gymnasium-robotics",
    "metaworld",
    "zarr",
)
"""Packages whose version can change a result."""


def describe() -> dict[str, Any]:
    """Return the environment of this process as JSON-ready values."""
    return {
        "started_at": datetime.now(UTC).isoformat(timespec="seconds"),
        "python": platform.python_version(),
        "platform": f"{platform.system()} {platform.release()} {platform.machine()}",
        "processor": processor(),
        "cpu_count": os.cpu_count(),
        "gpu": _gpu(),
        "packages": {name: version for name in PACKAGES if (version := _version(name))},
        "git": git_state(Path(__file__).parent),
    }


def processor() -> str:
    """Return what the processor calls itself."""
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        lines = []
    named = (line.partition(":")[2].strip() for line in lines if line.startswith("model name"))
    return next(named, platform.processor() or platform.machine())


def _gpu() -> str | None:
    try:
        return torch.cuda.get_device_name() if torch.cuda.is_available() else None
    except RuntimeError:  # somebody else has it to themselves
        return None


def git_state(package: Path) -> dict[str, Any] | None:
    """Return `{"revision", "dirty"}` of the checkout that tracks the Python package `package`; None if none does."""
    # A virtual environment may lie inside somebody else's checkout: only one that tracks our files is ours.
    if _git(package, "ls-files", "--error-unmatch", "__init__.py") is None:
        return None
    revision = _git(package, "rev-parse", "HEAD")
    return None if revision is None else {"revision": revision, "dirty": bool(_git(package, "status", "--porcelain", ":/"))}


def _version(package: str) -> str | None:
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return None


def _git(folder: Path, *arguments: str) -> str | None:
    try:
        done = subprocess.run(["git", "-C", str(folder), *arguments], capture_output=True, text=True, check=False, timeout=10)
    except (OSError, subprocess.TimeoutExpired):
        return None
    return done.stdout.strip() if done.returncode == 0 else None
