"""Certificates made for a test by the openssl command; good for a day."""

import shutil
import subprocess
from pathlib import Path
from typing import NamedTuple

import pytest

_NAMES = "subjectAltName=IP:127.0.0.1,DNS:localhost"


class Pair(NamedTuple):
    """PEM files."""

    certificate: Path
    key: Path

    @property
    def paths(self) -> tuple[str, str]:
        return str(self.certificate), str(self.key)


def authority(folder: Path, name: str = "authority") -> Pair:
    """A certificate that signs others."""
    return _made(folder, name, "-addext", "basicConstraints=critical,CA:TRUE")


def signed(folder: Path, by: Pair, name: str) -> Pair:
    """A certificate for 127.0.0.1 that ``by`` signed, for servers and clients."""
    return _made(folder, name, "-addext", _NAMES, "-CA", str(by.certificate), "-CAkey", str(by.key))


def self_signed(folder: Path, name: str = "self") -> Pair:
    """A certificate for 127.0.0.1 that signs itself."""
    return _made(folder, name, "-addext", _NAMES)


def _made(folder: Path, name: str, *options: str) -> Pair:
    if shutil.which("openssl") is None:
        pytest.skip("openssl is not installed: apt-get install -y openssl")
    pair = Pair(folder / f"{name}.crt", folder / f"{name}.key")
    new = (
        "openssl",
        "req",
        "-x509",
        "-newkey",
        "ec",
        "-pkeyopt",
        "ec_paramgen_curve:P-256",
        "-nodes",
        "-days",
        "1",
    )
    files = ("-subj", f"/CN={name}", "-out", str(pair.certificate), "-keyout", str(pair.key))
    done = subprocess.run([*new, *files, *options], capture_output=True, text=True, check=False, timeout=30)
    assert done.returncode == 0, done.stderr
    return pair
