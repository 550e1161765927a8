"""The SERL driver names what fails; our server lets its clients do no more than the limits allow."""

from __future__ import annotations

import json
import math
import socket
import threading
import time
from collections.abc import Callable
from http import HTTPStatus

import numpy as np
import pytest

from hardware.clock import ManualClock
from hardware.fake import FAKE_SPEC, HOME, FakeRobot
from hardware.http_json import HttpJson
from hardware.serl_endpoints import EndpointConfig, SerlEndpoints
from hardware.serl_goal import GoalConfig, GoalFollower
from hardware.serl_http import SerlHttpServer
from hardware.serl_server import SerlRobot
from hardware.serl_wire import arm_from, arm_to, pose_from
from robot_rl.errors import ConfigError, DeviceError
from robot_rl.geometry import Pose
from robot_rl.types import ArmState, ArmTarget

STATE = {
    "pose": [0.45, 0.0, 0.3, 1.0, 0.0, 0.0, 0.0],
    "vel": [0.0] * 6,
    "force": [1.0, 2.0, 3.0],
    "torque": [0.1, 0.2, 0.3],
    "q": [0.0] * 7,
    "dq": [0.0] * 7,
    "gripper_pos": 0.5,
}


def http(text: str, status: str = "200 OK") -> bytes:
    return f"HTTP/1.1 {status}\r\nContent-Length: {len(text)}\r\n\r\n{text}".encode()


@pytest.fixture
def serve():
    """Return a function that answers every request on a loopback port with the same bytes, and returns the address."""
    sockets: list[socket.socket] = []

    def start(answer: bytes | Callable[[socket.socket], None]) -> str:
        listener = socket.create_server(("127.0.0.1", 0))
        sockets.append(listener)

        def loop() -> None:
            while True:
                try:
                    peer, _ = listener.accept()
                except OSError:
                    return
                peer.recv(65536)
                if callable(answer):
                    answer(peer)
                else:
                    peer.sendall(answer)
                    peer.close()

        threading.Thread(target=loop, daemon=True).start()
        return f"http://127.0.0.1:{listener.getsockname()[1]}"

    yield start
    for each in sockets:
        each.close()


@pytest.mark.parametrize(
    ("answer", "message"),
    [
        (http("boom", "500 Internal Server Error"), "HTTP 500: 'boom'"),
        (http("<html>hello"), "no JSON: '<html>hello'"),
        (http("[1, 2]"), "no JSON object"),
        (http("{}"), "no 'pose'"),
        (http(json.dumps({**STATE, "q": [0.0]})), "7 numbers"),
        (http(json.dumps({**STATE, "vel": [math.nan] * 6})), "not all finite"),
        (http(json.dumps({**STATE, "gripper_pos": None})), "gripper_pos None"),
        (b"SSH-2.0-OpenSSH\r\n", "is the robot's server running"),
        (b"", "is the robot's server running"),
    ],
)
def test_a_server_that_talks_nonsense_is_named(serve, answer, message):
    with pytest.raises(DeviceError, match=message):
        SerlRobot(serve(answer), timeout_s=5.0, set_compliance=False).connect()


def test_a_server_that_is_gone_names_its_address_and_stop_does_not_raise():
    with socket.create_server(("127.0.0.1", 0)) as listener:
        url = f"http://127.0.0.1:{listener.getsockname()[1]}"
    robot = SerlRobot(url)
    with pytest.raises(DeviceError, match=rf"{url}.*/getstate.*running"):
        robot.connect()
    robot.stop()


def test_a_server_that_trickles_has_one_deadline_for_all(serve):
    ended = threading.Event()

    def trickle(peer: socket.socket) -> None:
        for byte in http("x" * 100):
            if ended.wait(0.05):
                return
            peer.send(bytes([byte]))

    begin = time.monotonic()
    with pytest.raises(DeviceError, match=r"no whole reply within 0\.2 s"):
        HttpJson(serve(trickle), 0.2, "robot server").post("getstate")
    ended.set()
    assert time.monotonic() - begin < 3.0  # byte by byte it would be 7 s


@pytest.mark.parametrize("url", ["https://h:1", "127.0.0.1:5000", "http://", "http://h:port"])
def test_an_address_that_is_none_is_refused(url):
    with pytest.raises(ConfigError, match="HOST:PORT"):
        HttpJson(url, 1.0, "robot server")


def test_a_state_that_repeats_itself_exactly_is_stale(serve):
    clock = ManualClock(1.0)
    robot = SerlRobot(serve(http(json.dumps(STATE))), clock=clock, timeout_s=5.0, set_compliance=False, max_frozen_s=0.5)
    robot.connect()
    clock.advance(0.4)
    robot.read()
    clock.advance(0.2)
    with pytest.raises(DeviceError, match=r"not changed at all for 0\.60 s"):
        robot.read()


def test_numbers_are_turned_as_the_protocol_has_them():
    arm = arm_from(STATE, 7, 0.0)
    np.testing.assert_allclose(arm.pose.quaternion, [0, 1, 0, 0])  # scalar last on the wire: tool down
    np.testing.assert_allclose(arm.wrench, [-1, 2, 3, -0.1, 0.2, 0.3])  # turned by pi about x, and of the other sign
    again = arm_to(arm, 0.5)
    for key, value in STATE.items():
        np.testing.assert_allclose(again[key], value, atol=1e-12)
    assert np.reshape(np.array(again["jacobian"]), (6, 7)).shape == (6, 7)


@pytest.mark.parametrize(
    "numbers", [[0.0] * 7, [0.5] * 6, [math.inf, 0, 0, 1, 0, 0, 0], None, "posesss", [0, 0, 0, 9, 0, 0, 0]]
)
def test_a_pose_that_is_none_is_refused(numbers):
    with pytest.raises(ValueError, match=r"pose|rotation"):
        pose_from(numbers)


class Rig:
    """Our endpoints over a fake arm on a clock of its own."""

    def __init__(self, endpoints: EndpointConfig | None = None) -> None:
        self.clock = ManualClock(1.0)
        self.robot = FakeRobot(self.clock)
        self.robot.connect()
        self.follower = GoalFollower(self.robot, GoalConfig())
        self.serl = SerlEndpoints(self.follower, endpoints or EndpointConfig(), sleep=self.run)

    def post(self, name: str, body: object = None) -> tuple[HTTPStatus, str]:
        return self.serl.answer(name, b"" if body is None else json.dumps(body).encode())

    def run(self, seconds: float) -> None:
        for _ in range(round(seconds / 0.05)):
            self.clock.advance(0.05)
            self.follower.tick()

    @property
    def position(self) -> np.ndarray:
        arm = self.robot.read()["arm"]
        assert isinstance(arm, ArmState)
        return arm.pose.position


def tool_down(x: float, y: float, z: float) -> dict[str, list[float]]:
    return {"arr": [x, y, z, 1.0, 0.0, 0.0, 0.0]}


def test_what_clients_post_is_led_to_within_the_limits():
    rig = Rig()
    before = rig.position
    assert rig.post("pose", tool_down(5.0, 0.0, -3.0))[0] == HTTPStatus.OK
    arm = FAKE_SPEC.parts["arm"]
    for _ in range(40):
        rig.run(0.05)
        assert np.linalg.norm(rig.position - before) <= arm.max_tcp_speed * 0.05 + 1e-9
        before = rig.position
    np.testing.assert_allclose(before, [arm.workspace_high[0], 0, arm.workspace_low[2]], atol=1e-6)
    assert {"arm/workspace", "arm/speed"} <= rig.follower.clamped


@pytest.mark.parametrize("body", [None, {}, [1], {"arr": [math.nan] * 7}, {"arr": [0.4] * 6}, {"arr": "x"}])
def test_a_pose_that_is_nonsense_gets_400_and_nothing_moves(body):
    rig = Rig()
    status, text = rig.post("pose", body)
    assert status == HTTPStatus.BAD_REQUEST
    assert "/pose" in text
    rig.run(1.0)
    np.testing.assert_allclose(rig.position, HOME.position)


def test_a_silent_client_leaves_the_arm_where_it_is_then():
    rig = Rig()
    rig.follower.config = GoalConfig(goal_timeout_s=0.2)
    rig.post("pose", tool_down(0.45, 0.3, 0.3))
    rig.run(0.3)
    given_up = rig.position
    rig.run(2.0)
    np.testing.assert_allclose(rig.position, given_up, atol=1e-6)
    assert given_up[1] < 0.16


def test_a_fault_holds_and_clients_do_not_clear_it_unless_they_may():
    rig = Rig()
    rig.post("pose", tool_down(0.45, 0.3, 0.3))
    rig.robot.fail_next("read", "reflex")
    rig.run(0.05)
    assert rig.robot.num_stops
    held = rig.position
    assert rig.post("clearerr")[0] == HTTPStatus.FORBIDDEN
    status, text = rig.post("pose", tool_down(0.45, 0.3, 0.3))
    assert status == HTTPStatus.SERVICE_UNAVAILABLE
    assert "reflex" in text
    rig.run(1.0)
    np.testing.assert_allclose(rig.position, held)


def test_a_cleared_fault_does_not_resume_the_old_goal():
    rig = Rig(EndpointConfig(allow_clearerr=True))
    rig.post("pose", tool_down(0.45, 0.3, 0.3))
    rig.robot.fail_next("command", "reflex")
    rig.run(0.05)
    held = rig.position
    assert rig.post("clearerr")[0] == HTTPStatus.OK
    rig.run(1.0)
    np.testing.assert_allclose(rig.position, held)
    assert rig.post("pose", tool_down(0.45, 0.3, 0.3))[0] == HTTPStatus.OK


def test_stopimp_refuses_poses_until_startimp():
    rig = Rig()
    rig.post("pose", tool_down(0.45, 0.3, 0.3))
    rig.post("stopimp")
    held = rig.position
    assert rig.post("pose", tool_down(0.45, 0.3, 0.3))[0] == HTTPStatus.CONFLICT
    rig.run(1.0)
    np.testing.assert_allclose(rig.position, held)
    rig.post("startimp")
    assert rig.post("pose", tool_down(0.45, 0.3, 0.3))[0] == HTTPStatus.OK


def test_jointreset_drives_home_within_limits_or_is_refused():
    assert Rig().post("jointreset")[0] == HTTPStatus.NOT_IMPLEMENTED
    rig = Rig(EndpointConfig(home=(0.5, 0.2, 0.2)))
    assert rig.post("jointreset") == (HTTPStatus.OK, "Reset Joint")
    assert np.linalg.norm(rig.position - [0.5, 0.2, 0.2]) < 0.01


@pytest.mark.parametrize(("numbers", "posted", "opening"), [((0, 255), 255, 0.0), ((0, 255), 0, 1.0), ((204, 0), 102, 0.5)])
def test_gripper_numbers(numbers, posted, opening):
    rig = Rig(EndpointConfig(gripper_open_at=numbers[0], gripper_closed_at=numbers[1]))
    assert rig.post("move_gripper", {"gripper_pos": posted})[0] == HTTPStatus.OK
    rig.run(1.0)
    assert json.loads(rig.post("get_gripper")[1])["gripper"] == pytest.approx(opening)


def test_every_endpoint_of_the_protocol_answers_and_an_unknown_one_is_named():
    rig = Rig()
    names = {"getpos": "pose", "getpos_euler": "pose", "getvel": "vel", "getforce": "force", "gettorque": "torque", "getq": "q"}
    for name, key in {**names, "getdq": "dq", "getjacobian": "jacobian", "get_gripper": "gripper"}.items():
        status, text = rig.post(name)
        assert (status, list(json.loads(text))) == (HTTPStatus.OK, [key]), name
    for name in ("open_gripper", "close_gripper", "close_gripper_slow", "activate_gripper", "reset_gripper", "clearerr"):
        assert rig.post(name)[0] == HTTPStatus.OK, name
    assert rig.post("update_param", {"translational_stiffness": 2000})[0] == HTTPStatus.OK
    status, text = rig.post("wrench")
    assert status == HTTPStatus.NOT_FOUND
    assert "getstate" in text


def test_over_http_connections_are_kept_web_pages_and_huge_bodies_refused():
    with SerlHttpServer(FakeRobot(), port=0) as server:
        client = HttpJson(server.url, 10.0, "robot server")
        client.fetch("getstate")
        kept = client._connection
        client.fetch("getstate")
        assert kept is not None
        assert client._connection is kept
        host, port = server.url.removeprefix("http://").split(":")
        for request in ("Origin: http://evil\r\nContent-Length: 0", "Content-Length: 99999999"):
            with socket.create_connection((host, int(port)), timeout=10) as peer:
                peer.sendall(f"POST /pose HTTP/1.1\r\nHost: h\r\n{request}\r\n\r\n".encode())
                assert peer.recv(100).split()[1] in (b"403", b"400")


def test_stop_tells_the_server_where_the_arm_is_and_recovery_is_asked_for():
    with SerlHttpServer(FakeRobot(), port=0) as server:
        robot = SerlRobot(server.url, clock=server.follower.robot.clock, timeout_s=10.0)
        robot.connect()
        robot.command({"arm": ArmTarget(Pose(HOME.position + np.array([0.1, 0, 0]), HOME.quaternion))})
        robot.stop()
        target = server.follower._goal["arm"]
        assert isinstance(target, ArmTarget)
        assert target.pose.distance(HOME)[0] < 1e-6
        server.follower.fault = "reflex"
        with pytest.raises(DeviceError, match=r"HTTP 503.*reflex"):
            robot.command({"arm": ArmTarget(HOME)})
        with pytest.raises(DeviceError, match="HTTP 403"):
            robot.recover()
