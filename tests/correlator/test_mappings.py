"""From a frame's file to the one path of the tree."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from correlator.mappings import Mapped, Mapper, normalise

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
