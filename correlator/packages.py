"""Packages that manifests and lock files name, and packages that a stack runs through. Pure, by the shape of lines."""

import re
from collections.abc import Iterable, Sequence
from posixpath import basename

from correlator import paths

# A name with a version or a bound on one line, in the order of how much else they could match.
_BOUNDS = (
    re.compile(
        r"\s*[+-]?\s*[\"']?(?P<name>[A-Za-z][\w.-]*)(?:\[[\w,\s-]*\])?\s*(?P<bound>(?:[=<>!~^]=?=?|===)\s*v?\d[^\"'#;]*)"
    ),
    re.compile(
        r"\s*\"(?P<name>@?[\w./-]+)\"\s*:\s*\"(?P<bound>[~^<>=v*]*\s*\d[^\"]*)\""
    ),  # "express": "^4.18.2"
    re.compile(r"\s*(?:require\s+)?(?P<name>[\w.-]+(?:/[\w.-]+)+)\s+(?P<bound>v\d\S*)"),  # go.mod, go.sum
    re.compile(
        r"\s*(?P<name>[\w-]+)\s*=\s*(?:\{.*version\s*=\s*)?\"(?P<bound>[~^<>=]*\s*\d[^\"]*)\""
    ),  # Cargo, Poetry
    re.compile(r"\s*gem\s+[\"'](?P<name>[\w-]+)[\"']\s*,\s*(?P<bound>.+)"),
    re.compile(r"\s{4,}(?P<name>[\w-]+)\s+\((?P<bound>[^)]+)\)"),  # Gemfile.lock
    re.compile(r"\s*\{:(?P<name>\w+),\s*\"(?P<bound>[^\"]+)\""),  # mix.exs
    re.compile(r".*[\"'(](?P<name>[\w.-]+:[\w.-]+):(?P<bound>\d[\w.-]*)[\"')]"),  # Gradle
    re.compile(r".*Include=\"(?P<name>[\w.]+)\"\s+Version=\"(?P<bound>[^\"]+)\""),
)
# Lock files say the version on a line below the name; git shows the version alone.
_VERSION_ALONE = re.compile(
    r"\s*\"?version\"?\s*[=:]\s*\"(?P<bound>[^\"]+)\"|\s*<version>(?P<maven>[^<]+)</version>"
)
_NAME_ALONE = re.compile(
    r"\s*\"?name\"?\s*[=:]\s*\"(?P<name>[^\"]+)\"|\s*<artifactId>(?P<maven>[^<]+)</artifactId>"
    r"|\s*\"(?:node_modules/)?(?P<npm>@?[\w./-]+)\"\s*:\s*\{|(?P<yarn>@?[\w./-]+)@[^:]+:\s*$"
)
_FILES = (
    re.compile(r"(?:site|dist)-packages/(?P<name>[\w-]+)"),
    re.compile(
        r"node_modules/(?:\.pnpm/[^/]+/node_modules/)?(?P<name>(?:@[\w.-]+/)?[\w.-]+)(?!.*node_modules/)"
    ),
    re.compile(r"/gems/(?:[\w.-]+/gems/)?(?P<name>[\w-]+?)-\d"),
    re.compile(r"/pkg/mod/(?P<name>[\w./-]+)@v"),
    re.compile(r"\.cargo/registry/src/[^/]+/(?P<name>[\w-]+?)-\d"),
    re.compile(r"/vendor/(?P<name>[\w.-]+/[\w.-]+)/"),
)


def changed(path: str, heading: str | None, removed: Sequence[str], added: Sequence[str]) -> frozenset[str]:
    """Normal names of the packages whose bound or version differs between the two sides of a hunk of ``path``.

    Of a lock file whose version alone changed, the heading is the line with the name.
    """
    if not (paths.is_manifest(path) or paths.is_lock(path) or basename(path).startswith("Dockerfile")):
        return frozenset()
    above = [heading] if heading else []
    before, after = _stated([*above, *removed]), _stated([*above, *added])
    return frozenset(
        name for name in {*before, *after} if before.get(name) != after.get(name) and name not in _NOT_NAMES
    )


_NOT_NAMES = frozenset(
    {
        "version",
        "python",
        "node",
        "name",
        "python-requires",
        "requires-python",
        "engines",
        "go",
        "target-version",
    }
)


def _stated(lines: Iterable[str]) -> dict[str, str]:
    found: dict[str, str] = {}
    last = ""
    for line in lines:
        for pattern in _BOUNDS:
            if match := pattern.match(line):
                found[normal(match["name"])] = match["bound"].strip()
                break
        else:
            if match := _NAME_ALONE.match(line):
                last = normal(next(group for group in match.groups() if group))
            elif last and (match := _VERSION_ALONE.match(line)):
                found[last] = match["bound"] or match["maven"]
    return found


def normal(name: str) -> str:
    """The name of a package as every spelling of it has it: ``Flask_SQLAlchemy`` is ``flask-sqlalchemy``."""
    return re.sub(r"[-_.]+", "-", name.rsplit(":", 1)[-1].lower()).strip("-")


def of_files(files: Iterable[str | None]) -> frozenset[str]:
    """Normal names of the packages that the files of frames belong to."""
    found = set()
    for file in files:
        for pattern in _FILES:
            if file and (match := pattern.search(file.replace("\\", "/"))):
                found.add(normal(match["name"]))
    return frozenset(found)
