"""From a frame's file to the one path of the tree."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from correlator.mappings import Mapped, Mapper, normalise
from schemas.records import Frame

TREE = (
    "README.md",
    "libs/money/src/money/format.py",
    "services/cart/app.py",
    "services/cart/src/cart/views.py",
    "services/checkout/app.py",
    "services/checkout/src/checkout/views.py",
    "services/checkout/src/checkout/totals.py",
    "services/prices/src/main/java/com/acme/prices/Price.java",
    "services/web/server.js",
    "services/web/src/routes/cart.ts",
    "setup.py",
)


@pytest.mark.parametrize(
    ("file", "path", "how"),
    [
        ("setup.py", "setup.py", "exact"),
        ("./services/checkout/app.py", "services/checkout/app.py", "exact"),
        ("/app/services/checkout/app.py", "services/checkout/app.py", "suffix"),
        ("/home/ada/shop/libs/money/src/money/format.py", "libs/money/src/money/format.py", "suffix"),
        ("/app/app.py", "services/checkout/app.py", "service"),
        ("/usr/src/app/src/checkout/totals.py", "services/checkout/src/checkout/totals.py", "service"),
        ("src/checkout/totals.py", "services/checkout/src/checkout/totals.py", "service"),
        ("checkout/totals.py", "services/checkout/src/checkout/totals.py", "relative"),
        ("totals.py", "services/checkout/src/checkout/totals.py", "relative"),
        ("/opt/venv/money/format.py", "libs/money/src/money/format.py", "partial"),
        ("/app/services/cart/app.py", "services/cart/app.py", "suffix"),
        ("C:\\work\\shop\\services\\checkout\\app.py", "services/checkout/app.py", "suffix"),
        ("file:///srv/shop/services/web/server.js", "services/web/server.js", "suffix"),
        ("app:///services/web/server.js", "services/web/server.js", "exact"),
        (
            "webpack-internal:///(api)/./services/web/src/routes/cart.ts",
            "services/web/src/routes/cart.ts",
            "exact",
        ),
        ("webpack://shop/./src/routes/cart.ts", "services/web/src/routes/cart.ts", "relative"),
        ("https://shop.example.org/src/routes/cart.ts?v=3", "services/web/src/routes/cart.ts", "relative"),
    ],
)
def test_a_file_of_the_repository_maps(file: str, path: str, how: str) -> None:
    assert Mapper(TREE, "services/checkout").resolve(file) == Mapped(path, how)


@pytest.mark.parametrize(
    "file",
    [
        None,
        "",
        "<string>",
        "<frozen importlib._bootstrap>",
        "[native code]",
        "node:internal/process/task_queues",
        "/usr/lib/python3.12/json/decoder.py",
        "/app/.venv/lib/python3.12/site-packages/services/checkout/app.py",
        "/app/node_modules/express/services/web/server.js",
        "/app/elsewhere/unknown.py",
        "/opt/vendor/format.py",
    ],
)
def test_libraries_pseudo_files_and_strangers_never_map(file: str | None) -> None:
    assert Mapper(TREE, "services/checkout").resolve(file) is None


def test_two_fitting_files_map_to_none_of_them() -> None:
    mapper = Mapper(TREE)
    assert mapper.resolve("/app/app.py") is None
    assert mapper.resolve("app.py") is None
    assert mapper.resolve("/app/src/views.py") is None


def test_the_service_settles_a_tie() -> None:
    assert Mapper(TREE, "services/cart").resolve("app.py") == Mapped("services/cart/app.py", "service")
    assert Mapper(TREE, "services/checkout/").resolve("app.py") == Mapped(
        "services/checkout/app.py", "service"
    )


def test_a_class_names_the_folder_of_its_file() -> None:
    mapper = Mapper(TREE)
    path = "services/prices/src/main/java/com/acme/prices/Price.java"
    assert mapper.resolve("Price.java", "com.acme.prices.Price$Row") == Mapped(path, "relative")
    assert mapper.resolve("Price.java", "org.other.Price") is None


def test_what_the_operator_stated_wins() -> None:
    mapper = Mapper(TREE, "services/checkout", manual=[("/app/", "services/cart/")])
    assert mapper.resolve("/app/app.py") == Mapped("services/cart/app.py", "manual")
    assert mapper.resolve("/app/setup.py") == Mapped("setup.py", "suffix")


def test_a_folder_of_the_application_may_bear_a_name_that_package_managers_use() -> None:
    tree = ("src/checkouts/api.py", "src/deps/clock.py", "gems/ruby.py")
    mapper = Mapper(tree)
    for path in tree:
        assert mapper.resolve("/app/" + path) == Mapped(path, "suffix")


@given(st.text(max_size=60))
def test_any_text_resolves_into_the_tree_or_to_nothing(file: str) -> None:
    found = Mapper(TREE, "services/checkout").resolve(file)
    assert found is None or found.path in TREE


@given(st.sampled_from(TREE), st.lists(st.sampled_from(["srv", "app", "build", "x"]), min_size=1, max_size=4))
def test_a_copy_of_the_repository_anywhere_maps_every_file(path: str, folders: list[str]) -> None:
    assert Mapper(TREE).resolve("/" + "/".join(folders) + "/" + path) == Mapped(path, "suffix")


@given(st.text(max_size=40))
def test_normalising_twice_changes_nothing_more(file: str) -> None:
    once = normalise("/" + file.replace(":", ""))
    assert normalise(once) == once


# --- by class, package and source ---------------------------------------------------------------------------

CLASSES = (
    "apps/shop/lib/cart.ex",
    "apps/web/lib/cart.ex",
    "lib/enum.ex",
    "packages/shop/lib/cart.dart",
    "src/Acme.Shop/Cart.cs",
    "src/Acme.Shop/Admin/Cart.cs",
    "src/Service/Cart.php",
    "src/main/java/com/acme/Cart.java",
    "src/main/java/com/other/Cart.java",
    "web/src/routes/cart.ts",
    "web/src/server.ts",
)


@pytest.mark.parametrize(
    ("frame", "path", "how"),
    [
        (
            Frame("Cart.java", "total", 3, module="com.acme.Cart$Line"),
            "src/main/java/com/acme/Cart.java",
            "relative",
        ),
        (Frame(None, "total", None, module="com.other.Cart"), "src/main/java/com/other/Cart.java", "class"),
        (
            Frame(None, "Acme.Shop.Admin.Cart.<Total>d__3.MoveNext", None),
            "src/Acme.Shop/Admin/Cart.cs",
            "class",
        ),
        (Frame("Cart.php", "total", 3, module="App.Service.Cart"), "src/Service/Cart.php", "partial"),
        (Frame("lib/cart.ex", "A.f/1", 3, module="web"), "apps/web/lib/cart.ex", "suffix"),
        (Frame("package:shop/cart.dart", "f", 3), "packages/shop/lib/cart.dart", "package"),
        (Frame("/app/web/dist/routes/cart.js", "f", 3), "web/src/routes/cart.ts", "transpiled"),
        (Frame("/app/dist/server.js", "f", 3), "web/src/server.ts", "transpiled"),
    ],
)
def test_a_class_a_package_or_a_compiled_file_leads_to_its_source(frame: Frame, path: str, how: str) -> None:
    assert Mapper(CLASSES).of(frame) == Mapped(path, how)


@pytest.mark.parametrize(
    "frame",
    [
        Frame("lib/enum.ex", "Enum.map/2", 3, module="elixir", in_app=False),
        Frame(None, "System.Linq.Enumerable.Sum", None, in_app=False),
        Frame(None, "Cart.total", None),
        Frame("package:http/cart.dart", "f", 3),
        Frame("/app/dist/missing.js", "f", 3),
        Frame(None, None, None),
    ],
)
def test_what_is_foreign_or_could_be_anything_maps_to_nothing(frame: Frame) -> None:
    assert Mapper(CLASSES).of(frame) is None


def test_a_mapping_by_hand_ends_at_a_folder_and_the_longest_wins() -> None:
    mapper = Mapper(
        ("a/x.py", "b/x.py", "lib/y.py"),
        manual=[("/app", "a"), ("/app/special/", "b"), ("/venv/site-packages/ours", "lib")],
    )
    assert mapper.resolve("/app/x.py") == Mapped("a/x.py", "manual")
    assert mapper.resolve("/app/special/x.py") == Mapped("b/x.py", "manual")
    assert mapper.resolve("/application/x.py") is None
    assert mapper.resolve("/venv/site-packages/ours/y.py") == Mapped("lib/y.py", "manual")


@pytest.mark.parametrize(
    ("frame", "reason"),
    [
        (Frame("/app/setup.py", "f", 1), "mapped"),
        (Frame("<string>", "f", 1), "made it up"),
        (Frame("/usr/lib/python3.12/json/decoder.py", "f", 1), "package"),
        (Frame("/app/none.py", "f", 1), "no file of the tree"),
        (Frame("/app/app.py", "f", 1), "several files"),
        (Frame(None, "f", None), "names no file"),
    ],
)
def test_an_explanation_says_why(frame: Frame, reason: str) -> None:
    found = Mapper(TREE).explain(frame)
    assert reason in found.reason
    if "several" in reason:
        assert found.candidates == ("services/cart/app.py", "services/checkout/app.py")
