import gzip
import zlib

import pytest
import zstandard
from hypothesis import given, settings
from hypothesis import strategies as st

from collector import encodings
from collector.encodings import TooLarge, UnsupportedEncoding
from schemas.errors import MalformedInput

MIB = 1024 * 1024


@settings(max_examples=40, deadline=None)
@given(st.lists(st.binary(max_size=300), min_size=1, max_size=5))
def test_what_was_compressed_comes_back_also_in_several_members(parts: list[bytes]) -> None:
    zipped = b"".join(gzip.compress(p) for p in parts)
    framed = b"".join(zstandard.ZstdCompressor().compress(p) for p in parts)
    assert encodings.inflate(zipped, "gzip", MIB) == b"".join(parts)
    assert encodings.inflate(framed, "zstd", MIB) == b"".join(parts)
    assert encodings.inflate(b"".join(parts), None, MIB) == b"".join(parts)


def test_the_bound_holds_exactly_after_decompression() -> None:
    for name, compress in (("gzip", gzip.compress), ("zstd", zstandard.ZstdCompressor().compress)):
        assert len(encodings.inflate(compress(bytes(1000)), name, 1000)) == 1000
        with pytest.raises(TooLarge):
            encodings.inflate(compress(bytes(1001)), name, 1000)
    with pytest.raises(TooLarge):
        encodings.inflate(bytes(1001), "identity", 1000)


def test_a_bomb_is_refused_without_being_inflated() -> None:
    bomb = gzip.compress(bytes(64 * MIB))
    assert len(bomb) < 100_000
    for body, name in ((bomb, "gzip"), (zstandard.ZstdCompressor().compress(bytes(64 * MIB)), "zstd")):
        with pytest.raises(TooLarge):
            encodings.inflate(body, name, MIB)


@pytest.mark.parametrize("name", ["gzip", "zstd"])
@pytest.mark.parametrize(
    "body",
    [b"", b"not compressed", gzip.compress(b"x" * 99)[:-5], b"\x28\xb5\x2f\xfd\x04"],
    ids=["empty", "plain", "cut-gzip", "cut-zstd"],
)
def test_a_cut_or_foreign_stream_is_malformed(name: str, body: bytes) -> None:
    with pytest.raises(MalformedInput):
        encodings.inflate(body, name, MIB)


def test_a_raw_deflate_or_brotli_body_is_unsupported() -> None:
    for name in ("deflate", "br", "gzip, gzip"):
        with pytest.raises(UnsupportedEncoding):
            encodings.inflate(zlib.compress(b"x"), name, MIB)


def test_a_body_of_endless_empty_members_is_refused() -> None:
    with pytest.raises(MalformedInput):
        encodings.inflate(gzip.compress(b"") * 200_000, "gzip", 64 * MIB)


def test_a_frame_that_asks_for_a_huge_window_is_refused() -> None:
    parameters = zstandard.ZstdCompressionParameters(window_log=27, write_content_size=False)
    frame = zstandard.ZstdCompressor(compression_params=parameters).compressobj()
    body = frame.compress(bytes(MIB)) + frame.flush()
    with pytest.raises(MalformedInput):
        encodings.inflate(body, "zstd", 64 * MIB)
