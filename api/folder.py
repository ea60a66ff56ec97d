"""What lies in a data folder beside the store: where its running server listens, and files that only the owner reads.

A port says nothing about who listens there: the server that wrote ``server.json`` may be gone and another program may
have its port. Before a command sends its token, the listener proves that it knows the secret of the file.
"""

import hashlib
import hmac
import json
import os
import secrets
from dataclasses import asdict, dataclass
from pathlib import Path

from schemas.errors import StoreError

SERVER_FILE = "server.json"
"""Where the running server says which ports it has; the command line reads it. Mode 600."""
HASH_KEY_FILE = "hash.key"
CHALLENGE_HEADER = "X-Aftermerge-Challenge"
PROOF_HEADER = "X-Aftermerge-Proof"
CHALLENGE_CHARACTERS_MAX = 128


@dataclass(frozen=True, slots=True)
class Server:
    """A server as its ``server.json`` tells it; ``secret`` is new with every start and is sent to nobody.

    ``certificate_sha256`` is of the certificate's DER form, as hex; empty without TLS.
    """

    pid: int
    api_url: str
    otlp_grpc_port: int
    otlp_http_port: int
    token_path: str
    secret: str
    certificate_sha256: str = ""

    def prove(self, challenge: str) -> str:
        """HMAC-SHA-256 of ``challenge`` under the secret, as hex: who reads it learns nothing but that we know it."""
        bounded = challenge[:CHALLENGE_CHARACTERS_MAX]
        return hmac.new(self.secret.encode(), bounded.encode(), hashlib.sha256).hexdigest()


def state(data: Path, server: Server) -> None:
    """Write ``server.json``."""
    write_private(data / SERVER_FILE, json.dumps(asdict(server)) + "\n")


def stated(data: Path) -> Server | None:
    """What ``server.json`` says; None when there is none, or when it is not one of ours. It may be stale.

    Raises:
        StoreError: the file is another user's.
    """
    path = data / SERVER_FILE
    try:
        return Server(**json.loads(path.read_text(encoding="utf-8")))
    except (FileNotFoundError, NotADirectoryError, ValueError, TypeError):
        return None
    except OSError as error:
        raise StoreError(
            f"{path} cannot be read: {error.strerror}",
            hint="run the command as the user who started the server",
            path=str(path),
        ) from error


def withdraw(data: Path, server: Server) -> None:
    """Remove ``server.json`` if it is still this server's."""
    if stated(data) == server:
        (data / SERVER_FILE).unlink(missing_ok=True)


def hash_key(data: Path) -> bytes:
    """The key under which this installation hashes attributes, 32 bytes; made when there is none.

    Without the file equal values have other hashes than before, so it belongs into a backup of the data folder.
    """
    path = data / HASH_KEY_FILE
    if not path.exists():
        data.mkdir(parents=True, exist_ok=True)
        write_private(path, secrets.token_hex(32) + "\n")
    return bytes.fromhex(path.read_text(encoding="ascii").strip())


def write_private(path: Path, text: str) -> None:
    """Write a file that only its owner can read (mode 600), whole or not at all."""
    temporary = path.with_name(f"{path.name}.new")
    temporary.unlink(missing_ok=True)
    descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "w", encoding="utf-8") as file:
        file.write(text)
    temporary.replace(path)
