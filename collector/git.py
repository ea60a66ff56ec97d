"""The one door to the git executable: argument lists, a clean environment, limits of time and output.

Every repository that passes here is a bare mirror of our own making: hostile configuration, hooks, filters and text
conversions of a foreign ``.git`` are never read. A revision becomes a full hex id (:meth:`Git.commit`) before any
other command sees it, because a revision named ``--output=FILE`` makes ``git log`` write that file; paths stand
behind ``--`` and are literal. git 2.31 or newer (``--diff-merges``).
"""

import contextlib
import os
import re
import shutil
import signal
import subprocess
import tempfile
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO

from schemas.errors import SourceUnavailable
from schemas.records import CommitSha

OUTPUT_BYTES_MAX = 64 * 1024 * 1024
"""Default bound of one answer held in memory; streams are bounded by time and by their reader."""
STDERR_BYTES_MAX = 4000
MEMORY_BYTES_MAX = 2 * 1024**3
"""Default bound of what one git process may allocate; the pack files that it maps do not count."""

BIG_FILE = "2m"
"""Larger blobs are never read whole, and differ without lines."""

HEX = re.compile(r"[0-9a-f]{40}(?:[0-9a-f]{24})?")
_OUT_OF_MEMORY_HINT = (
    "raise git_memory_bytes_max, if the repository is to be trusted: a small tree can unfold endlessly"
)
_CREDENTIALS = re.compile(r"://[^/@\s]+@")

_OPTIONS = (
    "--no-pager",
    "--literal-pathspecs",
    "--no-replace-objects",
    # A hook, a monitor or a helper is a program; none of ours is ever needed.
    *("-c", "core.hooksPath=/dev/null"),
    *("-c", "core.fsmonitor=false"),
    *("-c", "credential.helper="),
    *("-c", "core.askPass="),
    # A newer git reads .gitattributes of HEAD even in a bare repository; a name of no tree means an empty one.
    *("-c", "attr.tree=none"),
    # A file beyond 2 MiB counts as binary: one line of 500 MB is a valid commit.
    *("-c", f"core.bigFileThreshold={BIG_FILE}"),
    *("-c", "core.quotePath=false"),
    *("-c", "core.commitGraph=true"),
    *("-c", "i18n.logOutputEncoding=UTF-8"),
    *("-c", "log.showSignature=false"),
    *("-c", "gc.autoDetach=false"),
    *("-c", "maintenance.auto=false"),
    *("-c", "submodule.recurse=false"),
)

# The limit must stand before git starts a helper. A shell sets it and becomes git: arguments pass through it as they
# are, and threads of ours are never forked, which a function before the start would do.
_LIMITED = ("/bin/sh", "-c", 'ulimit -d "$1" && shift && exec "$@"', "sh")

_NETWORK_VARIABLES = (
    "HOME",  # ~/.ssh and ~/.netrc: the credential, for a fetch only
    "SSH_AUTH_SOCK",
    "HTTPS_PROXY",
    "https_proxy",
    "NO_PROXY",
    "no_proxy",
    "SSL_CERT_FILE",
    "SSL_CERT_DIR",
    "GIT_SSL_CAINFO",
)


@dataclass(frozen=True, slots=True)
class Git:
    """git on one bare mirror.

    ``directory`` is the mirror (None for commands that need none), ``config`` our own global configuration, which
    names the safe directories: the command-line form of that setting is ignored for another owner's folder.
    """

    directory: Path | None
    config: Path
    memory_bytes_max: int = MEMORY_BYTES_MAX

    def run(
        self,
        *arguments: str,
        timeout_s: float,
        bytes_max: int = OUTPUT_BYTES_MAX,
        stdin: bytes = b"",
        protocols: str = "",
        secret: "Secret | None" = None,
        accepted: tuple[int, ...] = (0,),
    ) -> bytes:
        """Standard output of ``git ARGUMENTS``.

        Args:
            arguments: Verb and arguments; revisions as hex ids, paths behind ``--``.
            timeout_s: Seconds until git and its children are killed.
            bytes_max: Output beyond it is an error, not a silent cut.
            stdin: Fed to git.
            protocols: Transports that a fetch may use (``https:ssh`` or ``file``); none by default.
            secret: What a fetch shows to its host; stands in the environment, where other users do not see it.
            accepted: Exit codes that are answers (``git grep`` says 1 for "nothing found").

        Raises:
            SourceUnavailable: git is missing, failed, took too long or said too much. ``facts`` hold ``reason``
                (``missing`` | ``failed`` | ``timeout`` | ``too_large``), ``returncode`` and ``stderr``.
        """
        with self.stream(
            *arguments,
            timeout_s=timeout_s,
            stdin=stdin,
            protocols=protocols,
            secret=secret,
            accepted=accepted,
        ) as output:
            answer = output.read(bytes_max + 1)
            if len(answer) > bytes_max:
                raise SourceUnavailable(
                    f"git {arguments[0]} answered more than {bytes_max} bytes",
                    hint="the repository holds an object that is too large to read whole",
                    reason="too_large",
                )
        return answer

    @contextlib.contextmanager
    def stream(
        self,
        *arguments: str,
        timeout_s: float,
        stdin: bytes = b"",
        protocols: str = "",
        secret: "Secret | None" = None,
        accepted: tuple[int, ...] = (0,),
    ) -> Iterator[IO[bytes]]:
        """Standard output of ``git ARGUMENTS`` while it runs.

        Arguments and errors as in :meth:`run`; a failure is raised when the block ends. An exception inside the
        block kills git; what a reader leaves behind otherwise is read away.
        """
        with contextlib.ExitStack() as closing:
            # Files instead of pipes: neither a long input nor a chatty stderr can stop git and us at once.
            errors = closing.enter_context(tempfile.TemporaryFile(dir=self.config.parent))
            source: IO[bytes] | int = subprocess.DEVNULL
            if stdin:
                source = closing.enter_context(tempfile.TemporaryFile(dir=self.config.parent))
                source.write(stdin)
                source.seek(0)
            process = self._start(arguments, source, errors, self._environment(protocols, secret))
            assert process.stdout is not None
            expired = threading.Event()
            timer = threading.Timer(timeout_s, _expire, (process, expired))
            timer.daemon = True
            timer.start()
            try:
                yield process.stdout
                # What the reader left behind is read away, so that git can end by itself.
                while process.stdout.read(1 << 16):
                    pass
                returncode = process.wait()
            except BaseException:
                _kill(process)
                if expired.is_set():
                    raise _timeout(arguments, timeout_s) from None
                raise
            finally:
                timer.cancel()
                process.stdout.close()
                process.wait()
            if expired.is_set():
                raise _timeout(arguments, timeout_s)
            if returncode not in accepted:
                errors.seek(0)
                said = clean(errors.read(STDERR_BYTES_MAX).decode("utf-8", "replace").strip())
                raise SourceUnavailable(
                    f"git {arguments[0]} failed: {said or f'exit code {returncode}'}",
                    hint=_OUT_OF_MEMORY_HINT if "out of memory" in said.lower() else "",
                    reason="failed",
                    returncode=returncode,
                    stderr=said,
                )

    def commit(self, revision: str, *, timeout_s: float = 10.0) -> CommitSha | None:
        """The commit that ``revision`` names, as a full hex id; None when it names none.

        ``revision`` may be any text, also one that looks like an option.
        """
        if not revision or "\0" in revision or "\n" in revision:
            return None
        try:
            answer = self.run(
                "rev-parse",
                "--verify",
                "--quiet",
                "--end-of-options",
                f"{revision}^{{commit}}",
                timeout_s=timeout_s,
                bytes_max=200,
            )
        except SourceUnavailable as error:
            if error.facts.get("reason") == "failed":
                return None
            raise
        sha = answer.decode("ascii", "replace").strip()
        return CommitSha(sha) if HEX.fullmatch(sha) else None

    def _start(
        self,
        arguments: tuple[str, ...],
        source: IO[bytes] | int,
        errors: IO[bytes],
        environment: dict[str, str],
    ) -> subprocess.Popen[bytes]:
        where = () if self.directory is None else (f"--git-dir={self.directory}",)
        program = shutil.which("git", path=environment["PATH"])
        if program is None:
            raise SourceUnavailable(
                "git cannot be started", hint="install git 2.31 or newer", reason="missing"
            )
        return subprocess.Popen(
            [*_LIMITED, str(self.memory_bytes_max // 1024), program, *where, *_OPTIONS, *arguments],
            stdin=source,
            stdout=subprocess.PIPE,
            stderr=errors,
            env=environment,
            cwd=self.config.parent,
            # A group of its own: a time limit ends the transport helpers, too.
            start_new_session=True,
            bufsize=1 << 18,
        )

    def _environment(self, protocols: str, secret: "Secret | None") -> dict[str, str]:
        environment = {
            "PATH": os.environ.get("PATH", os.defpath),
            "LC_ALL": "C",
            "TZ": "UTC",
            "GIT_CONFIG_NOSYSTEM": "1",
            "GIT_CONFIG_GLOBAL": str(self.config),
            "GIT_ATTR_NOSYSTEM": "1",
            "GIT_TERMINAL_PROMPT": "0",
            "GIT_OPTIONAL_LOCKS": "0",
            "GIT_NO_LAZY_FETCH": "1",
            # An empty list allows no transport at all.
            "GIT_ALLOW_PROTOCOL": protocols,
        }
        if "ssh" in protocols:
            environment |= {name: os.environ[name] for name in _NETWORK_VARIABLES if name in os.environ}
            environment["GIT_SSH_COMMAND"] = "ssh -o BatchMode=yes"
        if secret is not None:
            environment |= {
                "GIT_CONFIG_COUNT": "1",
                "GIT_CONFIG_KEY_0": f"http.{secret.host}.extraHeader",
                "GIT_CONFIG_VALUE_0": secret.header,
            }
        return environment


@dataclass(frozen=True, slots=True)
class Secret:
    """A header for one host (``https://HOST/``); never shown in a representation."""

    host: str
    header: str = field(repr=False)


def clean(text: str) -> str:
    """``text`` without the user and password of any URL in it."""
    return _CREDENTIALS.sub("://***@", text)


def unquoted(name: bytes) -> str:
    """A path as git prints it in line-oriented output, C quotes undone.

    Bytes that are not UTF-8 become ``\\xNN``, so that two different paths stay different texts.
    """
    if name.startswith(b'"') and name.endswith(b'"') and len(name) > 1:
        name = _ESCAPE.sub(_unescape, name[1:-1])
    return name.decode("utf-8", "backslashreplace")


_ESCAPE = re.compile(rb'\\([0-7]{3}|[abfnrtv"\\])')
_SIMPLE = {b"a": 7, b"b": 8, b"t": 9, b"n": 10, b"v": 11, b"f": 12, b"r": 13, b'"': 34, b"\\": 92}


def _unescape(match: re.Match[bytes]) -> bytes:
    code = match.group(1)
    return bytes([_SIMPLE[code] if code in _SIMPLE else int(code, 8) & 0xFF])


def _expire(process: subprocess.Popen[bytes], expired: threading.Event) -> None:
    expired.set()
    _kill(process)


def _kill(process: subprocess.Popen[bytes]) -> None:
    # The number of a process that was waited for may belong to another one by now.
    if process.poll() is not None:
        return
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(process.pid, signal.SIGKILL)


def _timeout(arguments: tuple[str, ...], timeout_s: float) -> SourceUnavailable:
    return SourceUnavailable(
        f"git {arguments[0]} took longer than {timeout_s:g} s",
        hint="raise git_timeout_s, or look at the network and the size of the repository",
        reason="timeout",
    )
