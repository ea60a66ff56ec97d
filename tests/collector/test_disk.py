"""A disk that is full or read-only: refused with an error that says so and may be retried, nothing acknowledged is lost."""

import asyncio
import subprocess
from collections.abc import Iterator
from pathlib import Path

import httpx
import otlp_builders as build
import pytest
from google.rpc import code_pb2, status_pb2

from collector import segments
from collector.otlp import Request, Signal
from collector.spool import Spool
from schemas.errors import StoreError

MIB = 1024 * 1024
PROTOBUF = {"content-type": "application/x-protobuf"}


def mounted(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(["mount", *arguments], capture_output=True, text=True, check=False)


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of 4 MiB."""
    folder = tmp_path / "spool"
    folder.mkdir()
    done = mounted("-t", "tmpfs", "-o", "size=4m", "tmpfs", str(folder))
    if done.returncode:
        pytest.skip(
            f"a tmpfs cannot be mounted here (run as root, apt-get install -y mount): {done.stderr.strip()}"
        )
    yield folder
    subprocess.run(["umount", str(folder)], check=True)


def append(spool: Spool, body: bytes) -> None:
    asyncio.run(spool.append(Request(Signal.TRACES, body, 1)))


def test_a_full_disk_refuses_and_keeps_what_was_acknowledged(small_disk: Path) -> None:
    spool = Spool(small_disk, segment_bytes_max=MIB, segment_age_s=60)
    acknowledged: list[bytes] = []

    def fill() -> None:
        for number in range(100):
            body = bytes([number]) * 300_000
            append(spool, body)
            acknowledged.append(body)

    with pytest.raises(StoreError, match="No space left") as refused:
        fill()
    assert refused.value.hint == "check the disk of the data folder"
    assert len(acknowledged) >= 10
    assert not spool.is_healthy
    kept = [r.body for s in segments.find(small_disk) for r in segments.read(s).requests]
    assert kept == acknowledged
    # Room again, as when the loader has stored a segment: it goes on without a restart.
    spool.remove(spool.sealed()[0])
    append(spool, b"again")
    assert spool.is_healthy
    asyncio.run(spool.close())
    assert all(segments.read(s).corrupt_bytes == 0 for s in spool.sealed())


def test_a_read_only_disk_is_answered_503_and_is_not_ready_until_it_can_be_written(
    small_disk: Path, tmp_path: Path
) -> None:
    body = build.traces(build.span()).SerializeToString()
    with build.running_collector(tmp_path) as running, httpx.Client(base_url=running.url) as client:
        assert client.post("/v1/traces", content=body, headers=PROTOBUF).status_code == 200
        assert running.count("spans") == 1
        done = mounted("-o", "remount,ro", str(small_disk))
        if done.returncode:
            pytest.skip(f"the file system is in use: {done.stderr.strip()}")
        refused = client.post("/v1/traces", content=body, headers=PROTOBUF)
        assert (refused.status_code, refused.headers["retry-after"]) == (503, "2")
        status = status_pb2.Status.FromString(refused.content)
        assert status.code == code_pb2.UNAVAILABLE
        assert "Read-only file system" in status.message
        assert client.get("/readyz").status_code == 503
        assert mounted("-o", "remount,rw", str(small_disk)).returncode == 0
        assert client.post("/v1/traces", content=body, headers=PROTOBUF).status_code == 200
        assert client.get("/readyz").status_code == 200
        assert running.count("spans") == 2
