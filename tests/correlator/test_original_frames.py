"""Frames of a real bundle become frames of its sources; without a map they stay and say so."""

from pathlib import Path
from typing import Any

import pytest

from correlator import frames
from correlator.original_frames import OriginalFrames, is_generated
from schemas.records import Frame, ParsedStack

GOLDEN = Path(__file__).parent.parent / "golden" / "source_maps"
FILE = "dist/main.3f9c2a1b.js"


def known(service: str = "shop", version: str = "1.4.0", file: str = FILE, sha: str = "a") -> dict[str, Any]:
    return {"service": service, "version": version, "file": file, "content_sha256": sha}


def read(_service: str, _version: str, _file: str) -> bytes:
    return (GOLDEN / "main.3f9c2a1b.js.map").read_bytes()


@pytest.fixture
def stack() -> ParsedStack:
    found = frames.parse((GOLDEN / "a_bundle_by_esbuild.txt").read_text(), "nodejs")
    assert found is not None
    return found


def test_a_minified_stack_tells_files_lines_and_functions_of_the_source(stack: ParsedStack) -> None:
    found = OriginalFrames([known()], read).of(stack, "shop", ["1.4.0"]).outermost.frames
    assert [(f.file, f.function, f.line, f.in_app) for f in found[:6]] == [
        ("../src/prices.ts", "priceOf", 5, True),
        ("../src/cart.ts", None, 7, True),
        ("<anonymous>", "Array.map", None, None),
        ("../src/cart.ts", "e.totalPrice", 7, True),
        ("../src/cart.ts", "checkoutCart", 13, True),
        ("../src/main.ts", "Object.<anonymous>", 3, True),
    ]
    assert found[6] == stack.outermost.frames[6]


@pytest.mark.parametrize("row", [known(service="other"), known(version="1.3.0"), known(file="dist/other.js")])
def test_a_map_of_another_build_or_file_changes_nothing(stack: ParsedStack, row: dict[str, Any]) -> None:
    assert OriginalFrames([row], read).of(stack, "shop", ["1.4.0"]) == stack


def test_the_map_is_found_by_version_or_revision(stack: ParsedStack) -> None:
    maps = OriginalFrames([known(version="f" * 40)], read)
    assert maps.of(stack, "shop", [None, "1.4.0", "f" * 40]) != stack


@pytest.mark.parametrize(
    ("frame", "expected"),
    [
        (Frame("https://shop.example.org/static/js/main.3f9c2a1b.js", "t", 2, 14), True),
        (Frame("app.min.js", "t", 1, 5), True),
        (Frame("index.android.bundle", "t", 1, 12345), True),
        (Frame("/srv/dist/server.js", "t", 1, 4711), True),
        (Frame("/srv/shop/cart.js", "total", 12, 31), False),
        (Frame("/srv/shop/cart.py", "total", 1, 999), False),
    ],
)
def test_generated_code_is_known_by_its_name_or_its_columns(frame: Frame, expected: bool) -> None:
    assert is_generated(frame) is expected
