import asyncio
import os
import time
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from collector import segments
from collector.counters import Counters
from collector.otlp import Request, Signal
from collector.segments import Segment
from collector.spool import Spool
from schemas.errors import StoreError


def request(body: bytes = b"body") -> Request:
    return Request(Signal.TRACES, body, 1_700_000_000_000_000)


def append(spool: Spool, *bodies: bytes) -> None:
    async def all_at_once() -> None:
        await asyncio.gather(*(spool.append(request(b)) for b in bodies))

    asyncio.run(all_at_once())


def closed(spool: Spool) -> None:
    asyncio.run(spool.close())


def bodies(spool: Spool) -> list[bytes]:
    return [r.body for s in spool.sealed() for r in segments.read(s).requests]


def written(folder: Path, *parts: bytes, is_sealed: bool = True, number: int = 7) -> Segment:
    """A segment file of these records, as the spool writes it."""
    name = f"{number:019d}" + (segments.SEALED_SUFFIX if is_sealed else segments.OPEN_SUFFIX)
    path = folder / name
    path.write_bytes(b"".join(segments.record(number, request(p)) for p in parts))
    return segments.find(folder)[0]


def damage(segment: Segment, change: Any) -> Segment:
    data = bytearray(segment.path.read_bytes())
    segment.path.write_bytes(bytes(change(data)))
    return segment


def flipped(at: int) -> Any:
    def change(data: bytearray) -> bytearray:
        data[at] ^= 0xFF
        return data

    return change


def test_what_was_appended_is_on_disk_when_append_returns(tmp_path: Path) -> None:
    spool = Spool(tmp_path, segment_age_s=60)
    append(spool, b"one", b"two")
    (on_disk,) = segments.find(tmp_path)
    assert not on_disk.is_sealed
    assert [r.body for r in segments.read(on_disk).requests] == [b"one", b"two"]
    closed(spool)


def test_many_waiting_requests_share_few_syncs(tmp_path: Path) -> None:
    counters = Counters()
    spool = Spool(tmp_path, counters=counters)
    append(spool, *(b"%d" % n for n in range(300)))
    syncs = counters.registry.get_sample_value("aftermerge_spool_sync_seconds_count")
    closed(spool)
    assert syncs is not None
    assert syncs < 100
    assert sorted(bodies(spool), key=int) == [b"%d" % n for n in range(300)]


def test_size_and_age_seal_a_segment(tmp_path: Path) -> None:
    spool = Spool(tmp_path, segment_bytes_max=100, segment_age_s=60)
    append(spool, b"x" * 200)
    assert spool.take(5) is not None
    append(spool, b"x" * 200)
    deadline = time.monotonic() + 5
    while len(spool.sealed()) < 2 and time.monotonic() < deadline:
        time.sleep(0.01)
    assert len(spool.sealed()) == 2
    closed(spool)
    aged = Spool(tmp_path / "aged", segment_age_s=0.05)
    append(aged, b"x")
    assert aged.take(5)
    closed(aged)


def test_segment_numbers_never_repeat_even_in_an_emptied_folder(tmp_path: Path) -> None:
    numbers = []
    for _ in range(3):
        spool = Spool(tmp_path)
        append(spool, b"x")
        spool.seal()
        append(spool, b"y")
        closed(spool)
        for segment in spool.sealed():
            numbers.append(segment.number)
            spool.remove(segment)
    assert len(set(numbers)) == 6
    assert numbers == sorted(numbers)
    assert max(numbers) < 2**63


def test_the_backlog_counts_what_is_accepted_and_not_loaded(tmp_path: Path) -> None:
    spool = Spool(tmp_path, backlog_bytes_max=1000)
    append(spool, b"x" * 400)
    assert spool.backlog_bytes == segments.record_bytes(b"x" * 400)
    assert spool.has_room(100)
    assert not spool.has_room(900)
    spool.seal()
    again = Spool(tmp_path, backlog_bytes_max=1000)
    assert (again.backlog_bytes, again.is_replaying) == (spool.backlog_bytes, True)
    again.remove(again.sealed()[0])
    assert (again.backlog_bytes, again.is_replaying, again.oldest_unix_s()) == (0, False, None)
    closed(again)
    closed(spool)


def test_a_closed_spool_accepts_nothing(tmp_path: Path) -> None:
    spool = Spool(tmp_path)
    closed(spool)
    with pytest.raises(StoreError):
        append(spool, b"x")


def test_a_caller_that_goes_away_leaves_its_request(tmp_path: Path) -> None:
    spool = Spool(tmp_path)

    async def cancelled() -> None:
        task = asyncio.create_task(spool.append(request(b"left")))
        await asyncio.sleep(0)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)

    asyncio.run(cancelled())
    closed(spool)
    assert bodies(spool) == [b"left"]


def test_a_failed_sync_refuses_the_batch_and_keeps_what_was_acknowledged(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    counters = Counters()
    spool = Spool(tmp_path, segment_age_s=60, counters=counters)
    append(spool, b"safe")
    real, failures = os.fdatasync, [OSError(28, "No space left on device")]

    def fdatasync(fd: int) -> None:
        if failures:
            raise failures.pop()
        real(fd)

    monkeypatch.setattr(os, "fdatasync", fdatasync)
    with pytest.raises(StoreError, match="No space left"):
        append(spool, b"lost")
    assert not spool.is_healthy
    append(spool, b"after")
    assert spool.is_healthy
    closed(spool)
    assert bodies(spool) == [b"safe", b"after"]
    assert spool.backlog_bytes == sum(s.size_bytes for s in spool.sealed())
    damage_count = counters.registry.get_sample_value("aftermerge_spool_damage_total", {"kind": "write"})
    assert damage_count == 1


def test_an_interrupted_last_write_is_torn_not_corrupt(tmp_path: Path) -> None:
    whole = len(segments.record(7, request(b"one")))
    for cut in (whole + 1, whole + 20, 2 * whole - 1):
        segment = damage(written(tmp_path, b"one", b"two", is_sealed=False), lambda d, cut=cut: d[:cut])
        content = segments.read(segment)
        assert [r.body for r in content.requests] == [b"one"]
        assert (content.torn_bytes, content.corrupt_bytes) == (cut - whole, 0)


def test_a_tail_of_zeros_in_an_open_segment_is_torn(tmp_path: Path) -> None:
    segment = damage(written(tmp_path, b"one", is_sealed=False), lambda d: d + bytes(4096))
    content = segments.read(segment)
    assert (len(content.requests), content.torn_bytes, content.corrupt_bytes) == (1, 4096, 0)


def test_the_same_damage_in_a_sealed_segment_is_corrupt(tmp_path: Path) -> None:
    content = segments.read(damage(written(tmp_path, b"one", b"two"), lambda d: d[:-1]))
    assert content.torn_bytes == 0
    assert content.corrupt_bytes > 0


def test_good_records_behind_a_damaged_one_are_found(tmp_path: Path) -> None:
    size = len(segments.record(7, request(b"two")))
    for at in (size, size + 9, size + 13, 2 * size - 1):
        content = segments.read(damage(written(tmp_path, b"one", b"two", b"six"), flipped(at)))
        assert [r.body for r in content.requests] == [b"one", b"six"]
        assert content.corrupt_bytes == size


def test_a_body_that_holds_another_segments_records_is_not_searched(tmp_path: Path) -> None:
    forged = segments.record(8, request(b"forged"))
    content = segments.read(damage(written(tmp_path, b"x" + forged + b"y"), flipped(9)))
    assert content.requests == ()


@settings(max_examples=50, deadline=None)
@given(st.lists(st.binary(max_size=60), min_size=1, max_size=5), st.data())
def test_no_damage_yields_a_record_that_was_not_written(
    tmp_path_factory: pytest.TempPathFactory, sent: list[bytes], data: st.DataObject
) -> None:
    segment = written(tmp_path_factory.mktemp("spool"), *sent, is_sealed=data.draw(st.booleans()))
    size = segment.path.stat().st_size
    change = data.draw(st.sampled_from(["flip", "cut", "add"]))
    at = data.draw(st.integers(0, size - 1))
    if change == "flip":
        damage(segment, flipped(at))
    elif change == "cut":
        damage(segment, lambda d: d[:at])
    else:
        damage(segment, lambda d: d + bytes(at % 50 + 1))
    content = segments.read(segment)
    left = list(sent)
    for found in content.requests:
        assert found.body in left
        left.remove(found.body)
    if change == "flip":
        assert len(content.requests) == len(sent) - 1
    assert (
        sum(segments.record_bytes(r.body) for r in content.requests)
        + content.torn_bytes
        + (content.corrupt_bytes)
        == segment.path.stat().st_size
    )


def test_a_fresh_segment_is_taken_from_memory_and_is_what_its_file_holds(tmp_path: Path) -> None:
    spool = Spool(tmp_path, segment_age_s=60)
    append(spool, b"one", b"two")
    spool.seal()
    segment = spool.take(5)
    assert segment is not None
    on_disk = segments.read(segment)
    segment.path.unlink()
    assert spool.content(segment) == on_disk
    # Once only: asked again, the file is what counts.
    with pytest.raises(FileNotFoundError):
        spool.content(segment)
    closed(spool)


def test_only_a_segment_of_this_process_that_never_came_back_is_fresh(tmp_path: Path) -> None:
    first = Spool(tmp_path, segment_age_s=60)
    append(first, b"old")
    closed(first)
    second = Spool(tmp_path, segment_age_s=60)
    append(second, b"new")
    second.seal()
    inherited, new = second.take(0.0), second.take(0.0)
    assert inherited is not None
    assert new is not None
    assert (second.is_fresh(inherited), second.is_fresh(new)) == (False, True)
    second.give_back(new)
    assert not second.is_fresh(new)
    closed(second)
