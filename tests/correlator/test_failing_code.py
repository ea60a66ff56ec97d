"""What the code on a stack names, and what a message says is missing."""

import pytest
from evidence_builders import PATH, Repository, failing, frame

from correlator.failing_code import Codes, Tree, imported, lacking, quoted_lines

SOURCE = """from shop import rates
from shop.baskets import Basket


def other(x):
    return unrelated(x)


def price(basket, limit=3):
    tax = rates.tax_of(basket)
    return apply_discount(
        basket,
        tax,
    )
"""


def test_statement_calls_and_function_are_read_at_the_frame() -> None:
    port = Repository(trees={"3" * 40: [PATH, "shop/rates.py", "shop/baskets.py"]}, texts={PATH: SOURCE})
    failure = failing(frame(line=11, function="price"))
    codes = Codes(port)
    codes.prepare([failure])
    code = codes.of(failure)
    assert code.called[0] == {"apply_discount"}
    assert {"basket", "tax"} <= code.statements[0]
    assert "tax_of" in code.bodies[0]
    assert "unrelated" not in code.bodies[0]


@pytest.mark.parametrize(
    ("kind", "message", "name"),
    [
        ("ImportError", "cannot import name 'escape' from 'shop.text' (/app/shop/text.py)", "escape"),
        ("AttributeError", "'Basket' object has no attribute 'total'", "total"),
        ("TypeError", "price() got an unexpected keyword argument 'rate'", "rate"),
        ("TypeError", "price() missing 1 required positional argument: 'rate'", "rate"),
        ("KeyError", "'gift_note'", "gift_note"),
        ("TypeError", "cart.total is not a function", "total"),
        ("TypeError", "Cannot read properties of undefined (reading 'total')", "total"),
        ("NoMethodError", "undefined method 'total' for nil", "total"),
        ("java.lang.NoSuchMethodError", "NoSuchMethodError: 'int com.acme.Cart.total(int)'", "total"),
        ("Error", "Call to undefined method Cart::total()", "total"),
        ("UndefinedFunctionError", "function Shop.Cart.total/1 is undefined or private", "total"),
        ("ProgrammingError", 'column "gift_note" does not exist', "gift_note"),
    ],
)
def test_a_message_says_what_is_missing(kind: str, message: str, name: str) -> None:
    assert name in lacking(kind, message)


def test_a_message_that_misses_nothing_names_nothing() -> None:
    assert lacking("ValueError", "limit must be positive") == frozenset()


@pytest.mark.parametrize(
    ("path", "line", "target"),
    [
        ("shop/a.py", "from .rates import tax", "shop/rates.py"),
        ("shop/a.py", "from shop import rates", "shop/rates.py"),
        ("shop/a.py", "import shop.rates", "shop/rates.py"),
        ("web/a.ts", "import { tax } from '../lib/rates'", "lib/rates.ts"),
        ("web/a.js", "const rates = require('./rates')", "web/rates.js"),
        ("src/com/acme/A.java", "import com.acme.Rates;", "src/com/acme/Rates.java"),
        ("cmd/a.go", '\t"example.org/acme/rates/tax"', "rates/tax/tax.go"),
    ],
)
def test_an_import_leads_to_a_file_of_the_tree(path: str, line: str, target: str) -> None:
    assert imported(path, [line], Tree([path, target, "shop/other.py"])) == {target}


def test_source_lines_that_a_stack_quotes_are_read_without_its_marks() -> None:
    text = 'Traceback (most recent call last):\n  File "/x/a.py", line 3, in go\n    total(basket)\n    ^^^^^\nKeyError: 1'
    assert quoted_lines(text) == ["total(basket)"]
