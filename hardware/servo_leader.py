"""The joints of a leader arm made of bus servos: limp, and read by one packet to all of them."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from hardware.servo_bus import ServoBus
from hardware.servo_calibration import JointCalibration
from hardware.teleop_leader import JointReading
from robot_rl.errors import DeviceError


class ServoJointReader:
    """A JointReader. Its servos are switched off when it is connected, so that the arm follows the hand."""

    def __init__(self, bus: ServoBus, joints: Sequence[JointCalibration], trigger: JointCalibration | None = None) -> None:
        """Read the `joints` of the arm, and how far its `trigger` is open; nothing is opened."""
        self._bus, self._joints, self._trigger = bus, tuple(joints), trigger
        self._ids = [joint.id for joint in (*self._joints, *([trigger] if trigger else []))]

    def connect(self) -> None:
        """Open the bus, check the calibration and let the arm go; idempotent. Raises DeviceError with the remedy."""
        self._bus.connect()
        try:
            offsets = self._bus.read_all("homing_offset", self._ids)
            for joint in (*self._joints, *([self._trigger] if self._trigger else [])):
                if offsets[joint.id] != joint.homing_offset:
                    raise DeviceError(
                        f"{self._bus.called(joint.id)} has homing offset {offsets[joint.id]}, the calibration says "
                        f"{joint.homing_offset}: it is of another arm; calibrate it: python launch/calibrate_servos.py --help"
                    )
                self._bus.write("torque_enable", joint.id, 0)
        except BaseException:
            self._bus.close()
            raise

    def read(self) -> JointReading:
        """Return the newest reading. Raises DeviceError once a servo is silent."""
        readings = self._bus.read(self._ids)
        qpos = np.array([joint.angle(readings[joint.id].position) for joint in self._joints])
        trigger = self._trigger
        return JointReading(qpos, trigger.opening(readings[trigger.id].position) if trigger else None)

    def close(self) -> None:
        """Release the bus; idempotent, never raises."""
        self._bus.close()
