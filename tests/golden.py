"""Golden cases: an input named as a sentence, beside what we say about it.

``tests/golden/<subject>/<sentence>.txt`` is the input, ``<sentence>.json`` the expected output. With
``AFTERMERGE_GOLDEN=write`` in the environment the expectation is written instead of compared; the diff is then
reviewed like code.
"""

import json
import os
from pathlib import Path
from typing import Any

FOLDER = Path(__file__).parent / "golden"


def cases(subject: str) -> list[str]:
    """The sentences of one subject, sorted."""
    return sorted(path.stem for path in (FOLDER / subject).glob("*.txt"))


def text(subject: str, sentence: str) -> str:
    """The input, byte for byte as UTF-8: no newline is translated."""
    return (FOLDER / subject / f"{sentence}.txt").read_bytes().decode()


def check(subject: str, sentence: str, actual: Any) -> None:
    """Compare with the expectation, or write it on request."""
    path = FOLDER / subject / f"{sentence}.json"
    if os.environ.get("AFTERMERGE_GOLDEN") == "write":
        path.write_text(json.dumps(actual, indent=2, sort_keys=True, ensure_ascii=False) + "\n")
    assert actual == json.loads(path.read_text()), sentence
