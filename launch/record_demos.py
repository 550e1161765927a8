"""Record demonstrations into a folder, by a script or by a person; one that holds some already is added to.

python launch/record_demos.py --env peg_insert --episodes 20 --out demos/peg_insert
python launch/record_demos.py --env pick_lift --teleop gamepad --episodes 20 --out data/lift --note operator=ana
python launch/record_demos.py --env pick_lift --teleop browser --episodes 20 --failures 20 --past-success 10 --out data/lift
python launch/record_demos.py --env pick_lift --teleop gamepad --episodes 20 --out data/lift --resume
python launch/record_demos.py --env pick_lift --cameras front wrist --past-success 10 --out data/successes
python launch/record_demos.py --env pick_lift --cameras front wrist --clumsy --keep all --no-end-at-success --out data/failures
python launch/record_demos.py --env station:lab --episodes 20 --out data/lab
python launch/record_demos.py --env gymnasium:Pendulum-v1 --policy my_lab.expert:make --reward dense --keep all --out d
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryFile

from command_line import parse, run_script
from person import person
from recording_by_person import record_by_person
from recording_by_policy import record_by_policy
from recording_config import STATION, RecordConfig
from rich.console import Console

from demos.resume import recover_demos
from robot_rl.data.background import BackgroundWriter
from robot_rl.data.episode_writer import EpisodeWriter
from robot_rl.data.episodes import list_episodes, list_open, read_description
from robot_rl.data.spec_json import check_same_spec
from robot_rl.envs.factory import Env, make_demonstrator, make_env
from robot_rl.envs.station_env import PREFIX
from robot_rl.errors import ConfigError, DatasetError, SpecMismatch
from robot_rl.protocols import Policy
from robot_rl.specs import ACTION_FRAME, EnvSpec
from robot_rl.station_file import load_station
from sim.clumsy import clumsy


def check_folder(folder: Path, spec: EnvSpec) -> None:
    """Raise SpecMismatch if `folder` holds demonstrations of something else.

    One readable episode tells: all that were added to it passed here.
    """
    for path in list_episodes(folder):
        try:
            found, _, _ = read_description(path)
        except DatasetError:
            continue
        check_same_spec(found, spec, f"--out {folder}")
        for what, there, here in (("name", found.name, spec.name), ("options", *_told_by_both(found, spec))):
            if there != here:
                raise SpecMismatch(f"--out {folder} holds demonstrations with {what} {there!r}, not {here!r}")
        return


def _told_by_both(found: EnvSpec, spec: EnvSpec) -> tuple[dict[str, str], dict[str, str]]:
    """Return the extra entries of both; recordings from before meanings were noted do not tell them."""
    untold = {
        key
        for key in found.extra.keys() ^ spec.extra.keys()
        if key.startswith(("action/", "observation/")) and key != ACTION_FRAME
    }
    both = ({key: value for key, value in each.extra.items() if key not in untold} for each in (found, spec))
    return next(both), next(both)


def check_writable(folder: Path) -> None:
    """Raise ConfigError if nothing can be written to `folder`, which need not exist yet."""
    existing = next(path for path in (folder.absolute(), *folder.absolute().parents) if path.exists())
    try:
        with TemporaryFile(dir=existing):
            pass
    except OSError as error:
        raise ConfigError(f"--out {folder} cannot be written: {error.strerror or error}") from error


def at_station(config: RecordConfig) -> RecordConfig:
    """Return the settings with the station's own input device where the robot is at a station and nobody else acts."""
    if not config.env.startswith(PREFIX) or config.teleop is not None or config.policy is not None:
        return config
    teleop = load_station(config.env.removeprefix(PREFIX)).teleop
    return config if teleop is None else replace(config, teleop=STATION)


def demonstrator(config: RecordConfig, env: Env, seed: int) -> Policy | None:
    """Return who acts; None: nobody but the person."""
    if config.acting is None:
        return None
    policy = make_demonstrator(config.acting, config.env, env, seed)
    return clumsy(env, policy, seed) if config.clumsy else policy


def main(config: RecordConfig) -> None:
    """Record, and show how it goes.

    Raises:
        ConfigError: If a name is unknown, `out` cannot be written, or the demonstrator was too seldom successful.
        SpecMismatch: If the folder holds demonstrations of something else.
        DatasetError: If the disk refuses; what was complete is kept.
        DeviceError: If a device fails; what was complete is kept.
    """
    console = Console(stderr=True, emoji=False)
    config = at_station(config)
    folders = (config.out, config.failures_folder) if config.is_by_person else (config.out,)
    for folder in folders:
        check_writable(folder)
    ends = config.options.end_at_success and not config.past_success
    env = make_env(config.env, replace(config.options, end_at_success=ends))
    try:
        for folder in folders:
            check_folder(folder, env.env_spec)
        look_after_unfinished(config, console)
        seed = len(list_episodes(config.out)) if config.seed is None else config.seed
        policy = demonstrator(config, env, seed)
        tell_compression(config, env.env_spec, console)
        title = f"recording {config.env}"
        with person(
            None if config.teleop == STATION else config.teleop_device,
            config.takeover,
            config.cockpit,
            env,
            seed=seed,
            title=title,
            console=console,
        ) as company:
            writer = BackgroundWriter(EpisodeWriter(config.out, env.env_spec, images=config.compression))
            try:
                if config.is_by_person:
                    record_by_person(config, env, company, policy, writer, seed, console)
                elif policy is not None:
                    record_by_policy(config, company.beside(env), policy, writer, seed, console)
            finally:
                writer.close()
    finally:
        env.close()


def look_after_unfinished(config: RecordConfig, console: Console) -> None:
    """Close what a crash left half-written, if the set is to be gone on with, or say that it is there."""
    if not config.resume:
        if unfinished := len(list_open(config.out)):
            console.print(f"{config.out} holds {unfinished} half-written episodes; --resume closes them", style="yellow")
        return
    recovered = recover_demos(config.out)
    if recovered.kept or recovered.put_aside:
        console.print(f"recovered {recovered.kept} episodes with a success, put {recovered.put_aside} without aside")


def tell_compression(config: RecordConfig, spec: EnvSpec, console: Console) -> None:
    """Say which pictures will not come back to the bit."""
    lossy = [key.removeprefix("image/") for key, row in spec.obs.items() if config.compression.applies_to(row)]
    if lossy:
        console.print(
            f"pictures of {', '.join(lossy)} are stored as JPEG of quality {config.jpeg_quality}; "
            "--images lossless keeps every pixel and takes some eight times the space",
            soft_wrap=True,
        )


if __name__ == "__main__":
    run_script(lambda: main(parse(RecordConfig, __doc__)))
