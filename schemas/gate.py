"""A gate that many pass together and one takes alone."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager


class Gate:
    """Any number of threads are inside (:meth:`passing`), or one that found nobody inside (:meth:`taken`)."""

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._inside = 0
        self._is_closed = False
        self._depth = threading.local()

    @contextmanager
    def passing(self) -> Iterator[None]:
        """Inside with others; a thread that is inside may pass again. Waits while somebody has the gate alone."""
        depth = getattr(self._depth, "value", 0)
        if depth == 0:
            with self._changed:
                while self._is_closed:
                    self._changed.wait()
                self._inside += 1
        self._depth.value = depth + 1
        try:
            yield
        finally:
            self._depth.value = depth
            if depth == 0:
                with self._changed:
                    self._inside -= 1
                    self._changed.notify_all()

    @contextmanager
    def taken(self, wait_s: float) -> Iterator[bool]:
        """Alone (True) when all others left within ``wait_s`` seconds, in which nobody new comes in; else False.

        False as well where this thread is inside, or another one has the gate or waits for it.
        """
        is_alone = False
        with self._changed:
            if not self._is_closed and not getattr(self._depth, "value", 0):
                self._is_closed = True
                is_alone = self._changed.wait_for(lambda: self._inside == 0, timeout=wait_s)
                if not is_alone:
                    self._open()
        try:
            yield is_alone
        finally:
            if is_alone:
                with self._changed:
                    self._open()

    def _open(self) -> None:
        self._is_closed = False
        self._changed.notify_all()
