"""Laws of features: what replay hands out is what the backbone would say of the images, and each frame is seen once."""

import copy
import weakref
from itertools import pairwise

import numpy as np
import pytest
import torch
from torch import nn

from robot_rl.data.batch import BatchSpec
from robot_rl.data.crops import CropMemory, crops
from robot_rl.data.episode import Episode
from robot_rl.data.features import Featurizer
from robot_rl.data.projection import LIMIT, Projection
from robot_rl.data.replay import ReplayBuffer
from robot_rl.errors import ConfigError, SpecMismatch
from robot_rl.nn.backbone import Backbone, BackboneConfig
from robot_rl.nn.vision_config import VisionConfig
from robot_rl.specs import ActionSpec, ArraySpec, EnvSpec
from robot_rl.types import EpisodeInfo, Transition

CHANNELS = 12
OBS = {
    "image/front": ArraySpec((32, 32, 3), "uint8"),
    "state/x": ArraySpec((1,)),
    "image/wrist": ArraySpec((32, 32, 3), "uint8"),
    "image/side": ArraySpec((16, 24, 6), "uint8"),  # another size, two frames
}
SPEC = EnvSpec("seeing", OBS, ActionSpec(("x",)), control_dt=0.1, max_steps=100)
CONFIG = VisionConfig(components=5, num_crops=3, crop_pad=2)


class CountingNet(nn.Sequential):
    """A net with fixed random weights that remembers how many frames it was given at a time."""

    def __init__(self):
        generator = torch.Generator().manual_seed(0)
        super().__init__(nn.Conv2d(3, CHANNELS, 8, stride=8), nn.ReLU())
        nn.init.normal_(self[0].weight, 0.0, 0.1, generator=generator)
        nn.init.zeros_(self[0].bias)
        self.counts = []

    def forward(self, x):
        self.counts.append(len(x))
        return super().forward(x)


def tiny_backbone():
    config = BackboneConfig("tiny", precision="float32")
    return Backbone(CountingNet(), config, mean=(127.0,) * 3, std=(60.0,) * 3)


def images(rng, obs=OBS):
    """Smooth enough that a shift of two pixels changes them, and noisy enough that none is like another."""
    return {key: rng.integers(0, 256, spec.shape, np.uint8) for key, spec in obs.items() if key.startswith("image/")}


def observation(seed, obs=OBS):
    return {**images(np.random.default_rng(seed), obs), "state/x": np.array([seed], np.float32)}


def stacked(num, obs=OBS):
    observations = [observation(1000 + seed, obs) for seed in range(num)]
    return {key: np.stack([one[key] for one in observations]) for key in obs}


def featurizer(obs=OBS, config=CONFIG, *, fitted=True, seed=0):
    made = Featurizer(obs, config, backbone=tiny_backbone(), seed=seed)
    if fitted:
        made.fit(stacked(10, obs))
    made.backbone.net.counts.clear()
    return made


def test_replay_holds_features_in_place_of_images():
    assert featurizer(fitted=False).replay_obs == {
        "feature/front": ArraySpec((5, 4, 4), "float16", variants=3),
        "state/x": ArraySpec((1,)),
        "feature/wrist": ArraySpec((5, 4, 4), "float16", variants=3),
        "feature/side": ArraySpec((10, 2, 3), "float16", variants=3),
    }
    encoded = featurizer().encode(observation(0))
    assert {key: (value.shape, value.dtype.name) for key, value in encoded.items()} == {
        "feature/front": ((3, 5, 4, 4), "float16"),
        "state/x": ((1,), "float32"),
        "feature/wrist": ((3, 5, 4, 4), "float16"),
        "feature/side": ((3, 10, 2, 3), "float16"),
    }


def test_features_are_the_projected_map_of_the_backbone():
    made, obs = featurizer(), observation(0)
    projection = made.projection("image/front")
    channels = made.backbone(torch.from_numpy(obs["image/front"])[None])[0]
    expected = torch.einsum("kc,chw->khw", projection.components, channels - projection.mean)
    found = torch.from_numpy(made.encode(obs)["feature/front"][0]).float()
    torch.testing.assert_close(found, expected * projection.scale, atol=1e-3, rtol=1e-3)


def test_features_from_replay_equal_features_of_images_from_replay():
    made = featurizer(config=VisionConfig(components=5, num_crops=1))
    observations = [observation(seed) for seed in range(21)]
    feature_spec = EnvSpec("seeing", made.replay_obs, SPEC.action, 0.1, 100)
    seen, stored = ReplayBuffer(SPEC, 50, seed=3), ReplayBuffer(feature_spec, 50, seed=3)
    for buffer, encode in ((seen, lambda obs: obs), (stored, made.encode)):
        buffer.begin_episode()
        for now, later in pairwise(observations):
            buffer.add(Transition(encode(now), np.zeros(1, np.float32), 0.0, encode(later), False, False))
    online = made(seen.sample(BatchSpec(40, 2)).obs)
    offline = stored.sample(BatchSpec(40, 2)).obs
    assert set(online) == {"feature/front", "feature/wrist", "feature/side"}
    for key, features in online.items():
        assert features.shape == offline[key].shape == (3, 40, *made.replay_obs[key].shape)
        assert features.dtype == offline[key].dtype == torch.float16
        torch.testing.assert_close(features, offline[key], atol=2e-3, rtol=2e-3)


def test_features_are_those_of_the_crops():
    made, obs = featurizer(), observation(0)
    features = made.encode(obs)["feature/side"]
    images = crops(obs["image/side"], 0, 3, num_crops=3, pad=2, seed=0)
    for feature, image in zip(features, images, strict=True):
        raw = {key: torch.from_numpy(obs[key]) for key in made.images}
        alone = made({**raw, "image/side": image})["feature/side"]
        torch.testing.assert_close(torch.from_numpy(feature), alone, atol=2e-3, rtol=2e-3)
    assert not np.allclose(features[0], features[1], atol=0.1)


def test_crop_zero_is_the_image_and_the_others_are_shifted_alike_in_all_directions():
    rng, counts = np.random.default_rng(0), {}
    for _ in range(600):
        image = rng.integers(0, 256, (5, 6, 3), np.uint8)
        first, *others = crops(image, 0, 4, num_crops=4, pad=1, seed=0).numpy()
        assert np.array_equal(first, image)
        padded = np.pad(image, ((1, 1), (1, 1), (0, 0)), mode="edge")
        for crop in others:
            where = [(y, x) for y in range(3) for x in range(3) if np.array_equal(crop, padded[y : y + 5, x : x + 6])]
            assert len(where) == 1
            counts[where[0]] = counts.get(where[0], 0) + 1
    assert len(counts) == 9
    assert sum((count - 200) ** 2 / 200 for count in counts.values()) < 27  # 99.9% quantile at 8 degrees of freedom


def test_crops_made_one_by_one_are_those_made_together():
    image = np.random.default_rng(0).integers(0, 256, (5, 6, 3), np.uint8)
    together = crops(image, 0, 4, num_crops=4, pad=2, seed=5)
    alone = [crops(image, number, number + 1, num_crops=4, pad=2, seed=5)[0] for number in range(4)]
    assert torch.equal(torch.stack(alone), together)


def test_features_depend_on_image_and_seed_and_not_on_what_was_encoded_before():
    first, second, other = featurizer(), featurizer(), featurizer(seed=1)
    first.encode(observation(7))
    a, b, c = (made.encode(observation(0))["feature/front"] for made in (first, second, other))
    assert np.array_equal(a, b)
    assert np.array_equal(a[0], c[0])
    assert not np.array_equal(a[1:], c[1:])


def test_frames_of_a_stack_are_encoded_one_by_one_and_shifted_together():
    made, obs = featurizer(), observation(0)
    half = obs["image/side"][..., :3]
    obs["image/side"] = np.concatenate([half, half], axis=-1)
    features = made.encode(obs)["feature/side"]
    assert np.array_equal(features[:, :5], features[:, 5:])
    moved = {**obs, "image/side": np.concatenate([half, half[::-1]], axis=-1)}
    changed = made.encode(moved)["feature/side"]
    np.testing.assert_allclose(changed[0, :5], features[0, :5], atol=2e-3, rtol=2e-3)
    assert not np.allclose(changed[0, 5:], features[0, 5:], atol=0.1)


def test_acting_and_storing_compute_each_crop_once():
    made, obs = featurizer(), observation(0)
    acted = made.central(obs)
    assert sum(made.backbone.net.counts) == 1 + 1 + 2  # crop 0 of two cameras and of a stack of two
    stored = made.encode(obs)
    assert sum(made.backbone.net.counts) == 3 * 4
    again, shallow_copy = made.central(obs), made.encode(dict(obs))
    assert sum(made.backbone.net.counts) == 3 * 4
    for key, features in acted.items():
        assert features.dtype == torch.float16
        assert torch.equal(features, again[key])
        assert np.array_equal(features.numpy(), stored[key][0])
        assert np.array_equal(shallow_copy[key], stored[key])


def test_cameras_of_one_size_go_through_the_backbone_together():
    made = featurizer()
    made.encode(observation(0))
    assert sorted(made.backbone.net.counts) == [2 * 3, 2 * 3]  # front and wrist; the stack of two


def test_an_equal_image_elsewhere_in_memory_is_another_and_old_ones_are_forgotten():
    made, obs = featurizer(), observation(0)
    expected = made.encode(obs)
    for seed in range(1, 5):
        made.encode(observation(seed))
    made.backbone.net.counts.clear()
    assert np.array_equal(made.encode(obs)["feature/front"], expected["feature/front"])
    assert sum(made.backbone.net.counts) == 12
    made.encode(copy.deepcopy(obs))
    assert sum(made.backbone.net.counts) == 24


def test_a_remembered_image_lives_on_so_that_no_other_gets_its_id():
    memory, image, features = CropMemory(), np.zeros((2, 2, 3), np.uint8), [torch.zeros(1)]
    memory.remember(image, features)
    assert memory.recall(image, torch.device("cpu")) is features
    assert memory.recall(image, torch.device("meta")) == []
    alive = weakref.ref(image)
    del image
    assert alive() is not None
    memory.clear()
    assert alive() is None


def test_many_are_encoded_as_one_is_and_in_large_batches():
    made = featurizer()
    observations = [observation(seed) for seed in range(20)]
    together = made.encode_many(observations)
    assert sum(made.backbone.net.counts) == 20 * 12
    assert len(made.backbone.net.counts) == 2 * 20  # two sizes, an observation of 12 frames at a time
    for obs, encoded in zip(observations, together, strict=True):
        one = made.encode(obs)
        assert one.keys() == encoded.keys()
        for key, value in one.items():
            np.testing.assert_allclose(encoded[key], value, atol=2e-3, rtol=2e-3)


def test_an_encoded_episode_fits_replay():
    made, length = featurizer(), 6
    flags, numbers = np.zeros(length, bool), np.zeros(length, np.float32)
    action, version = np.zeros((length, 1), np.float32), np.zeros(length, np.int64)
    info, times = EpisodeInfo("seeing", "demo"), np.arange(length) / 10
    episode = Episode(
        SPEC, info, stacked(length + 1), action, numbers, flags, flags, flags, action, flags, flags, version, times
    )
    encoded = made.encode_episode(episode)
    buffer = ReplayBuffer(encoded.spec, 50, seed=0)
    buffer.add_episode(encoded)
    assert len(buffer) == length
    assert np.array_equal(encoded.obs["state/x"], episode.obs["state/x"])
    last = made.encode({key: rows[-1] for key, rows in episode.obs.items()})
    np.testing.assert_allclose(encoded.obs["feature/wrist"][-1], last["feature/wrist"], atol=2e-3, rtol=2e-3)


def test_a_state_dict_holds_everything_that_features_need():
    made, other = featurizer(), featurizer(fitted=False)
    nn.init.ones_(other.backbone.net[0].weight)
    other.fit(stacked(3))
    obs = observation(0)
    assert not np.array_equal(other.encode(obs)["feature/front"], made.encode(obs)["feature/front"])
    other.load_state_dict(made.state_dict())
    for key, value in made.encode(obs).items():
        assert np.array_equal(other.encode(obs)[key], value), key  # what was remembered came from other weights


def test_fitting_again_forgets_what_was_remembered():
    made, obs = featurizer(), observation(0)
    before = made.encode(obs)["feature/front"]
    made.fit({key: rows // 2 for key, rows in stacked(10).items()})
    assert not np.array_equal(made.encode(obs)["feature/front"], before)


def test_the_same_demonstrations_give_the_same_projection():
    states = [featurizer().state_dict() for _ in range(2)]
    assert all(torch.equal(states[0][key], states[1][key]) for key in states[0])


def random_features(num=200):
    """Features of four channels that vary by 3, 2, 1 and 0.1 along rotated axes, before a scenery that varies more."""
    generator = torch.Generator().manual_seed(0)
    rotation = torch.linalg.qr(torch.randn(4, 4, generator=generator)).Q
    raw = torch.randn(num, 4, 5, 5, generator=generator) * torch.tensor([3.0, 2.0, 1.0, 0.1])[:, None, None]
    scenery = 9.0 * torch.randn(4, 5, 5, generator=generator)
    return torch.einsum("cd,bdhw->bchw", rotation, raw) + scenery, raw


def fitted_projection(num_components=2):
    projection = Projection((4, 5, 5), num_components)
    projection.fit(random_features()[0])
    return projection


def test_components_are_uncorrelated_scaled_to_one_and_the_best_there_are():
    features, raw = random_features()
    projection = fitted_projection()
    projected = projection(features).double()
    assert projected.mean(0).abs().max() < 0.01
    rows = projected.movedim(1, -1).flatten(0, -2)
    covariance = rows.T.cov()
    assert covariance.diagonal().mean().item() == pytest.approx(1.0, abs=0.01)
    assert abs(covariance[0, 1].item()) < 0.01
    assert covariance[0, 0] > covariance[1, 1]
    assert projection.explained_variance() == pytest.approx(13 / 14.01, abs=0.01)
    assert projection.explained_variance(1) == pytest.approx(9 / 14.01, abs=0.03)
    assert projection.explained_variance(4) == pytest.approx(1.0)
    for component, truth in zip(rows.T, raw.movedim(1, -1).flatten(0, -2).T, strict=False):
        assert torch.stack([component, truth.double()]).corrcoef()[0, 1].abs() > 0.99


def test_signs_of_components_do_not_depend_on_the_solver(monkeypatch):
    solver = torch.linalg.eigh
    components = fitted_projection(3).components
    monkeypatch.setattr(torch.linalg, "eigh", lambda matrix: (solver(matrix)[0], -solver(matrix)[1]))
    assert torch.equal(fitted_projection(3).components, components)


def test_features_stay_finite_in_float16():
    assert fitted_projection()(torch.full((1, 4, 5, 5), 1e9)).abs().max() == LIMIT


@pytest.mark.parametrize("frame", [torch.zeros(4, 5, 5), 100.0 + torch.rand(4, 5, 5)])
def test_a_camera_that_always_shows_the_same_is_refused(frame):
    frames = frame.expand(30, -1, -1, -1) * (1.0 + 1e-4 * torch.rand(30, 1, 1, 1))  # equal but for rounding
    with pytest.raises(ConfigError, match="30 frames of demonstrations all look the same"):
        Projection((4, 5, 5), 2).fit(frames)


def test_encoding_before_fitting_says_what_to_call():
    made = featurizer(fitted=False)
    for encode in (made.encode, made.central, lambda obs: made.encode_many([obs])):
        with pytest.raises(ConfigError, match="'image/front' have no projection yet; call fit"):
            encode(observation(0))


@pytest.mark.parametrize(
    ("image", "found"),
    [
        (np.zeros((32, 30, 3), np.uint8), r"uint8 \[32, 30, 3\]"),
        (np.zeros((32, 32, 3), np.float32), r"float32 \[32, 32, 3\]"),
        (np.zeros((32, 32, 6), np.uint8), r"uint8 \[32, 32, 6\]"),
    ],
)
def test_other_images_are_refused_with_both_shapes(image, found):
    made = featurizer()
    for encode in (made.encode, made.central, lambda obs: made.encode_many([obs])):
        with pytest.raises(SpecMismatch, match=rf"'image/wrist' is {found}; its spec says uint8 \[32, 32, 3\]"):
            encode({**observation(0), "image/wrist": image})
    with pytest.raises(SpecMismatch, match=f"'image/wrist' is {found}"):
        made.fit({**stacked(2), "image/wrist": image[None]})


def test_missing_images_are_named():
    made, obs = featurizer(), observation(0)
    del obs["image/wrist"]
    with pytest.raises(SpecMismatch, match="lacks 'image/wrist', which should be uint8"):
        made.encode(obs)
    with pytest.raises(SpecMismatch, match="'image/front' needs images"):
        made.fit({})


@pytest.mark.parametrize(
    ("obs", "components", "error", "message"),
    [
        ({"state/x": ArraySpec((1,))}, 5, ConfigError, "only state/x"),
        ({"image/a": ArraySpec((32, 32, 4), "uint8")}, 5, SpecMismatch, r"uint8 \[32, 32, 4\]"),
        ({"image/a": ArraySpec((32, 32, 3))}, 5, SpecMismatch, r"float32 \[32, 32, 3\]"),
        ({"image/a": ArraySpec((32, 32, 3), "uint8")}, 13, ConfigError, "13 components of features with 12 channels"),
    ],
)
def test_what_cannot_be_encoded_is_refused_at_once(obs, components, error, message):
    with pytest.raises(error, match=message):
        Featurizer(obs, VisionConfig(components=components), backbone=tiny_backbone())


def test_cameras_may_have_dots_in_their_names():
    obs = {"image/cam.left": ArraySpec((32, 32, 3), "uint8")}
    assert featurizer(obs).encode(observation(0, obs))["feature/cam.left"].shape == (3, 5, 4, 4)


def test_mirrored_features_are_those_of_the_mirrored_image():
    made = Featurizer(OBS, CONFIG, backbone=tiny_backbone(), mirrored=True)
    made.fit(stacked(12))
    obs = observation(3)
    flipped = {key: np.ascontiguousarray(value[:, ::-1]) if key in made.images else value for key, value in obs.items()}
    encoded = made.encode(obs)
    assert set(encoded) == set(made.replay_obs)
    for camera, central in made.central(flipped).items():
        np.testing.assert_allclose(encoded[camera.replace("feature", "mirrored")][0], central.numpy(), atol=1e-3)
    for many, one in zip(made.encode_many([obs, flipped]), (encoded, made.encode(flipped)), strict=True):
        for key in many:
            np.testing.assert_allclose(many[key], one[key], atol=1e-2)
