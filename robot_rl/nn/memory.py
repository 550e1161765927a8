"""How the C library treats memory that tensors have freed."""

from __future__ import annotations

import ctypes
import sys

_M_TRIM_THRESHOLD, _M_TOP_PAD, _M_MMAP_THRESHOLD = -1, -2, -3
"""Parameters of glibc's mallopt, from malloc.h."""

_MEBIBYTE = 1 << 20


def keep_freed_memory() -> bool:
    """Keep up to half a gibibyte of freed memory in this process instead of returning it to the system at once.

    A learner on a CPU frees and allocates the same tens of megabytes at every update. By default glibc returns them
    each time, and the page faults of getting them back take up to a third of an update on a busy machine.

    Returns:
        Whether the C library is one that can be told; only speed depends on it.
    """
    if not sys.platform.startswith("linux"):
        return False
    try:
        mallopt = ctypes.CDLL(None).mallopt
    except (OSError, AttributeError):
        return False
    return all(
        mallopt(parameter, size * _MEBIBYTE) == 1
        for parameter, size in ((_M_MMAP_THRESHOLD, 32), (_M_TRIM_THRESHOLD, 512), (_M_TOP_PAD, 64))
    )
