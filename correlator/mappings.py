"""From the file that a stack names to the path in the repository.

It knows the tree at one revision and where the service lives in it; nothing else tells an application's frame from a
library's. A file maps only when exactly one path fits: a wrong line is worse than none.
Source: the rule "one file in one repository, by path suffix" that crash reporters use, in our own words.
"""

import re
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from urllib.parse import unquote, urlsplit

from correlator import function_names
from correlator.libraries import is_library
from schemas.records import Frame

PARTIAL_SEGMENTS_MIN = 2
"""Trailing segments that must agree where neither path is a suffix of the other (``/app/src/x.py``, ``svc/src/x.py``)."""

_BUNDLER = re.compile(
    r"\A(?:webpack-internal|webpack|ng|turbopack|rsc|vite):/{0,3}(?:\[[^\]]*\]|\([^)]*\))?/?"
)
_DRIVE = re.compile(r"\A/?[A-Za-z]:/")
_PSEUDO = frozenset("<[")


TRANSPILED = "transpiled"
"""The file is the source of the one in the stack, which a compiler wrote: its path is right, the line is not."""

_SOURCES = {
    ".js": (".ts", ".tsx", ".jsx", ".vue", ".svelte", ".coffee", ".mts", ".cts"),
    ".mjs": (".mts", ".ts", ".tsx"),
    ".cjs": (".cts", ".ts", ".tsx"),
}
"""Extensions of what compiles to a file with the key's extension."""

_CLASS_SOURCES = (".java", ".kt", ".scala", ".groovy", ".cs", ".fs", ".vb", ".php")
CANDIDATES_MAX = 10


@dataclass(frozen=True, slots=True)
class Mapped:
    """A path of the tree and the rule that found it: manual, exact, suffix, service, relative, partial, class,
    package, transpiled."""

    path: str
    how: str


@dataclass(frozen=True, slots=True)
class Explanation:
    """Why a frame maps to ``mapped``, or to nothing. ``file``: as it was compared. ``candidates``: what else has its name."""

    mapped: Mapped | None
    reason: str
    file: str | None
    candidates: tuple[str, ...] = ()


class Mapper:
    """Resolves frames against one tree.

    Args:
        tree: Every file path of the repository at the running revision, with ``/``.
        service_path: Folder of the service inside the repository, ``""`` for its root; settles ties.
        manual: ``(prefix of the frame's file, replacement)`` pairs that the operator stated; they win, the longest first.
    """

    def __init__(
        self, tree: Sequence[str], service_path: str = "", manual: Sequence[tuple[str, str]] = ()
    ) -> None:
        self._service = tuple(part for part in service_path.split("/") if part and part != ".")
        stated = [(normalise(prefix), to.strip("/")) for prefix, to in manual]
        self._manual = tuple(sorted(stated, key=lambda pair: (-len(pair[0]), pair)))
        self._paths = frozenset(tree)
        self._by_name: dict[str, list[tuple[str, ...]]] = defaultdict(list)
        for path in sorted(self._paths):
            segments = tuple(path.split("/"))
            self._by_name[segments[-1]].append(segments)
        self._known: dict[tuple[str | None, str | None, str | None], Mapped | None] = {}

    def of(self, frame: Frame) -> Mapped | None:
        """The one path of the tree that the frame lies in, by its file, else by its class."""
        # A relative file of a package that is known to be foreign may have the name of one of ours: `lib/enum.ex`.
        file = frame.file or ""
        if frame.in_app is False and file and not self._stated(file) and not _is_absolute(file):
            return None
        key = (frame.file, frame.module, None if frame.file else frame.function)
        if key not in self._known:
            self._known[key] = self.resolve(frame.file, frame.module) or self._by_class(frame)
        return self._known[key]

    def explain(self, frame: Frame) -> Explanation:
        """What :meth:`of` finds, and why not where it finds nothing."""
        found = self.of(frame)
        file = normalise(frame.file) if frame.file else None
        name = (file or "").rpartition("/")[2]
        same = ["/".join(path) for path in self._by_name.get(name, [])]
        others = tuple(path for path in same if found is None or path != found.path)[:CANDIDATES_MAX]
        if found is not None:
            return Explanation(found, f"mapped by the rule {found.how!r}", file, others)
        if not frame.file:
            reason = "the stack names no file, and no one file is named like the class"
        elif frame.file[0] in _PSEUDO:
            reason = "no file: the runtime made it up"
        elif is_library(frame.file) or frame.in_app is False:
            reason = "a runtime's or a package's file"
        elif not same:
            reason = "no file of the tree has this name"
        else:
            reason = "several files of the tree fit equally, or none well enough: state a mapping"
        return Explanation(None, reason, file, others)

    def resolve(self, file: str | None, module: str | None = None) -> Mapped | None:
        """The one path of the tree that ``file`` stands for.

        Args:
            file: As the stack spells it: absolute, relative, with a drive or a URL scheme.
            module: Class or package of the frame, for languages whose stacks name the file without its folder.

        Returns:
            None for pseudo files, libraries, files that are not in the tree and files that could be several.
        """
        if not file or file[0] in _PSEUDO:
            return None
        stated = self._stated(file)
        if stated is not None:
            return stated
        if is_library(file):
            return None
        path = normalise(file)
        if file.startswith("package:"):
            return self._package(path)
        if path.lstrip("/") in self._paths:
            return Mapped(path.lstrip("/"), "exact")
        segments = tuple(part for part in path.split("/") if part)
        if not segments:
            return None
        if len(segments) == 1 and module:
            segments = _folder_of(module, segments[0])
        elif module and segments[-1].endswith((".ex", ".exs", ".erl")):
            segments = self._umbrella(module, segments)
        named = self._by_name.get(segments[-1], [])
        return (
            self._whole(segments, named)
            or self._relative(segments, named)
            or self._partial(segments, named)
            or self._source_of(segments)
        )

    def _stated(self, file: str) -> Mapped | None:
        """What the operator's mappings make of ``file``, where that is in the tree."""
        path = normalise(file)
        for prefix, replacement in self._manual:
            if path == prefix or path.startswith(prefix.rstrip("/") + "/") or not prefix:
                rest = path[len(prefix) :].lstrip("/")
                stated = "/".join(part for part in (replacement, rest) if part)
                if stated in self._paths:
                    return Mapped(stated, "manual")
        return None

    def _package(self, path: str) -> Mapped | None:
        """Dart: ``package:shop/cart.dart`` is ``lib/cart.dart`` of the package ``shop``."""
        package, _, rest = path.removeprefix("package:").lstrip("/").partition("/")
        segments = (package, "lib", *rest.split("/"))
        named = self._by_name.get(segments[-1], [])
        inside = [p for p in named if _ends_with(p, segments)]
        alone = [p for p in named if p == segments[1:] or p == (*self._service, *segments[1:])]
        chosen = inside or alone
        return Mapped("/".join(chosen[0]), "package") if len(chosen) == 1 else None

    def _umbrella(self, app: str, segments: tuple[str, ...]) -> tuple[str, ...]:
        """Elixir: of several applications in one repository the file belongs to the one that the frame names."""
        inside = ("apps", app, *segments)
        return inside if "/".join(inside) in self._paths else segments

    def _source_of(self, segments: tuple[str, ...]) -> Mapped | None:
        """JavaScript that a compiler wrote into another folder: ``dist/cart.js`` of ``src/cart.ts``."""
        stem, dot, extension = segments[-1].rpartition(".")
        found: list[tuple[int, tuple[str, ...]]] = []
        for source in _SOURCES.get(dot + extension, ()):
            for path in self._by_name.get(stem + source, []):
                found.append((_agreement(segments[:-1], path[:-1]), path))
        inside = [pair for pair in found if self._service and self._is_inside(pair[1])] or found
        best = max((score for score, _ in inside), default=0)
        chosen = [path for score, path in inside if score == best]
        return Mapped("/".join(chosen[0]), TRANSPILED) if len(chosen) == 1 else None

    def _by_class(self, frame: Frame) -> Mapped | None:
        """Without a file: the one source that is named like the class, in the folder that agrees most with its package."""
        if frame.file or frame.in_app is False or not frame.function:
            return None
        name = function_names.of(frame) or ""
        parts = [part for part in re.split(r"[.+\\]|::|->", name.partition("`")[0]) if part]
        # `com.acme.Cart$Line.total` -> com, acme, Cart; a generic class keeps what stands before its arity.
        owner = parts if "`" in name else parts[:-1]
        if len(owner) < PARTIAL_SEGMENTS_MIN:
            return None
        class_name = owner[-1].partition("$")[0]
        found = [
            (_agreement(tuple(owner[:-1]), path[:-1]), path)
            for extension in _CLASS_SOURCES
            for path in self._by_name.get(class_name + extension, [])
        ]
        best = max((score for score, _ in found), default=0)
        chosen = [path for score, path in found if score == best]
        return Mapped("/".join(chosen[0]), "class") if len(chosen) == 1 and best else None

    def _whole(self, frame: tuple[str, ...], named: list[tuple[str, ...]]) -> Mapped | None:
        """The frame ends with a whole path of the tree, or with a whole path of the service's folder."""
        fits: list[tuple[int, bool, tuple[str, ...]]] = []
        for path in named:
            if _ends_with(frame, path):
                fits.append((len(path), self._is_inside(path), path))
            elif self._service and self._is_inside(path):
                inside = path[len(self._service) :]
                if _ends_with(frame, inside):
                    fits.append((len(inside), True, path))
        if not fits:
            return None
        # The longest agreement wins; at equal length the service's own file.
        best = max(fits, key=lambda fit: (fit[0], fit[1]))
        if sum(1 for fit in fits if fit[:2] == best[:2]) > 1:
            return None
        return Mapped("/".join(best[2]), "suffix" if len(best[2]) == best[0] else "service")

    def _relative(self, frame: tuple[str, ...], named: list[tuple[str, ...]]) -> Mapped | None:
        """The whole frame is the end of one path: ``src/app.py`` of ``services/checkout/src/app.py``."""
        fits = [path for path in named if _ends_with(path, frame)]
        inside = [path for path in fits if self._is_inside(path)]
        chosen = inside if self._service and inside else fits
        return Mapped("/".join(chosen[0]), "relative") if len(chosen) == 1 else None

    def _partial(self, frame: tuple[str, ...], named: list[tuple[str, ...]]) -> Mapped | None:
        """Several trailing segments agree with one path more than with any other (a folder copied into an image)."""
        scored = [(_agreement(frame, path), path) for path in named]
        longest = max((score for score, _ in scored), default=0)
        if longest < PARTIAL_SEGMENTS_MIN:
            return None
        fits = [path for score, path in scored if score == longest]
        inside = [path for path in fits if self._is_inside(path)]
        chosen = inside if self._service and inside else fits
        return Mapped("/".join(chosen[0]), "partial") if len(chosen) == 1 else None

    def _is_inside(self, path: tuple[str, ...]) -> bool:
        return path[: len(self._service)] == self._service


def normalise(file: str) -> str:
    """One spelling for a frame's file: ``/`` only, without drive, scheme, host, query and ``.`` or ``..`` segments."""
    path = file.replace("\\", "/")
    bundled = _BUNDLER.sub("", path)
    # `webpack://shop/./src/x.ts`: what stands before the dot names the bundle.
    path = bundled if bundled == path else bundled.rpartition("/./")[2]
    if "://" in path:
        scheme, _, rest = path.partition("://")
        if scheme in ("http", "https", "file", "app", "capacitor", "blob"):
            try:
                path = unquote(urlsplit(path).path)
            except ValueError:
                path = rest
        else:
            path = rest
    path = _DRIVE.sub("/", path)
    kept: list[str] = []
    for part in path.split("/"):
        if part == "..":
            if kept:
                kept.pop()
        elif part not in ("", "."):
            kept.append(part)
    return ("/" if path.startswith("/") else "") + "/".join(kept)


def _folder_of(module: str, name: str) -> tuple[str, ...]:
    """``com.acme.Cart$Line`` and ``Cart.java`` -> ``com/acme/Cart.java``; a capitalised part begins the class."""
    folders: list[str] = []
    is_nested = not name.endswith(
        ".php"
    )  # PHP's namespaces are capitalised, and a class has a file of its own.
    for part in re.split(r"[./\\]", module)[:-1]:
        if not part or (is_nested and part[0].isupper()):
            break
        folders.append(part)
    return (*folders, name)


def _is_absolute(file: str) -> bool:
    return file.startswith(("/", "\\")) or "://" in file or file[1:2] == ":"


def _ends_with(longer: tuple[str, ...], shorter: tuple[str, ...]) -> bool:
    return len(shorter) <= len(longer) and longer[len(longer) - len(shorter) :] == shorter


def _agreement(left: tuple[str, ...], right: tuple[str, ...]) -> int:
    count = 0
    for a, b in zip(reversed(left), reversed(right), strict=False):
        if a != b:
            break
        count += 1
    return count
