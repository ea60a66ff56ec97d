"""Requests of six weeks: how many come when, which revision answers, which of them fail, and which traces are kept."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import numpy as np

from worlds.causes import Builder, Cause, Drawn, Floats, Ints, share
from worlds.company import Operation
from worlds.history import END, WATCHED_FROM, History
from worlds.trees import ERROR, Node, Trees, copy_of, places_of

HOURS = int((END - WATCHED_FROM) / timedelta(hours=1))
SALTS = 3


@dataclass(frozen=True, slots=True)
class Sampling:
    """``mode``: head (decided at the root, and said in tracestate) | tail (whole traces; failing and slow ones always)."""

    mode: str = "head"
    ratio: float = 1.0


@dataclass(slots=True)
class Batch:
    """Requests that look alike: their tree, and when and where they ran. ``cause``: number of it, -1 for none."""

    tree: Node
    drawn: Drawn
    cause: int


class Traffic:
    """Draws the requests of one world. ``spans``: how many would be written, were all kept."""

    def __init__(
        self,
        history: History,
        trees: Trees,
        causes: Sequence[Cause],
        *,
        seed: int,
        sampling: Sampling,
        spans: int,
    ) -> None:
        self.history = history
        self.trees = trees
        self.causes = causes
        self.sampling = sampling
        self.builder = Builder(history, trees)
        self.random = np.random.default_rng([seed, 77])
        # Who samples has more of them.
        power = 0.55 if sampling.mode == "head" else 0.35
        listed = [o for s in history.company.services for o in s.operations if o.hourly]
        hourly = sum(o.hourly * sum(1 for _ in trees.of(o).walk()) for o in listed)
        # Noon is 2.3 times as busy as the mean hour of a week.
        self.scale = 2.3 * spans / (hourly * HOURS) * (1 / sampling.ratio) ** power
        self._trees: dict[Any, Node] = {}

    def batches(self) -> list[Batch]:
        found: list[Batch] = []
        for service in self.history.company.services:
            for operation in service.operations:
                if operation.hourly:
                    found += self._of(operation)
        return found

    def _of(self, operation: Operation) -> list[Batch]:
        root = self.trees.of(operation)
        drawn = self._draw(operation)
        size = len(drawn.at)
        chosen = np.full(size, -1, np.int64)
        place: dict[int, list[tuple[list[int], Node]]] = {}
        for cause in self.causes:
            places = places_of(root, cause.operations)
            if cause.shows == "stranger":
                places = [p for p in places if not p[0]]
            if not places or cause.shows in ("silent", "open"):
                continue
            place[cause.number] = places
            met = (self.random.random(size) < share(self.history, cause, drawn)) & (chosen < 0)
            chosen[met] = cause.number
        found: list[Batch] = []
        for number in np.unique(chosen):
            picked = np.flatnonzero(chosen == number)
            if number < 0:
                found += self._well(operation, root, drawn, picked)
                continue
            found += self._failing(self.causes[number], root, place[int(number)], drawn, picked)
        return [kept for batch in found if len((kept := self._sampled(batch)).drawn.at)]

    def _failing(
        self, cause: Cause, root: Node, places: list[tuple[list[int], Node]], drawn: Drawn, picked: Ints
    ) -> list[Batch]:
        which = self.random.integers(0, len(places), len(picked))
        salt = self.random.integers(0, SALTS, len(picked))
        groups: dict[tuple[int, ...], list[int]] = {}
        ways = [_services(root, path) for path, _ in places]
        for order, index in enumerate(picked):
            names = ways[which[order]]
            key = (int(which[order]), int(salt[order]), *(int(drawn.deployment[n][index]) for n in names))
            groups.setdefault(key, []).append(int(index))
        found = []
        for key, members in groups.items():
            names = ways[key[0]]
            positions = {
                n: self.history.deployments[n][d].position for n, d in zip(names, key[2:], strict=True)
            }
            known = (cause.number, id(root), key[0], key[1], *positions.values())
            if known not in self._trees:
                seed = (key[1] + 1) * 7919 + key[0] * 104729 + cause.number * 31
                self._trees[known] = self.builder.tree(cause, root, places[key[0]][0], positions, seed)
            found.append(Batch(self._trees[known], _part(drawn, np.array(members)), cause.number))
        return found

    def _well(self, operation: Operation, root: Node, drawn: Drawn, picked: Ints) -> list[Batch]:
        """Requests that meet no cause: some ask for what is not there, or for what they may not have."""
        size = len(picked)
        kind = np.zeros(size, np.int64)
        if "{id}" in operation.path:
            kind[self.random.random(size) < 0.02] = 1
        opened = np.zeros(size)
        for cause in self.causes:
            if cause.shows == "open" and operation in cause.operations:
                opened = share(self.history, cause, _part(drawn, picked))
        if operation.role is not None:
            draw = self.random.random(size)
            kind[draw < 0.08] = 2
            kind[(draw < 0.08) & (opened > 0)] = 3
            kind[(draw >= 0.08) & (kind == 0)] = 4
        found = []
        for number in np.unique(kind):
            known = ("well", id(root), int(number))
            if known not in self._trees:
                self._trees[known] = _well(root, int(number))
            found.append(Batch(self._trees[known], _part(drawn, picked[kind == number]), -1))
        return found

    def _draw(self, operation: Operation) -> Drawn:
        hours = np.arange(HOURS)
        clock, weekday = hours % 24, (hours // 24 + WATCHED_FROM.weekday()) % 7
        shape = 0.25 + 0.75 * np.exp(-(((clock - 14) / 5) ** 2))
        rate = operation.hourly * self.scale * shape * np.where(weekday >= 5, 0.5, 1.0)
        start = WATCHED_FROM.timestamp()
        for cause in self.causes:
            trouble = cause.trouble
            if trouble is not None and trouble.crowd > 1 and operation in trouble.operations:
                busy = (start + (hours + 1) * 3600 > trouble.since.timestamp()) & (
                    start + hours * 3600 < trouble.until.timestamp()
                )
                rate = np.where(busy, rate * trouble.crowd, rate)
        counts = self.random.poisson(rate)
        at = np.sort(start + (np.repeat(hours, counts) + self.random.random(counts.sum())) * 3600)
        deployment: dict[str, Ints] = {}
        host: dict[str, Ints] = {}
        for service in self.history.company.services:
            known = self.history.deployments[service.name]
            starts = np.array([d.at.timestamp() for d in known])
            index = np.maximum(np.searchsorted(starts, at, side="right") - 1, 0)
            canary = np.array([d.canary_until.timestamp() if d.canary_until else 0.0 for d in known])
            early = (at < canary[index]) & (index > 0) & (self.random.random(len(at)) > 0.2)
            deployment[service.name] = np.where(early, index - 1, index)
            host[service.name] = self.random.integers(0, service.hosts, len(at))
        return Drawn(at, deployment, host)

    def _sampled(self, batch: Batch) -> Batch:
        size, ratio = len(batch.drawn.at), self.sampling.ratio
        if batch.cause >= 0 and size:
            cause = self.causes[batch.cause]
            cause.traces += size
            first, last = float(batch.drawn.at[0]), float(batch.drawn.at[-1])
            cause.first_at = min(cause.first_at or first, first)
            cause.last_at = max(cause.last_at, last)
        if ratio >= 1 or (self.sampling.mode == "tail" and _is_noted(batch.tree)):
            return batch
        kept = np.flatnonzero(self.random.random(size) < ratio)
        return Batch(batch.tree, _part(batch.drawn, kept), batch.cause)


def _part(drawn: Drawn, index: Any) -> Drawn:
    return Drawn(
        drawn.at[index],
        {name: d[index] for name, d in drawn.deployment.items()},
        {name: h[index] for name, h in drawn.host.items()},
    )


def _is_noted(tree: Node) -> bool:
    return any(n.status == ERROR for n in tree.walk()) or duration(tree) > 2000


def _services(root: Node, path: list[int]) -> list[str]:
    node, found = root, [root.service.name]
    for index in path:
        node = node.children[index]
        if node.service.name not in found:
            found.append(node.service.name)
    return found


def _well(root: Node, kind: int) -> Node:
    """0: as it is. 1: not found. 2: refused. 3: granted to nobody in particular. 4: granted to somebody."""
    if kind == 0:
        return root
    tree = copy_of(root)
    if kind == 1:
        tree.attributes["http.response.status_code"] = 404
        tree.children = tree.children[:1]
    elif kind == 2:
        tree.attributes["http.response.status_code"] = 401
        tree.children = []
    elif kind == 4:
        tree.attributes["enduser.id"] = "u-7"
    return tree


def duration(node: Node) -> float:
    """Milliseconds that a span lasts."""
    if node.cut_ms:
        return node.cut_ms
    if node.kind == 4:
        return node.ms
    return node.ms + sum(duration(child) for child in node.children)


def layout(tree: Node) -> list[tuple[Node, int, float, float]]:
    """(node, index of its parent or -1, start, duration) in milliseconds, parents first."""
    found: list[tuple[Node, int, float, float]] = []

    def walk(node: Node, parent: int, start: float) -> None:
        index = len(found)
        found.append((node, parent, start, duration(node)))
        at = start + (node.ms if node.kind == 4 else node.ms * 0.4)
        for child in node.children:
            walk(child, index, at)
            at += duration(child)

    walk(tree, -1, 0.0)
    return found


__all__ = ["Batch", "Floats", "Sampling", "Traffic", "layout"]
