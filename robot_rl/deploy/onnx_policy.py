"""A policy that acts through onnxruntime, on machines without torch."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from robot_rl.errors import ConfigError, SpecMismatch
from robot_rl.specs import EnvSpec
from robot_rl.types import Observation


class OnnxPolicy:
    """Acts by an exported acting path. It does not explore: what was exported is what evaluation does."""

    def __init__(self, path: Path, spec: EnvSpec, version: int, *, threads: int = 1) -> None:
        """Read the network.

        Args:
            path: Of the ONNX file.
            spec: Of the environment it was trained in.
            version: Of the policy.
            threads: That it may use.

        Raises:
            ConfigError: If onnxruntime is missing, or the file is none that it can run.
        """
        try:
            import onnxruntime
        except ImportError as error:
            raise ConfigError(f"{path} needs onnxruntime: pip install -c constraints.txt onnxruntime ({error})") from error
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = threads
        options.inter_op_num_threads = 1
        try:
            self._session = onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])
        except Exception as error:  # onnxruntime's own errors share no class but Exception
            raise ConfigError(f"{path} cannot be run by onnxruntime {onnxruntime.__version__}: {error}") from error
        self.spec, self.version = spec, version
        self.keys = tuple(entry.name for entry in self._session.get_inputs())
        """Observation entries that it looks at."""

    def begin_episode(self) -> None:
        """Nothing is remembered between episodes."""

    def act(self, obs: Observation, *, explore: bool) -> np.ndarray:
        """Return an action float32 [A] in [-1, 1].

        Raises:
            ConfigError: If asked to explore.
            SpecMismatch: If an entry is missing or of another shape or type.
        """
        if explore:
            raise ConfigError("an exported policy does not explore; act with explore=False, or load its weights with torch")
        entries = {}
        for key in self.keys:
            wanted, found = self.spec.obs[key], obs.get(key)
            if found is None or found.shape != wanted.shape or found.dtype != wanted.dtype:
                is_there = "is missing" if found is None else f"is {found.dtype} {list(found.shape)}"
                raise SpecMismatch(f"{key} {is_there}; the policy wants {wanted.dtype} {list(wanted.shape)}")
            entries[key] = np.ascontiguousarray(found)[None]
        return np.asarray(self._session.run(None, entries)[0])[0]
