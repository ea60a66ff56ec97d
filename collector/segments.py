"""The spool's files: records of length, checksum and body; what a crash or a bad disk did to them is found here.

A file is a sequence of records, each ``magic, length, crc32, signal, received_unix_us, body``. The magic differs from
file to file, so that a body cannot be taken for a record when a damaged file is searched for the next good one.
"""

import struct
import zlib
from dataclasses import dataclass
from pathlib import Path

from collector.otlp import Request, Signal

_HEADER = struct.Struct("<QIIBQ")
_META = struct.Struct("<BQ")
_MAGIC = 0xA57E_27E4_6E5F_0001
OPEN_SUFFIX = ".open"
SEALED_SUFFIX = ".segment"


@dataclass(frozen=True, slots=True)
class Segment:
    """One spool file. ``number`` is its identity in ``spool_done``, never given twice; ``is_sealed``: its writer
    finished it, so that an incomplete end is damage and not an interrupted, unacknowledged write."""

    path: Path
    number: int
    size_bytes: int
    is_sealed: bool


@dataclass(frozen=True, slots=True)
class Content:
    """What a segment holds. ``torn_bytes``: an unfinished end that was never acknowledged; ``corrupt_bytes``: damage."""

    requests: tuple[Request, ...]
    torn_bytes: int
    corrupt_bytes: int


def find(folder: Path) -> list[Segment]:
    """The segments in ``folder``, oldest first; files with other names are left alone."""
    found = []
    for path in folder.iterdir():
        if path.suffix in (OPEN_SUFFIX, SEALED_SUFFIX) and path.stem.isdigit():
            is_sealed = path.suffix == SEALED_SUFFIX
            found.append(Segment(path, int(path.stem), path.stat().st_size, is_sealed))
    return sorted(found, key=lambda s: s.number)


def record(number: int, request: Request) -> bytes:
    """One request as a record of segment ``number``."""
    meta = _META.pack(request.signal, request.received_unix_us)
    crc = zlib.crc32(request.body, zlib.crc32(meta))
    header = _HEADER.pack(_MAGIC ^ number, len(request.body), crc, request.signal, request.received_unix_us)
    return header + request.body


def record_bytes(body: bytes) -> int:
    """Bytes that a record with this body takes."""
    return _HEADER.size + len(body)


def read(segment: Segment) -> Content:
    """All good records of a segment, in order, also those behind a damaged one.

    Raises:
        OSError: the file cannot be read.
    """
    data = segment.path.read_bytes()
    magic = struct.pack("<Q", _MAGIC ^ segment.number)
    requests: list[Request] = []
    at = corrupt = torn = 0
    while at < len(data):
        request = _record_at(data, at, magic)
        if request is not None:
            requests.append(request)
            at += record_bytes(request.body)
            continue
        resume = _next_record(data, at + 1, magic)
        if resume is not None:
            corrupt += resume - at
            at = resume
            continue
        rest = len(data) - at
        if not segment.is_sealed and _is_torn(data, at, magic):
            torn = rest
        else:
            corrupt += rest
        break
    return Content(tuple(requests), torn, corrupt)


def _record_at(data: bytes, at: int, magic: bytes) -> Request | None:
    if len(data) - at < _HEADER.size or not data.startswith(magic, at):
        return None
    _, length, crc, signal, received_unix_us = _HEADER.unpack_from(data, at)
    start = at + _HEADER.size
    if length > len(data) - start:
        return None
    body = data[start : start + length]
    if zlib.crc32(body, zlib.crc32(_META.pack(signal, received_unix_us))) != crc or signal not in set(Signal):
        return None
    return Request(Signal(signal), body, received_unix_us)


def _next_record(data: bytes, start: int, magic: bytes) -> int | None:
    at = data.find(magic, start)
    while at >= 0:
        if _record_at(data, at, magic) is not None:
            return at
        at = data.find(magic, at + 1)
    return None


def _is_torn(data: bytes, at: int, magic: bytes) -> bool:
    """True when the file simply ends too early at ``at``, or ends in zeros: a size that reached the disk before its data."""
    rest = len(data) - at
    if not data[at:].strip(b"\x00"):
        return True
    if not data.startswith(magic[: min(rest, len(magic))], at):
        return False
    if rest < _HEADER.size:
        return True
    length: int = _HEADER.unpack_from(data, at)[1]
    return _HEADER.size + length > rest
