"""The source code of the shop whose telemetry is sent: modules whose failing lines the stack traces name.

The repository that is registered and the stack traces are made of the same text, so that frames resolve to lines and
lines to commits as they do in production. An edition changes constants in a module, never its line count.
"""

import random
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import cache
from pathlib import Path

from repository_builder import RepositoryBuilder

SERVICES = ("checkout", "cart", "payments", "catalog", "storefront", "shipping")
MODULES = ("views", "orders", "pricing", "stock", "clients", "queries")
FUNCTIONS = ("handle", "load", "price", "reserve", "charge", "send", "merge", "check", "apply", "find")
EDITIONS = 4
REPOSITORY = "acme/shop"
REPOSITORY_URL = "https://git.acme.example/acme/shop"
DEFECTS = 8
FRAMES = 18
ERRORS = (
    ("KeyError", "'reference {n}'"),
    ("ValueError", "quantity {n} is not positive"),
    ("TimeoutError", "no answer from 10.0.3.{n} in 2000 ms"),
    ("shop.errors.OutOfStock", "product {n} is out of stock"),
)
LIBRARIES = (
    ("starlette/routing", "app", "response = await f(request)"),
    ("starlette/concurrency", "run_in_threadpool", "return await anyio.to_thread.run_sync(func)"),
    ("fastapi/routing", "run_endpoint_function", "return await dependant.call(**values)"),
    ("sqlalchemy/orm/session", "execute", "return self._execute_internal(statement, params)"),
    ("sqlalchemy/engine/base", "_execute_context", "self.dialect.do_execute(cursor, statement, parameters)"),
)
_LIBRARIES = "/usr/local/lib/python3.13/site-packages"
_MARKS = ("", "\n\nCo-Authored-By: Claude <noreply@anthropic.com>")


def path(service: str, module: str) -> str:
    """Path of a module in the repository."""
    return f"services/{service}/{module}.py"


@cache
def source(service: str, module: str, edition: int = EDITIONS) -> str:
    """Text of a module: ten functions of seven lines."""
    lines = [f'"""{module.capitalize()} of {service}."""', ""]
    for number, name in enumerate(FUNCTIONS):
        factor = number + (edition if number % EDITIONS < edition else 0)
        lines += [
            "",
            f"def {name}(order, context):",
            f"    limit = {10 + factor}",
            '    lines = [line for line in order["lines"] if line["count"] < limit]',
            f'    total = sum(line["price"] * line["count"] for line in lines) + {factor}',
            f'    context.record("{service}.{module}.{name}", total)',
            f"    return context.next_{name}(order, lines, total, reference=order['reference'])",
        ]
    return "\n".join(lines) + "\n"


@dataclass(frozen=True, slots=True)
class Frame:
    """Where a stack passes: repository path, line number from 1, function, text of the line."""

    path: str
    line: int
    function: str
    text: str


def frame(chance: random.Random, service: str) -> Frame:
    """A call inside one of the service's functions."""
    module, number = chance.choice(MODULES), chance.randrange(len(FUNCTIONS))
    # Two lines of head, then per function a blank line, the def and five lines that can fail.
    line = 4 + 7 * number + chance.randrange(1, 6)
    text = _lines(service, module)[line - 1]
    return Frame(path(service, module), line, FUNCTIONS[number], text.strip())


@cache
def _lines(service: str, module: str) -> list[str]:
    return source(service, module).splitlines()


@dataclass(frozen=True, slots=True)
class Defect:
    """One way in which a service fails: always the same stack and type, with a message that differs.

    Few per service, as in production: a thousand failures an hour are some dozen groups.
    """

    error: str
    message: str
    stack: str

    def raised(self, number: int) -> tuple[str, str]:
        """(message, stack trace of about 2 KB) of one failure."""
        message = self.message.format(n=number)
        return message, f"{self.stack}\n{self.error}: {message}"


@cache
def defects(service: str) -> tuple[Defect, ...]:
    """The service's own: twelve frames of libraries around six of ours."""
    chance = random.Random(service)
    return tuple(Defect(*ERRORS[number % len(ERRORS)], _stack(chance, service)) for number in range(DEFECTS))


def _stack(chance: random.Random, service: str) -> str:
    lines = ["Traceback (most recent call last):"]
    for number in range(FRAMES):
        if number % 3 == 2:
            at = frame(chance, service)
            lines.append(f'  File "/app/{at.path}", line {at.line}, in {at.function}\n    {at.text}')
        else:
            library, function, text = LIBRARIES[number % len(LIBRARIES)]
            line = 40 + 13 * number
            lines.append(f'  File "{_LIBRARIES}/{library}.py", line {line}, in {function}\n    {text}')
    return "\n".join(lines)


@dataclass(frozen=True, slots=True)
class History:
    """The repository at ``path``; ``head`` runs in production now, ``before`` ran until the last deployment."""

    path: Path
    head: str
    before: str


def write(folder: Path) -> History:
    """A git repository with every edition of every module as a commit of its own, over the last weeks."""
    builder = RepositoryBuilder(folder)
    builder.now = datetime.now(UTC) - timedelta(days=40)
    files: Mapping[str, str] = {path(s, m): source(s, m, 0) for s in SERVICES for m in MODULES}
    builder.commit("Start the shop", dict(files))
    number = 0
    for edition in range(1, EDITIONS + 1):
        for service in SERVICES:
            changed = {path(service, module): source(service, module, edition) for module in MODULES}
            message = f"Tune {service}, round {edition}{_MARKS[number % 2]}"
            builder.commit(message, dict(changed), when=builder.now + timedelta(days=1.5))
            number += 1
    return History(folder, builder.head(), builder.head(f"HEAD~{len(SERVICES)}"))
