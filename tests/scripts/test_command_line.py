import errno
import importlib
import os
import subprocess
import sys
from dataclasses import dataclass, field
from unittest import mock

import numpy as np
import pytest
import torch
from toy_script import LAUNCH

from robot_rl.errors import ConfigError


@dataclass(frozen=True)
class Inner:
    n_step: int = 1

    def __post_init__(self):
        if self.n_step < 1:
            raise ConfigError(f"n_step {self.n_step} is below 1")


@dataclass(frozen=True)
class Outer:
    inner: Inner = field(default_factory=Inner)
    seed: int = 0

    def __post_init__(self):
        if self.seed < 0:
            raise ConfigError(f"seed {self.seed} is negative")


@pytest.fixture
def script(monkeypatch):
    """The module, importable as it is for a script that is run by path."""
    monkeypatch.syspath_prepend(str(LAUNCH))
    return importlib.import_module("command_line")


def outcome(script, capsys, main):
    """Return the exit status and what was printed to standard error."""
    with pytest.raises(SystemExit) as end:
        script.run_script(main)
    return end.value.code, capsys.readouterr().err


def test_help_shows_each_command_on_a_line_of_its_own(script, capsys, monkeypatch):
    monkeypatch.setattr(sys, "argv", ["x.py", "--help"])
    with pytest.raises(SystemExit):
        script.parse(Outer, "Do it.\n\npython x.py --seed 1\npython x.py --seed 2\n")
    assert {"  python x.py --seed 1", "  python x.py --seed 2"} <= {
        line.rstrip() for line in capsys.readouterr().out.splitlines()
    }


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--inner.n-step", "0"), "error: n_step 0 is below 1 (--inner.n-step)\n"),
        (("--inner.n_step=0",), "error: n_step 0 is below 1 (--inner.n_step)\n"),
        (("--inner.n-step", "3", "--seed", "-1"), "error: seed -1 is negative (--seed)\n"),
        (("--seed", "3", "--seed", "-1"), "error: seed -1 is negative (--seed)\n"),
    ],
)
def test_a_value_that_a_configuration_refuses_is_told_in_its_words(script, capsys, monkeypatch, arguments, message):
    monkeypatch.setattr(sys, "argv", ["x.py", *arguments])
    assert outcome(script, capsys, lambda: script.parse(Outer, None)) == (2, message)


def test_what_tyro_has_to_say_by_itself_it_says(script, capsys, monkeypatch):
    monkeypatch.setattr(sys, "argv", ["x.py", "--nosuch", "1"])
    status, said = outcome(script, capsys, lambda: script.parse(Outer, None))
    assert status == 2
    assert "--nosuch" in said
    assert script.own_words()(lambda: "parsed")() == "parsed"


@pytest.mark.parametrize(
    ("allocate", "size"),
    [
        (lambda: torch.empty(2**60), "for 4611686018427387904 bytes at once"),
        (lambda: torch.empty(2**40, 2**40), ""),
        (lambda: np.empty(2**60, np.uint8), "for 1.00 EiB at once"),
        (lambda: bytearray(2**62), ""),
    ],
    ids=["torch", "overflow", "numpy", "python"],
)
def test_memory_that_does_not_suffice_is_one_line_that_names_settings(script, capsys, allocate, size):
    status, said = outcome(script, capsys, allocate)
    assert status == 2
    assert said.startswith(f"error: memory does not suffice{size and ' '}{size}; ")
    assert said.count("\n") == 1
    for setting in ("batch_size", "hidden_dims", "replay_capacity"):
        assert setting in said


def test_a_full_disk_is_one_line(script, capsys):
    full = OSError(errno.ENOSPC, "No space left on device", "runs/x")
    assert outcome(script, capsys, mock.Mock(side_effect=full)) == (2, "error: [Errno 28] No space left on device: 'runs/x'\n")


def test_a_reader_that_has_gone_is_no_traceback():
    reader, writer = os.pipe()
    os.close(reader)
    program = "from command_line import run_script; run_script(lambda: print('x' * 100_000, flush=True))"
    done = subprocess.run(
        [sys.executable, "-c", program], cwd=LAUNCH, stdout=writer, stderr=subprocess.PIPE, text=True, check=False
    )
    os.close(writer)
    assert (done.returncode, done.stderr) == (141, "")


def test_other_failures_keep_their_traceback(script):
    for bug in (RuntimeError("a bug"), OSError(errno.EBADF, "a bug")):
        with pytest.raises(type(bug), match="a bug"):
            script.run_script(mock.Mock(side_effect=bug))
