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

from correlator.libraries import is_library

PARTIAL_SEGMENTS_MIN = 2
"""Trailing segments that must agree where neither path is a suffix of the other (``/app/src/x.py``, ``svc/src/x.py``)."""

_BUNDLER = re.compile(
    r"\A(?:webpack-internal|webpack|ng|turbopack|rsc|vite):/{0,3}(?:\[[^\]]*\]|\([^)]*\))?/?"
)
_DRIVE = re.compile(r"\A/?[A-Za-z]:/")
_PSEUDO = frozenset("<[")


@dataclass(frozen=True, slots=True)
class Mapped:
    """A path of the tree and the rule that found it: manual, exact, suffix, service, relative or partial."""

    path: str
    how: str


class Mapper:
    """Resolves frames against one tree.

    Args:
        tree: Every file path of the repository at the running revision, with ``/``.
        service_path: Folder of the service inside the repository, ``""`` for its root; settles ties.
        manual: ``(prefix of the frame's file, replacement)`` pairs that the operator stated; they win.
    """

    def __init__(
        self, tree: Sequence[str], service_path: str = "", manual: Sequence[tuple[str, str]] = ()
    ) -> None:
        self._service = tuple(part for part in service_path.split("/") if part and part != ".")
        self._manual = tuple((normalise(prefix), to.strip("/")) for prefix, to in manual)
        self._paths = frozenset(tree)
        self._by_name: dict[str, list[tuple[str, ...]]] = defaultdict(list)
        for path in sorted(self._paths):
            segments = tuple(path.split("/"))
            self._by_name[segments[-1]].append(segments)
        self._known: dict[tuple[str, str | None], Mapped | None] = {}

    def resolve(self, file: str | None, module: str | None = None) -> Mapped | None:
        """The one path of the tree that ``file`` stands for.

        Args:
            file: As the stack spells it: absolute, relative, with a drive or a URL scheme.
            module: Class or package of the frame, for languages whose stacks name the file without its folder.

        Returns:
            None for pseudo files, libraries, files that are not in the tree and files that could be several.
        """
        if not file:
            return None
        key = (file, module)
        if key not in self._known:
            self._known[key] = self._resolve(file, module)
        return self._known[key]

    def _resolve(self, file: str, module: str | None) -> Mapped | None:
        if file[0] in _PSEUDO or is_library(file):
            return None
        path = normalise(file)
        for prefix, replacement in self._manual:
            if path.startswith(prefix):
                rest = path[len(prefix) :].lstrip("/")
                stated = f"{replacement}/{rest}" if replacement else rest
                if stated in self._paths:
                    return Mapped(stated, "manual")
        if path.lstrip("/") in self._paths:
            return Mapped(path.lstrip("/"), "exact")
        segments = tuple(part for part in path.split("/") if part)
        if not segments:
            return None
        if len(segments) == 1 and module:
            segments = _folder_of(module, segments[0])
        named = self._by_name.get(segments[-1], [])
        return (
            self._whole(segments, named) or self._relative(segments, named) or self._partial(segments, named)
        )

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
    for part in re.split(r"[./\\]", module)[:-1]:
        if not part or part[0].isupper():
            break
        folders.append(part)
    return (*folders, name)


def _ends_with(longer: tuple[str, ...], shorter: tuple[str, ...]) -> bool:
    return len(shorter) <= len(longer) and longer[len(longer) - len(shorter) :] == shorter


def _agreement(left: tuple[str, ...], right: tuple[str, ...]) -> int:
    count = 0
    for a, b in zip(reversed(left), reversed(right), strict=False):
        if a != b:
            break
        count += 1
    return count
