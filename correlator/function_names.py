"""The name of a function as its author knows it, the same in every build: what compilers and runtimes add is removed.

It reads names, not languages: each rule has a shape that only one runtime prints. Two functions of one name are told
apart by nothing here; for the runtimes that print the class apart from its method, :func:`of` puts them together.
"""

import re

from schemas.records import Frame

NAME_CHARS_MAX = 500

_CLASS_FILES = (".java", ".kt", ".kts", ".scala", ".groovy", ".clj", ".php")
"""Of these a frame names the class in its module; of others the module is a package, a gem or a binary."""

# Elixir prints the arguments of the innermost call: `Shop.Cart.price(%{a: 1})`; Swift the labels: `Cart.price(at:)`.
_ELIXIR_CALL = re.compile(r"(:?\"?[\w.]{1,200}\"?\.[^\s(]{1,200})\((?!(?:\w{1,50}:){1,20}\)).{0,500}\)\Z")
# .NET: `Cart.<Total>d__3.MoveNext`, `Cart.<>c__DisplayClass4_0.<Total>b__1`, `<<Total>b__0>d.MoveNext`, `<Total>g__Add|2_0`;
# Mono: `Cart.<Total>m__0`, `P+<Main>c__AnonStorey0.<>m__3`.
_DOTNET = re.compile(
    r"(?P<owner>[\w.`\[\],+]{0,300}?)[.+]?(?:<>c[^.<]{0,60}[.+]){0,2}<{1,3}(?P<name>[\w.`]{1,200})>(?:[a-z]__|d\b)[^\s]{0,200}\Z"
)
# Kotlin: a suspended function goes on in a class of its own: `CartKt$total$2.invokeSuspend`.
_KOTLIN = re.compile(
    r"(?P<owner>[\w.]{1,300})\$(?P<name>[\w$]{1,200}?)(?:\$\d{1,4})?\.(?:invokeSuspend|invoke|emit|collect)\Z"
)
_PARTS = re.compile(
    r"""
      \ \[as\ [^\]]*\]                 # Layer.handle [as handle_request]
    | \$\$Lambda[$/\w.]*               # Cart$$Lambda/0x0000
    | ::h[0-9a-f]{16}\Z                # Rust, mangled: shop::total::h0123456789abcdef
    | \[[0-9a-f]{16}\]                 # Rust: std[e28293b1aa0f68bd]::panicking
    | \ \#\ <=.*                       # Elixir: what did not match, as a comment
    | 0x[0-9a-fA-F]+
    | (?<=\$Proxy)\d+                  # Java, of a dynamic proxy
    | (?<=\$)\d+                       # anonymous class Cart$1, Scala's $anonfun$2
    | (?<=func)\d+(?:\.\d+)*           # Go closures: main.run.func1.2
    | (?<=__)\d+(?:_\d+)*              # numbers of the .NET compiler
    | (?<=@anonymous).{1,300}?(?=->|::|\Z)      # PHP: class@anonymous/srv/x.php:21$0
    """,
    re.VERBOSE,
)
# PHP 8.4: `{closure:App\Cart::total():8}`, `{closure:/srv/shop/index.php:3}` -> without the folder and the line.
_PHP_CLOSURE = re.compile(r"\{closure:(?:[^{}]{0,500}/)?([^{}/]{0,300}?):\d{1,9}\}")


def of(frame: Frame) -> str | None:
    """The stable name of a frame's function, with its class where the runtime prints it apart; None without a name."""
    if not frame.function:
        return None
    file = frame.file or ""
    is_method = frame.module is not None and (file.endswith(_CLASS_FILES) or "." in frame.module)
    return stable(f"{frame.module}.{frame.function}" if is_method else frame.function)


_IDENTIFIER = re.compile(r"[A-Za-z_$][\w$]*[?!=]?")
_ARGUMENTS = re.compile(r"\([^()*]{0,500}\)")  # `(2 levels)`, `(at:)`; Go's `(*Cart)` is a type
_JAVA_LAMBDA = re.compile(r"lambda\$([\w]{1,200})\$")
_FILLER = frozenset(
    [
        "func",
        "anonymous",
        "fn",
        "closure",
        "block",
        "in",
        "rescue",
        "ensure",
        "levels",
        "lambda",
        "static",
        "async",
    ]
)
"""What runtimes write beside the name of the function that somebody wrote."""


def bare(name: str) -> str:
    """The identifier that a declaration of the function holds: ``total`` of ``block in Shop::Cart#total``; '' if none."""
    plain = _ARGUMENTS.sub("", _JAVA_LAMBDA.sub(r"\1", stable(name)))
    found = [word for word in _IDENTIFIER.findall(plain) if word not in _FILLER]
    return found[-1] if found else ""


def stable(name: str) -> str:
    """``name`` without what differs between builds, calls and containers."""
    name = name[:NAME_CHARS_MAX]
    call = _ELIXIR_CALL.match(name)
    if call:
        return call[1]
    if "<" in name and (folded := _DOTNET.match(name)):
        owner = folded["owner"].rstrip(".+")
        return f"{owner}.{folded['name']}" if owner else folded["name"]
    if folded := _KOTLIN.match(name):
        return f"{folded['owner']}.{folded['name'].partition('$')[0]}"
    if "{closure:" in name:
        name = _PHP_CLOSURE.sub(r"{closure:\1}", name)
    return _PARTS.sub("", name).strip()
