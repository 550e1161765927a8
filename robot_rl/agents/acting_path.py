"""The way from an observation to the mean action as one module of plain tensor operations, to be exported."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

from robot_rl.agents.sac_policy import SACPolicy
from robot_rl.agents.sight import POSITION, ROTATION
from robot_rl.data.features import feature_key
from robot_rl.errors import ConfigError
from robot_rl.nn.blocks import set_product_dtype
from robot_rl.nn.precision import product_dtype
from robot_rl.types import Observation


class ActingPath(nn.Module):
    """Maps the entries of one observation, [1, *shape] each in the order of `keys`, to its action [1, A].

    It is what `SACPolicy.act(obs, explore=False)` does, in float32, without memory of earlier frames.
    """

    def __init__(self, policy: SACPolicy) -> None:
        """Take the networks of a policy, which is brought to float32.

        Raises:
            ConfigError: If the policy does not act by its mean.
        """
        super().__init__()
        if policy.config.eval_action != "mean":
            raise ConfigError(
                f"the policy acts by eval_action {policy.config.eval_action!r}, which is random; only the mean is exported"
            )
        in_float32(policy)
        self.networks, self.spec = policy.networks, policy.spec
        self.keys = tuple(key for key in sorted(policy.spec.obs) if self._looks_at(key))
        """Observation entries that it looks at."""
        continuous, discrete = policy.spec.action.continuous, policy.spec.action.discrete
        # The networks give continuous dimensions first, then grippers; an action has them in the order of its names.
        self._order = [(*continuous, *discrete).index(index) for index in range(policy.spec.action.dim)]

    def forward(self, *entries: Tensor) -> Tensor:
        """Return the action [1, A] in [-1, 1]."""
        networks = self.networks
        inputs = networks.inputs(self._seen(dict(zip(self.keys, entries, strict=True))))
        mean, _ = networks.actor(networks.actor.see(inputs))
        action = torch.tanh(mean)
        if networks.grasp is not None:
            grasp = networks.grasp
            action = torch.cat([action, grasp.decode(grasp(grasp.see(inputs)).argmax(-1))], dim=-1)
        return torch.stack([action[:, index] for index in self._order], dim=-1)

    def example(self) -> tuple[Tensor, ...]:
        """Return zeros of the right shapes and types."""
        shapes = {key: self.spec.obs[key] for key in self.keys}
        return tuple(torch.zeros(1, *entry.shape, dtype=getattr(torch, entry.dtype)) for entry in shapes.values())

    def act(self, obs: Observation) -> np.ndarray:
        """Return the action, float32 [A], of an observation."""
        with torch.inference_mode():
            return self(*(torch.from_numpy(np.array(obs[key]))[None] for key in self.keys))[0].numpy()

    def _looks_at(self, key: str) -> bool:
        encoder, featurizer = self.networks.encoder, self.networks.sight.featurizer
        eyes = self.networks.actor.eyes
        is_state = encoder is not None and key in encoder.keys
        is_goal_state = key in self.networks.sight.goal_state_keys
        is_image = eyes is not None and key in eyes.keys
        return is_state or is_goal_state or is_image or (featurizer is not None and key in featurizer.images)

    def _seen(self, obs: dict[str, Tensor]) -> Mapping[str, Tensor]:
        """Return what the networks act upon: features in place of images, and the goal where it is estimated."""
        sight = self.networks.sight
        if sight.featurizer is None:
            return obs
        features = {}
        for key in sight.featurizer.images:
            frames = obs[key].unflatten(-1, (-1, 3)).movedim(-2, 1).flatten(0, 1)  # [frames, H, W, 3]
            maps = sight.featurizer.projection(key)(sight.featurizer.backbone(frames))
            features[feature_key(key)] = maps.flatten(0, 1)[None]
        if sight.goals is None:
            return obs | features
        state = [obs[key] for key in sight.goal_state_keys]
        goal = sight.goals(features, torch.cat([*state, torch.zeros(1, 0)], dim=-1))
        return obs | features | {POSITION: goal[:, :3], ROTATION: goal[:, 3:]}


def in_float32(policy: SACPolicy) -> None:
    """Let a policy compute in float32 on the CPU, its backbone too: the weights stay what they are."""
    networks = policy.networks.cpu()
    set_product_dtype(networks, torch.float32)
    featurizer = networks.sight.featurizer
    if featurizer is not None and product_dtype(featurizer.backbone.config.precision) != torch.float32:
        featurizer.backbone.config = replace(featurizer.backbone.config, precision="float32")
        featurizer.backbone.float()
        featurizer.forget()


def export_torch(path: ActingPath, file: Path) -> None:
    """Write the path as a program of torch.export."""
    program = torch.export.export(path.eval(), path.example())
    torch.export.save(program, file)


def export_onnx(path: ActingPath, file: Path) -> None:
    """Write the path for onnxruntime, weights included.

    Raises:
        ConfigError: If a package for it is missing.
    """
    try:
        import onnx  # noqa: F401
        import onnxscript  # noqa: F401
    except ImportError as error:
        raise ConfigError(f'exporting needs: pip install -c constraints.txt -e ".[export]" ({error})') from error
    torch.onnx.export(
        path.eval(), path.example(), file,
        input_names=list(path.keys), output_names=["action"], dynamo=True, external_data=False, verbose=False,
    )  # fmt: skip


def largest_difference(actions: Sequence[np.ndarray], others: Sequence[np.ndarray]) -> float:
    """Return how far two sequences of actions [A] are apart at most."""
    return float(np.abs(np.stack(actions) - np.stack(others)).max())
