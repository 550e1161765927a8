"""Policies from their folders, whichever agent they are of."""

from __future__ import annotations

from pathlib import Path

from robot_rl.agents import modem_policy
from robot_rl.agents.modem_policy import ModemPolicy
from robot_rl.agents.policy_file import read_policy_file
from robot_rl.agents.sac_policy import SACPolicy
from robot_rl.errors import ConfigError

SavedPolicy = SACPolicy | ModemPolicy
"""What `load_policy` returns: a `Policy` that can be saved again."""

_KINDS: dict[str, type[SACPolicy] | type[ModemPolicy]] = {"sac": SACPolicy, modem_policy.KIND: ModemPolicy}


def load_policy(folder: Path, *, seed: int = 0, device: str = "cpu") -> SavedPolicy:
    """Read the policy that an agent saved in `folder`.

    Raises:
        ConfigError: If the folder holds no readable policy, or one of an unknown kind.
    """
    kind = read_policy_file(folder)[0].get("kind")
    if kind not in _KINDS:
        raise ConfigError(f"{folder} holds a policy of kind {kind!r}; known: {', '.join(_KINDS)}")
    return _KINDS[kind].load(folder, seed=seed, device=device)
