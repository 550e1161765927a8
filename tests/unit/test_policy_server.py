"""A policy behind HTTP acts as the policy does, and says what is wrong with a request."""

from __future__ import annotations

import http.client
import io
import json
import threading
from contextlib import contextmanager

import numpy as np
import pytest
from toy_policy import SPEC, random_observation, toy_policy

from robot_rl.data.spec_json import spec_from_json
from robot_rl.deploy.policy_server import MAX_BODY_BYTES, PolicyServer
from robot_rl.errors import ConfigError


@contextmanager
def serving(policy=None, **options):
    server = PolicyServer(policy or toy_policy(), SPEC, **options)
    thread = threading.Thread(target=server.serve, daemon=True)
    thread.start()
    try:
        yield server
    finally:
        server.close()
        thread.join(5)


def ask(server, method, path, body=b"", **headers):
    connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=10)
    connection.request(method, path, body, headers)
    response = connection.getresponse()
    answer = json.loads(response.read())
    connection.close()
    return response.status, answer


STATE = next(key for key, entry in SPEC.obs.items() if entry.dtype == "float32")


def archive(obs):
    buffer = io.BytesIO()
    np.savez(buffer, **obs)
    return buffer.getvalue()


def test_it_acts_as_the_policy_does():
    with serving() as server:
        status, spec = ask(server, "GET", "/spec")
        assert status == 200
        assert spec_from_json(spec) == SPEC
        assert ask(server, "POST", "/begin_episode") == (200, {"version": 7})
        for seed in range(3):
            obs = random_observation(SPEC, np.random.default_rng(seed))
            status, answer = ask(server, "POST", "/act", archive(obs))
            assert status == 200
            np.testing.assert_allclose(answer["action"], toy_policy().act(obs, explore=False), atol=1e-6)


def test_a_wrong_request_is_told_and_the_next_is_answered():
    with serving() as server:
        status, answer = ask(server, "GET", "/act")
        assert (status, "POST /act" in answer["error"]) == (404, True)
        status, answer = ask(server, "POST", "/act", b"no archive")
        assert (status, "no NumPy archive" in answer["error"]) == (400, True)
        status, answer = ask(server, "POST", "/act", archive({"state/x": np.zeros(3, np.float32)}))
        assert (status, " is missing: float32 " in answer["error"]) == (400, True)
        good = random_observation(SPEC, np.random.default_rng(0))
        for key, bad, found in (
            (STATE, good[STATE] * np.nan, f"{STATE} is not finite"),
            (STATE, good[STATE].astype(np.float64), f"{STATE} is float64"),
            (STATE, good[STATE][:-1], "wanted float32"),
        ):
            status, answer = ask(server, "POST", "/act", archive(good | {key: bad}))
            assert (status, found in answer["error"]) == (400, True)
        status, answer = ask(server, "POST", "/act", b"")
        assert (status, "no NumPy archive" in answer["error"]) == (400, True)
        pickled = io.BytesIO()
        np.savez(pickled, x=np.array([{}], dtype=object))
        assert ask(server, "POST", "/act", pickled.getvalue())[0] == 400
        assert ask(server, "POST", "/act", b"", **{"Content-Length": str(MAX_BODY_BYTES + 1)})[0] == 413
        assert ask(server, "POST", "/begin_episode")[0] == 200


def test_an_error_of_the_policy_is_told_and_not_swallowed():
    class Broken:
        version = 0

        def begin_episode(self):
            raise OSError("weights gone")

        def act(self, obs, *, explore):
            raise NotImplementedError

    with serving(Broken()) as server:
        assert ask(server, "POST", "/begin_episode") == (500, {"error": "OSError: weights gone"})


def test_strangers_need_the_token():
    with pytest.raises(ConfigError, match=r"host '0.0.0.0' can be reached by others; give --token"):
        PolicyServer(toy_policy(), SPEC, host="0.0.0.0")
    with serving(token="secret") as server:
        assert ask(server, "GET", "/spec")[0] == 401
        assert ask(server, "GET", "/spec", Authorization="Bearer secrets")[0] == 401
        assert ask(server, "GET", "/spec", Authorization="Bearer secret")[0] == 200


def test_an_address_in_use_is_named():
    with serving() as server, pytest.raises(ConfigError, match=f"cannot serve on 127.0.0.1:{server.port}: .*another --port"):
        PolicyServer(toy_policy(), SPEC, port=server.port)
