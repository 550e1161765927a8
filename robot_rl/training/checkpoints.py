"""Checkpoints: nested state as one safetensors file that knows its step and tells when it is damaged."""

from __future__ import annotations

import json
import logging
import zlib
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor

from robot_rl.atomic_file import TEMPORARY_SUFFIX, replacing
from robot_rl.errors import RunError

log = logging.getLogger(__name__)

FORMAT = 1
PATTERN = "step_*.safetensors"

State = dict[str, Any]


def save(folder: Path, step: int, state: State, *, keep: int = 3) -> Path:
    """Write a checkpoint; it appears whole or not at all.

    Args:
        folder: Of the checkpoints; made if missing.
        step: Environment steps so far.
        state: Dicts (string or whole-number keys), lists and tuples of tensors, number arrays, bytes and plain values.
        keep: How many of the newest to keep. Those of later steps belong to a future that was given up, and go.

    Raises:
        TypeError: If something in `state` cannot be stored; the message says where it is.
    """
    folder.mkdir(parents=True, exist_ok=True)
    tensors: dict[str, Tensor] = {}
    structure = _encode(state, "state", tensors)
    header = {"format": FORMAT, "step": step, "crc32": _crc32(tensors), "structure": structure}
    path = folder / f"step_{step:09d}.safetensors"
    with replacing(path) as temporary:
        save_file(tensors, temporary, {"checkpoint": json.dumps(header)})
    _prune(folder, path, keep)
    return path


def load(path: Path) -> tuple[int, State]:
    """Return (step, state) of a checkpoint, tensors on the CPU.

    Raises:
        RunError: If the file is damaged or of another format.
    """
    try:
        with safe_open(path, framework="pt") as file:
            header = json.loads((file.metadata() or {})["checkpoint"])
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 (not a dict)
        if header["format"] != FORMAT:
            raise RunError(f"{path} has checkpoint format {header['format']}; this version reads {FORMAT}")
        if _crc32(tensors) != header["crc32"]:
            raise RunError(f"{path} is damaged: its checksum does not match")
        return int(header["step"]), _decode(header["structure"], tensors)
    except (SafetensorError, OSError, ValueError, KeyError, TypeError) as error:
        raise RunError(f"{path} is damaged: {type(error).__name__}: {error}") from error


def latest(folder: Path) -> tuple[int, State] | None:
    """Return (step, state) of the newest checkpoint that can be read, None if there is none; warns of those skipped.

    Raises:
        RunError: If there are checkpoints and none can be read.
    """
    damaged: list[RunError] = []
    for path in _by_step(folder):
        try:
            found = load(path)
        except RunError as error:
            damaged.append(error)
            continue
        for error in damaged:
            log.warning("skipping checkpoint: %s", error)
        return found
    if damaged:
        raise RunError(
            f"none of the {len(damaged)} checkpoints in {folder} can be read (the newest: {damaged[0]}); to train anew on "
            f"the run's own episodes, remove {folder} and resume"
        )
    return None


def _by_step(folder: Path) -> list[Path]:
    """Return the checkpoints of a folder, newest first; zero-padded names sort by step."""
    return sorted(folder.glob(PATTERN), key=lambda path: path.name, reverse=True)


def _prune(folder: Path, newest: Path, keep: int) -> None:
    paths = _by_step(folder)
    position = paths.index(newest)
    stale = [*paths[:position], *paths[position + max(1, keep) :], *folder.glob(f".{PATTERN}{TEMPORARY_SUFFIX}")]
    for path in stale:
        path.unlink(missing_ok=True)


def _encode(value: Any, where: str, tensors: dict[str, Tensor]) -> Any:
    """Return `value` as JSON in which every container and array is a one-entry dict `{kind: content}`."""
    if value is None or isinstance(value, bool | int | float | str):
        return value
    if isinstance(value, dict):
        for key in value:
            if isinstance(key, bool) or not isinstance(key, str | int):
                raise TypeError(f"{where} has key {key!r}; keys are strings or whole numbers")
        return {"dict": [[key, _encode(item, f"{where}[{key!r}]", tensors)] for key, item in value.items()]}
    if isinstance(value, list | tuple):
        items = [_encode(item, f"{where}[{index}]", tensors) for index, item in enumerate(value)]
        return {"list" if isinstance(value, list) else "tuple": items}
    kind, tensor = _as_tensor(value, where)
    name = str(len(tensors))
    tensors[name] = tensor
    return {kind: name}


def _as_tensor(value: Any, where: str) -> tuple[str, Tensor]:
    """Return the kind and a contiguous copy of an array-like value, independent of other views of its memory."""
    if isinstance(value, Tensor):
        return "tensor", value.detach().to("cpu", copy=True).contiguous()
    if isinstance(value, np.ndarray) and value.dtype.kind in "biuf":
        return "array", torch.from_numpy(np.array(value, order="C"))
    if isinstance(value, bytes):
        return "bytes", torch.from_numpy(np.frombuffer(value, dtype=np.uint8).copy())
    raise TypeError(f"{where} is a {type(value).__name__}; store tensors, number arrays, bytes, numbers, strings or None")


def _decode(value: Any, tensors: dict[str, Tensor]) -> Any:
    if not isinstance(value, dict):
        return value
    [(kind, content)] = value.items()
    if kind == "dict":
        return {key: _decode(item, tensors) for key, item in content}
    if kind in ("list", "tuple"):
        items = [_decode(item, tensors) for item in content]
        return items if kind == "list" else tuple(items)
    tensor = tensors[content]
    return tensor if kind == "tensor" else tensor.numpy() if kind == "array" else tensor.numpy().tobytes()


def _crc32(tensors: dict[str, Tensor]) -> int:
    """Return a checksum of the tensors' bytes. File systems and disks do return other bytes than were written."""
    crc = 0
    for index in range(len(tensors)):
        crc = zlib.crc32(tensors[str(index)].reshape(-1).view(torch.uint8).numpy().data, crc)
    return crc
