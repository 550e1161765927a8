"""Environment specs as JSON, and the comparison of what a dataset holds with what a reader wants."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from robot_rl.errors import DatasetError, SpecMismatch
from robot_rl.specs import ActionSpec, ArraySpec, EnvSpec


def spec_to_json(spec: EnvSpec) -> dict[str, Any]:
    """Return `spec` as plain JSON values; `spec_from_json` is its inverse."""
    return {
        "name": spec.name,
        "obs": {key: asdict(array) for key, array in spec.obs.items()},
        "action": asdict(spec.action),
        "control_dt": spec.control_dt,
        "max_steps": spec.max_steps,
        "extra": dict(spec.extra),
    }


def spec_from_json(data: dict[str, Any]) -> EnvSpec:
    """Return the spec that `spec_to_json` wrote.

    Raises:
        DatasetError: If an entry is missing or of another type.
    """
    try:
        return EnvSpec(
            name=data["name"],
            obs={key: _array_from_json(array) for key, array in data["obs"].items()},
            action=ActionSpec(tuple(data["action"]["names"]), tuple(data["action"]["discrete"])),
            control_dt=data["control_dt"],
            max_steps=data["max_steps"],
            extra=data["extra"],
        )
    except (KeyError, TypeError, AttributeError) as error:
        raise DatasetError(f"not an environment spec: {error!r}") from error


def check_same_spec(found: EnvSpec, wanted: EnvSpec, where: str) -> None:
    """Raise SpecMismatch, showing both sides, unless experience of `found` is as good as experience of `wanted`.

    Observation entries, the meaning of actions and the control period must agree; names and episode lengths need not.
    """
    differences = [
        f"obs {key!r}: {_describe(found.obs.get(key))} instead of {_describe(wanted.obs.get(key))}"
        for key in sorted(found.obs.keys() | wanted.obs.keys())
        if found.obs.get(key) != wanted.obs.get(key)
    ]
    if found.action != wanted.action:
        differences.append(f"action: {found.action} instead of {wanted.action}")
    if abs(found.control_dt - wanted.control_dt) > 1e-6:
        repeats = [spec.extra.get("action_repeat", "1") for spec in (found, wanted)]
        hint = "" if repeats[0] == repeats[1] else f" (action_repeat {repeats[0]} instead of {repeats[1]})"
        differences.append(f"control_dt: {found.control_dt:g} s instead of {wanted.control_dt:g} s{hint}")
    if differences:
        raise SpecMismatch(f"{where} (recorded in {found.name!r}) does not fit {wanted.name!r}: {'; '.join(differences)}")


def _array_from_json(data: dict[str, Any]) -> ArraySpec:
    # Written before entries had variants, a spec says nothing of them.
    return ArraySpec(tuple(data["shape"]), data["dtype"], data.get("variants", 1))


def _describe(array: ArraySpec | None) -> str:
    if array is None:
        return "nothing"
    return f"{array.dtype} {list(array.shape)}" + ("" if array.variants == 1 else f" in {array.variants} variants")
