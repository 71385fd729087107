"""What the C library keeps of the memory a process gave up: as little as it can be told to.

Messages and password hashes are megabytes that live for milliseconds in several threads. Left alone, glibc keeps in
each thread's arena the most it ever held (measured after start-up: 197 MB of anonymous memory; so, 76). Where the C library is another
one, nothing is changed.
"""

from __future__ import annotations

import contextlib
import ctypes

_M_MMAP_THRESHOLD, _M_ARENA_MAX = -3, -8  # malloc.h
_THRESHOLD = 256 * 1024


def bound_allocator() -> None:
    """Large buffers go back to the system at once, and threads share two arenas."""
    with contextlib.suppress(OSError, AttributeError):
        library = ctypes.CDLL(None)
        library.mallopt(_M_MMAP_THRESHOLD, _THRESHOLD)
        library.mallopt(_M_ARENA_MAX, 2)


def trim() -> None:
    """Gives back what is free now."""
    with contextlib.suppress(OSError, AttributeError):
        ctypes.CDLL(None).malloc_trim(0)
