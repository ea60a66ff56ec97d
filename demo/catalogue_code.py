"""The code of Acme's catalogue: many small functions over records, generated, runnable, and easy to get wrong.

An ordinary record passes every statement. A rare one (no supplier, no tags, no weight, ...) trips over those that forgot
it: that is what a defect is here.
"""

import random
from dataclasses import dataclass, field

ORDINARY: dict[str, object] = {
    "name": "Desk lamp",
    "pieces": 4,
    "price": 4900,
    "weight": 3,
    "volume": 2,
    "size": "12",
    "shelf": 7,
    "tags": ["light", "desk"],
    "supplier": {"code": "north"},
}
RARE: dict[str, object] = {"supplier": None, "tags": [], "size": "n/a", "weight": 0, "volume": 0}
"""Property -> what a rare record has there; a property that is not named is missing."""

SAFE = (
    'total += record["pieces"] * {a}',
    'total += len(record["name"]) % {a}',
    'total += {a} if record["price"] > {b} else {c}',
    "total = max(total, {a}) + {c}",
    'total -= record["price"] % {a}',
    "total = (total * {a} + {b}) % 99991",
)
FRAGILE = {
    "supplier": 'total += len(record["supplier"]["code"]) + {a}',
    "tags": 'total += len(record["tags"][1]) * {a}',
    "size": 'total += int(record["size"]) % {a}',
    "weight": 'total += {b} // record["weight"]',
    "shelf": 'total += record["shelf"] * {a}',
}
"""Property -> a statement that forgets the records without it."""


def rare(property_: str) -> dict[str, object]:
    """A record that lacks one property."""
    record = {name: value for name, value in ORDINARY.items() if name != property_}
    return record | {name: value for name, value in RARE.items() if name == property_}


@dataclass
class Module:
    """One file: functions by name, each a list of statements, and the scale that all of them use."""

    package: str
    name: str
    functions: dict[str, list[str]] = field(default_factory=dict)
    scale: str = "1"

    @property
    def path(self) -> str:
        return f"{self.package}/{self.name}.py"

    def text(self) -> str:
        """The Python source of this module."""
        parts = [
            f'"""{self.package.capitalize()}: {self.name.replace("_", " ")}."""\n',
            f"from {self.package}.units import unit\n\n",
            f"def scale(record):\n    return {self.scale}\n\n",
        ]
        for name, statements in self.functions.items():
            body = "".join(f"    {statement}\n" for statement in statements)
            parts.append(
                f"def {name}(record):\n    total = unit(record)\n{body}    return total * scale(record)\n\n"
            )
        return "\n".join(parts).rstrip("\n") + "\n"


def statement(chance: random.Random, template: str | None = None) -> str:
    """One statement with constants of its own, so that equal lines are rare."""
    chosen = template or chance.choice(SAFE)
    return chosen.format(a=chance.randint(2, 97), b=chance.randint(100, 9999), c=chance.randint(1, 30))


def application(package: str) -> str:
    """The dispatcher of a service."""
    return (
        f'"""The door of the {package} service: one request names a function and brings a record."""\n\n'
        "import urllib.request\n"
        "from importlib import import_module\n\n\n"
        "def handle(module, function, record):\n"
        f'    found = getattr(import_module("{package}." + module), function)\n'
        "    return found(record)\n\n\n"
        "def ask_supplier(url):\n"
        "    with urllib.request.urlopen(url, timeout=2) as response:\n"
        "        return response.read()\n"
    )


def units(expression: str) -> str:
    """The module that every function asks for its unit."""
    return f'"""Units of measure."""\n\n\ndef unit(record):\n    return {expression}\n'
