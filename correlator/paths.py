"""What a path of a repository is for, told from its name alone: the rules of github-linguist (``vendor.yml``,
``generated.rb``, ``documentation.yml``), without those that name single libraries or hide code of one's own (``cache/``).

Knows names, not contents: what a file says of itself is read in ``collector/generated_files.py``. The rules are tried in
the order lock, vendored, generated, documentation, test, configuration, code: a lock file in a vendored folder is a lock file.
"""

import re
from enum import StrEnum
from functools import lru_cache
from posixpath import basename, splitext


class PathKind(StrEnum):
    """Purpose of one file. ``asset`` is data, media and whatever has no rule."""

    CODE = "code"
    TEST = "test"
    DOCS = "docs"
    CONFIG = "config"
    LOCK = "lock"
    GENERATED = "generated"
    VENDORED = "vendored"
    ASSET = "asset"


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


_LOCKS = _words(
    """bun.lock bun.lockb cargo.lock composer.lock conda-lock.yml deno.lock flake.lock gemfile.lock go.sum
    gradle.lockfile mix.lock npm-shrinkwrap.json package-lock.json package.resolved packages.lock.json pdm.lock
    pipfile.lock pixi.lock pnpm-lock.yaml podfile.lock poetry.lock pubspec.lock pylock.toml requirements.lock
    uv.lock yarn.lock .terraform.lock.hcl chart.lock module.bazel.lock esy.lock glide.lock gopkg.lock cartfile.resolved
    cargo.toml.orig .pnp.cjs .pnp.js .pnp.loader.mjs"""
)

_MANIFESTS = _words(
    """build.gradle build.gradle.kts build.sbt bun.lock cargo.toml chart.yaml composer.json deno.json directory.packages.props
    environment.yml gemfile go.mod libs.versions.toml mix.exs module.bazel package.json package.swift
    packages.config pipfile podfile pom.xml pubspec.yaml pyproject.toml setup.cfg setup.py .pre-commit-config.yaml"""
)
_REQUIREMENTS = re.compile(
    r"(?:.*[-_.])?(?:requirements|constraints)(?:[-_.].*)?\.(?:txt|in)|requirements/.*\.(?:txt|in)"
)

_VENDORED_FOLDERS = _words(
    "vendor vendors vendored node_modules third_party thirdparty third-party 3rd_party 3rdparty 3rd-party extern external "
    "bower_components godeps _vendor .yarn jspm_packages site-packages dist carthage waflib"
)
# Copied into a repository by a tool that makes it build.
_VENDORED_NAMES = re.compile(
    r"""
      gradlew(?:\.bat)? | mvnw(?:\.cmd)? | gradle-wrapper\.(?:jar|properties) | maven-wrapper\.(?:jar|properties)
    | configure | config\.(?:guess|sub) | aclocal\.m4 | libtool\.m4 | lt(?:options|sugar|version|~obsolete)\.m4
    | (?:jquery|bootstrap|modernizr|d3|html5shiv|prototype)(?:[.-](?:\d[\w.]*|custom|min|slim|ui|bundle))*\.(?:js|css|less|scss)
    """,
    re.VERBOSE,
)

_GENERATED = re.compile(
    r"""
      .*\.min\.(?:js|css|mjs)             # minified
    | .*[-.](?:bundle|chunk)\.js          # bundled
    | .*\.(?:js|css|mjs)\.map             # source maps
    | .*_pb2(?:_grpc)?\.pyi?              # protobuf, Python
    | .*\.pb\.(?:go|cc|h|swift|dart|gw\.go)  # protobuf, other languages
    | .*\.pbobjc\.[hm] | .*_(?:grpc_)?pb\.(?:js|d\.ts|rb|php)
    | .*_grpc\.pb\.go
    | .*\.(?:g|freezed)\.dart
    | .*\.designer\.(?:cs|vb) | .*\.g\.(?:i\.)?cs | .*\.feature\.cs | .*_tlb\.pas
    | .*[-._]generated?\.[a-z]+           # x.generated.ts, x_generated.go
    | zz_generated.*                      # Kubernetes
    | (?:generated|mock)_[^/]*\.go | .*_mock\.go | .*_string\.go
    | .*\.snap | .*\.ambr                 # recorded snapshots
    | .*\.(?:po|mo|pot)                   # translations drawn from a catalogue
    """,
    re.VERBOSE,
)
_GENERATED_FOLDERS = _words(
    "generated __generated__ gen __snapshots__ __pycache__ cassettes __cassettes__ htmlcov .sqlx"
)

_DOCS_EXTENSIONS = _words(".md .mdx .markdown .rst .adoc .asciidoc .textile .org .pod .tex .man")
_DOCS_NAMES = re.compile(
    r"(?:readme|changelog|changes|history|news|authors|contributors|contributing|license|licence|copying|notice|"
    r"code_of_conduct|codeowners|security|maintainers|todo|citation)(?:[-._].*)?"
)
_DOCS_FOLDERS = _words("doc docs documentation man changelog.d .changelog .changeset newsfragments")

_TEST_FOLDERS = _words(
    "test tests testing spec specs __tests__ __mocks__ e2e integration-tests integration_tests unittests testdata "
    "test-data test_data fixtures cypress playwright benchmarks androidtest"
)
_TEST_NAMES = re.compile(
    r"""
      test_.*\.py | .*_tests?\.py | conftest\.py     # Python
    | .*_test\.(?:go|exs|dart|cc|cpp|c|rb|rs|lua)     # Go, Elixir, C++ and their like
    | .*[._-](?:test|tests|spec|cy|e2e)\.[cm]?[jt]sx? # JavaScript
    | .*(?:tests?|testcase|spec|it)\.(?:java|kt|kts|scala|groovy|cs|swift|php|vb|fs)  # checked against capitals below
    | .*_spec\.rb
    """,
    re.VERBOSE,
)
# ``LatestPrices.cs`` is no test: languages of capitalised files mark one by a capital.
_CAPITAL_TEST = re.compile(r".*(?:[a-z0-9]|^)(?:Tests?|TestCase|Spec|IT)\.[A-Za-z]+")

_CODE_EXTENSIONS = _words(
    """.py .pyi .pyx .ipynb .js .jsx .mjs .cjs .ts .tsx .mts .cts .vue .svelte .astro .go .rs .java .kt .kts .scala
    .groovy .clj .cljs .c .h .cc .cpp .cxx .hpp .hh .m .mm .cs .fs .fsx .vb .rb .rake .erb .php .phtml .swift .dart
    .ex .exs .eex .heex .erl .hrl .hs .ml .mli .elm .lua .pl .pm .r .jl .nim .zig .v .d .pas .f90 .f95 .cob .cbl
    .sh .bash .zsh .fish .ps1 .psm1 .bat .cmd .sql .proto .thrift .graphql .gql .avsc .sol .html .htm .css .scss .sass
    .less .hbs .ejs .jinja .jinja2 .j2 .tmpl .mustache .liquid .twig .haml .slim .pug .cshtml .razor .xaml .asm .s
    .awk .tcl .vim .el .lisp .scm .rkt .abap .apex .cls .trigger .bicep .nix .cu .cuh .glsl .wgsl .hlsl"""
)
_CONFIG_EXTENSIONS = _words(
    """.yaml .yml .toml .ini .cfg .conf .config .json .json5 .jsonc .properties .env .xml .tf .tfvars .hcl .cue .rego
    .service .plist .props .targets .csproj .fsproj .vbproj .sln .gradle .bazel .bzl .cmake .mk .editorconfig .lock
    .gitignore .gitattributes .gitmodules .dockerignore .npmrc .nvmrc .babelrc .eslintrc .prettierrc"""
)
_CONFIG_NAMES = re.compile(
    r"(?:.*\.)?(?:dockerfile|containerfile|jenkinsfile|vagrantfile|procfile|makefile|gnumakefile|cmakelists\.txt|"
    r"build|workspace|tiltfile|justfile|brewfile|gemfile|podfile|pipfile|rakefile|codeowners|crontab)(?:\..*)?"
)
_CONFIG_FOLDERS = _words(".github .gitlab .circleci .buildkite .devcontainer .vscode .idea helm chart charts")


@lru_cache(maxsize=200_000)
def kind_of(path: str) -> PathKind:
    """The kind of ``path`` (relative to the repository, with ``/``)."""
    name = basename(path)
    lowered = name.lower()
    folders = set(path.lower().split("/")[:-1])
    extension = splitext(lowered)[1] or (lowered if lowered.startswith(".") else "")
    if lowered in _LOCKS:
        return PathKind.LOCK
    if folders & _VENDORED_FOLDERS or _VENDORED_NAMES.fullmatch(lowered):
        return PathKind.VENDORED
    if folders & _GENERATED_FOLDERS or _GENERATED.fullmatch(lowered):
        return PathKind.GENERATED
    if is_manifest(path):
        return PathKind.CODE if lowered == "setup.py" else PathKind.CONFIG
    if extension in _DOCS_EXTENSIONS or _DOCS_NAMES.fullmatch(lowered):
        return PathKind.DOCS
    if folders & _TEST_FOLDERS or _is_test_name(name):
        return PathKind.TEST
    is_documentation = bool(folders & _DOCS_FOLDERS)
    if is_documentation and (
        extension not in _CODE_EXTENSIONS or extension in {".html", ".css", ".py", ".js"}
    ):
        return PathKind.DOCS
    if extension in _CONFIG_EXTENSIONS or folders & _CONFIG_FOLDERS or _CONFIG_NAMES.fullmatch(lowered):
        return PathKind.CONFIG
    if extension in _CODE_EXTENSIONS or (not extension and folders & {"bin", "scripts"}):
        return PathKind.CODE
    return PathKind.DOCS if extension == ".txt" else PathKind.ASSET


def is_counted(path: str) -> bool:
    """Whether the lines of ``path`` count: production and test code, not what tools write or others wrote."""
    kind = kind_of(path)
    return kind is PathKind.CODE or (kind is PathKind.TEST and splitext(path.lower())[1] in _CODE_EXTENSIONS)


def is_test(path: str) -> bool:
    """Whether ``path`` tests what runs, or helps a test."""
    return kind_of(path) is PathKind.TEST


def is_production_code(path: str) -> bool:
    """Whether ``path`` is code that can run in production: no test, no tool's output, nobody else's."""
    return kind_of(path) is PathKind.CODE


def is_configuration(path: str) -> bool:
    """Whether ``path`` configures what runs or how it is built; manifests included, lock files not."""
    return kind_of(path) is PathKind.CONFIG


def is_lock(path: str) -> bool:
    """Whether ``path`` pins the versions of dependencies."""
    return kind_of(path) is PathKind.LOCK


def is_manifest(path: str) -> bool:
    """Whether ``path`` states dependencies (lock files are told apart by :func:`kind_of`)."""
    lowered = path.lower()
    name = basename(lowered)
    return (
        name in _MANIFESTS
        or bool(_REQUIREMENTS.fullmatch(name))
        or ("requirements/" in lowered and name.endswith((".txt", ".in")))
    )


def _is_test_name(name: str) -> bool:
    if not _TEST_NAMES.fullmatch(name.lower()):
        return False
    if splitext(name.lower())[1] in {
        ".java",
        ".kt",
        ".kts",
        ".scala",
        ".groovy",
        ".cs",
        ".swift",
        ".php",
        ".vb",
        ".fs",
    }:
        return _CAPITAL_TEST.fullmatch(name) is not None
    return True
