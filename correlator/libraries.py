"""Which paths of a stack are certainly not the application's own code: runtimes, standard libraries, package folders.

It knows the folders that package managers and runtimes own; it does not know the repository. A path that is not
listed here may still be foreign: only ``correlator/mappings.py``, which holds the tree, can tell.
"""

import re

PACKAGE_FOLDERS = frozenset(
    {
        "site-packages",  # pip, into any environment
        "dist-packages",  # Debian's Python
        "node_modules",  # npm, pnpm, yarn with a node linker
        ".pnpm",
        "jspm_packages",
        "bower_components",
        ".cargo",
        ".rustup",
        ".pub-cache",
    }
)
"""One of these as a whole path segment makes the path foreign."""

ELISIONS = frozenset(
    [
        "...",
        "..",
        "…",
        "[...]",
        "(...)",
        "<...>",
        "{...}",
        "[…]",
        "[snip]",
        "<snip>",
        "(snip)",
        "snip",
        "[truncated]",
        "...snip...",
    ]
)
"""What people write where they left frames out of a stack."""

_FOREIGN = re.compile(
    r"""
      /lib(?:64)?/python\d[\d.]*t?/             # standard library on Unix: /usr/lib/python3.12/json/decoder.py
    | /lib(?:64)?/pypy\d?[\d.]*/
    | /[Pp]ython(?:\d[\w.-]*|/\d[\w.]*/x\d+)/[Ll]ib/   # on Windows: Python310/lib/, Python/3.12.3/x64/Lib/
    | /python\d?\d?\.zip/
    | /pkg/mod/                                 # Go module cache
    | /go/src/(?!github\.com/|gitlab\.com/|bitbucket\.org/)[a-z0-9_]+/   # Go standard library, not GOPATH projects
    | /\.yarn/(?:cache|__virtual__|unplugged)/
    | /\.vscode-server/
    | /vendor/bundle/                           # Bundler
    | /gems/[\w-]+-\d[\w.]*/                    # RubyGems: gems/rack-3.0.8/lib/rack.rb
    | /bundler/gems/
    | /lib/ruby/(?:\d|site_ruby|vendor_ruby|gems)   # Ruby's standard library: /usr/lib/ruby/3.1.0/json/common.rb
    | /rubygems-integration/
    | \.build/checkouts/                        # Swift packages
    | (?:^|/)deps/[a-z0-9_]+/(?:lib|src)/       # Elixir's mix, Erlang's rebar
    # Vendored by Go and Composer; a folder `vendor` alone may be the application's word for its suppliers.
    | (?:^|/)vendor/(?:github\.com|golang\.org|gopkg\.in|google\.golang\.org|go\.\w+\.\w+|k8s\.io|composer|symfony|laravel
        |guzzlehttp|doctrine|monolog|psr|nikic|phpunit|league|ramsey|twig)/
    | ^/rustc/
    | ^library/(?:std|core|alloc)/
    | ^node:                                    # node:internal/process/task_queues
    | ^(?:internal|_?node)/[\w./]+$             # internal/modules/cjs/loader.js (Node 10 to 14)
    | ^<frozen\ |^<__array_function__|^<attrs\ generated|^<decorator-gen
    | ^<internal:
    | ^(?:\(native\)|native)$
    """,
    re.VERBOSE,
)

_NODE_BUILTIN = re.compile(
    r"_?(?:assert|async_hooks|bootstrap_node|buffer|child_process|cluster|dgram|dns|domain|events|fs|http2?|https"
    r"|http_(?:agent|client|common|incoming|outgoing|server)|module|net|next_tick|node|path|process|readline|repl"
    r"|stream(?:_(?:duplex|readable|transform|writable))?|timers|tls(?:_wrap)?|tty|url|util|v8|vm|worker_threads|zlib)"
    r"\.js\Z"
)
"""Node before 10 prints its own modules as bare names: ``events.js:160:7``."""


def is_library(path: str) -> bool:
    """True when ``path`` (any separators, any prefix) lies in a runtime's or a package manager's folder."""
    slashed = path.replace("\\", "/")
    if not PACKAGE_FOLDERS.isdisjoint(slashed.split("/")):
        return True
    return _NODE_BUILTIN.match(slashed) is not None or _FOREIGN.search(slashed) is not None


def guess_in_app(path: str | None) -> bool | None:
    """What a path says by itself: False in a library, None for a pseudo file, else True until the tree decides."""
    if not path:
        return None
    if is_library(path):
        return False
    if path[0] in "<[" or path in ("native", "wasm"):
        return None
    return True
