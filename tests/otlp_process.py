"""A collector as a process of its own, for tests that kill it: ``python otlp_process.py FOLDER``.

Prints the HTTP port, then serves until it is killed.
"""

import asyncio
import sys
from pathlib import Path

import uvicorn

from collector import otlp_http
from collector.counters import Counters
from collector.loader import Loader
from collector.receiver import Receiver
from collector.spool import Spool
from schemas.settings import Settings
from schemas.store import Store


async def main(folder: Path) -> None:
    settings = Settings(data=folder)
    counters = Counters()
    store = Store.open(settings.store_path)
    # Small and short-lived segments, so that a kill meets every stage: open, sealed, committed, deleted.
    spool = Spool(settings.spool_path, segment_bytes_max=20_000, segment_age_s=0.05, counters=counters)
    Loader(store, spool, settings, counters).start()
    application = otlp_http.app(Receiver(settings, spool, counters), authorize=lambda _: True)
    server = uvicorn.Server(uvicorn.Config(application, port=0, log_level="error", access_log=False))
    serving = asyncio.create_task(server.serve())
    while not server.started:
        await asyncio.sleep(0.01)
    sys.stdout.write(f"{server.servers[0].sockets[0].getsockname()[1]}\n")
    sys.stdout.flush()
    await serving


if __name__ == "__main__":
    asyncio.run(main(Path(sys.argv[1])))
