"""Source code as a small program: modules, functions and statements that call each other; every change edits it.

Text is made from it by ``languages.py``. Statements are objects, so that the line of each is known in every revision,
and with it the frames of whatever fails there.
"""

import itertools
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any


@dataclass(eq=False, slots=True)
class Statement:
    """One statement: ``kind`` names its template, ``arguments`` fill it. ``calls``: the function that it calls."""

    kind: str
    arguments: dict[str, Any]
    calls: "Function | None" = None
    key: int = 0


@dataclass(eq=False, slots=True)
class Function:
    """``decorations`` stand above it: its route, the role that it asks for."""

    name: str
    parameters: list[str]
    body: list[Statement]
    module: "Module"
    note: str = ""
    decorations: list[Statement] = field(default_factory=list)
    result: str = ""
    """Type of what it returns, where the language states it."""
    heat: float = 1.0
    """How often people change it, beside the others."""

    def visible(self, at: int | None = None) -> list[str]:
        """Names that can be used by a statement at position ``at`` of the body; by default at its end."""
        before = self.body if at is None else self.body[:at]
        return [
            *self.parameters,
            *(s.arguments["x"] for s in before if "x" in s.arguments and s.kind != "flagged"),
        ]


@dataclass(eq=False, slots=True)
class Module:
    """One file of source. ``constants``: name -> value as text; ``version`` counts its edits."""

    name: str
    path: str
    service: str
    functions: list[Function] = field(default_factory=list)
    constants: dict[str, Any] = field(default_factory=dict)
    registry: dict[str, str] = field(default_factory=dict)
    note: str = ""
    style: int = 0
    version: int = 0


class Keys:
    """Gives every statement a number of its own, in the order of making."""

    def __init__(self) -> None:
        self._next = itertools.count(1)

    def statement(self, kind: str, calls: Function | None = None, **arguments: Any) -> Statement:
        return Statement(kind, arguments, calls, next(self._next))


def calls_of(function: Function) -> Iterator[Statement]:
    return (s for s in function.body if s.calls is not None)


def path_between(start: Function, end: Function) -> list[tuple[Function, Statement | None]] | None:
    """(function, its statement that calls the next) from ``start`` to ``end``, whose statement is None; None: no path."""
    seen: set[int] = set()

    def walk(at: Function) -> list[tuple[Function, Statement | None]] | None:
        if at is end:
            return [(at, None)]
        seen.add(id(at))
        for statement in calls_of(at):
            assert statement.calls is not None
            if id(statement.calls) not in seen and (found := walk(statement.calls)) is not None:
                return [(at, statement), *found]
        return None

    return walk(start)


def reachable(start: Function) -> list[Function]:
    """Every function that ``start`` calls, itself first, in the order of calling."""
    found: list[Function] = []

    def walk(at: Function) -> None:
        if at in found:
            return
        found.append(at)
        for statement in calls_of(at):
            assert statement.calls is not None
            walk(statement.calls)

    walk(start)
    return found
