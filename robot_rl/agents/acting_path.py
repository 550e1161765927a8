"""The way from an observation to the mean action as one module of plain tensor operations, to be exported."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

from robot_rl.agents.bundle import SavedPolicy
from robot_rl.agents.modem_policy import ModemPolicy
from robot_rl.agents.sac_policy import SACPolicy
from robot_rl.agents.sight import POSITION, ROTATION
from robot_rl.data.features import feature_key
from robot_rl.errors import ConfigError, pip_line
from robot_rl.nn.blocks import set_product_dtype
from robot_rl.nn.precision import product_dtype
from robot_rl.types import Observation


class ActingPath(nn.Module):
    """Maps the entries of one observation, [1, *shape] each in the order of `keys`, to its action [1, A].

    It is what the policy's `act(obs, explore=False)` does, in float32, without memory of earlier frames.
    """

    def __init__(self, policy: SavedPolicy, keys: Collection[str]) -> None:
        """Take the networks of a policy, which is brought to float32, and the entries that it looks at beside images."""
        super().__init__()
        in_float32(policy)
        self.sight, self.spec = policy.networks.sight, policy.spec
        images = () if self.sight.featurizer is None else self.sight.featurizer.images
        looked = {*keys, *self.sight.goal_state_keys, *images}
        self.keys = tuple(key for key in sorted(policy.spec.obs) if key in looked)
        """Observation entries that it looks at."""

    def forward(self, *entries: Tensor) -> Tensor:
        """Return the action [1, A] in [-1, 1]."""
        return self.decide(self._seen(dict(zip(self.keys, entries, strict=True))))

    def decide(self, obs: Mapping[str, Tensor]) -> Tensor:
        """Return the action [1, A] on what the networks act upon."""
        raise NotImplementedError

    def example(self) -> tuple[Tensor, ...]:
        """Return zeros of the right shapes and types."""
        shapes = {key: self.spec.obs[key] for key in self.keys}
        return tuple(torch.zeros(1, *entry.shape, dtype=getattr(torch, entry.dtype)) for entry in shapes.values())

    def act(self, obs: Observation) -> np.ndarray:
        """Return the action, float32 [A], of an observation."""
        with torch.inference_mode():
            return self(*(torch.from_numpy(np.array(obs[key]))[None] for key in self.keys))[0].numpy()

    def _seen(self, obs: dict[str, Tensor]) -> Mapping[str, Tensor]:
        """Return what the networks act upon: features in place of images, and the goal where it is estimated."""
        sight = self.sight
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


class SACActingPath(ActingPath):
    """The actor's mean, and the gripper command that is worth most."""

    def __init__(self, policy: SACPolicy) -> None:
        """Take the networks of a policy.

        Raises:
            ConfigError: If the policy does not act by its mean.
        """
        if policy.config.eval_action != "mean":
            raise ConfigError(
                f"the policy acts by eval_action {policy.config.eval_action!r}, which is random; only the mean is exported"
            )
        encoder, eyes = policy.networks.encoder, policy.networks.actor.eyes
        super().__init__(policy, [*(() if encoder is None else encoder.keys), *(() if eyes is None else eyes.keys)])
        self.networks = policy.networks
        continuous, discrete = policy.spec.action.continuous, policy.spec.action.discrete
        # The networks give continuous dimensions first, then grippers; an action has them in the order of its names.
        self._order = [(*continuous, *discrete).index(index) for index in range(policy.spec.action.dim)]

    def decide(self, obs: Mapping[str, Tensor]) -> Tensor:
        """Return the action [1, A] on what the networks act upon."""
        networks = self.networks
        inputs = networks.inputs(obs)
        mean, _ = networks.actor(networks.actor.see(inputs))
        action = torch.tanh(mean)
        if networks.grasp is not None:
            grasp = networks.grasp
            action = torch.cat([action, grasp.decode(grasp(grasp.see(inputs)).argmax(-1))], dim=-1)
        return torch.stack([action[:, index] for index in self._order], dim=-1)


class ModemActingPath(ActingPath):
    """The mean of the policy that a world model taught, or of the clone where nothing else has been learned yet."""

    def __init__(self, policy: ModemPolicy) -> None:
        """Take the networks of a policy.

        Raises:
            ConfigError: If the policy plans or draws when it acts.
        """
        config, is_clone = policy.config, policy.stage.is_seeding and policy.networks.clone is not None
        if (config.eval_action != "policy" or config.eval_sampled) and not is_clone:
            how = "eval_sampled" if config.eval_action == "policy" else f"eval_action {config.eval_action!r}"
            raise ConfigError(
                f"the policy acts by {how}, which draws at random; only policies trained with --modem.eval-action policy"
                " --modem.no-eval-sampled are exported. launch/deploy.py takes the run's folder as it is"
            )
        state, views = policy.networks.state, policy.networks.view_keys
        super().__init__(policy, [*(() if state is None else state.keys), *views])
        self.networks, self.snap, self._is_clone = policy.networks, policy.snap, is_clone

    def decide(self, obs: Mapping[str, Tensor]) -> Tensor:
        """Return the action [1, A] on what the networks act upon."""
        networks = self.networks
        inputs = networks.inputs(obs)
        mean, _ = networks.clone(inputs) if self._is_clone and networks.clone is not None else networks.react(inputs)
        return self.snap(torch.tanh(mean))


def acting_path(policy: SavedPolicy) -> ActingPath:
    """Return the acting path of a policy, which is brought to float32.

    Raises:
        ConfigError: If it acts at random.
    """
    return ModemActingPath(policy) if isinstance(policy, ModemPolicy) else SACActingPath(policy)


def in_float32(policy: SavedPolicy) -> None:
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
        raise ConfigError(f"exporting needs: {pip_line('export')} ({error})") from error
    torch.onnx.export(
        path.eval(), path.example(), file,
        input_names=list(path.keys), output_names=["action"], dynamo=True, external_data=False, verbose=False,
    )  # fmt: skip


def largest_difference(actions: Sequence[np.ndarray], others: Sequence[np.ndarray]) -> float:
    """Return how far two sequences of actions [A] are apart at most."""
    return float(np.abs(np.stack(actions) - np.stack(others)).max())
