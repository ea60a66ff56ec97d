"""git-ai notes: which lines of a commit an AI tool wrote and which a person is known to have typed.

Text before ``---`` names files and line ranges per key, the JSON after it says whose key it is. Three kinds of key:
``s_...::t_...`` (session), ``h_...`` (a person), bare hex (prompt). Lines under no key are untracked, not human.
A note without an AI line is no evidence of AI. Source: git-ai, "Git AI Standard" 3.0.0.
"""

import json
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from correlator.catalogue_rules import UNSPECIFIED, Catalogue
from schemas.records import AttestedLines
from schemas.vocabulary import Origin

RANGES_MAX = 100_000
LINE_NUMBER_MAX = 10_000_000


@dataclass(frozen=True, slots=True)
class AiNote:
    """What a note attests. Counts are of distinct lines; a line under an AI key and a person's key counts as AI."""

    lines: tuple[AttestedLines, ...]
    tools: tuple[str, ...]
    models: tuple[str, ...]
    ai_line_count: int
    human_line_count: int
    is_truncated: bool


EMPTY = AiNote((), (), (), 0, 0, False)

_KEY_LINE = re.compile(r"^  (?P<key>\S+) (?P<ranges>[\d,-]+)\s*$")
_AI_KEY = re.compile(r"^(?:s_[0-9a-f]+(?:::t_[0-9a-f]+)?|[0-9a-f]{7,64})$")
_HUMAN_KEY = re.compile(r"^h_[0-9a-f]+$")
_AGENT = re.compile(r"\"(?P<key>[\w:]{7,80})\"\s*:\s*\{\s*\"agent_id\"\s*:\s*(?P<agent>\{[^{}]*\})")
_VERSION = re.compile(r"\"schema_version\"\s*:\s*\"(?P<version>[^\"]*)\"")
_ESCAPE = re.compile(r"\\([0-7]{3}|.)")
_ESCAPED = {"n": "\n", "t": "\t", "r": "\r", "a": "\a", "b": "\b", "f": "\f", "v": "\v"}


def parse(text: str, catalogue: Catalogue) -> AiNote:
    """Read a note; what is cut off or malformed is left out, never guessed.

    Args:
        text: the note up to a size cap, so that it may end in mid-word.

    Returns:
        ``lines`` in the order of the note, origin ai or human; :data:`EMPTY` for another or older format, which
        the standard says not to read.
    """
    body = text.replace("\r\n", "\n")
    head, separator, tail = ("", "---", body[4:]) if body.startswith("---\n") else body.partition("\n---\n")
    is_truncated = not separator
    version = _VERSION.search(tail)
    if version and not version["version"].startswith("authorship/3."):
        return EMPTY
    if is_truncated:
        head = head[: head.rfind("\n") + 1]  # the last line may be cut in the middle of a number
    agents = {m["key"]: m["agent"] for m in _AGENT.finditer(tail)}
    lines: list[AttestedLines] = []
    models: set[str] = set()
    for path, key, start, end in _ranges(head):
        if _HUMAN_KEY.match(key):
            lines.append(AttestedLines(path, start, end, Origin.HUMAN, None))
        elif _AI_KEY.match(key):
            tool, model = _agent(agents.get(key.partition("::")[0]), catalogue)
            lines.append(AttestedLines(path, start, end, Origin.AI, tool))
            models |= {model} if model else set()
    return _note(lines, models, is_truncated=is_truncated or not _is_whole(tail))


def traced(lines: Sequence[AttestedLines], catalogue: Catalogue) -> AiNote:
    """What imported records attest, in the form of a note: tools by the catalogue's names."""
    named = [
        replace(line, tool=tool_of(line.tool or "", catalogue) if line.origin is Origin.AI else None)
        for line in lines
    ]
    return _note(named, {line.model for line in lines if line.model}, is_truncated=False)


def tool_of(name: str, catalogue: Catalogue) -> str:
    """The catalogue's tool behind the name that a note or record gives it; an unknown name stays itself."""
    spelled = name.strip().lower()
    found = (
        catalogue.note_names.get(spelled)
        or catalogue.product_tools.get(spelled)
        or re.sub(r"[^a-z0-9.]+", "-", spelled).strip("-")
    )
    return found[:40] or UNSPECIFIED


def _note(lines: Sequence[AttestedLines], models: set[str], *, is_truncated: bool) -> AiNote:
    ai = _distinct(line for line in lines if line.origin is Origin.AI)
    human = _distinct(line for line in lines if line.origin is Origin.HUMAN)
    return AiNote(
        lines=tuple(lines),
        tools=tuple(sorted({line.tool for line in lines if line.tool})),
        models=tuple(sorted(models)),
        ai_line_count=_size(ai),
        human_line_count=_size(_merged(ai, human)) - _size(ai),
        is_truncated=is_truncated,
    )


def _ranges(head: str) -> Iterator[tuple[str, str, int, int]]:
    path: str | None = None
    count = 0
    for line in head.split("\n"):
        if line and not line[0].isspace():
            path = _path(line)
            continue
        found = _KEY_LINE.match(line)
        if not found or path is None:
            continue
        for part in found["ranges"].split(","):
            first, _, last = part.partition("-")
            if not first.isdigit() or (last and not last.isdigit()) or len(first) > 8 or len(last) > 8:
                continue
            start, end = int(first), int(last or first)
            if 1 <= start <= end <= LINE_NUMBER_MAX and count < RANGES_MAX:
                count += 1
                yield path, found["key"], start, end


def _path(line: str) -> str:
    """A path, quoted when it holds blanks; escapes as git writes them."""
    line = line.rstrip()
    if len(line) < 2 or line[0] != '"' or line[-1] != '"':
        return line
    inner = line[1:-1]
    if "\\" not in inner:
        return inner
    out = bytearray()
    position = 0
    for found in _ESCAPE.finditer(inner):
        out += inner[position : found.start()].encode()
        code = found[1]
        out += bytes([int(code, 8) & 0xFF]) if len(code) == 3 else _ESCAPED.get(code, code).encode()
        position = found.end()
    return (out + inner[position:].encode()).decode("utf-8", "replace")


def _agent(text: str | None, catalogue: Catalogue) -> tuple[str, str | None]:
    """Tool and model of a session or prompt; a key that the JSON lost is still an AI's."""
    try:
        agent = json.loads(text) if text else {}
    except ValueError:
        agent = {}
    model = str(agent.get("model") or "").strip()
    is_named = model.lower() not in ("", "unknown", "default", "auto")
    return tool_of(str(agent.get("tool") or ""), catalogue), model if is_named else None


def _is_whole(tail: str) -> bool:
    try:
        return isinstance(json.loads(tail), dict)
    except ValueError:
        return False


def _distinct(lines: Iterator[AttestedLines]) -> dict[str, list[tuple[int, int]]]:
    spans: dict[str, list[tuple[int, int]]] = {}
    for line in lines:
        spans.setdefault(line.path, []).append((line.start, line.end))
    return spans


def _merged(
    left: dict[str, list[tuple[int, int]]], right: dict[str, list[tuple[int, int]]]
) -> dict[str, list[tuple[int, int]]]:
    return {path: [*left.get(path, ()), *right.get(path, ())] for path in {*left, *right}}


def _size(spans: dict[str, list[tuple[int, int]]]) -> int:
    """How many distinct lines the spans cover."""
    total = 0
    for ranges in spans.values():
        reached = 0
        for start, end in sorted(ranges):
            total += max(0, end - max(start, reached + 1) + 1)
            reached = max(reached, end)
    return total
