"""The mainlines of a world as real repositories, each written through one ``git fast-import``."""

import os
import subprocess
from pathlib import Path

from worlds.history import Change, History
from worlds.telemetry import version
from worlds.words import AI_TRAILERS, PEOPLE


def write(history: History, folder: Path, *, tags: str) -> dict[str, list[str]]:
    """Repository name -> sha of each position; sets ``sha`` of every change.

    Args:
        tags: ``real`` marks what AI wrote as far as its writer does; ``none`` marks nothing; ``flipped`` the others.
    """
    found = {}
    for repository in history.company.repositories:
        path = folder / repository.name.split("/")[1]
        found[repository.name] = _import(history, history.changes[repository.name], path, tags)
    return found


def is_marked(change: Change, tags: str) -> bool:
    return {"real": change.is_tagged, "none": False, "flipped": not change.is_tagged}[tags]


def message(history: History, change: Change, tags: str, *, is_numbered: bool) -> str:
    subject = change.subject + (
        f" (#{change.position + 1})" if is_numbered and change.says != "reverts" else ""
    )
    parts = [subject]
    if change.says == "reverts" and change.mends:
        parts.append(f"This reverts commit {change.mends.sha}.")
    if change.body:
        parts.append(change.body)
    trailers = []
    if change.says == "fixes" and change.mends:
        trailers.append(f"Fixes: {change.mends.sha[:12]}")
    if is_marked(change, tags):
        trailers.append(AI_TRAILERS[change.tool])
    if trailers:
        parts.append("\n".join(trailers))
    return "\n\n".join(parts)


def _import(history: History, changes: list[Change], path: Path, tags: str) -> list[str]:
    path.mkdir(parents=True)
    environment = {
        "PATH": os.environ["PATH"],
        "HOME": str(path),
        "GIT_CONFIG_NOSYSTEM": "1",
        "GIT_CONFIG_GLOBAL": os.devnull,
        "LC_ALL": "C",
    }
    subprocess.run(
        ["git", "init", "--quiet", "--bare", "--initial-branch=main", "."],
        cwd=path,
        env=environment,
        check=True,
    )
    is_numbered = sum(map(ord, path.name)) % 2 == 0
    shas: list[str] = []
    with subprocess.Popen(
        ["git", "fast-import", "--quiet"],
        cwd=path,
        env=environment,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    ) as process:
        assert process.stdin
        assert process.stdout
        for mark, change in enumerate(changes, 1):
            name, login = PEOPLE[change.author]
            who = f"{name} <{login}@acme.example> {int(change.at.timestamp())} +0000".encode()
            text = message(history, change, tags, is_numbered=is_numbered).encode()
            out = [
                b"commit refs/heads/main\nmark :%d\nauthor %s\ncommitter %s\ndata %d\n%s\n"
                % (mark, who, who, len(text), text)
            ]
            if mark > 1:
                out.append(b"from :%d\n" % (mark - 1))
            for file, content in sorted(change.files.items()):
                if content is None:
                    out.append(b"D %s\n" % file.encode())
                else:
                    body = content.encode()
                    out.append(b"M 100644 inline %s\ndata %d\n%s\n" % (file.encode(), len(body), body))
            out.append(b"\nget-mark :%d\n" % mark)
            process.stdin.write(b"".join(out))
            process.stdin.flush()
            change.sha = process.stdout.readline().decode().strip()
            shas.append(change.sha)
            process.stdin.write(
                b"reset refs/tags/v%s\nfrom :%d\n\n" % (version(change.position).encode(), mark)
            )
        process.stdin.close()
        assert process.wait() == 0
    return shas
