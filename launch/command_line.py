"""How scripts start and end: modules of the user's folder are found, errors are sentences for people, not tracebacks."""

from __future__ import annotations

import contextlib
import errno
import io
import logging
import os
import re
import signal
import sys
from collections.abc import Callable, Iterator, Sequence
from types import FrameType
from typing import NoReturn, TypeVar

import tyro
from rich.console import Console
from rich.text import Text

from robot_rl.errors import ConfigError, RobotRLError

T = TypeVar("T")

EXIT_USER_ERROR = 2
EXIT_INTERRUPTED = 130
"""What shells report of a program that Ctrl-C ended."""
EXIT_BROKEN_PIPE = 141
"""And of one whose reader has gone."""
OURS = ("robot_rl", "hardware", "sim", "demos", "demonstrations", "experiments", "reward_model")
"""Loggers that people want to hear more than warnings of."""
DISK = {errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EACCES, errno.EPERM}
"""Errors of the operating system that are about where the user let us write."""
OUT_OF_MEMORY = ("can't allocate memory", "unable to allocate", "out of memory", "size calculation overflowed")
"""In lower case, what torch says of tensors that are too big."""
BIG = "batch_size, hidden_dims, num_critics, image_size and cameras, replay_capacity"
"""Settings that memory grows with."""


def run_script(main: Callable[[], int | None]) -> None:
    """Call `main` and exit with what it returns; a RobotRLError is printed as one message, and the status is then 2.

    Memory or a disk that does not suffice is told in the same way. `package.module:factory` names are looked up in the
    current folder too, after everything installed.
    """
    sys.path.append(os.getcwd())
    for number in (signal.SIGTERM, signal.SIGHUP):
        if signal.getsignal(number) == signal.SIG_DFL:  # nohup ignores the second
            signal.signal(number, _interrupt)
    try:
        sys.exit(main())
    except RobotRLError as error:
        _fail(str(error))
    except (MemoryError, RuntimeError) as error:
        if not _is_out_of_memory(error):
            raise
        found = re.search(r"allocate ([\d.]+ \w+)", str(error))
        _fail(f"memory does not suffice{f' for {found[1]} at once' if found else ''}; what takes most of it: {BIG}")
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # for what is buffered
        sys.exit(EXIT_BROKEN_PIPE)
    except OSError as error:
        if error.errno not in DISK:
            raise
        _fail(str(error))
    except KeyboardInterrupt:
        Console(stderr=True).print("interrupted", style="bold red")
        sys.exit(EXIT_INTERRUPTED)


def parse(config: type[T], description: str | None) -> T:
    """Return what the command line says of a `config`."""
    with own_words():
        return tyro.cli(config, description=description and with_examples(description))


def with_examples(description: str) -> str:
    """Return a script's description so that help shows each command on a line of its own; tyro joins lines of text."""
    return re.sub(r"\n+(?=(?:python|curl) )", "\n  ", description)


@contextlib.contextmanager
def own_words() -> Iterator[None]:
    """Around tyro: let a ConfigError of a nested configuration out as it is, with the options that it is about.

    tyro prints it in a box of its own and exits, under a name from its own internals.
    """
    said = io.StringIO()
    try:
        with contextlib.redirect_stderr(said):
            yield
    except SystemExit as end:
        error = _config_error(end)
        if error is not None:
            said = io.StringIO()
            given = _options_in(str(error), sys.argv)
            raise ConfigError(f"{error} ({', '.join(given)})" if given else str(error)) from error
        raise
    finally:
        sys.stderr.write(said.getvalue())


def show_log(console: Console) -> None:
    """Print what the stack logs, also while a live display is on `console`; of others only warnings."""
    logging.basicConfig(level=logging.INFO, format="%(message)s", handlers=[_ConsoleHandler(console)])


class _ConsoleHandler(logging.Handler):
    def __init__(self, console: Console) -> None:
        super().__init__()
        self._console = console
        self.addFilter(lambda record: record.levelno >= logging.WARNING or record.name.partition(".")[0] in OURS)

    def emit(self, record: logging.LogRecord) -> None:
        style = "yellow" if record.levelno >= logging.WARNING else ""
        self._console.print(Text(self.format(record), style), soft_wrap=True)


def _interrupt(_number: int, _frame: FrameType | None) -> NoReturn:
    """End as Ctrl-C does: robots are held and files closed on the way."""
    raise KeyboardInterrupt


def _fail(message: str) -> NoReturn:
    """Print an error and exit."""
    Console(stderr=True).print(Text.assemble(("error: ", "bold red"), message), soft_wrap=True)
    sys.exit(EXIT_USER_ERROR)


def _is_out_of_memory(error: BaseException) -> bool:
    """Return whether `error` says that an array was too big: numpy's do it by type, torch's by text."""
    return isinstance(error, MemoryError) or any(sign in str(error).lower() for sign in OUT_OF_MEMORY)


def _config_error(end: BaseException) -> ConfigError | None:
    """Return the ConfigError in whose handling `end` was raised, if there is one."""
    cause: BaseException | None = end
    while cause is not None and not isinstance(cause, ConfigError):
        cause = cause.__context__
    return cause


def _options_in(message: str, argv: Sequence[str]) -> list[str]:
    """Return the options among `argv` whose field `message` names: of `n_step 0 is below 1`, `--sac.n-step`."""
    options = [word.partition("=")[0] for word in argv if word.startswith("--")]
    words = set(re.findall(r"\w+", message))
    named = (option for option in options if option.lstrip("-").rpartition(".")[2].replace("-", "_") in words)
    return list(dict.fromkeys(named))
