"""How the C library keeps the memory of tensors on the CPU."""

from __future__ import annotations

import ctypes
import sys

TRIM_THRESHOLD, MMAP_MAX = -1, -4  # M_TRIM_THRESHOLD and M_MMAP_MAX of <malloc.h>


def keep_freed_memory() -> bool:
    """Let this process keep the memory that it frees, and use it again.

    glibc hands every freed block of more than 32 MB back to the system, and gets it again page by page, each page
    cleared. A layer's feature maps are such blocks: in the textbook CNN that is 40 % of a step's time
    (`benchmarks/training.py`). The price is that the process stays as large as it once was. Other systems are left as
    they are.

    Returns
    -------
    Whether the C library did so.

    References
    ----------
    mallopt(3), Linux manual pages.
    """
    if not sys.platform.startswith("linux"):
        return False
    try:
        mallopt = ctypes.CDLL(None).mallopt
    except (OSError, AttributeError):  # another C library
        return False
    return bool(mallopt(MMAP_MAX, 0) and mallopt(TRIM_THRESHOLD, -1))
