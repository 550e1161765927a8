"""Scripts run as people run them, in the toy environment."""

import contextlib
import importlib.util
import io
import itertools
import os
import subprocess
import sys
from pathlib import Path
from unittest import mock

import toy_env

LAUNCH = Path(__file__).parents[1] / "launch"
SETTINGS = {
    "task": "toy_env:make", "demos.policy": "toy_env:scripted", "demos.episodes": 3, "env-steps": 60, "device": "cpu",
    "warm-start.clone-steps": 20, "warm-start.critic-steps": 5, "warm-start.env-steps": 20,
    "evaluation.every": 30, "evaluation.episodes": 2, "evaluation.final-episodes": 3, "evaluation.videos": 0,
}  # fmt: skip
SMALL = ("gymnasium", *(word for name, value in SETTINGS.items() for word in (f"--{name}", str(value))))
SMALL_SAC = ("--sac.hidden-dims", "8", "--sac.batch-size", "8", "--sac.utd-ratio", "1", "--sac.discount", "0.9")


def run_script(name, *arguments, cwd, signal="", **environment):
    """Run `launch/<name>.py` in the folder `cwd` with the toy environment importable; `signal` as `toy_env` reads it."""
    packages = os.pathsep.join((str(LAUNCH.parent), str(LAUNCH.parent / "tests")))  # this checkout's, whichever is installed
    added = {"PYTHONPATH": packages, "OMP_NUM_THREADS": "1", "COLUMNS": "160", **environment}
    if signal:
        added["TOY_SIGNAL"] = signal
    return subprocess.run(
        [sys.executable, LAUNCH / f"{name}.py", *map(str, arguments)],
        cwd=cwd,
        env={name: value for name, value in {**os.environ, **added}.items() if value is not None},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


def call_script(name, *arguments, cwd, signal=""):
    """Do the same without the seconds that a process takes to import everything."""
    argv = [f"launch/{name}.py", *map(str, arguments)]
    out, err = io.StringIO(), io.StringIO()
    with (
        contextlib.chdir(cwd),
        mock.patch.object(sys, "argv", argv),
        mock.patch.object(sys, "path", [str(LAUNCH), *sys.path]),
        mock.patch.object(toy_env, "_instances", itertools.count()),
        mock.patch.dict(os.environ, {"COLUMNS": "160", **({"TOY_SIGNAL": signal} if signal else {})}),
        contextlib.redirect_stdout(out),
        contextlib.redirect_stderr(err),
    ):
        status = _exit_status(name)
    return subprocess.CompletedProcess(argv, status, out.getvalue(), err.getvalue())


def _exit_status(name):
    spec = importlib.util.spec_from_file_location("__main__", LAUNCH / f"{name}.py")
    module, main = importlib.util.module_from_spec(spec), sys.modules["__main__"]
    sys.modules["__main__"] = module  # dataclasses look their module up
    try:
        spec.loader.exec_module(module)
    except SystemExit as end:
        return end.code or 0
    finally:
        sys.modules["__main__"] = main
    return None


def train(cwd, *arguments, run=call_script, **options):
    """Train on the point in `cwd/run`, or with `--resume run` go on."""
    agent = () if "modem" in arguments else SMALL_SAC
    settings = () if "--resume" in arguments else (*SMALL, *agent, "--run-dir", "run")
    return run("train", *settings, *arguments, cwd=cwd, **options)
