"""Features of a frozen backbone in place of images, so that replay holds little and learning never runs the backbone."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import cast

import numpy as np
import torch
from torch import Tensor, nn

from robot_rl.data.crops import CropMemory, check_image, crops
from robot_rl.data.episode import Episode
from robot_rl.data.projection import Projection
from robot_rl.errors import ConfigError, SpecMismatch
from robot_rl.nn.backbone import Backbone, load_backbone
from robot_rl.nn.vision_config import VisionConfig
from robot_rl.specs import ArraySpec
from robot_rl.types import Observation

BATCH_FRAMES = 16
"""Frames that go through the backbone at once; on a CPU, of 64 each takes half as long again, for they leave the cache."""
FIT_FRAMES = 256
"""Frames of each camera, spread over the demonstrations, that the projections are fitted on."""


class Featurizer(nn.Module):
    """Turns `image/<camera>` into `feature/<camera>`: principal components of a frozen backbone's feature map.

    An image has K crops: crop 0 is the image itself, the others are shifted at random, and replay hands out one of them
    at a time. If asked for, `mirrored/<camera>` holds the same of the mirrored image. The features of an image depend on
    nothing but the image and the seed, so that replay which is made again from stored episodes is the same.

    Backbone and projections are in the `state_dict`. Images that were encoded must not be written to.
    """

    def __init__(
        self,
        obs: Mapping[str, ArraySpec],
        config: VisionConfig,
        *,
        backbone: Backbone | None = None,
        mirrored: bool = False,
        seed: int = 0,
    ) -> None:
        """Prepare for the images of an environment; `fit` or `load_state_dict` comes next.

        Args:
            obs: Of the environment.
            config: The backbone, the components kept and the crops.
            backbone: To be used instead of the one that `config` names, for example `build_backbone(config.backbone)`
                where a `state_dict` brings the weights.
            mirrored: Encode images left and right exchanged as well.
            seed: Of the crops' shifts.

        Raises:
            ConfigError: If there are no images, or the backbone has fewer channels than `config.components`.
            SpecMismatch: If an image is not uint8 [H, W, 3], or several of them stacked along the last axis.
        """
        super().__init__()
        self.images = {key: spec for key, spec in obs.items() if key.startswith("image/")}
        """The entries that are encoded."""
        if not self.images:
            raise ConfigError(f"features are made of images, and the observations are only {', '.join(sorted(obs))}")
        for key, spec in self.images.items():
            if len(spec.shape) != 3 or spec.shape[-1] % 3 or spec.dtype != "uint8":
                raise SpecMismatch(f"{key!r} is {spec.dtype} {list(spec.shape)}; features are made of uint8 [H, W, 3 * frames]")
        self.config, self.seed = config, seed
        self._num_versions = config.num_crops * (2 if mirrored else 1)
        self.backbone = load_backbone(config.backbone) if backbone is None else backbone
        self.projections = nn.ModuleDict()
        self.replay_obs: dict[str, ArraySpec] = {}
        """What replay stores: the environment's observations with features in place of images."""
        for key, spec in obs.items():
            if key in self.images:
                map_shape = self.backbone.out_shape(*spec.shape[:2])
                self.projections[_module_name(key)] = Projection(map_shape, config.components)
                shape = (config.components * (spec.shape[-1] // 3), *map_shape[1:])
                entry = ArraySpec(shape, "float16", variants=config.num_crops)
                self.replay_obs |= dict.fromkeys((feature_key(key), mirrored_key(key))[: 1 + mirrored], entry)
            else:
                self.replay_obs[key] = spec
        self._memory = {key: CropMemory() for key in self.images}
        self.register_load_state_dict_post_hook(_forget)

    def projection(self, key: str) -> Projection:
        """Return the projection of the image entry `key`."""
        return cast(Projection, self.projections[_module_name(key)])

    @torch.no_grad()
    def fit(self, images: Mapping[str, np.ndarray]) -> dict[str, float]:
        """Take the projections from images of demonstrations, uint8 [T, H, W, 3 * frames] by key.

        Returns:
            By key, the share of the variance over time that the components kept hold.

        Raises:
            SpecMismatch: If images are missing or of another shape or type.
            ConfigError: If the images of a camera do not differ.
        """
        for key, spec in self.images.items():
            if key not in images or not len(images[key]):
                raise SpecMismatch(f"the projection of {key!r} needs images of it; there are {', '.join(sorted(images))}")
            check_image(key, images[key][0], spec)
            chosen = np.unique(np.linspace(0, len(images[key]) - 1, FIT_FRAMES).round().astype(int))
            frames = torch.from_numpy(images[key][chosen, ..., :3])  # of a stack one is as good as another
            self.projection(key).fit(self._maps([frames])[0])
        self.forget()
        return {key: self.projection(key).explained_variance() for key in self.images}

    def encode(self, obs: Observation) -> Observation:
        """Return the observation with features, float16 [K, C, h, w] ([C, h, w] for K = 1), in place of images.

        Raises:
            ConfigError: Before `fit`.
            SpecMismatch: If an image is missing or does not fit its spec.
        """
        known = self._remembered(obs, self._num_versions)
        return self._encoded(obs, {key: torch.stack(maps) for key, maps in known.items()})

    def central(self, obs: Observation) -> dict[str, Tensor]:
        """Return the features of the unshifted images, float16 [C, h, w] by `feature/<camera>`, to act upon.

        Costs nothing for images that were just encoded, and one crop of each otherwise. Raises as `encode` does.
        """
        return {feature_key(key): features[0] for key, features in self._remembered(obs, 1).items()}

    def encode_many(self, observations: Sequence[Observation]) -> list[Observation]:
        """Return what `encode` returns for each, computed in large batches and not remembered."""
        num_versions = self._num_versions
        num_frames = num_versions * sum(spec.shape[-1] // 3 for spec in self.images.values())
        size, encoded = max(1, BATCH_FRAMES // num_frames), []
        for start in range(0, len(observations), size):
            chunk = observations[start : start + size]
            jobs = [(key, self._crops(key, obs, 0, num_versions)) for obs in chunk for key in self.images]
            features = iter(self._features(jobs))
            encoded += [self._encoded(obs, {key: next(features) for key in self.images}) for obs in chunk]
        return encoded

    def encode_episode(self, episode: Episode) -> Episode:
        """Return the episode with features in place of images, as replay takes it."""
        steps = [{key: rows[t] for key, rows in episode.obs.items()} for t in range(episode.length + 1)]
        encoded = self.encode_many(steps)
        obs = {key: np.stack([step[key] for step in encoded]) for key in self.replay_obs}
        return replace(episode, spec=replace(episode.spec, obs=self.replay_obs), obs=obs)

    def forward(self, obs: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """Map images, uint8 [..., H, W, 3 * frames] by key, to features, float16 [..., C, h, w] by `feature/<camera>`.

        Features of a batch of images as they are: nothing is shifted or remembered.
        """
        features = self._features([(key, obs[key].reshape(-1, *obs[key].shape[-3:])) for key in self.images])
        return {
            feature_key(key): maps.reshape(*obs[key].shape[:-3], *maps.shape[1:])
            for key, maps in zip(self.images, features, strict=True)
        }

    def forget(self) -> None:
        """Forget the features of recent images: another backbone or projection made them."""
        for memory in self._memory.values():
            memory.clear()

    def _remembered(self, obs: Observation, num_crops: int) -> dict[str, list[Tensor]]:
        """Return at least the first `num_crops` crops of each image, [C, h, w] each, computing only those not known."""
        device = next(self.buffers()).device
        known = {key: self._memory[key].recall(obs.get(key), device) for key in self.images}
        jobs = [(key, self._crops(key, obs, len(maps), num_crops)) for key, maps in known.items() if len(maps) < num_crops]
        for (key, _), maps in zip(jobs, self._features(jobs), strict=True):
            known[key] = [*known[key], *maps]
            self._memory[key].remember(obs[key], known[key])
        return known

    def _crops(self, key: str, obs: Observation, start: int, stop: int) -> Tensor:
        """Return crops `start..stop - 1` of an image, uint8 [stop - start, H, W, 3 * frames]."""
        image = check_image(key, obs.get(key), self.images[key])
        return crops(image, start, stop, num_crops=self.config.num_crops, pad=self.config.crop_pad, seed=self.seed)

    @torch.no_grad()
    def _features(self, jobs: Sequence[tuple[str, Tensor]]) -> list[Tensor]:
        """Return the features, float16 [B, C, h, w] each, of images with their key, uint8 [B, H, W, 3 * frames] each."""
        for key, _ in jobs:
            if not self.projection(key).is_fitted:
                raise ConfigError(f"the features of {key!r} have no projection yet; call fit with images of demonstrations")
        maps = self._maps([_frames(images) for _, images in jobs])
        return [
            self.projection(key)(frames).unflatten(0, (len(images), -1)).flatten(1, 2)
            for (key, images), frames in zip(jobs, maps, strict=True)
        ]

    def _maps(self, jobs: Sequence[Tensor]) -> list[Tensor]:
        """Return the backbone's maps, float32 [B, C, h, w] each, of frames, uint8 [B, H, W, 3] each; one size, one batch."""
        device = next(self.buffers()).device
        by_size: defaultdict[tuple[int, ...], list[int]] = defaultdict(list)
        for index, frames in enumerate(jobs):
            by_size[tuple(frames.shape[1:])].append(index)
        maps: dict[int, Tensor] = {}
        for indices in by_size.values():
            together = torch.cat([jobs[index] for index in indices])
            done = torch.cat([self.backbone(chunk.to(device)) for chunk in together.split(BATCH_FRAMES)])
            maps |= zip(indices, done.split([len(jobs[index]) for index in indices]), strict=True)
        return [maps[index] for index in range(len(jobs))]

    def _encoded(self, obs: Observation, features: Mapping[str, Tensor]) -> Observation:
        """Return `obs` with features in place of images."""
        encoded = {key: value for key, value in obs.items() if key not in self.images}
        for key, maps in features.items():
            by_key = zip((feature_key(key), mirrored_key(key)), maps.split(self.config.num_crops), strict=False)
            encoded |= {name: variants.squeeze(0).cpu().numpy() for name, variants in by_key}
        return encoded


def feature_key(key: str) -> str:
    """Return `feature/<camera>` of `image/<camera>`."""
    return "feature/" + key.removeprefix("image/")


def mirrored_key(key: str) -> str:
    """Return `mirrored/<camera>` of `image/<camera>` or `feature/<camera>`."""
    return "mirrored/" + key.partition("/")[2]


def _module_name(key: str) -> str:
    return key.replace(".", "_")  # torch takes the dot for itself


def _frames(images: Tensor) -> Tensor:
    """Return stacked images [B, H, W, 3 * frames] one by one, [B * frames, H, W, 3]."""
    return images.unflatten(-1, (-1, 3)).movedim(-2, 1).flatten(0, 1)


def _forget(featurizer: Featurizer, _: object) -> None:
    featurizer.forget()
