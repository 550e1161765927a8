"""MuJoCo behind the driver protocols: the simulated arm, its tasks, and other people's benchmark suites."""

import ctypes.util
import os

_LIBRARIES = {"egl": "EGL", "osmesa": "OSMesa"}


def _import_mujoco_without_its_backend() -> None:
    """Import MuJoCo where MUJOCO_GL names a backend that is not installed.

    MuJoCo's own import fails there, and state-based training needs no backend; cameras say what is missing.
    """
    backend = os.environ.get("MUJOCO_GL", "")
    library = _LIBRARIES.get(backend.lower())
    if library is None or ctypes.util.find_library(library):
        return
    os.environ["MUJOCO_GL"] = "disable"
    try:
        import mujoco  # noqa: F401
    finally:
        os.environ["MUJOCO_GL"] = backend


_import_mujoco_without_its_backend()
