import pytest

from correlator import paths
from correlator.paths import PathKind


@pytest.mark.parametrize(
    ("path", "kind"),
    [
        ("shop/rates.py", PathKind.CODE),
        ("cmd/checkout/main.go", PathKind.CODE),
        ("web/templates/cart.html", PathKind.CODE),
        ("db/migrations/0003_add_rates.sql", PathKind.CODE),
        ("bin/run", PathKind.CODE),
        ("src/LatestPrices.cs", PathKind.CODE),
        ("src/Contest.java", PathKind.CODE),
        ("src/Transit.kt", PathKind.CODE),
        ("tests/test_rates.py", PathKind.TEST),
        ("shop/test_rates.py", PathKind.TEST),
        ("pkg/rates_test.go", PathKind.TEST),
        ("src/cart.spec.ts", PathKind.TEST),
        ("src/CartTest.java", PathKind.TEST),
        ("src/CartIT.java", PathKind.TEST),
        ("spec/models/cart_spec.rb", PathKind.TEST),
        ("tests/data/rates.json", PathKind.TEST),
        ("README.md", PathKind.DOCS),
        ("docs/guide.rst", PathKind.DOCS),
        ("docs/conf.py", PathKind.DOCS),
        ("LICENSE", PathKind.DOCS),
        ("CHANGELOG", PathKind.DOCS),
        ("tests/README.md", PathKind.DOCS),
        ("config/production.yaml", PathKind.CONFIG),
        (".github/workflows/ci.yml", PathKind.CONFIG),
        ("Dockerfile", PathKind.CONFIG),
        ("deploy/Dockerfile.worker", PathKind.CONFIG),
        ("terraform/main.tf", PathKind.CONFIG),
        (".env", PathKind.CONFIG),
        ("pyproject.toml", PathKind.CONFIG),
        ("requirements-dev.txt", PathKind.CONFIG),
        ("requirements/runtime.txt", PathKind.CONFIG),
        ("package.json", PathKind.CONFIG),
        ("web/package-lock.json", PathKind.LOCK),
        ("uv.lock", PathKind.LOCK),
        ("go.sum", PathKind.LOCK),
        ("vendor/github.com/x/y.go", PathKind.VENDORED),
        ("web/node_modules/left-pad/index.js", PathKind.VENDORED),
        ("node_modules/x/package-lock.json", PathKind.LOCK),
        ("web/dist/app.js", PathKind.VENDORED),
        ("lib/external/zlib.c", PathKind.VENDORED),
        ("gradlew.bat", PathKind.VENDORED),
        ("static/jquery-3.7.1.js", PathKind.VENDORED),
        ("static/jquery.cart.js", PathKind.CODE),
        ("src/configure.py", PathKind.CODE),
        ("shop/cache/prices.py", PathKind.CODE),
        ("web/shop_grpc_pb.d.ts", PathKind.GENERATED),
        (".sqlx/query-1a2b.json", PathKind.GENERATED),
        ("web/app.min.js", PathKind.GENERATED),
        ("proto/shop_pb2.py", PathKind.GENERATED),
        ("api/shop.pb.go", PathKind.GENERATED),
        ("src/__snapshots__/cart.test.js.snap", PathKind.GENERATED),
        ("logo.png", PathKind.ASSET),
        ("data/rates.csv", PathKind.ASSET),
        ("", PathKind.ASSET),
    ],
)
def test_the_kind_of_a_path(path: str, kind: PathKind) -> None:
    assert paths.kind_of(path) is kind


def test_only_lines_of_production_and_test_code_count() -> None:
    assert paths.is_counted("shop/rates.py")
    assert paths.is_counted("tests/test_rates.py")
    for left_out in ("tests/data/rates.json", "README.md", "uv.lock", "vendor/x.go", "a_pb2.py", "app.yaml"):
        assert not paths.is_counted(left_out)


def test_test_code_is_not_production_code() -> None:
    assert paths.is_production_code("shop/rates.py")
    assert not paths.is_production_code("tests/test_rates.py")


def test_manifests_state_dependencies_and_lock_files_pin_them() -> None:
    assert paths.is_manifest("services/checkout/package.json")
    assert paths.is_manifest("requirements.txt")
    assert not paths.is_manifest("notes/requirements-of-the-customer.md")
    assert paths.is_lock("services/checkout/yarn.lock")
    assert paths.is_configuration("config/app.toml")
    assert not paths.is_configuration("yarn.lock")
