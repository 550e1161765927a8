"""The errors a user of the stack may meet, each with the thing, the value and the remedy in its message."""


def pip_line(extra: str) -> str:
    """Return the command that installs one of the extras of pyproject.toml, with its pins."""
    return f"pip install -c constraints.txt -e '.[{extra}]'"


class RobotRLError(Exception):
    """Root of the stack's own errors, so that a script can print them without a traceback."""


class ConfigError(RobotRLError, ValueError):
    """A setting, a name or a file that the user gave does not fit."""


class SpecMismatch(RobotRLError, ValueError):
    """Two components disagree on shapes, keys or units."""


class DeviceError(RobotRLError, RuntimeError):
    """A device failed or is not connected. Inside a control step this ends the episode as truncated."""


class RobotFault(DeviceError):
    """A robot's own safety stopped it. It stays so until somebody asks for recovery; the message says how."""


class StaleFrame(DeviceError):
    """A camera's newest frame is older than its reader accepts."""


class ControlOverrun(DeviceError):
    """A control step ended so late that the robot was not under control."""


class ResetFailed(RobotRLError, RuntimeError):
    """A reset routine could not bring the robot or the scene to a start state."""


class DatasetError(RobotRLError, ValueError):
    """An episode or dataset on disk is damaged or does not fit its reader."""


class RunError(RobotRLError, RuntimeError):
    """A run folder is in use, foreign or damaged."""
