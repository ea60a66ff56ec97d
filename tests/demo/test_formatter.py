import ast

from hypothesis import given
from hypothesis import strategies as st

from demo import formatter


def test_single_quotes_become_double() -> None:
    assert formatter.run("x = ['a', f'{1}', 'b']\n") == 'x = ["a", f"{1}", "b"]\n'


def test_strings_that_hold_double_quotes_or_escapes_stay() -> None:
    source = "x = 'say \"hi\"'\ny = 'a\\n'\nz = '''doc'''\n# it's a comment\n"
    assert formatter.run(source) == source


@given(st.lists(st.text(alphabet="ab'\"\\ \n{}", max_size=8), max_size=4))
def test_the_meaning_never_changes(texts: list[str]) -> None:
    source = f"x = {texts!r}\n"
    assert ast.dump(ast.parse(formatter.run(source))) == ast.dump(ast.parse(source))
