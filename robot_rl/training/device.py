"""Which device learns."""

from __future__ import annotations

import torch

from robot_rl.errors import ConfigError


def resolve_device(name: str) -> str:
    """Return a torch device name for `auto`, `cpu`, `cuda` or `cuda:<index>`.

    Raises:
        ConfigError: If it does not exist here.
    """
    if name == "auto":
        return "cuda" if torch.cuda.is_available() else "cpu"
    kind, colon, index = name.partition(":")
    if kind not in ("cpu", "cuda") or (colon and not (kind == "cuda" and index.isdigit())):
        raise ConfigError(f"unknown device {name!r}; known: auto, cpu, cuda, cuda:<index>")
    if kind == "cuda" and not torch.cuda.is_available():
        raise ConfigError(f"device {name!r} was asked for, but torch {torch.__version__} sees no CUDA device; use cpu or auto")
    if index and kind == "cuda" and int(index) >= torch.cuda.device_count():
        raise ConfigError(f"device {name!r} was asked for, but only cuda:0 to cuda:{torch.cuda.device_count() - 1} exist")
    return name
