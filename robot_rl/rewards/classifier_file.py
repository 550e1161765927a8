"""A success classifier on disk: one safetensors file with its weights, backbone included, and all it says about itself."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file

from robot_rl.atomic_file import replacing
from robot_rl.errors import ConfigError
from robot_rl.nn.backbone import BackboneConfig, build_backbone
from robot_rl.plain import to_plain
from robot_rl.rewards.calibration import Calibration
from robot_rl.rewards.classifier import CROP, SuccessClassifier
from robot_rl.rewards.config import ClassifierConfig
from robot_rl.specs import ActionSpec, ArraySpec, EnvSpec

FILE = "classifier.safetensors"
FORMAT_VERSION = 1


def save(classifier: SuccessClassifier, folder: Path) -> str:
    """Write a classifier into `folder`, whole or not at all, and return its version."""
    weights = {name: tensor.detach().cpu().contiguous() for name, tensor in classifier.state_dict().items()}
    classifier.version = version_of(classifier)
    about = {**_decisive(classifier), "version": classifier.version, "about": to_plain(classifier.about)}
    folder.mkdir(parents=True, exist_ok=True)
    with replacing(folder / FILE) as temporary:
        save_file(weights, temporary, {"classifier": json.dumps(about)})
    return classifier.version


def load(folder: Path, device: str) -> SuccessClassifier:
    """Read what `save` wrote. Raises ConfigError if the folder holds no classifier, or a damaged one."""
    try:
        with safe_open(folder / FILE, framework="pt") as file:
            about = json.loads((file.metadata() or {})["classifier"])
            weights = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 (not a dict)
    except (OSError, ValueError, KeyError, SafetensorError) as error:
        raise ConfigError(f"{folder} holds no readable classifier ({error}); launch/train_reward.py makes one") from error
    if about.get("format_version") != FORMAT_VERSION:
        raise ConfigError(f"{folder / FILE} has format {about.get('format_version')!r}; this release reads {FORMAT_VERSION}")
    config = _config(about["config"])
    classifier = SuccessClassifier(_spec(about), config, device=device, backbone=build_backbone(config.backbone))
    classifier.load_state_dict(weights)
    classifier.calibration = Calibration(**about["calibration"])
    classifier.version, classifier.about = about["version"], about["about"]
    if version_of(classifier) != classifier.version:
        raise ConfigError(f"{folder / FILE} is damaged: its contents are not those of version {classifier.version}")
    return classifier


def version_of(classifier: SuccessClassifier) -> str:
    """Return 12 hexadecimal digits that change with whatever decides how a frame is judged."""
    digest = hashlib.sha256(json.dumps(_decisive(classifier), sort_keys=True).encode())
    digest.update(classifier.backbone.fingerprint.encode())
    for name, tensor in sorted(classifier.head.state_dict().items()):
        digest.update(name.encode() + tensor.cpu().contiguous().numpy().tobytes())
    return digest.hexdigest()[:12]


def _decisive(classifier: SuccessClassifier) -> dict[str, Any]:
    entries = {key: {"shape": list(entry.shape), "dtype": entry.dtype} for key, entry in classifier.entries.items()}
    return {
        "format_version": FORMAT_VERSION,
        "config": to_plain(classifier.config),
        "entries": entries,
        "crops": classifier.crops,
        "calibration": asdict(classifier.calibration),
    }


def _spec(about: Mapping[str, Any]) -> EnvSpec:
    """Return a spec of the entries that the classifier looks at."""
    obs = {key: ArraySpec(tuple(entry["shape"]), entry["dtype"]) for key, entry in about["entries"].items()}
    extra = {CROP.format(camera=camera): crop for camera, crop in about["crops"].items() if crop}
    return EnvSpec("", obs, ActionSpec(()), control_dt=1.0, max_steps=1, extra=extra)


def _config(plain: Mapping[str, Any]) -> ClassifierConfig:
    tuples = {name: tuple(plain[name]) for name in ("cameras", "state", "hidden_dims")}
    return ClassifierConfig(**{**plain, **tuples, "backbone": BackboneConfig(**plain["backbone"])})
