"""What the code on a stack names: on its failing lines, in its functions, in the imports of its files; and what the failure
says is missing. Read through the repository port at the revision that failed; pure apart from its questions.
"""

import re
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from itertools import takewhile
from posixpath import basename, dirname, join, normpath, splitext
from typing import Any, TypeVar

from correlator import definitions, function_names, packages
from correlator.definitions import NAME
from correlator.failure_groups import FailureGroup
from correlator.mappings import TRANSPILED
from correlator.tokens import common_code_words
from schemas.records import CommitSha, RepositoryName, RepositoryPort

FRAMES_MAX = 6
IMPORTING_MAX = 3
"""Innermost frames whose files are looked through for imports."""
AROUND = 50
HEAD_LINES = 50
STATEMENT_LINES = 6
STACK_CHARACTERS_MAX = 20_000

# What a message says is not there, each with its example.
_LACKING = tuple(
    re.compile(pattern)
    for pattern in (
        r"cannot import name '([\w.]+)'",  # Python: cannot import name 'escape' from 'jinja2'
        r"No module named '([\w.]+)'",
        r"has no attribute '([\w.]+)'",
        r"name '(\w+)' is not defined",
        r"unexpected keyword argument '(\w+)'",
        r"missing \d+ required (?:positional|keyword-only) arguments?: (.{1,200})",
        r"got multiple values for (?:keyword )?argument '(\w+)'",
        r"No such (?:command|option|file or directory)[^'\"]*['\"]([^'\"]{1,120})['\"]",
        r"([\w.$]{2,120}) is not a (?:function|constructor)",  # JavaScript: app.del is not a function
        r"([\w$]{2,120}) is not defined",
        r"Cannot (?:read|set) propert(?:y|ies) '?(\w+)?'? ?of (?:undefined|null)(?: \((?:reading|setting) '([^']+)'\))?",
        r"Cannot find module '([^']{1,160})'",
        r"does not provide an export named '?([\w$]+)",
        r"undefined (?:local variable or )?method [`']([\w?!=]+)'",  # Ruby
        r"uninitialized constant ([\w:]+)",
        r"wrong number of arguments",
        r"NoSuchMethodError.{0,200}?(\w+)\(",  # the JVM prints the signature
        r"NoSuchFieldError:? ?(\w+)?",
        r"ClassNotFoundException:? ([\w.$]+)",
        r"NoClassDefFoundError:? ([\w./$]+)",
        r"Call to undefined (?:method|function) ([\w:\\]+)",  # PHP
        r"Undefined (?:array key|index|property|variable|constant):? [\"'$]*([\w:$]+)",
        r"function ([\w.!?/]+) is undefined",  # Elixir
        r"key :?\"?(\w+)\"? not found",
        r"column [\"`']?([\w.]+)[\"`']? (?:does not exist|of relation)",  # SQL
        r"no such (?:column|table): ([\w.]+)",
        r"relation [\"`']([\w.]+)[\"`'] does not exist",
        r"Unknown column '([\w.]+)'",
        r"(?:field|property|parameter|argument|key|option) [\"'`]?(\w+)[\"'`]? (?:is )?(?:required|missing|unknown|not found|unrecognized)",
        r"(?:missing|unknown|unrecognized|required) (?:field|property|parameter|argument|key|option):? [\"'`]?(\w+)",
    )
)
_LACKING_TYPES = frozenset(
    {"KeyError", "AttributeError", "NameError", "ImportError", "ModuleNotFoundError", "NoMethodError"}
)
_ONLY_NAME = re.compile(r"['\"]?([\w.-]{2,80})['\"]?\Z")
_TARGETS = re.compile(
    r"""^\s*(?:
          from\s+(?P<module>\.*[\w.]*)\s+import\s+(?P<names>[^#]+)         # from shop.rates import rate
        | import\s+(?P<plain>[\w.]+(?:\s*,\s*[\w.]+)*)\s*(?:\sas\s.*)?(?:;|\#.*)?$   # import shop.rates; Java's import a.b.C;
        | (?:import|export)\b.{0,200}?\bfrom\s+["'](?P<path>[^"']+)["']    # import x from './rates'
        | import\s+["'](?P<bare>[^"']+)["']
        | .{0,120}?\brequire(?:_relative)?\s*\(?\s*["'](?P<required>[^"']+)["']
        | use\s+(?:crate::)?(?P<used>[\w:\\]+)
        | (?:alias|import)\s+(?P<alias>[A-Z][\w.]+)
    )""",
    re.VERBOSE,
)
_GO_IMPORT = re.compile(r"\s*(?:import\s+)?(?:[\w.]+\s+)?\"([\w./-]+/[\w./-]+)\"")


@dataclass(frozen=True, slots=True)
class FailingCode:
    """Names by where the failure shows them; the step of a frame is 0 for the innermost that maps.

    ``statements``: on the failing lines. ``called``: of these, what is called. ``bodies``: called or read in the functions of the
    stack. ``functions``: of the stack. ``imports``: paths that its files import. ``lacking``: what the failure says is missing.
    ``outside``: packages of the frames that do not map. ``raising``: of these, the packages
    of the frames inside of the first that maps. ``quoted``: names on the source lines that the stack itself quotes.
    """

    statements: tuple[frozenset[str], ...] = ()
    called: tuple[frozenset[str], ...] = ()
    bodies: tuple[frozenset[str], ...] = ()
    functions: tuple[str, ...] = ()
    imports: frozenset[str] = frozenset()
    lacking: frozenset[str] = frozenset()
    outside: frozenset[str] = frozenset()
    raising: frozenset[str] = frozenset()
    quoted: frozenset[str] = frozenset()


T = TypeVar("T")
_Place = tuple[RepositoryName, CommitSha, str, int]
"""(repository, revision, path, line)"""
_Names = tuple[frozenset[str], frozenset[str], frozenset[str]]
"""(names on the failing statement, what it calls, names in the function around it)"""
_NOTHING: _Names = (frozenset(), frozenset(), frozenset())
ASKED_AT_ONCE = 256
PLACES_HELD = 65_536
"""Places that stay understood from one correlation to the next; beyond, all are read again."""


class Codes:
    """The code on the stacks of failures, each place read and understood once: a file at a revision never changes."""

    def __init__(self, port: RepositoryPort) -> None:
        self._port = port
        self._frames: dict[_Place, _Names] = {}
        self._imports: dict[tuple[RepositoryName, CommitSha, str], frozenset[str]] = {}

    def prepare(self, groups: Iterable[FailureGroup]) -> None:
        """Read what :meth:`of` will tell of ``groups``: a few questions for each of their repositories."""
        if len(self._frames) > PLACES_HELD:
            self._frames.clear()
            self._imports.clear()
        frames: dict[RepositoryName, set[_Place]] = defaultdict(set)
        heads: dict[RepositoryName, set[tuple[RepositoryName, CommitSha, str]]] = defaultdict(set)
        for group in groups:
            at, mapped = _mapped(group)
            if at is not None:
                places = (_place(at, frame) for frame in mapped)
                frames[at[0]] |= {place for place in places if place and place not in self._frames}
                files = ((*at, path) for path in _importing(mapped))
                heads[at[0]] |= {file for file in files if file not in self._imports}
        for repository in sorted(frames.keys() | heads.keys()):
            self._read(repository, frames[repository], heads[repository])

    def _read(
        self,
        repository: RepositoryName,
        places: set[_Place],
        heads: set[tuple[RepositoryName, CommitSha, str]],
    ) -> None:
        # What git cannot show is not remembered: a later sync may bring it.
        for some in _portions(sorted(places, key=lambda place: place[1:])):
            texts = self._port.excerpts(repository, [(*place[1:], AROUND) for place in some])
            self._frames |= {
                place: _understood(place, shown) for place in some if (shown := texts[*place[1:], AROUND])
            }
        trees: dict[CommitSha, Tree] = {}
        for wanted in _portions(sorted(heads)):
            texts = self._port.excerpts(repository, [(sha, path, 1, HEAD_LINES) for _, sha, path in wanted])
            for head in wanted:
                _, sha, path = head
                if shown := texts[sha, path, 1, HEAD_LINES]:
                    if sha not in trees:
                        trees[sha] = Tree(self._port.tree(repository, sha))
                    self._imports[head] = frozenset(imported(path, [text for _, text in shown], trees[sha]))

    def of(self, group: FailureGroup) -> FailingCode:
        """The code of the first frames of a prepared ``group`` that map, at the revision of its onset."""
        outside = packages.of_files(frame["file"] for frame in group.frames if not frame["path"])
        inner = takewhile(lambda frame: not frame["path"], group.frames)
        said = FailingCode(
            lacking=lacking(group.facts.exception_type, group.facts.message),
            outside=outside,
            raising=packages.of_files(frame["file"] for frame in inner),
            quoted=_names(quoted_lines(group.stack_text or "")),
        )
        at, mapped = _mapped(group)
        if at is None:
            return said
        places = [_place(at, frame) for frame in mapped]
        found = [self._frames.get(place, _NOTHING) if place else _NOTHING for place in places]
        return replace(
            said,
            statements=tuple(names[0] for names in found),
            called=tuple(names[1] for names in found),
            bodies=tuple(names[2] for names in found),
            functions=tuple(function_names.bare(frame["function"] or "") for frame in mapped),
            imports=frozenset().union(
                *(self._imports.get((*at, path), frozenset()) for path in _importing(mapped))
            ),
        )


def _portions(listed: list[T]) -> Iterator[list[T]]:
    """At most ``ASKED_AT_ONCE`` each: the texts of all would be tens of megabytes."""
    for start in range(0, len(listed), ASKED_AT_ONCE):
        yield listed[start : start + ASKED_AT_ONCE]


def _mapped(group: FailureGroup) -> tuple[tuple[RepositoryName, CommitSha] | None, list[Any]]:
    repository, sha = group.row["repository"], group.row["onset_sha"]
    mapped = [frame for frame in group.frames if frame["path"]][:FRAMES_MAX]
    return (RepositoryName(repository), CommitSha(sha)) if repository and sha and mapped else None, mapped


def _place(at: tuple[RepositoryName, CommitSha], frame: Any) -> _Place | None:
    """Where the source of a frame stands; None where its line is of another text."""
    is_known = frame["line"] and frame["mapping"] != TRANSPILED
    return (*at, frame["path"], frame["line"]) if is_known else None


def _importing(mapped: Sequence[Any]) -> list[str]:
    return sorted({frame["path"] for frame in mapped[:IMPORTING_MAX]})


# CPython prints the line below each frame, without the marks `^^^^` under it.
_QUOTED_LINE = re.compile(
    r"^ +File \"[^\"\n]{1,400}\", line \d+, in [^\n]{1,200}\n {4,}([^\s^~][^\n]{0,300})$", re.MULTILINE
)
QUOTED_MAX = 12


def quoted_lines(text: str) -> list[str]:
    """Source lines that the text of a stack quotes, the last ones, where it quotes any."""
    return _QUOTED_LINE.findall(text[-STACK_CHARACTERS_MAX:])[-QUOTED_MAX:]


def lacking(exception_type: str | None, message: str | None) -> frozenset[str]:
    """Names that a failure says are missing, unknown or superfluous: without their modules."""
    found: set[str] = set()
    for pattern in _LACKING:
        for match in pattern.finditer((message or "")[:2_000]):
            for group in match.groups():
                found |= set(re.findall(r"[A-Za-z_]\w+", group or ""))
    bare = (exception_type or "").rsplit(".", 1)[-1]
    if bare in _LACKING_TYPES and message and (only := _ONLY_NAME.match(message.strip())):
        found.add(only[1])
    return frozenset(found - {"and", "NoneType", "module", "type", "object"})


def _understood(place: _Place, excerpt: Sequence[tuple[int, str]]) -> _Names:
    texts = [text for _, text in excerpt]
    index = next((i for i, (number, _) in enumerate(excerpt) if number == place[3]), None)
    if index is None:
        return _NOTHING
    statement = _statement(texts, index)
    body = _body(texts, index, definitions.family_of(place[2]))
    return _names(statement), _called(statement), _names(body)


def _statement(texts: Sequence[str], index: int) -> list[str]:
    """The failing line, with the lines below that its open brackets reach."""
    found: list[str] = []
    depth = 0
    for text in texts[index : index + STATEMENT_LINES]:
        found.append(text)
        depth += sum(text.count(c) for c in "([{") - sum(text.count(c) for c in ")]}")
        if depth <= 0:
            break
    return found


def _body(texts: Sequence[str], index: int, family: str | None) -> list[str]:
    """The function around a line, as far as the excerpt shows it: from its head to the first line indented like it."""
    start, head = index, 0
    for i in range(index, -1, -1):
        if definitions.function(texts[i], family) is not None and _indent(texts[i]) < max(
            _indent(texts[index]), 1
        ):
            start, head = i, _indent(texts[i])
            break
    end = index
    for i in range(index + 1, len(texts)):
        if texts[i].strip() and _indent(texts[i]) <= head:
            break
        end = i
    return list(texts[start : end + 1])


def _indent(text: str) -> int:
    return len(text) - len(text.lstrip())


def _names(lines: Iterable[str]) -> frozenset[str]:
    return frozenset(name for line in lines for name in NAME.findall(line)) - common_code_words()


def _called(lines: Iterable[str]) -> frozenset[str]:
    return frozenset(definitions.calls("\n".join(lines))) - common_code_words()


class Tree:
    """The paths of a revision, to be asked by name and by folder."""

    def __init__(self, paths: Iterable[str]) -> None:
        self.paths = frozenset(paths)

    def __contains__(self, path: str) -> bool:
        return path in self.paths

    @cached_property
    def by_name(self) -> dict[str, list[str]]:
        """Last segment -> paths."""
        return self._by(basename)

    @cached_property
    def by_folder(self) -> dict[str, list[str]]:
        """Folder -> paths right in it."""
        return self._by(dirname)

    def _by(self, key: Callable[[str], str]) -> dict[str, list[str]]:
        found: dict[str, list[str]] = defaultdict(list)
        for path in self.paths:
            found[key(path)].append(path)
        return found


def imported(path: str, head: Iterable[str], tree: Tree) -> set[str]:
    """Paths of ``tree`` that the first lines of ``path`` import, by the habits of its language."""
    found: set[str] = set()
    extension = splitext(path)[1]
    for line in head:
        if extension == ".go" and (module := _GO_IMPORT.match(line)):
            found |= _go(module[1], tree)
            continue
        match = _TARGETS.match(line)
        if match is None:
            continue
        if match["module"] is not None:
            found |= _python(path, match["module"], match["names"], tree)
        elif match["plain"]:
            for name in re.split(r"\s*,\s*", match["plain"]):
                found |= _python(path, name, "", tree) or _dotted(name, extension, tree)
        elif target := match["path"] or match["bare"] or match["required"]:
            found |= _relative(path, target, tree)
        elif target := match["used"] or match["alias"]:
            found |= _dotted(re.sub(r"::|\\", ".", target), extension, tree)
    return found - {path}


def _python(path: str, module: str, names: str, tree: Tree) -> set[str]:
    level = len(module) - len(module.lstrip("."))
    parts = [part for part in module.lstrip(".").split(".") if part]
    folder = dirname(path)
    for _ in range(level - 1):
        folder = dirname(folder)
    roots = [folder] if level else _roots(path)
    listed = [name.split()[0] for part in re.split(r"[,()\\]", names) if (name := part.strip())]
    found = set()
    for root in roots:
        base = "/".join([*([root] if root else []), *parts])
        for target in (base, *(f"{base}/{name}" for name in listed)):
            found |= {target + ending for ending in (".py", "/__init__.py") if target + ending in tree}
        if found:
            break
    return found


def _roots(path: str) -> list[str]:
    """Folders above ``path``, the nearest first, and the top."""
    found = []
    folder = dirname(path)
    while folder:
        found.append(folder)
        folder = dirname(folder)
    return [*found, ""]


def _relative(path: str, target: str, tree: Tree) -> set[str]:
    if not target.startswith("."):
        return {p for p in (f"lib/{target}.rb", f"{target}.rb", f"src/{target}.ts") if p in tree}
    base = normpath(join(dirname(path), target))
    endings = (
        "",
        ".js",
        ".ts",
        ".tsx",
        ".jsx",
        ".mjs",
        ".cjs",
        ".rb",
        "/index.js",
        "/index.ts",
        "/index.tsx",
    )
    return {base + ending for ending in endings if base + ending in tree}


def _go(module: str, tree: Tree) -> set[str]:
    """Files of the package whose folder a module path ends with; the first segments name the repository."""
    segments = module.split("/")
    for start in range(1, len(segments)):
        folder = "/".join(segments[start:])
        if found := {p for p in tree.by_folder.get(folder, ()) if p.endswith(".go")}:
            return found
    return set()


def _dotted(module: str, extension: str, tree: Tree) -> set[str]:
    """``com.acme.shop.Rates`` is a file that ends like it."""
    if "." not in module:
        return set()
    ending = "/" + module.replace(".", "/") + extension
    return {p for p in tree.by_name.get(basename(ending), ()) if ("/" + p).endswith(ending)}
