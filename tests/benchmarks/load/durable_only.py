"""``aftermerge serve`` whose loader rests: requests are made durable in the spool and stay there.

Everything else is the real server, so that the cost of the receiving half is measured in the process that runs it.
SIGUSR1 wakes the loader: until then a full backlog stays full, whatever the machine does.
"""

import signal

from api import cli, serve
from collector.loader import Loader


class Resting(Loader):
    """Says that it lives, so that the server is ready, and loads nothing before it is woken."""

    def start(self) -> None:
        """Wait for the signal."""
        signal.signal(signal.SIGUSR1, lambda *_: super(Resting, self).start())

    @property
    def is_alive(self) -> bool:
        """As a loader that keeps up."""
        return True


if __name__ == "__main__":
    serve.Loader = Resting  # type: ignore[attr-defined]
    cli.main()
