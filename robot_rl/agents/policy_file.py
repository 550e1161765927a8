"""The file that a policy is kept in, read without knowing whose it is."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from safetensors import SafetensorError, safe_open
from torch import Tensor

from robot_rl.errors import ConfigError

POLICY_FILE = "policy.safetensors"


def read_policy_file(folder: Path, device: str = "cpu") -> tuple[dict[str, Any], dict[str, Tensor]]:
    """Return what the file says of itself, and its tensors on `device`.

    Raises:
        ConfigError: If the folder holds no readable policy.
    """
    try:
        with safe_open(folder / POLICY_FILE, framework="pt", device=device) as file:
            about = json.loads((file.metadata() or {})["policy"])
            return about, {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 (not a dict)
    except (OSError, ValueError, KeyError, SafetensorError) as error:
        raise ConfigError(f"{folder} holds no readable policy ({error})") from error
