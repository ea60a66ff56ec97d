"""A repository of many changes, written through one ``git fast-import``: a thousand commits in a second, not a minute.

Modules of a few hundred lines, edited in one to four places by each change; some changes are merges of a side branch,
some rename, split or delete a module. The mainline is ``main``; the seed decides everything.
"""

import random
import subprocess
from pathlib import Path

from repository_builder import RepositoryBuilder

START_UNIX_S = 1_760_000_000
_CHANGE_EVERY_S = 1800
_MERGE_SHARE = 0.2


class GeneratedHistory:
    """Writes ``change_count`` mainline changes over about ``file_count`` live files of ``line_count`` lines."""

    def __init__(
        self, *, change_count: int, file_count: int = 150, line_count: int = 240, seed: int = 1
    ) -> None:
        self._chance = random.Random(seed)
        self._file_count = file_count
        self._line_count = line_count
        self._serial = 0
        self._mark = 0
        self._now = START_UNIX_S
        self._stream: list[bytes] = []
        self._files = {self._name(): self._lines(line_count) for _ in range(file_count)}
        head = self._commit("Start", {path: self._text(path) for path in self._files}, parents=())
        for number in range(1, change_count):
            head = self._change(number, head)

    def write(self, path: Path) -> RepositoryBuilder:
        """The repository at ``path``; its work tree is empty."""
        builder = RepositoryBuilder(path)
        done = subprocess.run(
            ["git", "fast-import", "--quiet"],
            cwd=path,
            input=b"".join(self._stream),
            capture_output=True,
            check=False,
        )
        assert done.returncode == 0, done.stderr.decode(errors="replace")
        return builder

    def _change(self, number: int, head: int) -> int:
        self._now += _CHANGE_EVERY_S
        touched = self._edits()
        if self._chance.random() >= _MERGE_SHARE:
            return self._commit(f"Change {number}", touched, parents=(head,))
        # The side branch holds the change in two steps; the merge brings it as one.
        paths = sorted(touched)
        first = self._commit(
            f"Draft {number}", {p: touched[p] for p in paths[:1]}, parents=(head,), ref="side"
        )
        second = self._commit(
            f"Finish {number}", {p: touched[p] for p in paths[1:]}, parents=(first,), ref="side"
        )
        message = f"Merge pull request #{number} from acme/change-{number}"
        return self._commit(message, touched, parents=(head, second))

    def _edits(self) -> dict[str, bytes | None]:
        """Paths that one change touches, with their new text; None: deleted."""
        touched: dict[str, bytes | None] = {}
        for path in self._chance.sample(sorted(self._files), self._chance.choice((1, 1, 2, 3, 5))):
            verb = self._chance.random()
            if verb < 0.93 or len(self._files) < self._file_count // 2:
                self._edit(self._files[path])
                touched[path] = self._text(path)
            elif verb < 0.95:
                del self._files[path]
                touched[path] = None
            elif verb < 0.98:
                new = self._name()
                self._files[new] = self._files.pop(path)
                touched |= {path: None, new: self._text(new)}
            else:
                new, lines = self._name(), self._files[path]
                at = len(lines) // 2
                self._files[path], self._files[new] = lines[:at], lines[at:]
                touched |= {path: self._text(path), new: self._text(new)}
        if len(self._files) < self._file_count:
            new = self._name()
            self._files[new] = self._lines(self._line_count)
            touched[new] = self._text(new)
        return touched

    def _edit(self, lines: list[str]) -> None:
        for _ in range(self._chance.randint(1, 4)):
            at = self._chance.randint(0, len(lines))
            lines[at : at + self._chance.choice((0, 1, 2, 6))] = self._lines(
                self._chance.choice((1, 2, 3, 12))
            )

    def _lines(self, count: int) -> list[str]:
        found = []
        for _ in range(count):
            self._serial += 1
            kind = self._serial % 8
            if kind == 0:
                found.append("")
            elif kind == 1:
                found.append(f"def step_{self._serial}(order, stock):")
            else:
                found.append(
                    f"    total_{self._serial} = order.price(item_{self._serial}) * stock.count({kind})"
                )
        return found

    def _name(self) -> str:
        self._serial += 1
        return f"services/{('cart', 'orders', 'stock', 'web')[self._serial % 4]}/part_{self._serial}.py"

    def _text(self, path: str) -> bytes:
        return ("\n".join(self._files[path]) + "\n").encode()

    def _commit(
        self, message: str, files: dict[str, bytes | None], *, parents: tuple[int, ...], ref: str = "main"
    ) -> int:
        self._mark += 1
        who = b"Ada <ada@example.com> %d +0000" % self._now
        text = message.encode()
        parts = [
            b"commit refs/heads/%s\nmark :%d\nauthor %s\ncommitter %s\n"
            % (ref.encode(), self._mark, who, who),
            b"data %d\n%s\n" % (len(text), text),
            *(b"%s :%d\n" % (b"merge" if n else b"from", parent) for n, parent in enumerate(parents)),
        ]
        for path, content in files.items():
            if content is None:
                parts.append(b"D %s\n" % path.encode())
            else:
                parts.append(b"M 100644 inline %s\ndata %d\n%s\n" % (path.encode(), len(content), content))
        self._stream += [*parts, b"\n"]
        return self._mark
