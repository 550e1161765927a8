"""A policy behind HTTP, for control loops in other languages or on other machines: an observation in, an action out."""

from __future__ import annotations

import hmac
import io
import json
import threading
from collections.abc import Mapping
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from zipfile import BadZipFile

import numpy as np

from robot_rl.data.spec_json import spec_to_json
from robot_rl.errors import ConfigError, RobotRLError
from robot_rl.protocols import Policy
from robot_rl.specs import EnvSpec
from robot_rl.types import Observation

LOOPBACK = ("127.0.0.1", "localhost", "::1")
MAX_BODY_BYTES = 64 * 1024 * 1024


class PolicyServer:
    """Serves one policy to one control loop at a time.

    `GET /spec` gives the environment spec as JSON; `POST /begin_episode` starts an episode; `POST /act` takes an
    observation as a NumPy archive (npz, one array a key) and gives `{"action": [A], "version": ...}`. Errors are JSON with
    an `error`. Any address but this machine's own asks for a token, as `Authorization: Bearer <token>`.
    """

    def __init__(self, policy: Policy, spec: EnvSpec, host: str = "127.0.0.1", port: int = 0, token: str | None = None) -> None:
        """Listen; nothing is answered before `serve`.

        Args:
            policy: Who acts.
            spec: Of what it observes.
            host: Address.
            port: 0: a free one.
            token: That is asked for.

        Raises:
            ConfigError: If the address is open to others and there is no token, or it cannot be had.
        """
        if host not in LOOPBACK and not token:
            raise ConfigError(f"host {host!r} can be reached by others; give --token, or serve on 127.0.0.1")
        self._policy, self._spec, self._token = policy, spec, token
        self._lock = threading.Lock()
        server = self

        class Handler(_Handler):
            owner = server

        try:
            self._server = ThreadingHTTPServer((host, port), Handler)
        except OSError as error:
            raise ConfigError(f"cannot serve on {host}:{port}: {error.strerror or error}; give another --port") from error
        self.port: int = self._server.server_address[1]

    def serve(self) -> None:
        """Answer until `close`, from another thread, or Ctrl-C."""
        self._server.serve_forever(poll_interval=0.1)

    def close(self) -> None:
        """End `serve`; idempotent."""
        self._server.shutdown()
        self._server.server_close()

    def is_allowed(self, authorization: str) -> bool:
        """Return whether a request may be answered."""
        return self._token is None or hmac.compare_digest(authorization.encode(), f"Bearer {self._token}".encode())

    def answer(self, method: str, path: str, body: bytes) -> Mapping[str, Any]:
        """Return the answer to a request.

        Raises:
            LookupError: If there is no such thing.
            ValueError: If the observation is none.
        """
        if (method, path) == ("GET", "/spec"):
            return spec_to_json(self._spec)
        if (method, path) == ("POST", "/begin_episode"):
            with self._lock:
                self._policy.begin_episode()
            return {"version": self._policy.version}
        if (method, path) == ("POST", "/act"):
            obs = _observation(body, self._spec)
            with self._lock:
                action = self._policy.act(obs, explore=False)
            return {"action": action.tolist(), "version": self._policy.version}
        raise LookupError(f"no {method} {path}; there are: GET /spec, POST /begin_episode, POST /act")


def _observation(body: bytes, spec: EnvSpec) -> Observation:
    """Return the entries of `spec` in a NumPy archive; `pose/` entries, at which no policy looks, may be missing."""
    try:
        with np.load(io.BytesIO(body), allow_pickle=False) as stored:
            obs = {key: stored[key] for key in stored.files if key in spec.obs}
    except (OSError, EOFError, ValueError, AttributeError, BadZipFile) as error:
        raise ValueError(f"the body is no NumPy archive of an observation: {error}") from error
    for key, wanted in spec.obs.items():
        found = obs.get(key)
        if found is None:
            if not key.startswith("pose/"):
                raise ValueError(f"{key} is missing: {wanted.dtype} {list(wanted.shape)}")
        elif found.shape != wanted.shape or found.dtype != wanted.dtype:
            raise ValueError(f"{key} is {found.dtype} {list(found.shape)}, wanted {wanted.dtype} {list(wanted.shape)}")
        elif not np.isfinite(found).all():
            raise ValueError(f"{key} is not finite: {found.tolist()}")
    return obs


class _Handler(BaseHTTPRequestHandler):
    owner: PolicyServer
    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        self._answer("GET", b"")

    def do_POST(self) -> None:
        length = self.headers.get("Content-Length") or "0"
        if not length.isdecimal() or int(length) > MAX_BODY_BYTES:
            self.close_connection = True
            self._send(413, {"error": f"Content-Length {length!r} is no number of at most {MAX_BODY_BYTES}"})
            return
        self._answer("POST", self.rfile.read(int(length)))

    def log_message(self, format: str, *args: Any) -> None:
        """Say nothing: one request a control step."""

    def _answer(self, method: str, body: bytes) -> None:
        if not self.owner.is_allowed(self.headers.get("Authorization") or ""):
            self._send(401, {"error": "the token is missing or wrong"})
            return
        try:
            self._send(200, self.owner.answer(method, self.path, body))
        except LookupError as error:
            self._send(404, {"error": str(error)})
        except (RobotRLError, ValueError) as error:
            self._send(400, {"error": str(error)})
        except Exception as error:
            self._send(500, {"error": f"{type(error).__name__}: {error}"})

    def _send(self, status: int, value: Mapping[str, Any]) -> None:
        data = json.dumps(value).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)
