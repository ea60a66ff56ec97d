"""What a line of source code says, told by its shape: what it defines, calls, raises, guards, repeats, imports. Pure.

One regular expression per question and family of languages, over single lines: a diff shows pieces of files, which a
parser of whole files refuses. Why lines and no grammar: docs/decisions/0014.
"""

import re
from functools import lru_cache
from posixpath import splitext

PYTHON, JAVASCRIPT, GO, CURLY, RUBY, PHP, RUST, ELIXIR = (
    "python",
    "javascript",
    "go",
    "curly",
    "ruby",
    "php",
    "rust",
    "elixir",
)
"""Families of languages. ``curly``: Java, Kotlin, Scala, C#, Swift, Dart, C and what declares like them."""

_EXTENSIONS = {
    PYTHON: ".py .pyi .pyx",
    JAVASCRIPT: ".js .jsx .mjs .cjs .ts .tsx .mts .cts .vue .svelte .astro",
    GO: ".go",
    CURLY: ".java .kt .kts .scala .groovy .cs .swift .dart .c .h .cc .cpp .hpp .m .mm .proto .graphql .gql",
    RUBY: ".rb .rake",
    PHP: ".php .phtml",
    RUST: ".rs",
    ELIXIR: ".ex .exs",
}
_FAMILY_OF = {extension: family for family, text in _EXTENSIONS.items() for extension in text.split()}

_MODIFIERS = (
    r"(?:(?:export|default|declare|public|private|protected|internal|static|final|abstract|override|async|suspend|open|"
    r"inline|virtual|sealed|readonly|partial|synchronized|data|pub(?:\([^)]{0,20}\))?|unsafe|extern|const|mutating|"
    r"fileprivate|companion|get|set)\s+){0,6}"
)
_FUNCTIONS = {
    PYTHON: r"\s*(?:async\s+)?def\s+(?P<name>\w+)",
    JAVASCRIPT: rf"""\s*{_MODIFIERS}(?:
          function\s*\*?\s*(?P<name>[\w$]+)\s*[(<]                           # function total(
        | (?:const|let|var)\s+(?P<bound>[\w$]+)\s*(?::[^=]{{1,80}})?=\s*(?:async\s*)?(?:function\b|\(|[\w$]+\s*=>)   # const total = (a) =>
        | (?:module\.)?exports\.(?P<exported>[\w$]+)\s*=                     # exports.total =
        | [\w$.]{{1,80}}\.(?P<assigned>[\w$]+)\s*=\s*(?:async\s*)?(?:function\b|\()   # app.use = function use(
        | (?P<method>(?!if\b|for\b|while\b|switch\b|catch\b|return\b|function\b)[#\w$]+)\s*(?:<[^>]{{1,60}}>)?\([^;]*\)\s*(?::[^{{;]{{1,80}})?\{{\s*$   # total (a) {{
        | (?P<keyed>[\w$]+)\s*:\s*(?:async\s*)?(?:function\b|\([^)]{{0,200}}\)\s*=>)   # total: function (
        )""",
    GO: r"func\s+(?:\([^)]{1,100}\)\s*)?(?P<name>\w+)",
    CURLY: rf"""\s*(?:@\w+(?:\([^)]{{0,100}}\))?\s+)*{_MODIFIERS}(?:
          (?:fun|func)\s+(?:<[^>]{{1,60}}>\s*)?(?:[\w.<>]+\.)?(?P<name>\w+)\s*[(<]
        | def\s+(?P<scala>\w+)
        | rpc\s+(?P<rpc>\w+)
        | (?!return\b|new\b|else\b|throw\b|await\b|case\b)[\w<>\[\],.?*&:]+\s+[*&]?(?P<method>\w+)\s*\([^;]*\)?\s*(?:throws\s[\w,\s.]+)?(?:\{{|$|=>)
        )""",
    RUBY: r"\s*(?:private\s+|public\s+)?def\s+(?:self\.)?(?P<name>[\w]+[?!=]?)",
    PHP: rf"\s*{_MODIFIERS}function\s+&?(?P<name>\w+)",
    RUST: rf"\s*{_MODIFIERS}fn\s+(?P<name>\w+)",
    ELIXIR: r"\s*def(?:p|macro|macrop)?\s+(?P<name>[\w]+[?!]?)",
}
_FUNCTION = {family: re.compile(text, re.VERBOSE) for family, text in _FUNCTIONS.items()}

_TYPE = re.compile(
    rf"\s*{_MODIFIERS}(?:case\s+)?(?:class|interface|enum|record|struct|object|trait|module|defmodule|type|protocol|"
    r"message|service|namespace|extension)\s+(?P<name>[A-Za-z_][\w.:]*)"
)
# A field, a key, a constant, a column: `total: int = 0`, `"total": x,`, `self.total = 0`, `TOTAL = 1`.
_BOUND = re.compile(
    r"""\s*(?:(?:const|let|var|val|static|final|public|private|protected|readonly|self|this|cls|@)[\s.]*){0,4}
        (?P<quote>["']?)(?P<name>[A-Za-z_$][\w$-]*)(?P=quote)
        \s*(?:(?::(?!:)\s*(?P<type>[\w\[\]|., <>?"']{1,80}?))?\s*(?:=(?![=>])|:=)|:(?![:=]))\s*(?P<value>.{0,200})""",
    re.VERBOSE,
)
# `Total int64 `json:"total"``, `private BigDecimal total;`
_TYPED_FIELD = re.compile(r"\s*(?:[\w<>\[\],.?]+\s+){1,4}(?P<name>\w+)\s*(?:;|=|`)")
_GO_FIELD = re.compile(r"\s+(?P<name>[A-Z]\w*)\s+[\w\[\]*.]+(?:\s+`.*`)?\s*$")
# `from x import a, b as c`, `import { a, b as c } from 'x'`, `export { a }`, `use x::{a, b}`
_IMPORTED = re.compile(
    r"\s*(?:from\s+(?P<module>[\w.]+)\s+import\s+(?P<names>[^#]+)"
    r"|(?:import|export)\s+(?:type\s+)?(?:[\w$]+\s*,\s*)?\{(?P<braced>[^}]*)\}"
    r"|(?:const|let|var)\s+\{(?P<required>[^}]*)\}\s*=\s*require)"
)
_ALL_ENTRY = re.compile(r"\s*[\"'](?P<name>[A-Za-z_]\w*)[\"'],?\s*$")
_SYMBOLS = re.compile(
    r"\s*(?:attr_\w+|delegate|scope|has_many|belongs_to|has_one|field|column|t\.\w+)\s+(?P<names>:\w+(?:\s*,\s*:\w+)*)"
)

CALL = re.compile(r"([A-Za-z_$][\w$]*[?!]?)\s*\(")
NAME = re.compile(r"[A-Za-z_$][\w$]{2,}")
_RAISED = re.compile(
    r"\b(?:raise|throw)\s+(?:new\s+)?(?P<type>[A-Za-z_][\w.:]*)"
    r"|\b(?P<call>abort|panic!?|bail!|anyhow!|errors\.New|fmt\.Errorf|status\.Errorf?|createError|http_error|"
    r"HTTPException|HttpException|ResponseStatusException|Promise\.reject|halt|unreachable!)\s*\("
)
_GUARD = re.compile(
    r"^\s*(?:\}?\s*(?:el(?:se\s+)?if|elsif|if|unless|guard|try|except|catch|rescue|ensure|finally|assert)\b|with\s+suppress)"
    r"|\?\.|\?\?|\bis\s+(?:not\s+)?None\b|[!=]==?\s*(?:null|nil|None|undefined)\b|\.get\(|getattr\(|hasattr\(|isinstance\("
    r"|\bor\s+(?:None|\{\}|\[\]|\(\)|[\"']{2})|\|\|\s*(?:\{\}|\[\]|[\"']{2})"
)
_CONDITION = re.compile(r"^\s*\}?\s*(?:el(?:se\s+)?if|elsif|if|unless|guard|assert)\b")
_REPEATED = re.compile(
    r"^\s*(?:async\s+)?(?:for|while|loop|until)\b|\.(?:forEach|map|each|flatMap|all)\s*[({]|\bfor\s+\w+(?:,\s*\w+)?\s+in\b|"
    r"\brange\("
)
_ASKED = re.compile(
    r"\b(?:SELECT|INSERT|UPDATE|DELETE|JOIN)\b|\.(?:execute|query|filter|filter_by|find|findOne|findAll|find_by|where|"
    r"aggregate|fetch|fetchall|fetchone|objects|get_or_create|select_related|prefetch_related|includes|request|post|send)\s*\("
    r"|\.objects\b|\bfetch\(|\brequests\.\w+\("
)
_WAITED = re.compile(
    r"\b(?:sleep|wait|join|acquire|lock|Lock|Semaphore|synchronized|timeout|setTimeout|retry|retries|backoff|deadline|"
    r"poll|block|pool_size|max_connections|maxsize|limit)\b",
    re.IGNORECASE,
)
_STATUS = re.compile(r"(?<![\w.])[45]\d\d(?![\w.])")
LITERAL = re.compile(
    r"\"\"\"(.{3,240}?)\"\"\"|\"((?:[^\"\\\n]|\\.){2,240})\"|'((?:[^'\\\n]|\\.){2,240})'|`([^`\n]{2,240})`"
)
_SPACE = re.compile(r"\s+")


@lru_cache(maxsize=50_000)
def family_of(path: str) -> str | None:
    """The family of the language that ``path`` is written in; None for what is no source code."""
    return _FAMILY_OF.get(splitext(path.lower())[1])


def function(line: str, family: str | None) -> str | None:
    """Name of the function that ``line`` begins to define."""
    found = _FUNCTION[family].match(line) if family else None
    return next((name for name in found.groupdict().values() if name), None) if found else None


CONSTRUCTORS = frozenset({"__init__", "__new__", "__call__", "constructor", "initialize", "__construct"})


def type_name(line: str | None) -> str | None:
    """Name of the class, the record, the module that ``line`` begins to define."""
    found = _TYPE.match(line) if line else None
    return re.split(r"[.:]+", found["name"].strip(":."))[-1] if found else None


def defined(line: str, family: str | None) -> list[str]:
    """Names that come into the world by ``line``: of a function, a type, a field, a constant, an import or an export."""
    if (name := function(line, family)) is not None:
        return [name]
    if (name := type_name(line)) is not None:
        return [name]
    if found := _IMPORTED.match(line):
        listed = found["names"] or found["braced"] or found["required"] or ""
        return [
            word.split()[-1]
            for part in re.split(r"[,()]", listed)
            if (word := part.replace(":", " ").strip()) and word != "\\"
        ]
    if found := _ALL_ENTRY.match(line):
        return [found["name"]]
    if family == RUBY and (found := _SYMBOLS.match(line)):
        return re.findall(r"\w+", found["names"])
    if family == GO and (found := _GO_FIELD.match(line)):
        return [found["name"]]
    if found := _BOUND.match(line):
        return [found["name"]]
    if family == CURLY and (found := _TYPED_FIELD.match(line)):
        return [found["name"]]
    return []


def bound(line: str) -> tuple[str, str] | None:
    """(name, value) of a line that gives a name a value: an assignment, a default, a key, a setting."""
    found = _BOUND.match(line)
    return (found["name"], _SPACE.sub(" ", found["value"]).rstrip(" ,;")) if found else None


def raised(line: str) -> list[str]:
    """Types and functions that ``line`` raises or aborts with, without their modules."""
    return [
        re.split(r"[.:]+", found["type"] or found["call"])[-1].rstrip("!") for found in _RAISED.finditer(line)
    ]


def statuses(line: str) -> list[str]:
    """Numbers of ``line`` that can be statuses of failed requests."""
    return _STATUS.findall(line)


def calls(text: str) -> list[str]:
    """Names that are called."""
    return CALL.findall(text)


def is_guard(line: str) -> bool:
    """Whether ``line`` keeps a case away: a condition, a handler, a default for what is absent."""
    return _GUARD.search(line) is not None


def is_condition(line: str) -> bool:
    """Whether ``line`` asks something of a value, by which it may be refused."""
    return _CONDITION.search(line) is not None


def is_repetition(line: str) -> bool:
    return _REPEATED.search(line) is not None


def is_question(line: str) -> bool:
    """Whether ``line`` asks a database or a peer."""
    return _ASKED.search(line) is not None


def is_waiting(line: str) -> bool:
    return _WAITED.search(line) is not None


# `{total}`, `%s`, `%(name)r`, `${total}`, `#{total}`: where a message takes its values.
_PLACE = re.compile(r"\$?\{[^{}]{0,120}\}|#\{[^{}]{0,120}\}|%\(\w+\)[a-z]|%[-+ #0-9.]*[sdrvqwTfxc]|%\w\b")


def phrases(line: str, *, shortest: int = 8) -> list[str]:
    """Fixed pieces of the quoted texts of ``line``, as a message would show them."""
    found = []
    for groups in LITERAL.findall(line):
        text = next(group for group in groups if group) if any(groups) else ""
        for part in _PLACE.split(text):
            fixed = part.replace("\\'", "'").replace('\\"', '"').strip(" :,.;-'\"`()\\n")
            if len(fixed) >= shortest and re.search(r"[A-Za-z]{3}", fixed):
                found.append(fixed)
    return found
