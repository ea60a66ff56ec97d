"""Elixir and Erlang: ``Exception.format``, ``Exception.format_stacktrace`` without a header, and logger reports.

Grammar read: ``** (Error) message``, ``(app 1.2.3) lib/x.ex:12: M.f/1``, an application without a place, scripts
without an application, ``anonymous fn/2 in M.f/1``, ``(module)`` and ``(test)``; ``** (EXIT) an exception was raised:``
with the callee's exception inside; Erlang's ``{m,f,1,[{file,"x.erl"},{line,2}]}``. Innermost frame first as printed.
Source: elixir-lang/elixir ``lib/elixir/lib/exception.ex``; Erlang/OTP ``erl_error``.
"""

import re
from dataclasses import dataclass, field

from correlator.libraries import ELISIONS, guess_in_app
from schemas.records import ExceptionLink, Frame, ParsedStack

MESSAGE_CHARS_MAX = 8192

_HEADER = re.compile(r"(?P<before>.{0,200}?)\*\* \((?P<type>[\w.]{1,300})\) ?(?P<message>.*)\Z")
_APP = r"(?:\((?P<app>[a-z]\w{0,100})(?: (?P<version>[\w.+-]{1,100}))?\) )?"
_PLACED = re.compile(
    rf"{_APP}(?P<file>[^\s:()][^:]{{0,500}}\.(?:exs?|erl|hrl|eex|heex|leex|yrl|xrl)|nofile|iex):(?P<line>\d{{1,9}}): (?P<function>\S.{{0,2000}})\Z"
)
_UNPLACED = re.compile(
    rf"{_APP}(?P<function>(?:expanding macro: )?(?::\"?[\w.]{{1,200}}\"?|[A-Z][\w.]{{0,300}})\.\S{{1,200}}?(?:/\d{{1,3}}|\(.{{0,2000}}\))|anonymous fn/\d{{1,3}} in .{{1,500}}|\((?:module|file|test)\))\Z"
)
_ERLANG = re.compile(
    r"\{(?P<module>'?[\w.@]{1,200}'?),(?P<name>'?[\w@/<>-]{1,200}'?),(?P<arity>\d{1,3}|\[.{0,500}?\]),\[(?:\{file,\"(?P<file>[^\"]{1,500})\"\},\{line,(?P<line>\d{1,9})\})?"
)

# `  in function  shop_cart:total/1 (src/shop_cart.erl, line 12)`, `  in call from ...`, as erl_error prints them
_ERL_ERROR = re.compile(
    r"in (?:function|call from) {1,4}(?P<module>'?[\w.@]{1,200}'?):(?P<name>'?[\w@/<>-]{1,200}?'?)/(?P<arity>\d{1,3})"
    r" \((?P<file>[^(),\n]{1,500}), line (?P<line>\d{1,9})\)"
)
_ERL_HEADER = re.compile(r"(?:\*\* )?exception (?P<class>error|exit|throw): (?P<message>[^\n]{0,4000})")

RUNTIME_APPS = frozenset(
    [
        "elixir",
        "stdlib",
        "kernel",
        "mix",
        "iex",
        "ex_unit",
        "logger",
        "eex",
        "erts",
        "compiler",
        "runtime_tools",
        "sasl",
        "ssl",
        "crypto",
        "inets",
        "public_key",
        "ecto",
        "ecto_sql",
        "db_connection",
        "postgrex",
        "myxql",
        "phoenix",
        "phoenix_live_view",
        "phoenix_pubsub",
        "phoenix_ecto",
        "plug",
        "plug_cowboy",
        "cowboy",
        "ranch",
        "bandit",
        "thousand_island",
        "absinthe",
        "broadway",
        "gen_stage",
        "oban",
        "jason",
        "finch",
        "mint",
        "hackney",
        "tesla",
        "httpoison",
        "telemetry",
        "opentelemetry",
        "opentelemetry_api",
        "nimble_pool",
        "nimble_options",
        "swoosh",
        "gettext",
        "decimal",
        "req",
        "ash",
    ]
)
"""Applications of the runtime and widespread packages; another application may be the user's own."""


@dataclass(slots=True)
class _Block:
    type: str = ""
    lines: list[str] = field(default_factory=list)
    frames: list[Frame] = field(default_factory=list)
    indent: int = 0


def parse(text: str) -> ParsedStack | None:
    """The exceptions of an Elixir or Erlang stack, or None when no frame is found."""
    if "** (" not in text and ".ex" not in text and ".erl" not in text:
        return None
    block = _Block()
    blocks = [block]
    # Blocks that are open, outermost first: the exception of an exit is printed inside the exit's.
    opened = [block]
    is_over = False
    is_headless = "** (" not in text  # `Exception.format_stacktrace` alone
    for line in text.split("\n"):
        indent = len(line) - len(line.lstrip())
        header = _HEADER.match(line) if "** (" in line else None
        if header is not None and header["type"] == "EXIT":
            opened[-1].lines.append(line.strip())
            continue
        if header is not None:
            if block.frames and indent == 0 and blocks[0].type:
                break  # The next exception of a log.
            found = _Block(header["type"], [header["message"]], indent=indent)
            if not blocks[0].type and not blocks[0].frames:
                blocks[0], opened = found, [found]
            else:
                blocks.append(found)
                opened.append(found)
            block = found
            continue
        frame = _frame(line, is_headless=is_headless)
        if frame is not None and not is_over:
            while len(opened) > 1 and indent <= opened[-1].indent:
                opened.pop()
            opened[-1].frames.append(frame)
        elif not block.frames:
            block.lines.append(line)
        elif line.strip() and indent == 0 and line.strip() not in ELISIONS:
            is_over = True  # `Last message: ...` of a logger report.
    if not any(found.frames for found in blocks):
        return _erlang(text)
    return ParsedStack("elixir", tuple(_link(found, index) for index, found in enumerate(blocks)))


def _frame(line: str, *, is_headless: bool) -> Frame | None:
    """``(app 1.0) lib/x.ex:12: M.f/1`` -> frame; None for any other line."""
    body = line.strip()
    match = _PLACED.match(body)
    if match:
        file, app = match["file"], match["app"]
        in_app = guess_in_app(file) if app is None else False if app in RUNTIME_APPS else None
        return Frame(file, match["function"], int(match["line"]), module=app, in_app=in_app)
    if line[:1] != " " and not is_headless:
        return None  # Prose that names a function; a frame is indented.
    match = _UNPLACED.match(body)
    if match is None:
        return None
    return Frame(None, match["function"], None, module=match["app"], in_app=None)


def _link(block: _Block, index: int) -> ExceptionLink:
    lines = [line.rstrip() for line in block.lines if line.strip() and line.strip() != "stacktrace:"]
    message = "\n".join(lines) if block.type else ""
    return ExceptionLink(
        block.type, message[:MESSAGE_CHARS_MAX], tuple(block.frames), "cause" if index else None
    )


def _erlang(text: str) -> ParsedStack | None:
    """A stack as Erlang prints it: ``erl_error``'s lines, or the terms ``{m,f,1,[{file,"x.erl"},{line,2}]}``."""
    matches = [match for pattern in (_ERL_ERROR, _ERLANG) for match in pattern.finditer(text)]
    frames = []
    for match in matches:
        if match["file"] is not None:
            name = f":{match['module']}.{match['name']}/{match['arity']}".replace("'", "")
            in_app = guess_in_app(match["file"])
            frames.append(Frame(match["file"], name, int(match["line"]), in_app=in_app))
    if not frames:
        return None
    header = _ERL_HEADER.search(text)
    type_, message = (header["class"], header["message"].strip()) if header else ("", "")
    return ParsedStack("elixir", (ExceptionLink(type_, message[:MESSAGE_CHARS_MAX], tuple(frames)),))
