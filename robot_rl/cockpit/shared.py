"""Memory that two processes share without a name: it is gone with them, also after kill -9."""

from __future__ import annotations

import mmap
import os
import tempfile


def create_shared(name: str, size: int) -> int:
    """Return a file descriptor of new, zeroed memory of `size` bytes; a child that inherits it shares the memory.

    Args:
        name: For those who look into /proc.
        size: Bytes.
    """
    if hasattr(os, "memfd_create"):
        fd = os.memfd_create(name)
    else:  # not Linux: a file without a name does
        fd, path = tempfile.mkstemp(prefix=name)
        os.unlink(path)
    os.ftruncate(fd, size)
    return fd


def map_shared(fd: int) -> mmap.mmap:
    """Return all of the memory behind `fd`, as large as it is now."""
    return mmap.mmap(fd, os.fstat(fd).st_size)
