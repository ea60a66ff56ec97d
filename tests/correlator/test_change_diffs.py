"""What a diff says, per language: names that go, signatures, values, errors, guards, loads, versions."""

from itertools import permutations

import pytest

from correlator.change_diffs import FILES_PER_NAME_MAX, NAMES_PER_CHANGE_MAX, ChangeDiff, read
from schemas.records import DiffHunk


def hunk(
    path: str, removed: str = "", added: str = "", *, heading: str | None = None, at: int = 10
) -> DiffHunk:
    """One replaced stretch of ``path``."""
    lines = tuple(removed.splitlines()), tuple(added.splitlines())
    return DiffHunk(path, None, "M", at, at, heading, *lines)


def change(*hunks: DiffHunk) -> ChangeDiff:
    return read(tuple(hunks))


def test_a_name_that_another_line_of_the_change_holds_is_not_dropped() -> None:
    moved = change(hunk("a.py", "send(mileage, rate)"), hunk("b.py", "", "send(rate)"))
    assert "mileage" in moved.dropped
    assert "rate" not in moved.dropped


@pytest.mark.parametrize(
    ("path", "removed", "name"),
    [
        ("shop/rates.py", "def total(basket):", "total"),
        ("shop/rates.py", "    limit: int = 10", "limit"),
        ("shop/__init__.py", "from shop.rates import rate, total as sum_of", "sum_of"),
        ("web/cart.ts", "export const total = (basket: Basket) => {", "total"),
        ("web/cart.js", "exports.total = sum", "total"),
        ("web/index.ts", "export { total } from './cart'", "total"),
        ("cart.go", "func (c *Cart) Total(ctx context.Context) int64 {", "Total"),
        ("src/Cart.java", "    public BigDecimal total(Basket basket) {", "total"),
        ("src/Cart.kt", "    fun total(basket: Basket): Long =", "total"),
        ("src/Cart.cs", "    public async Task<decimal> Total(Basket basket)", "Total"),
        ("app/cart.rb", "  def total!", "total!"),
        ("src/Cart.php", "    public function total(Basket $basket): int", "total"),
        ("src/cart.rs", "    pub async fn total(&self) -> u64 {", "total"),
        ("lib/cart.ex", "  defp total(basket) do", "total"),
    ],
)
def test_a_definition_that_goes_is_removed_in_every_language(path: str, removed: str, name: str) -> None:
    assert name in change(hunk(path, removed)).removed


def test_what_moves_to_another_file_is_not_removed() -> None:
    moved = change(hunk("a.py", "def total(basket):"), hunk("b.py", "", "def total(basket):"))
    assert "total" not in moved.removed
    assert "total" not in moved.signatures


@pytest.mark.parametrize(
    ("path", "removed", "added"),
    [
        ("a.py", "def total(basket, rate=1):", "def total(basket, *, rate):"),
        ("a.ts", "function total(basket) {", "function total(basket, rate) {"),
        ("a.go", "func total(b Basket) int {", "func total(b Basket, rate int) int {"),
        ("A.java", "    int total(Basket basket) {", "    int total(Basket basket, int rate) {"),
        ("a.rb", "def total(basket)", "def total(basket, rate:)"),
    ],
)
def test_other_parameters_are_another_signature(path: str, removed: str, added: str) -> None:
    assert "total" in change(hunk(path, removed, added)).signatures
    assert "total" not in change(hunk(path, removed, removed + "  # why")).signatures


def test_a_parameter_on_a_line_of_its_own_belongs_to_the_function_that_git_names() -> None:
    found = change(hunk("a.py", "    rate: int = 1,", "    rate: int = 2,", heading="def total("))
    assert "total" in found.signatures
    assert found.values["rate"][1:] == ("1", "2")


def test_who_changes_a_constructor_changes_how_its_class_is_called() -> None:
    found = change(
        hunk(
            "a.py",
            "    def __init__(self, file=None):",
            "    def __init__(self, file):",
            heading="class Upload:",
        )
    )
    assert "Upload" in found.signatures


def test_errors_statuses_and_texts_are_read_from_new_lines_alone() -> None:
    found = change(
        hunk("a.py", 'raise KeyError("the old text")', 'raise Denied(f"not for {user} today", 413)')
    )
    assert {"Denied", "413"} <= found.raises.keys()
    assert "KeyError" not in found.raises
    assert "the old text" not in found.phrases


def test_a_check_that_stays_is_no_guard_removed() -> None:
    gone = change(hunk("a.py", "    if basket is None:\n        return 0", "    return 1"))
    assert "basket" in gone.guards
    kept = change(hunk("a.py", "  if basket is None:", "    if basket is None:"))
    assert not kept.guards


def test_added_loops_and_queries_are_loads() -> None:
    found = change(hunk("a.py", "", "for item in items:\n    rate = session.execute(RATE)\n"))
    assert {"loop", "query"} <= found.loads.keys()


@pytest.mark.parametrize(
    ("path", "removed", "added", "name"),
    [
        ("requirements.txt", "Flask_Login==0.6.2", "Flask_Login==0.6.3", "flask-login"),
        ("pyproject.toml", '  "httpx>=0.27",', '  "httpx>=0.28",', "httpx"),
        ("package.json", '    "@acme/rates": "^4.1.0",', '    "@acme/rates": "^5.0.0",', "@acme/rates"),
        (
            "go.mod",
            "\tgithub.com/acme/rates v1.2.0",
            "\tgithub.com/acme/rates v1.3.0",
            "github-com/acme/rates",
        ),
        ("Cargo.toml", 'serde = "1.0.1"', 'serde = "1.0.2"', "serde"),
        ("Gemfile.lock", "    rack (2.2.8)", "    rack (3.0.0)", "rack"),
    ],
)
def test_another_version_of_a_dependency_is_read_from_its_manifest(
    path: str, removed: str, added: str, name: str
) -> None:
    assert set(change(hunk(path, removed, added)).bounds) == {name}


def test_of_a_lock_file_the_heading_names_the_package() -> None:
    found = change(hunk("uv.lock", 'version = "1.0"', 'version = "2.0"', heading='name = "starlette"'))
    assert set(found.bounds) == {"starlette"}


def test_tests_and_documentation_say_nothing_of_what_runs() -> None:
    quiet = change(hunk("tests/test_a.py", "def total(): ..."), hunk("docs/a.md", "def total(): ..."))
    assert not quiet.paths
    assert not quiet.removed


def test_the_order_of_hunks_does_not_matter() -> None:
    hunks = (
        hunk("a.py", "def total(a):", "def total(a, b):"),
        hunk("b.py", "limit = 1", "limit = 2", at=40),
        hunk("b.py", "def gone():", "", at=20),
    )
    assert len({repr(read(tuple(order))) for order in permutations(hunks)}) == 1


def test_what_is_kept_of_a_huge_change_is_bounded() -> None:
    wide = change(
        *(hunk(f"f{n}.py", "", "shared = 1\n" + f"name_{n} = 1") for n in range(2 * FILES_PER_NAME_MAX))
    )
    assert len(wide.words["shared"]) == FILES_PER_NAME_MAX
    many = "\n".join(f"a{n:05d} = 1" for n in range(NAMES_PER_CHANGE_MAX + 100))
    assert len(change(hunk("a.py", "", many)).words) == NAMES_PER_CHANGE_MAX
