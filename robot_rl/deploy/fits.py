"""Whether a policy can act at a station: shapes, names, the control period, and what the numbers mean."""

from __future__ import annotations

from robot_rl.errors import SpecMismatch
from robot_rl.specs import ArraySpec, EnvSpec

MEANINGS = {
    "action/frame": "[task.action] frame",
    "action/position_scale_m": "[task.action] position_scale_m",
    "action/rotation_scale_rad": "[task.action] rotation_scale_rad",
    "action/reference": "[task.action] reference",
    "observation/relative": "[task.observation] relative",
    "observation/min_opening": "[task.observation] min_opening",
    "observation/frames": "[task.observation] objects",
}
"""Entries of `EnvSpec.extra` that must agree, and where a station file says them."""


def check_fits(policy: EnvSpec, env: EnvSpec, *, policy_name: str, place: str) -> None:
    """Raise SpecMismatch, naming each difference and its remedy, unless a policy for `policy` can act in `env`.

    What the policy does not look at may be there besides. Where older recordings do not tell what numbers mean, names and
    shapes have to do.
    """
    problems = [*_observed(policy, env), *_acted(policy, env), *_meant(policy, env)]
    if problems:
        raise SpecMismatch(f"policy {policy_name} does not fit {place}, and nothing was moved: " + "; ".join(problems))


def _observed(policy: EnvSpec, env: EnvSpec) -> list[str]:
    problems = []
    for key, wanted in sorted(policy.obs.items()):
        found = env.obs.get(key)
        if key.startswith("pose/") or found == wanted:  # pose/<arm> is recorded, no policy looks at it
            continue
        problems.append(_different(key, wanted) if found is None else f"{key} is {_shape(found)}, wanted {_shape(wanted)}")
    return problems


def _different(key: str, wanted: ArraySpec) -> str:
    what, _, name = key.partition("/")
    if what == "image":
        return f"camera {name!r} ({_shape(wanted)}) is missing: add [cameras.{name}] and name it in [task.observation] cameras"
    part, _, quantity = name.partition("/")
    return f"{key} ({_shape(wanted)}) is missing: add {quantity!r} of {part!r} to [task.observation], or [trackers.{part}]"


def _acted(policy: EnvSpec, env: EnvSpec) -> list[str]:
    problems = []
    if policy.action != env.action:
        problems.append(
            f"it moves {_names(policy)}, the station {_names(env)}: set [task.action] axes and gripper as in its training"
        )
    if abs(policy.control_dt - env.control_dt) > 1e-6:
        problems.append(f"it acts every {policy.control_dt:g} s, the station every {env.control_dt:g} s: set [task] control_dt")
    return problems


def _meant(policy: EnvSpec, env: EnvSpec) -> list[str]:
    return [
        f"{key} was {policy.extra[key] or 'nothing'!r}, here {env.extra[key] or 'nothing'!r}: set {where}"
        for key, where in MEANINGS.items()
        if key in policy.extra and key in env.extra and policy.extra[key] != env.extra[key]
    ]


def _names(spec: EnvSpec) -> str:
    discrete = {spec.action.names[index] for index in spec.action.discrete}
    return " ".join(f"{name} (discrete)" if name in discrete else name for name in spec.action.names)


def _shape(array: ArraySpec) -> str:
    return f"{array.dtype} {list(array.shape)}"
