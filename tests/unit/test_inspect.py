"""Laws of inspection: what is wrong is found where it is, and what is right is not."""

import json

import numpy as np
import pytest
from PIL import Image

from demos.defects import DefectLimits, find_defects
from demos.filmstrip import write_filmstrip
from demos.inspect import find_episode, inspect_dataset, inspect_episode, leftovers
from robot_rl.data.episode import Episode
from robot_rl.data.episode_writer import EpisodeWriter
from robot_rl.data.image_array import LOSSLESS, ImageCompression
from robot_rl.data.stored_episode import StoredEpisode
from robot_rl.errors import ConfigError
from robot_rl.geometry import quaternion_multiply, quaternion_to_rotvec, rotvec_to_quaternion
from robot_rl.specs import ActionSpec, ArraySpec, EnvSpec
from robot_rl.types import EpisodeInfo

STEPS = 60
SPEC = EnvSpec(
    "table",
    {
        "state/arm/position": ArraySpec((3,)),
        "state/arm/rotation": ArraySpec((3,)),
        "state/arm/wrench": ArraySpec((6,)),
        "state/gripper/opening": ArraySpec((1,)),
        "state/other": ArraySpec((2,)),
        "image/front": ArraySpec((24, 32, 3), "uint8"),
        "image/wrist": ArraySpec((16, 16, 3), "uint8"),
    },
    ActionSpec(("arm/x", "arm/y", "gripper")),
    control_dt=0.1,
    max_steps=100,
)


class Recording:
    """A tidy episode of a robot that moves all the time, in plain arrays that a test may spoil."""

    def __init__(self):
        rng, t = np.random.default_rng(0), np.arange(STEPS + 1)
        self.obs = {
            "state/arm/position": np.stack([0.004 * t, 0.05 * np.sin(t / 9), 0.2 + 0 * t], 1),
            "state/arm/rotation": np.stack([np.pi - 0.02 * np.cos(t / 7), 0 * t, 0 * t], 1),
            "state/arm/wrench": rng.normal(0, 5, (STEPS + 1, 6)),
            "state/gripper/opening": (t < 30).astype(float)[:, None],
            "state/other": np.stack([np.cos(t / 5), np.sin(t / 5)], 1),
        }
        self.obs = {key: rows.astype(np.float32) for key, rows in self.obs.items()}
        for name, size in (("front", (24, 32)), ("wrist", (16, 16))):
            self.obs[f"image/{name}"] = rng.integers(0, 256, (STEPS + 1, *size, 3), dtype=np.uint8)
        self.action = np.stack([0.4 + 0 * t, 0.5 * np.cos(t / 9), np.where(t < 30, 1.0, -1.0)], 1)[:-1].astype(np.float32)
        self.stamp = 0.1 * np.arange(STEPS)
        self.success = np.arange(STEPS) >= 57
        self.human = np.arange(STEPS) < 15

    def episode(self):
        flags = np.zeros(STEPS, bool)
        truncated = flags.copy()
        truncated[-1] = True
        info = EpisodeInfo("table", "demo", 3, {"operator": "ana"})
        return Episode(
            SPEC, info, self.obs, self.action, self.success.astype(np.float32), flags, truncated, self.success,
            self.action, self.human, flags, np.zeros(STEPS, np.int64), self.stamp,
        )  # fmt: skip

    def write(self, folder, images=LOSSLESS):
        return EpisodeWriter(folder, SPEC, images=images).write(self.episode())

    def defects(self, folder, limits=None):
        return [(defect.kind, defect.what) for defect in find_defects(StoredEpisode(self.write(folder)), limits)]


def test_a_tidy_episode_has_no_defect(tmp_path):
    assert Recording().defects(tmp_path) == []


def jump_position(it):
    it.obs["state/arm/position"][20:, 0] += 0.4


def jump_other(it):
    it.obs["state/other"][41] += 30.0


def turn(it):
    it.obs["state/arm/rotation"][31:, 0] -= 1.5


def turn_round(it):
    it.action[9, 0], it.action[10, 0] = 1.0, -1.0


def saturate(it):
    it.action[::2, 1] = 1.0
    it.action[1::2, 1] = 0.9999


def drop_frames(it):
    it.stamp[25:] += 0.5


def repeat_stamps(it):
    it.stamp[33] = it.stamp[32]


def run_back(it):
    it.stamp[40:] -= 0.35


def stand(it):
    for key, rows in it.obs.items():
        if key.startswith("state/") and not key.endswith("wrench"):
            rows[:] = rows[0]


def stand_at_first(it):
    it.action[:26, :2] = 0.0
    for key, rows in it.obs.items():
        if key.startswith("state/") and not key.endswith("wrench"):
            rows[:26] = rows[26]


def freeze(it):
    it.obs["image/front"][12:31] = it.obs["image/front"][12]


def go_dark(it):
    it.obs["image/wrist"][44:50] = 3


@pytest.mark.parametrize(
    ("spoil", "kind", "what"),
    [
        (jump_position, "state jump", "state/arm/position changes by 0.404 m in one step, at step 20"),
        (jump_other, "state jump", "state/other changes by 30.2 in one step, at step 41 to 42"),
        (turn, "state jump", "state/arm/rotation changes by 1.5 rad in one step, at step 31"),
        (turn_round, "action jump", "arm/x turns round at full speed, at step 10"),
        (saturate, "saturated", "arm/y is at its limit in 100% of the steps"),
        (drop_frames, "gap", "5 periods of 0.1 s are missing: longest 0.60 s, at step 25"),
        (repeat_stamps, "stamps", "the same stamp twice, at step 33"),
        (run_back, "stamps", "stamps that run back by up to 0.25 s, at step 40"),
        (stand, "static", "nothing moves in 6.0 s"),
        (stand_at_first, "idle", "nothing moves in the first 2.6 s"),
        (freeze, "frozen", "camera 'front': observations 13 to 30"),
        (go_dark, "blank", "camera 'wrist': observations 44 to 49"),
    ],
)
def test_each_defect_is_found_where_it_is_and_nothing_else(tmp_path, spoil, kind, what):
    recording = Recording()
    spoil(recording)
    found = recording.defects(tmp_path)
    assert (kind, what) in found
    consequences = {"repeat_stamps": {"gap"}, "run_back": set()}.get(spoil.__name__, set())
    assert {other for other, _ in found} - {kind} <= consequences


def test_a_rotation_that_passes_half_a_turn_has_not_jumped(tmp_path):
    recording = Recording()
    quarter = rotvec_to_quaternion(np.array([0.08, 0.0, 0.0]))
    turned = [rotvec_to_quaternion(np.array([2.0, 0.1, 0.0]))]
    for _ in range(STEPS):
        turned.append(quaternion_multiply(quarter, turned[-1]))
    rotation = np.array([quaternion_to_rotvec(each) for each in turned], np.float32)
    assert np.abs(np.diff(rotation, axis=0)).max() > 3.0
    recording.obs["state/arm/rotation"] = rotation
    assert recording.defects(tmp_path) == []


def test_limits_decide(tmp_path):
    recording = Recording()
    drop_frames(recording)
    assert recording.defects(tmp_path, DefectLimits(gap=7.0)) == []
    assert "saturated" in {kind for kind, _ in _saturated(0.4).defects(tmp_path, DefectLimits(saturated=0.3))}
    assert _saturated(0.4).defects(tmp_path) == []


def _saturated(share):
    recording = Recording()
    recording.action[: int(share * STEPS), 0] = 1.0
    return recording


def test_the_report_says_what_was_recorded(tmp_path):
    path = Recording().write(tmp_path, ImageCompression(jpeg_above=300))
    (report,) = inspect_dataset(tmp_path)
    assert (report.name, report.task, report.source, report.seed) == (path.name, "table", "demo", 3)
    assert (report.steps, report.success, report.success_steps, report.return_) == (60, True, 3, 3.0)
    assert report.seconds == pytest.approx(6.0)
    assert (report.intervention_rate, report.clamped_rate) == (0.25, 0.0)
    assert (report.cameras, report.jpeg_cameras) == (("front", "wrist"), ("front",))
    assert report.num_bytes == sum(file.stat().st_size for file in path.rglob("*") if file.is_file()) > 0
    assert report.notes == {"operator": "ana"}
    assert report.recorded.startswith(f"{path.name[:4]}-{path.name[4:6]}-{path.name[6:8]} ")


def test_a_damaged_episode_is_a_defect_and_the_rest_is_inspected(tmp_path):
    paths = [Recording().write(tmp_path) for _ in range(3)]
    (paths[0] / "zarr.json").write_text("{")
    (paths[1] / "obs/image/wrist/c.0.0.0.0").write_bytes(b"x" * 50)
    broken, hurt, fine = inspect_dataset(tmp_path)
    assert (broken.steps, [defect.kind for defect in broken.defects]) == (0, ["damaged"])
    assert (hurt.steps, [defect.kind for defect in hurt.defects]) == (60, ["damaged"])
    assert "checksum" in hurt.defects[0].what
    assert fine.defects == ()
    assert inspect_episode(paths[1], with_defects=False).defects == ()


def test_episodes_are_found_by_number_or_name(tmp_path):
    paths = [Recording().write(tmp_path) for _ in range(3)]
    assert find_episode(tmp_path, "1") == paths[1]
    assert find_episode(tmp_path, "-1") == paths[2]
    assert find_episode(tmp_path, paths[0].name[-6:]) == paths[0]
    for which in ("7", "nothing", paths[0].name[:6]):
        with pytest.raises(ConfigError, match="of the 3 in"):
            find_episode(tmp_path, which)
    with pytest.raises(ConfigError, match="no such folder"):
        list(inspect_dataset(tmp_path / "none"))


def test_what_is_no_episode_is_told_apart(tmp_path):
    for name in (".open-a", ".discarded-b"):
        (tmp_path / name).mkdir()
    rest = leftovers(tmp_path)
    assert (rest.half_written, rest.discarded) == ((".open-a",), (".discarded-b",))
    json.dumps([rest.half_written])


def test_a_filmstrip_shows_moments_of_every_episode_and_camera(tmp_path):
    recording = Recording()
    for name in ("front", "wrist"):
        recording.obs[f"image/{name}"][:30], recording.obs[f"image/{name}"][30:] = (250, 30, 30), (30, 30, 250)
    paths = [recording.write(tmp_path / "data") for _ in range(2)]
    write_filmstrip(paths, tmp_path / "deep/strip.png", moments=5)
    page = np.asarray(Image.open(tmp_path / "deep/strip.png").convert("RGB")).astype(int)
    red, blue = (page == [250, 30, 30]).all(-1), (page == [30, 30, 250]).all(-1)
    assert red.sum() == 2 * 96 * (128 + 96) * 2  # observations 0 and 15 of 0 15 30 45 60, both cameras, both episodes
    assert blue.sum() == 2 * 96 * (128 + 96) * 3
    assert (page == [40, 160, 70]).all(-1).any()  # the last is a success
    assert (page == [40, 110, 210]).all(-1).any()  # a person acted at first
    with pytest.raises(ConfigError, match="moments 1 is below 2"):
        write_filmstrip(paths, tmp_path / "x.png", moments=1)
    with pytest.raises(ConfigError, match="no episodes"):
        write_filmstrip([], tmp_path / "x.png")
