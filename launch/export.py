"""Make a bundle of a run's policy: weights, ONNX and torch.export of its acting path, verified on recorded observations.

python launch/export.py runs/pick_lift/... --out bundles/lift
python launch/export.py runs/pick_lift/... --out bundles/clone --policy clone
"""

from __future__ import annotations

import logging
import shutil
import warnings
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Literal

import numpy as np
import torch
import tyro
from command_line import parse, run_script
from rich.console import Console
from rich.table import Table

from robot_rl.agents.acting_path import acting_path, export_onnx, export_torch, largest_difference
from robot_rl.agents.bundle import load_policy
from robot_rl.data.episodes import list_episodes, read_episode
from robot_rl.deploy.acting import TOLERANCE, acting_time
from robot_rl.deploy.bundle import ONNX, RUN_POLICY, TORCH, WEIGHTS, Bundle, open_bundle, write_about, write_check
from robot_rl.deploy.onnx_policy import OnnxPolicy
from robot_rl.errors import ConfigError, DatasetError
from robot_rl.types import Observation

FOLDERS = {"agent": RUN_POLICY, "clone": "clone"}


@dataclass(frozen=True, slots=True)
class ExportConfig:
    """What to export."""

    run: Annotated[Path, tyro.conf.Positional]
    """folder of the run"""
    out: Path
    """folder of the bundle; must not exist yet"""
    policy: Literal["agent", "clone"] = "agent"
    """the newest learned policy, or the cloned one it started from"""
    observations: Path | None = None
    """dataset whose observations it is verified on; None: the run's episodes and demonstrations"""
    frames: int = 32
    """observations to verify on"""

    def __post_init__(self) -> None:
        if self.frames < 1:
            raise ConfigError(f"frames {self.frames} is below 1")


@dataclass(frozen=True, slots=True)
class Verified:
    """How far the exported forms are from the trained policy on recorded observations, and how fast they act."""

    torch_export: float
    onnx: float
    native: float
    """The policy as torch runs it here, whose camera encoder may compute in bfloat16."""
    torch_ms: float
    onnx_ms: float


def recorded_observations(config: ExportConfig) -> list[Observation]:
    """Return observations spread over recorded episodes.

    Raises:
        ConfigError: If there are none.
    """
    folders = [config.observations] if config.observations else [config.run / name for name in ("episodes", "demos")]
    paths = [path for folder in folders if folder.is_dir() for path in list_episodes(folder)]
    chosen = [paths[at] for at in np.unique(np.linspace(0, len(paths) - 1, 8).round().astype(int))] if paths else []
    found: list[Observation] = []
    for path in chosen:
        try:
            episode = read_episode(path)
        except DatasetError:
            continue
        steps = np.unique(np.linspace(0, episode.length, -(-config.frames // len(chosen))).round().astype(int))
        found += [{key: np.array(rows[step]) for key, rows in episode.obs.items()} for step in steps]
    if not found:
        raise ConfigError(f"no readable episode in {', '.join(map(str, folders))}; give --observations FOLDER")
    return found[: config.frames]


def export(bundle: Bundle, out: Path, observations: Sequence[Observation]) -> Verified:
    """Write all files of a bundle but `bundle.json`, and verify them.

    Raises:
        ConfigError: If an exported form acts differently; `out` is then incomplete.
    """
    native = load_policy(bundle.path)
    as_run = [native.act(obs, explore=False) for obs in observations]
    torch_ms = 1e3 * acting_time(native, observations[0])
    policy = load_policy(bundle.path)
    path = acting_path(policy)  # brings the policy to float32
    eager = [policy.act(obs, explore=False) for obs in observations]
    shutil.copyfile(bundle.path / WEIGHTS, out / WEIGHTS)
    export_torch(path, out / TORCH)
    export_onnx(path, out / ONNX)
    seen = [{key: obs[key] for key in path.keys} for obs in observations]
    write_check(out, seen, np.stack(eager))
    program = torch.export.load(out / TORCH).module()
    exported = [program(*(torch.from_numpy(obs[key])[None] for key in path.keys))[0].detach().numpy() for obs in seen]
    runner = OnnxPolicy(out / ONNX, bundle.spec, bundle.version)
    verified = Verified(
        torch_export=largest_difference(eager, exported),
        onnx=largest_difference(eager, [runner.act(obs, explore=False) for obs in seen]),
        native=largest_difference(eager, as_run),
        torch_ms=torch_ms,
        onnx_ms=1e3 * acting_time(runner, seen[0]),
    )
    for name in ("torch_export", "onnx"):
        if not getattr(verified, name) <= TOLERANCE:
            raise ConfigError(
                f"{name} acts differently from the policy, by up to {getattr(verified, name):.2g}, limit {TOLERANCE:g}"
            )
    return verified


def main(config: ExportConfig) -> None:
    """Export, verify, and print how far the exported forms are from the trained policy."""
    folder = config.run / FOLDERS[config.policy]
    bundle = open_bundle(config.run)
    if config.policy == "clone":
        clone = open_bundle(folder)
        bundle = replace(bundle, path=folder, spec=clone.spec, version=clone.version, config=clone.config, success=None)
    if config.out.exists():
        raise ConfigError(f"--out {config.out} exists already; give a new folder")
    observations = recorded_observations(config)
    config.out.mkdir(parents=True)
    try:
        verified = export(bundle, config.out, observations)
        extra = {
            "exported_at": datetime.now(UTC).isoformat(timespec="seconds"),
            "verified_on": len(observations),
            "largest_difference": {"torch_export": verified.torch_export, "onnx": verified.onnx},
        }
        write_about(config.out, replace(bundle, name=config.out.name), extra)
    except BaseException:
        shutil.rmtree(config.out)
        raise
    Console(emoji=False).print(table(config, bundle, verified, len(observations)))


def table(config: ExportConfig, bundle: Bundle, verified: Verified, count: int) -> Table:
    """Return what was exported."""
    found = Table(title=f"{config.out}: {bundle.task or bundle.spec.name}, version {bundle.version}", show_header=False)
    found.add_row("verified on", f"{count} recorded observations")
    found.add_row("torch.export", f"differs by {verified.torch_export:.1e} at most")
    found.add_row("ONNX", f"differs by {verified.onnx:.1e} at most, acts in {verified.onnx_ms:.2f} ms")
    found.add_row("weights by torch", f"differ by {verified.native:.1e} at most, act in {verified.torch_ms:.2f} ms")
    return found


if __name__ == "__main__":
    for category in (FutureWarning, UserWarning, DeprecationWarning):
        warnings.filterwarnings("ignore", category=category)  # of torch's own parts that it exports with
    logging.getLogger("torch.onnx").setLevel(logging.ERROR)
    run_script(lambda: main(parse(ExportConfig, __doc__)))
