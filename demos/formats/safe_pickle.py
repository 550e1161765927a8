"""Pickles read without running anything in them: numbers, strings, plain containers and numpy arrays, and nothing else.

Python's own unpickler calls whatever a file names. Here a file can name only the few functions by which numpy writes
arrays, and each stands for one of ours; no function of numpy or of another module is ever called by a file. Arrays are
views of the file, so that one larger than memory can be read.
"""

from __future__ import annotations

import mmap
import pickle
import struct
from collections.abc import Callable
from pathlib import Path
from typing import Any, ClassVar

import numpy as np

from robot_rl.errors import DatasetError

KINDS = "biuf"
"""Of arrays that are read: booleans, integers and floating point numbers."""
REFUSED_OPCODES = (
    pickle.NEWOBJ, pickle.NEWOBJ_EX, pickle.INST, pickle.OBJ, pickle.PERSID, pickle.BINPERSID, pickle.EXT1, pickle.EXT2,
    pickle.EXT4, pickle.NEXT_BUFFER, pickle.READONLY_BUFFER,
)  # fmt: skip
"""Make objects of classes, or take them from elsewhere; neither numbers nor arrays need any."""


class _Type:
    """Stands for a numpy.dtype while the file tells what it is."""

    def __init__(self, code: object, *_: object) -> None:
        self._code, self._order = str(code), "="

    def restore(self, state: object) -> None:
        if isinstance(state, tuple) and len(state) > 1 and state[1] in ("<", ">", "=", "|"):
            self._order = str(state[1])

    def numpy(self) -> np.dtype:
        dtype = np.dtype(self._code)
        if dtype.kind not in KINDS:
            raise DatasetError(f"an array of type {self._code!r}, which is not of numbers")
        return dtype if self._order in "|=" else dtype.newbyteorder("<" if self._order == "<" else ">")


class _Array:
    """Stands for a numpy.ndarray while the file tells what it is."""

    def __init__(self, *_: object) -> None:
        self.value: np.ndarray | None = None

    def restore(self, state: object) -> None:
        if not isinstance(state, tuple) or len(state) != 5 or not isinstance(state[2], _Type):
            raise DatasetError("an array whose description is none of numpy's")
        _, shape, dtype, is_fortran, data = state
        self.value = _view(data, dtype, shape, "F" if is_fortran else "C")


def _view(data: Any, dtype: object, shape: Any, order: object) -> np.ndarray:
    """Return an array that looks at `data`."""
    if not isinstance(dtype, _Type) or not isinstance(data, bytes | bytearray | memoryview):
        raise DatasetError("an array that is not made of numbers")
    if not isinstance(shape, tuple):
        shape = (shape,)
    return np.frombuffer(data, dtype.numpy()).reshape(shape, order="F" if order == "F" else "C")


def _reconstruct(*_: object) -> _Array:
    return _Array()


def _from_buffer(data: Any, dtype: object, shape: Any, order: object = "C", *_: object) -> np.ndarray:
    return _view(data, dtype, shape, order)


def _scalar(dtype: object, data: Any = b"") -> Any:
    return _view(data, dtype, (1,), "C")[0]


def _class_name(*_: object) -> None:
    raise DatasetError("an array that is made in a way numpy does not use")


def _latin1(text: object, encoding: object = "latin1") -> bytes:
    if not isinstance(text, str) or encoding != "latin1":
        raise DatasetError(f"text encoded as {encoding!r}")
    return text.encode("latin1")


def _ordered_dict(pairs: Any = ()) -> dict:
    return dict(pairs)


def _bytes(data: Any = b"") -> bytes:
    if not isinstance(data, bytes | memoryview):
        raise DatasetError("bytes that are made of something else")
    return bytes(data)


GLOBALS: dict[tuple[str, str], Callable[..., Any]] = {
    **{(f"numpy.{core}.multiarray", "_reconstruct"): _reconstruct for core in ("core", "_core")},
    **{(f"numpy.{core}.multiarray", "scalar"): _scalar for core in ("core", "_core")},
    **{(f"numpy.{core}.numeric", "_frombuffer"): _from_buffer for core in ("core", "_core")},
    ("numpy", "ndarray"): _class_name,
    ("numpy", "dtype"): _Type,
    ("collections", "OrderedDict"): _ordered_dict,
    ("_codecs", "encode"): _latin1,
    **{(module, name): _bytes for module in ("builtins", "__builtin__") for name in ("bytes", "bytearray")},
}
"""All that a file may name, and what stands for it."""


class _Unpickler(pickle._Unpickler):  # pyright: ignore[reportAttributeAccessIssue] (the one written in Python)
    """Knows the opcodes of plain data, and takes large bytes as views of the file."""

    stack: list[Any]
    append: Callable[[Any], None]
    dispatch: ClassVar[dict[int, Callable[..., None]]] = dict(pickle._Unpickler.dispatch)  # pyright: ignore

    def __init__(self, file: Any, data: memoryview) -> None:
        super().__init__(file)
        self._stream, self._data = file, data

    def find_class(self, module: str, name: str) -> Any:
        """Return what stands for a global. Raises DatasetError, naming it, if a file must not name it."""
        if (module, name) not in GLOBALS:
            raise DatasetError(
                f"names {module}.{name}, which is no array and no plain container; nothing of it was run, and it is not read"
            )
        return GLOBALS[module, name]

    def load_build(self) -> None:
        """Tell an array or a type what it is; nothing else has a state."""
        state, target = self.stack.pop(), self.stack[-1]
        if not isinstance(target, _Array | _Type):
            raise DatasetError(f"gives a {type(target).__name__} a state, which only arrays have")
        target.restore(state)

    def load_frame(self) -> None:
        """Skip the length of a frame, which only tells how much to read ahead."""
        self._take(8)

    def load_binbytes(self) -> None:
        """Take bytes of a length of four bytes."""
        self.append(self._take(struct.unpack("<I", self._take(4))[0]))

    def load_binbytes8(self) -> None:
        """Take bytes of a length of eight bytes."""
        self.append(self._take(struct.unpack("<Q", self._take(8))[0]))

    def refuse(self) -> None:
        """Raise DatasetError: the opcode makes objects."""
        raise DatasetError("makes an object of a class, which arrays and plain containers do not need; it is not read")

    def _take(self, size: int) -> memoryview:
        start = self._stream.tell()
        if start + size > len(self._data):
            raise DatasetError(f"ends in the midst of {size} bytes at {start}; the file is cut off")
        self._stream.seek(start + size)
        return self._data[start : start + size]

    dispatch[pickle.BUILD[0]] = load_build
    dispatch[pickle.FRAME[0]] = load_frame
    dispatch[pickle.BINBYTES[0]] = load_binbytes
    dispatch[pickle.BINBYTES8[0]] = load_binbytes8
    dispatch[pickle.BYTEARRAY8[0]] = load_binbytes8
    for _opcode in REFUSED_OPCODES:
        dispatch[_opcode[0]] = refuse


def plain(value: Any) -> Any:
    """Return part of what `load` returned, with arrays as read-only views of the file."""
    if isinstance(value, _Array):
        if value.value is None:
            raise DatasetError("an array without a description")
        return value.value
    if isinstance(value, dict):
        return {plain(key): plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return type(value)(plain(item) for item in value)
    return value


def load(path: Path) -> Any:
    """Return what a pickle holds; `plain` makes arrays of the places in it that hold some.

    Raises:
        DatasetError: If it names anything but arrays and plain containers (the message has the name), or is damaged.
    """
    try:
        with path.open("rb") as file:
            if not path.stat().st_size:
                raise DatasetError("is empty")
            mapped = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)  # lives for as long as an array looks at it
        return _Unpickler(mapped, memoryview(mapped)).load()
    except DatasetError as error:
        raise DatasetError(f"{path}: {error}") from error
    except (EOFError, IndexError) as error:
        raise DatasetError(f"{path}: is cut off: it ends in the middle") from error
    except Exception as error:
        raise DatasetError(f"{path}: not a pickle of arrays and plain containers: {type(error).__name__}: {error}") from error
