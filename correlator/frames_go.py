"""Go stacks: ``runtime.Stack`` and panics, and the ``%+v`` of errors that carry a stack.

Grammar read: ``panic: value [recovered]``, ``fatal error:``, log prefixes, ``goroutine N [state]:``, a function line
followed by an indented ``file.go:12 +0x1d``, ``created by F in goroutine M``; of several goroutines the first, which
is the one that failed. A stack cut in the middle (the SDK records 2,048 bytes) keeps its whole frames.
Source: Go's ``runtime/traceback.go``; ``Format`` of github.com/pkg/errors (an error is printed before its wrapper).
"""

import re
from dataclasses import dataclass, field

from correlator.libraries import ELISIONS, guess_in_app
from schemas.records import ExceptionLink, Frame, ParsedStack

MESSAGE_CHARS_MAX = 8192

# `	/src/shop/cart.go:12 +0x1d`, `	_cgo_gotypes.go:64`, `	runtime/asm_amd64.s:1650`
_PLACE = re.compile(
    r"\s+(?P<file>\S.{0,1000}?\.(?:go|s|c|h|cc|cpp|y)):(?P<line>\d{1,9})(?: \+0x[0-9a-f]{1,16})?(?: fp=.{0,200})?\s*\Z"
)
_FLAT_PLACE = re.compile(
    r"(?P<file>\S.{0,1000}?\.(?:go|s|c|h|cc|cpp|y)):(?P<line>\d{1,9})(?: \+0x[0-9a-f]{1,16})?(?: fp=.{0,200})?\s*\Z"
)
_GOROUTINE = re.compile(r"goroutine \d+ (?:gp=\S+ m=.{0,100} )?\[[^\]]{0,200}\]:\s*\Z")
_PANIC = re.compile(r"(?:.{0,200}?\b)?(panic|fatal error)(?: serving \S{1,200})?: (.*)\Z")
_CREATED = re.compile(r" in goroutine \d+\Z")

# gin's recovery: `/srv/shop/cart.go:12 (0x483dd6)` above `	Total: return c.items[i]`
_RECOVERED = re.compile(r"(?P<file>\S.{0,1000}?\.(?:go|s|c)):(?P<line>\d{1,9}) \(0x[0-9a-f]{1,16}\)\Z")
# cockroachdb/errors draws a line beside its stacks and lists the layers of an error.
_GUTTER = re.compile(r"\s{0,8}\| ?")
_ATTACHED = re.compile(r"\(\d{1,4}\) attached stack trace|\s{0,8}-- stack trace:|Error types: ")

_FOREIGN_FUNCTIONS = (
    "runtime.", "runtime/", "testing.", "panic", "net/http.", "reflect.", "sync.", "sync/atomic.", "syscall.", "internal/",
    "encoding/", "database/sql.", "go.opentelemetry.io/", "google.golang.org/grpc", "golang.org/x/", "github.com/gin-gonic/gin",
    "github.com/pkg/errors", "github.com/stretchr/testify", "github.com/go-chi/chi", "github.com/gorilla/mux",
    "github.com/labstack/echo", "github.com/jackc/pgx", "gorm.io/",
)  # fmt: skip
"""Packages of the standard library and widespread frameworks: what recovers, serves and records."""


@dataclass(slots=True)
class _Block:
    lines: list[str] = field(default_factory=list)
    frames: list[Frame] = field(default_factory=list)


def parse(text: str) -> ParsedStack | None:
    """The panic, or the chain of errors, of a Go stack; None when no frame is found."""
    lines = text.split("\n")
    if "-- stack trace:" in text:
        lines = [_GUTTER.sub("", line) for line in lines if not _ATTACHED.match(line)]
    blocks = [_Block()]
    goroutines = 0
    is_truncated = False
    index = 0
    while index < len(lines):
        line = lines[index]
        if line.startswith("goroutine ") and _GOROUTINE.match(line):
            goroutines += 1
            if goroutines > 1:
                break
            # What the runtime's own thread did, when it could not even panic, is no frame of the program.
            blocks[-1].frames.clear()
            index += 1
            continue
        place = _place(lines[index + 1]) if index + 1 < len(lines) and line.strip() else None
        if place is not None and (not line[:1].isspace() or _opens_indented(line, lines[index + 1])):
            blocks[-1].frames.append(_frame(line.strip(), place))
            index += 2
            continue
        recovered = _RECOVERED.match(line)
        if recovered is not None and index + 1 < len(lines) and lines[index + 1][:1] == "\t":
            blocks[-1].frames.append(_frame(lines[index + 1].partition(": ")[0].strip(), recovered))
            index += 2
            continue
        if blocks[-1].frames and goroutines:
            if line.strip() == "...additional frames elided...":
                is_truncated = True
            elif not line.strip() or line.startswith(("exit status", "FAIL")):
                pass
            elif index + 1 >= len(lines):
                is_truncated = True
        elif blocks[-1].frames and line.strip() in ELISIONS:
            pass
        elif blocks[-1].frames and line.strip():
            # Without goroutines: the message of the error that wraps the one above.
            blocks.append(_Block([line]))
        elif line.strip() or blocks[-1].lines:
            blocks[-1].lines.append(line)
        index += 1
    blocks = [block for block in blocks if block.frames]
    if not blocks:
        return None
    # pkg/errors prints the origin first, xerrors the wrapper: its causes begin with a dash.
    is_wrapper_first = any(block.lines and block.lines[0].lstrip().startswith("- ") for block in blocks)
    links = [_link(block) for block in (blocks if is_wrapper_first else blocks[::-1])]
    chain = [links[0], *(ExceptionLink(x.type, x.message, x.frames, "cause") for x in links[1:])]
    return ParsedStack("go", tuple(chain), is_truncated)


def _place(line: str) -> re.Match[str] | None:
    """The line below a function; where indentation was lost, by the path that it begins with."""
    return _PLACE.match(line) or (_FLAT_PLACE.match(line) if line[:1] in "/._" or line[1:2] == ":" else None)


def _opens_indented(line: str, place: str) -> bool:
    """True for a function as ``golang.org/x/xerrors`` prints it: indented, its place deeper."""
    name = line.strip()
    depth = len(line) - len(line.lstrip())
    return " " not in name and "." in name and len(place) - len(place.lstrip()) > depth


def _frame(line: str, place: re.Match[str]) -> Frame:
    name = line
    if name.startswith("created by "):
        name = _CREATED.sub("", name[11:])
    elif name.endswith(")"):
        name = _without_arguments(name)
    file = place["file"]
    is_foreign = name.startswith(_FOREIGN_FUNCTIONS)
    return Frame(file, name, int(place["line"]), in_app=False if is_foreign else guess_in_app(file))


def _without_arguments(name: str) -> str:
    """``main.(*T).f(0x1, {0x2})`` -> ``main.(*T).f``: the bracket that closes last is cut."""
    depth = 0
    for position in range(len(name) - 1, -1, -1):
        if name[position] == ")":
            depth += 1
        elif name[position] == "(":
            depth -= 1
            if depth == 0:
                return name[:position]
    return name


def _link(block: _Block) -> ExceptionLink:
    lines = [line for line in block.lines if not line.startswith(("[signal ", "runtime stack:", "runtime: "))]
    frames = tuple(block.frames)
    for index, line in enumerate(lines):
        match = _PANIC.match(line)
        if match and not line[:1].isspace():
            rest = [text for text in lines[index + 1 :] if not text.lstrip().startswith("panic: ")]
            message = "\n".join([match[2], *rest]).strip()
            return ExceptionLink(match[1], message[:MESSAGE_CHARS_MAX], frames)
    message = "\n".join(lines).strip()
    if message.startswith("- "):
        message = message[2:].removesuffix(":")
    return ExceptionLink("", message[:MESSAGE_CHARS_MAX], frames)
