"""Loading the policy of a bundle, and trying it on recorded observations before it moves anything."""

from __future__ import annotations

import importlib.util
import time
from collections.abc import Mapping
from typing import Any, Literal

import numpy as np

from robot_rl.deploy.bundle import Bundle
from robot_rl.deploy.onnx_policy import OnnxPolicy
from robot_rl.errors import ConfigError
from robot_rl.protocols import Policy
from robot_rl.registry import resolve

Runtime = Literal["auto", "torch", "onnx"]
POLICIES = {"modem": "robot_rl.agents.modem_policy:ModemPolicy", "sac": "robot_rl.agents.sac_policy:SACPolicy"}
"""By kind: classes with `load(folder, device=...)`."""
TOLERANCE = 1e-4
"""Largest difference of an action from the trained policy's."""
SHORT_TOLERANCE = 0.1
"""The same for a policy that sees through a network computed in a shorter number type."""


def load_policy(bundle: Bundle, runtime: Runtime = "auto", device: str = "cpu") -> Policy:
    """Return the policy of a bundle, ready to act.

    Args:
        bundle: Which.
        runtime: `torch` (the weights), `onnx` (the exported acting path); `auto`: torch where it is installed.
        device: Of torch.

    Raises:
        ConfigError: If the bundle cannot be run so.
    """
    if runtime == "auto":
        runtime = "onnx" if bundle.onnx is not None and importlib.util.find_spec("torch") is None else "torch"
    if runtime == "onnx":
        if bundle.onnx is None:
            raise ConfigError(f"{bundle.path} holds no ONNX file; make one with launch/export.py")
        return OnnxPolicy(bundle.onnx, bundle.spec, bundle.version)
    policy = resolve(bundle.kind, POLICIES, "policy kind")
    try:
        return policy.load(bundle.path, device=device)
    except (RuntimeError, AssertionError) as error:  # what torch says of devices that it does not have
        raise ConfigError(f"{bundle.path} cannot be loaded onto device {device!r}: {error}") from error


def check_actions(policy: Policy, bundle: Bundle) -> float | None:
    """Try a policy on the bundle's recorded observations; return the largest difference, None if it has no recordings.

    Raises:
        ConfigError: If it does not act here as it did where it was trained.
    """
    recorded = bundle.check_data()
    if recorded is None:
        return None
    observations, wanted = recorded
    policy.begin_episode()
    actions = np.stack([policy.act(obs, explore=False) for obs in observations])
    worst = float(np.abs(actions - wanted).max())
    is_short = not isinstance(policy, OnnxPolicy) and any(key.startswith("image/") for key in bundle.spec.obs)
    tolerance = SHORT_TOLERANCE if is_short else TOLERANCE
    if not worst <= tolerance:
        raise ConfigError(
            f"policy {bundle.name} acts differently here than where it was exported: by up to {worst:.2g}, limit "
            f"{tolerance:g}; export it again, or use another --runtime"
        )
    return worst


def acting_time(policy: Policy, observation: Mapping[str, Any], repeats: int = 50) -> float:
    """Return the median time that an action takes, s, on copies of an observation: nothing made of it may be remembered."""
    durations = []
    for _ in range(repeats):
        fresh = {key: np.array(value) for key, value in observation.items()}
        started = time.perf_counter()
        policy.act(fresh, explore=False)
        durations.append(time.perf_counter() - started)
    return float(np.median(durations))
