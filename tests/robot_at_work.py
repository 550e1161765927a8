"""A simulated arm at work in a thread, as a run would have it, for tests that look at it through a browser."""

from __future__ import annotations

import threading
import time

import numpy as np

from robot_rl.cockpit.watched import Watched
from robot_rl.envs.factory import make_env
from robot_rl.envs.intervention import Intervention
from robot_rl.envs.options import EnvOptions
from robot_rl.envs.takeover import TakeOver, TakeOverConfig

PERIOD_S = 0.05


class RobotAtWork:
    """Runs episodes at 20 Hz until it is told to end. The policy waves, so that pictures change; it can be told to stand."""

    def __init__(self, cockpit, *, image_size=96):
        self.cockpit, self.image_size = cockpit, image_size
        self.steps = []
        """(is_intervention, action, tcp position) of the newest steps."""
        self.episodes = []
        """What ended each episode: its last info."""
        self.is_waving = True
        self.error = None
        self.goes_on_after_faults = True
        self._end = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)

    def __enter__(self):
        self.cockpit.device.connect()
        self._thread.start()
        return self

    def __exit__(self, *exception):
        self._end.set()
        self._thread.join(20)

    @property
    def is_in_human_hands(self):
        return bool(self.steps) and self.steps[-1][0]

    @property
    def action(self):
        return dict(zip(self.names, self.steps[-1][1].tolist(), strict=True))

    @property
    def position(self):
        return self.steps[-1][2]

    def _run(self):
        try:
            self._work()
        except Exception as error:
            self.error = error

    def _work(self):
        options = EnvOptions(cameras=("front", "wrist"), image_size=self.image_size, max_steps=100_000, end_at_success=False)
        bare = make_env("pick_lift", options)
        self.names = [name.split("/")[-1] for name in bare.env_spec.action.names]
        hands = TakeOver(self.cockpit.device, bare.env_spec, TakeOverConfig(mode="hold", dead_band=0.0, view="action"))
        env = Watched(Intervention(bare, hands), self.cockpit)
        try:
            while not self._end.is_set():
                env.reset(seed=0)
                self._episode(env, bare)
                if self.episodes and self.episodes[-1]["fault"] and not self.goes_on_after_faults:
                    break
        finally:
            env.close()

    def _episode(self, env, bare):
        due, is_over = time.monotonic(), False
        while not (is_over or self._end.is_set()):
            action = np.zeros(len(self.names), np.float32)
            if self.is_waving:
                action[1] = 0.4 * np.sin(4.0 * time.monotonic())
            _, _, terminated, truncated, info = env.step(action)
            is_over = terminated or truncated
            position = bare.robot_state["arm"].pose.position
            self.steps = [*self.steps[-50:], (info["is_intervention"], info["action"], position)]
            self.cockpit.publish({"critic/q": float(np.sin(time.monotonic()))})
            due = max(due + PERIOD_S, time.monotonic())
            time.sleep(due - time.monotonic() if due > time.monotonic() else 0.0)
        if is_over:
            self.episodes = [*self.episodes, info]
            self.cockpit.publish({"episode/success": float(info["success"]), "human/intervention_rate": 0.25})
