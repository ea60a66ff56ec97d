"""The rooms hold to their word: who imports whom, and what the pure room never touches."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

from schemas import tables, vocabulary

HOUSE = Path(__file__).resolve().parent.parent
ROOTS = {
    "api/serve.py",
    "api/cli.py",
    "api/culprits.py",
    "api/provenance_commands.py",
    "api/installation.py",
    "api/client.py",
    "api/line_rework.py",
}
MAY_IMPORT = {
    "schemas": {"schemas"},
    "collector": {"schemas", "collector"},
    "correlator": {"schemas", "correlator"},
    "api": {"schemas", "correlator", "api"},
    "demo": {"demo"},
}
IMPURE = {
    "subprocess",
    "socket",
    "time",
    "logging",
    "structlog",
    "httpx",
    "fastapi",
    "grpc",
    "uvicorn",
    "random",
}


def modules(room: str) -> Iterator[Path]:
    yield from sorted(
        p
        for p in (HOUSE / room).rglob("*.py")
        if "proto" not in p.parts and not (room == "demo" and "company" in p.parts)
    )


def imported(path: Path) -> set[str]:
    names: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            names |= {alias.name.split(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module and node.level == 0:
            names.add(node.module.split(".")[0])
    return names


@pytest.mark.parametrize("room", MAY_IMPORT)
def test_a_room_imports_only_what_it_may(room: str) -> None:
    rooms = set(MAY_IMPORT)
    for path in modules(room):
        is_root = str(path.relative_to(HOUSE)) in ROOTS
        allowed = rooms - {"demo"} if is_root else MAY_IMPORT[room]
        assert imported(path) & rooms <= allowed, path


def test_the_correlator_is_pure() -> None:
    for path in modules("correlator"):
        assert not imported(path) & IMPURE, path
        if path.name not in ("run.py", "root_causes.py", "trace_rows.py", "line_owners.py"):
            source = path.read_text(encoding="utf-8")
            assert "datetime.now(" not in source, path
            assert "schemas.store import Store" not in source, path


def test_telemetry_keys_are_spelled_once() -> None:
    keys = {v for k, v in vars(vocabulary).items() if k.isupper() and isinstance(v, str) and "." in v}
    for room in ("collector", "correlator", "api"):
        for path in modules(room):
            for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
                if isinstance(node, ast.Constant) and isinstance(node.value, str):
                    assert node.value not in keys, f"{path}:{node.lineno} spells {node.value!r}"


def test_every_table_has_a_writer_room_and_a_meaning() -> None:
    names = [table.name for table in tables.ALL]
    assert len(names) == len(set(names))
    for table in tables.ALL:
        assert table.meaning.endswith((".", ")")), table.name
        assert all(column.meaning for column in table.columns), table.name
        assert set(table.key) <= set(table.column_names), table.name


def test_init_files_are_empty() -> None:
    for room in ("schemas", "collector", "correlator", "api"):
        assert (HOUSE / room / "__init__.py").read_text(encoding="utf-8") == ""
