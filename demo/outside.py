"""What Acme does not own: the payment gateway and the warehouse's scales. Plain HTTP, no telemetry, sometimes down."""

import json
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread

WEIGHING_S = 0.03
"""How long the warehouse needs to weigh one shelf."""


class _Handler(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        time.sleep(WEIGHING_S)
        self._answer({"pieces": 40 + len(self.path)})

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers.get("Content-Length") or 0))
        self._answer({"charged": True})

    def log_message(self, format: str, *args: object) -> None:
        """Nobody reads the log of somebody else's server."""

    def _answer(self, body: dict[str, object]) -> None:
        payload = json.dumps(body).encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(payload)))
        self.end_headers()
        self.wfile.write(payload)


class Outside:
    """One server of somebody else, which can go down and come back on its port."""

    def __init__(self) -> None:
        self._server: ThreadingHTTPServer | None = ThreadingHTTPServer(("127.0.0.1", 0), _Handler)
        self.port: int = self._server.server_address[1]
        self._run(self._server)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def go_down(self) -> None:
        """Refuse connections from now on."""
        if self._server is not None:
            self._server.shutdown()
            self._server.server_close()
            self._server = None

    def come_back(self) -> None:
        if self._server is None:
            self._server = ThreadingHTTPServer(("127.0.0.1", self.port), _Handler)
            self._run(self._server)

    def _run(self, server: ThreadingHTTPServer) -> None:
        Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()
