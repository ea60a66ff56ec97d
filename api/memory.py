"""How the server's process holds memory: kept while loads follow each other, given back when they rest.

By its defaults glibc maps and unmaps each large buffer, with an arena for each of some thirty threads; Arrow keeps
pages of its own. At full speed that costs 1.8 page faults a span, a fifth of what a span takes (decision 22). Knows
nothing but glibc: elsewhere the calls do nothing.
"""

import contextlib
import ctypes
import importlib
import os

_M_ARENA_MAX, _M_MMAP_THRESHOLD, _M_TRIM_THRESHOLD = -8, -3, -1
"""Of malloc.h."""
_LIBRARIES = {"ARROW_DEFAULT_MEMORY_POOL": "system", "OPENBLAS_NUM_THREADS": "1"}
"""Read by the libraries as they load. Algebra on several threads is nothing we do, and each would hold a stack."""
_UNUSED = {"f2py", "testing"}
"""Parts of numpy that nothing here uses. scipy loads whatever numpy lists, and what those load in turn: 8 MB."""


def keep_at_work() -> None:
    """One place for all threads, where what a load took waits for the next one.

    To be called before anything starts a thread or loads Arrow: a thread that has an arena keeps it.
    """
    for name, value in _LIBRARIES.items():
        os.environ.setdefault(name, value)
    with contextlib.suppress(OSError, AttributeError):
        mallopt = ctypes.CDLL(None).mallopt
        mallopt(_M_ARENA_MAX, 1)
        mallopt(_M_MMAP_THRESHOLD, 32 << 20)
        mallopt(_M_TRIM_THRESHOLD, 1 << 30)
    listed = vars(importlib.import_module("numpy"))
    listed["__all__"] = [name for name in listed["__all__"] if name not in _UNUSED]
    # What dir() adds to that is kept in a name of numpy's own, which another release may not have.
    listed["__numpy_submodules__"] = set(listed.get("__numpy_submodules__", ())) - _UNUSED


def rest() -> None:
    """Give what is free back to the system: 4 ms of CPU, and at 20,000 spans a second 30 to 50 MB less are held."""
    with contextlib.suppress(OSError, AttributeError):
        ctypes.CDLL(None).malloc_trim(0)
