"""Serve a policy over HTTP to a control loop of your own; needs no torch with an exported bundle.

python launch/serve_policy.py bundles/lift --port 8070
curl http://127.0.0.1:8070/spec
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import tyro
from command_line import parse, run_script
from rich.console import Console

from robot_rl.deploy.acting import Runtime, check_actions, load_policy
from robot_rl.deploy.bundle import open_bundle
from robot_rl.deploy.policy_server import PolicyServer
from robot_rl.errors import ConfigError


@dataclass(frozen=True, slots=True)
class ServeConfig:
    """What to serve, and where."""

    bundle: Annotated[Path, tyro.conf.Positional]
    """folder that export.py made, or a run"""
    host: str = "127.0.0.1"
    """address; any but this machine's own needs a token"""
    port: int = 8070
    """0: a free one"""
    token: str | None = None
    """secret that is asked for"""
    runtime: Runtime = "auto"
    """torch or onnx; auto: torch where it is installed"""

    def __post_init__(self) -> None:
        if not 0 <= self.port <= 65535:
            raise ConfigError(f"port {self.port} is not in 0..65535")


def main(config: ServeConfig) -> None:
    """Serve until Ctrl-C.

    Raises:
        ConfigError: If the bundle cannot be run here, or the address cannot be had.
    """
    bundle = open_bundle(config.bundle)
    policy = load_policy(bundle, config.runtime)
    check_actions(policy, bundle)
    server = PolicyServer(policy, bundle.spec, config.host, config.port, config.token)
    Console(stderr=True).print(f"{bundle.name}, version {bundle.version}: http://{config.host}:{server.port}", markup=False)
    server.serve()


if __name__ == "__main__":
    run_script(lambda: main(parse(ServeConfig, __doc__)))
