"""The formatter that Acme runs once over its code: strings in double quotes, nothing else.

Works on tokens, so that quotes inside strings and comments stay as they are.
"""

import ast
import io
import tokenize


def run(source: str) -> str:
    """``source`` (Python text) with every single-quoted string literal in double quotes; same syntax tree."""
    lines = source.splitlines(keepends=True)
    # From the end to the start: a replacement never moves the tokens still to come.
    for token in reversed(list(tokenize.generate_tokens(io.StringIO(source).readline))):
        if token.type != tokenize.STRING or token.start[0] != token.end[0]:
            continue
        row = token.start[0] - 1
        line = lines[row]
        lines[row] = line[: token.start[1]] + _double_quoted(token.string) + line[token.end[1] :]
    formatted = "".join(lines)
    assert ast.dump(ast.parse(formatted)) == ast.dump(ast.parse(source))
    return formatted


def _double_quoted(literal: str) -> str:
    prefix = literal[: len(literal) - len(literal.lstrip("rRbBfFuU"))]
    body = literal[len(prefix) :]
    if body.startswith("'''") or not body.startswith("'") or '"' in body or "\\" in body:
        return literal
    return f'{prefix}"{body[1:-1]}"'
