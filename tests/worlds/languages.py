"""Five languages: how statements, functions and files are written, and which line each statement stands on.

Templates hold ``{x}`` for a local name in the language's case, ``{x.P}`` in Pascal case, ``{x.s}`` in snake case,
``{x.u}`` in capitals. ``>>`` at the start of a template's line marks the line at which the statement fails, else it is
the first one.
"""

from dataclasses import dataclass
from typing import Any

from worlds.code import Function, Module, Statement

LANGUAGES = ("python", "javascript", "typescript", "java", "go")


class Name:
    """A snake-case name, to be written in a language's case."""

    __slots__ = ("s",)

    def __init__(self, snake: str) -> None:
        self.s = snake

    @property
    def P(self) -> str:
        return "".join(part.capitalize() for part in self.s.split("_"))

    @property
    def c(self) -> str:
        pascal = self.P
        return pascal[:1].lower() + pascal[1:]

    @property
    def u(self) -> str:
        return self.s.upper()

    @property
    def d(self) -> str:
        return self.s.replace("_", "-")


class Snake(Name):
    def __str__(self) -> str:
        return self.s


class Camel(Name):
    def __str__(self) -> str:
        return self.c


def named(language: str, snake: str) -> Name:
    return Snake(snake) if language == "python" else Camel(snake)


# kind -> (python, javascript, java, go). TypeScript is written as JavaScript is.
TEMPLATES: dict[str, tuple[str, str, str, str]] = {
    "comment": ("# {text}", "// {text}", "// {text}", "// {text}"),
    "log": (
        'logger.info("{text}", {a})',
        'logger.info("{text}", {{ {a} }});',
        'log.info("{text} {{}}", {a});',
        'slog.InfoContext(ctx, "{text}", "{a.s}", {a})',
    ),
    "scale": ("{x} = {a} * {n}", "const {x} = {a} * {n};", "var {x} = {a} * {n};", "{x} := {a} * {n}"),
    "sum": (
        "{x} = sum(item.{f.s} for item in {a})",
        "const {x} = {a}.reduce((sum, item) => sum + item.{f}, 0);",
        "var {x} = {a}.stream().mapToLong(Item::get{f.P}).sum();",
        "{x} := 0\nfor _, item := range {a} {{\n    {x} += item.{f.P}\n}}",
    ),
    "bound": (
        "{x} = min({a}, {n})",
        "const {x} = Math.min({a}, {n});",
        "var {x} = Math.min({a}, {n});",
        "{x} := min({a}, {n})",
    ),
    "branch": (
        "if {a} > {n}:\n    {b} = {b} - {n}",
        "if ({a} > {n}) {{\n    {b} -= {n};\n}}",
        "if ({a} > {n}) {{\n    {b} = {b} - {n};\n}}",
        "if {a} > {n} {{\n    {b} = {b} - {n}\n}}",
    ),
    "guard": (
        "if {a} is None:\n    return {empty}",
        "if ({a} == null) {{\n    return {empty};\n}}",
        "if ({a} == null) {{\n    return {empty};\n}}",
        "if {a} == nil {{\n    return nil, nil\n}}",
    ),
    "sizeguard": (
        "if not {a}:\n    return {empty}",
        "if ({a}.length === 0) {{\n    return {empty};\n}}",
        "if ({a}.isEmpty()) {{\n    return {empty};\n}}",
        "if len({a}) == 0 {{\n    return nil, nil\n}}",
    ),
    "field": (
        '{x} = {a}["{f.s}"]',
        "const {x} = {a}.{f};",
        "var {x} = {a}.get{f.P}();",
        "{x} := {a}.{f.P}",
    ),
    "deepfield": (
        '{x} = {a}["{f.s}"]["{g.s}"]',
        "const {x} = {a}.{f}.{g};",
        "var {x} = {a}.get{f.P}().get{g.P}();",
        "{x} := {a}.{f.P}.{g.P}",
    ),
    "getfield": (
        '{x} = {a}.get("{f.s}", {n})',
        "const {x} = {a}.{f} ?? {n};",
        'var {x} = {a}.getOrDefault("{f}", {n});',
        "{x} := valueOr({a}.{f.P}, {n})",
    ),
    "index": ("{x} = {a}[{i}]", "const {x} = {a}[{i}].{f};", "var {x} = {a}.get({i});", "{x} := {a}[{i}]"),
    "constant": (
        "{x} = {a} % {m}{k.u}",
        "const {x} = {m}{k.u}.toString().padStart({a});",
        "var {x} = {a} % {m}{k.u};",
        "{x} := {a} % {m}{k.P}",
    ),
    "method": (
        "{x} = {a}.quantize(CENT)",
        "const {x} = {a}.toFixed(2);",
        "var {x} = ((BigDecimal) {a}).setScale(2);",
        "{x} := {a}.(float64)",
    ),
    "parse": (
        "{x} = Decimal({a})",
        "const {x} = BigInt({a});",
        "var {x} = Long.parseLong({a});",
        "{x} := mustParse({a})",
    ),
    "setting": (
        '{x} = settings["{k.u}"]',
        'const {x} = settings.require("{k.u}");',
        'var {x} = settings.require("{k.u}");',
        '{x} := settings.MustGet("{k.u}")',
    ),
    "registry": (
        '{x} = {r.u}["{key}"]({a})',
        'const {x} = {r}["{key}"]({a});',
        'var {x} = {r.u}.get("{key}").apply({a});',
        '{x} := {r}["{key}"]({a})',
    ),
    "switch": (
        '{x} = {{"{v1}": 1, "{v2}": 2, "{v3}": 3}}[{a}.{f.s}]',
        'const {x} = weights[{a}.{f} as "{v1}" | "{v2}" | "{v3}"].factor;',
        "var {x} = {f.P}.valueOf({a}.get{f.P}()).ordinal();",
        "{x} := {f}Weights[{a}.{f.P}].Factor",
    ),
    "query": (
        '{x} = db.fetch(\n    "SELECT {cols} FROM {t.s} WHERE {w.s} = %s",\n    {a},\n)',
        "const {x} = await db.query(\n    'SELECT {cols} FROM {t.s} WHERE {w.s} = $1',\n    [{a}],\n);",
        'var {x} = jdbc.query(\n    "SELECT {cols} FROM {t.s} WHERE {w.s} = ?",\n    mapper, {a});',
        "{x}, err := db.Query(ctx,\n    \"SELECT {cols} FROM {t.s} WHERE {w.s} = $1\", {a})\nif err != nil {{\n    return nil, err\n}}",
    ),
    "write": (
        'db.execute(\n    "UPDATE {t.s} SET {f.s} = %s WHERE {w.s} = %s",\n    {a}, {b},\n)',
        "await db.query(\n    'UPDATE {t.s} SET {f.s} = $1 WHERE {w.s} = $2',\n    [{a}, {b}],\n);",
        'jdbc.update(\n    "UPDATE {t.s} SET {f.s} = ? WHERE {w.s} = ?",\n    {a}, {b});',
        '_, err = db.Exec(ctx,\n    "UPDATE {t.s} SET {f.s} = $1 WHERE {w.s} = $2", {a}, {b})\nif err != nil {{\n    return nil, err\n}}',
    ),
    "fetch": (
        '{x} = http.request("{method}", {h.u}_URL + "{path}", timeout={n}).json()',
        'const {x} = await http.request("{method}", `${{{h.u}_URL}}{path}`, {{ timeout: {n}000 }});',
        'var {x} = http.exchange("{method}", {h}Url + "{path}", Duration.ofSeconds({n}));',
        '{x}, err := http.Do(ctx, "{method}", {h}URL+"{path}", {n}*time.Second)\nif err != nil {{\n    return nil, err\n}}',
    ),
    "fetchslow": (
        '{x} = http.request("{method}", {h.u}_URL + "{path}").json()',
        'const {x} = await http.request("{method}", `${{{h.u}_URL}}{path}`);',
        'var {x} = http.exchange("{method}", {h}Url + "{path}");',
        '{x}, err := http.Do(ctx, "{method}", {h}URL+"{path}")\nif err != nil {{\n    return nil, err\n}}',
    ),
    "queryeach": (
        "for entry in {a}:\n    {x} = db.fetch(\n        \"SELECT {cols} FROM {t.s} WHERE {w.s} = %s\",\n        entry.id,\n    )",
        "for (const entry of {a}) {{\n    const {x} = await db.query('SELECT {cols} FROM {t.s} WHERE {w.s} = $1', [entry.id]);\n}}",
        'for (var entry : {a}) {{\n    var {x} = jdbc.query("SELECT {cols} FROM {t.s} WHERE {w.s} = ?", mapper, entry.getId());\n}}',
        'for _, entry := range {a} {{\n    {x}, err := db.Query(ctx, "SELECT {cols} FROM {t.s} WHERE {w.s} = $1", entry.ID)\n    if err != nil {{\n        return nil, err\n    }}\n}}',
    ),
    "keep": (
        'cache.set("{key}:" + {a}, {b})',
        "await cache.set(`{key}:${{{a}}}`, {b});",
        'cache.put("{key}:" + {a}, {b});',
        'cache.Set(ctx, "{key}:"+{a}, {b})',
    ),
    "keepother": (
        'cache.set("{key}:" + {a}, {{"value": {b}}})',
        "await cache.set(`{key}:${{{a}}}`, {{ value: {b} }});",
        'cache.put("{key}:" + {a}, Map.of("value", {b}));',
        'cache.Set(ctx, "{key}:"+{a}, map[string]any{{"value": {b}}})',
    ),
    "recall": (
        '{x} = cache.get("{key}:" + {a})["{f.s}"]',
        "const {x} = (await cache.get(`{key}:${{{a}}}`)).{f}.length;",
        'var {x} = (({f.P}) cache.get("{key}:" + {a})).getValue();',
        '{x} := cache.Get(ctx, "{key}:"+{a}).({f.P}).Value',
    ),
    "publish": (
        'broker.publish("{topic}", {{"{f.s}": {a}, "version": {n}}})',
        'await broker.publish("{topic}", {{ {f}: {a}, version: {n} }});',
        'broker.publish("{topic}", Map.of("{f}", {a}, "version", {n}));',
        'broker.Publish(ctx, "{topic}", Event{{{f.P}: {a}, Version: {n}}})',
    ),
    "check": (
        'if len({a}["{f.s}"]) > {n}:\n    raise BadRequest("{f.s} is too long")',
        "if ({a}.{f}.length > {n}) {{\n    throw new BadRequest('{f.s} is too long');\n}}",
        'if ({a}.get{f.P}().length() > {n}) {{\n    throw new BadRequest("{f.s} is too long");\n}}',
        'if len({a}.{f.P}) > {n} {{\n    return nil, BadRequest("{f.s} is too long")\n}}',
    ),
    "flagged": (
        'if flags.is_on("{flag}"):\n    >>{x} = {a}["{f.s}"]["{g.s}"]',
        'if (await flags.isOn("{flag}")) {{\n    >>{b} = {a}.{f}.{g};\n}}',
        'if (flags.isOn("{flag}")) {{\n    >>{b} = {a}.get{f.P}().get{g.P}();\n}}',
        'if flags.IsOn(ctx, "{flag}") {{\n    >>{b} = {a}.{f.P}.{g.P}\n}}',
    ),
    "call": (
        "{x} = {m}{fn}({args})",
        "const {x} = await {m}{fn}({args});",
        "var {x} = {m}{fn}({args});",
        "{x}, err := {m}{fn.P}(ctx, {args})\nif err != nil {{\n    return nil, err\n}}",
    ),
    "route": (
        '@router.{method.s}("{path}")',
        'router.{method.s}("{path}", {fn});',
        '@{method.P}Mapping("{path}")',
        '// {fn.P} serves {method.u} {path}.',
    ),
    "role": (
        '@requires_role("{role}")',
        '// @role {role}',
        "@PreAuthorize(\"hasRole('{role}')\")",
        "//auth:role {role}",
    ),
    "dated": (
        '{x} = RATES[{a}["{f.s}"][:7]]',
        "const {x} = rates[{a}.{f}.slice(0, 7)].value;",
        "var {x} = rates.get({a}.get{f.P}().substring(0, 7)).getValue();",
        "{x} := rates[{a}.{f.P}[:7]].Value",
    ),
    "round": (
        "{x} = round({a}, {n})",
        "const {x} = Number({a}.toPrecision({n}));",
        "var {x} = {a}.round(new MathContext({n}));",
        "{x} := roundTo({a}, {n})",
    ),
    # --- what functions return
    "return": ("return {a}", "return {a};", "return {a};", "return {a}, nil"),
    "returntext": ("return str({a})", "return String({a});", "return String.valueOf({a});", "return fmt.Sprint({a}), nil"),
    "returnnone": ("return {a} or None", "return {a} || null;", "return {a}.isZero() ? null : {a};", "return nilIfZero({a}), nil"),
    "answer": (
        'return {{"{f.s}": {a}, "{g.s}": {b}}}',
        "return {{ {f}: {a}, {g}: {b} }};",
        'return Map.of("{f}", {a}, "{g}", {b});',
        'return Answer{{"{f.s}": {a}, "{g.s}": {b}}}, nil',
    ),
}  # fmt: skip

_COLUMN = {"python": 0, "javascript": 1, "typescript": 1, "java": 2, "go": 3}
EXTENSION = {"python": ".py", "javascript": ".js", "typescript": ".ts", "java": ".java", "go": ".go"}


@dataclass(slots=True)
class Text:
    """One file as text: ``line_of`` statement key -> line at which it fails, ``names`` id of a function -> its name."""

    text: str
    line_of: dict[int, int]
    names: dict[int, str]

    def line(self, number: int) -> str:
        return self.text.split("\n")[number - 1].strip()


def written(statement: Statement, language: str, module: Module) -> list[str]:
    """The lines of one statement, without indentation of its own."""
    values: dict[str, Any] = {}
    for key, value in statement.arguments.items():
        is_name = isinstance(value, str) and key in _NAMES
        values[key] = named(language, value) if is_name else value
    if statement.calls is not None:
        values["fn"] = named(language, statement.calls.name)
        own = statement.calls.module is module
        alias = named(language, statement.calls.module.name)
        values["m"] = "" if own else f"{alias.s.replace('_', '') if language == 'go' else alias}."
        arguments = statement.arguments["passes"]
        values["args"] = ", ".join(
            a if a[:1] in "0123456789\"'" else str(named(language, a)) for a in arguments
        )
    elif "module" in values:
        alias = named(language, values["module"])
        prefix = f"{alias.s.replace('_', '') if language == 'go' else alias}."
        values["m"] = "" if values["module"] == module.name else prefix
    values.setdefault("empty", {"python": "None", "go": "nil"}.get(language, "null"))
    template = TEMPLATES[statement.kind][_COLUMN[language]]
    if language == "javascript":
        template = template.replace(' as "{v1}" | "{v2}" | "{v3}"', "")
    return template.format(**values).split("\n")


def _styled(lines: list[str], statement: Statement, module: Module) -> list[str]:
    """A formatter with a longer line puts statements of the database on one."""
    if (
        module.style & 2
        and statement.kind in ("query", "write")
        and len(lines) > 1
        and not lines[-1].startswith("}")
    ):
        return [lines[0] + " ".join(line.strip() for line in lines[1:])]
    return lines


_NAMES = frozenset({"x", "a", "b", "f", "g", "k", "t", "w", "r", "h", "fn", "method"})


def render(module: Module, language: str) -> Text:
    """The file of ``module``; what it says depends on nothing but the module."""
    out: list[str] = []
    lines: dict[int, int] = {}
    names: dict[int, str] = {}
    unit = "\t" if language == "go" else "  " if language in ("javascript", "typescript") else "    "

    def put(statement: Statement, depth: int) -> None:
        start = len(out) + 1
        marked = start
        for offset, line in enumerate(_styled(written(statement, language, module), statement, module)):
            stripped = line.lstrip(" ")
            inner = (len(line) - len(stripped)) // 4
            if stripped.startswith(">>"):
                stripped, marked = stripped[2:], start + offset
            out.append(unit * (depth + inner) + stripped if stripped else "")
        lines[statement.key] = marked

    _header(out, module, language)
    depth = 1 if language == "java" else 0
    for function in module.functions:
        out += [""] * (2 if language == "python" else 1)
        if function.note:
            _note(out, function, language, unit * depth)
        for decoration in function.decorations:
            if decoration.kind != "route" or language in ("python", "java", "go"):
                put(decoration, depth)
        names[id(function)] = str(named(language, function.name))
        out.append(unit * depth + _signature(function, language))
        if language == "python" and function.note:
            out.append(f'{unit}"""{function.note}"""')
        for statement in function.body:
            put(statement, depth + 1)
        if language != "python":
            out.append(unit * depth + "}")
    if language in ("javascript", "typescript"):
        out.append("")
        for function in module.functions:
            for decoration in function.decorations:
                if decoration.kind == "route":
                    decoration.arguments["fn"] = function.name
                    put(decoration, 0)
    if language == "java":
        out.append("}")
    return Text("\n".join(out) + "\n", lines, names)


def _note(out: list[str], function: Function, language: str, indent: str) -> None:
    if language == "go":
        out.append(f"// {Name(function.name).P} {function.note[:1].lower()}{function.note[1:]}")
    elif language != "python":
        out.extend([f"{indent}/**", f"{indent} * {function.note}", f"{indent} */"])


def _signature(function: Function, language: str) -> str:
    name = named(language, function.name)
    given = [str(named(language, p)) for p in function.parameters]
    match language:
        case "python":
            return f"def {name}({', '.join(given)}):"
        case "javascript":
            return f"export async function {name}({', '.join(given)}) {{"
        case "typescript":
            return f"export async function {name}({', '.join(f'{p}: {Name(s).P}' for p, s in zip(given, function.parameters, strict=True))}) {{"
        case "java":
            typed = ", ".join(f"{Name(s).P} {p}" for p, s in zip(given, function.parameters, strict=True))
            return f"public {Name(function.result or 'answer').P} {name}({typed}) {{"
        case _:
            typed = ", ".join(f"{p} *{Name(s).P}" for p, s in zip(given, function.parameters, strict=True))
            return f"func {name.P}(ctx context.Context, {typed}) (any, error) {{"


def _header(out: list[str], module: Module, language: str) -> None:
    used = sorted(
        {
            s.calls.module.name
            for f in module.functions
            for s in f.body
            if s.calls is not None and s.calls.module is not module
        }
        | {str(s.arguments["module"]) for f in module.functions for s in f.body if s.arguments.get("module")}
    )
    package = named(language, module.service).s.replace("_", "")
    match language:
        case "python":
            out.append(f'"""{module.note}"""')
            out += ["", "import logging"] + (["from decimal import Decimal"] if module.style % 2 else [])
            out += [
                "",
                *(f"from app import {name}" for name in used),
                "",
                "logger = logging.getLogger(__name__)",
            ]
            out += [f"{Name(k).u} = {v}" for k, v in module.constants.items()]
            for registry, entries in _registries(module):
                out.append(f"{Name(registry).u} = {{")
                out += [f'    "{key}": {Name(target).s},' for key, target in entries]
                out.append("}")
        case "javascript" | "typescript":
            out.append(f"// {module.note}")
            out += [
                f'import * as {Name(n).c} from "./{Name(n).d}{".js" if language == "javascript" else ""}";'
                for n in used
            ]
            out += ['import { logger } from "./logger";', ""]
            out += [f"export const {Name(k).u} = {_null(v)};" for k, v in module.constants.items()]
            for registry, entries in _registries(module):
                out.append(f"const {Name(registry).c} = {{")
                out += [f'  "{key}": {Name(target).c},' for key, target in entries]
                out.append("};")
        case "java":
            out += [
                f"package com.acme.{package};",
                "",
                "import java.math.BigDecimal;",
                "import java.util.Map;",
                "",
            ]
            out += [f"/** {module.note} */", f"public class {Name(module.name).P} {{"]
            out += [f"    private final {Name(n).P} {Name(n).c};" for n in used]
            out += [f"    static final long {Name(k).u} = {_null(v)};" for k, v in module.constants.items()]
            for registry, entries in _registries(module):
                out.append(f"    private static final Map<String, Step> {Name(registry).u} = Map.of(")
                out += [
                    f'        "{key}", {Name(module.name).P}::{Name(target).c}{"," if i < len(entries) - 1 else ");"}'
                    for i, (key, target) in enumerate(entries)
                ]
        case _:
            out += [f"// Package {module.name.replace('_', '')} {module.note[:1].lower()}{module.note[1:]}"]
            out += [f"package {module.name.replace('_', '')}", "", "import (", '\t"context"', '\t"log/slog"']
            out += [f'\t"acme.example/{package}/internal/{n.replace("_", "")}"' for n in used]
            out += [")", ""]
            if module.constants:
                out += [f"var {Name(k).P} = {_null(v)}" for k, v in module.constants.items()]
            for registry, entries in _registries(module):
                out.append(f"var {Name(registry).c} = map[string]Step{{")
                out += [f'\t"{key}": {Name(target).P},' for key, target in entries]
                out.append("}")


def _registries(module: Module) -> list[tuple[str, list[tuple[str, str]]]]:
    return [("steps", list(module.registry.items()))] if module.registry else []


def _null(value: Any) -> str:
    return "null" if value is None else str(value)
