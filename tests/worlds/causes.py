"""What makes requests fail, be it a change or not, in one form: whom it meets, and what their traces then look like."""

import itertools
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

from worlds.code import path_between, reachable
from worlds.company import Operation, Service
from worlds.history import END, Change, History, Planted, frames_at
from worlds.trees import CLIENT, ERROR, SERVER, Node, Trees, client_path, copy_of
from worlds.troubles import Trouble

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]

SQLSTATES = {"column": "42703", "login": "28P01"}


@dataclass(eq=False, slots=True)
class Cause:
    """``change`` None and ``flag`` empty: no change is to blame. ``traces``: how many met it, filled by the traffic."""

    number: int
    kind: str
    service: Service
    operations: list[Operation]
    shows: str
    planted: Planted | None = None
    trouble: Trouble | None = None
    traces: int = 0
    first_at: float = 0.0
    last_at: float = 0.0

    @property
    def change(self) -> Change | None:
        return self.planted.change if self.planted else None

    @property
    def flag(self) -> str:
        return self.planted.defect.flag if self.planted else ""


@dataclass(slots=True)
class Drawn:
    """One set of requests: ``at`` seconds since the epoch, sorted; of each the deployment and host of every service."""

    at: Floats
    deployment: dict[str, Ints]
    host: dict[str, Ints]
    index: Ints = field(default_factory=lambda: np.zeros(0, np.int64))


def of(history: History, troubles: Sequence[Trouble]) -> list[Cause]:
    found: list[Cause] = []
    for planted in history.planted:
        defect = planted.defect
        found.append(
            Cause(len(found), defect.mechanism, defect.service, defect.operations, defect.shows, planted)
        )
    for trouble in troubles:
        shows = {
            "crowd": "crowd",
            "stranger": "stranger",
            "token": "token",
            "contract": "raise",
            "disk": "raise",
            "old": "raise",
        }.get(trouble.kind, "leaf")
        found.append(
            Cause(len(found), trouble.kind, trouble.service, trouble.operations, shows, None, trouble)
        )
    return found


def share(history: History, cause: Cause, drawn: Drawn) -> Floats:
    """Chance of each request that passes the failing service to meet ``cause``."""
    if cause.trouble is not None:
        trouble = cause.trouble
        met = (drawn.at >= trouble.since.timestamp()) & (drawn.at < trouble.until.timestamp())
        if trouble.hosts:
            met &= np.isin(drawn.host[cause.service.name], list(trouble.hosts))
        return met * trouble.share
    planted = cause.planted
    assert planted is not None
    if planted.begins_at is None:
        return np.zeros(len(drawn.at))
    met = drawn.at >= planted.begins_at.timestamp()
    if planted.change is None:
        met &= drawn.at < (planted.ended_at or END).timestamp()
        return met * planted.defect.chance
    positions = np.array([d.position for d in history.deployments[planted.origin.name]])
    ran = positions[drawn.deployment[planted.origin.name]]
    met &= ran >= planted.change.position
    if planted.mended is not None:
        met &= ran < planted.mended.position
    return met * planted.defect.chance


class Builder:
    """Builds the failing trees of causes."""

    def __init__(self, history: History, trees: Trees) -> None:
        self.history = history
        self.trees = trees

    def frames(self, service: Service, position: int, path: list[Any]) -> list[dict[str, Any]]:
        return frames_at(self.history, service, position, path)

    def tree(
        self, cause: Cause, root: Node, node_path: list[int], positions: dict[str, int], seed: int
    ) -> Node:
        """The tree of a request that meets ``cause`` at the node that ``node_path`` leads to.

        Args:
            positions: service name -> position of the change that it runs.
        """
        tree, way = self.trees.failing(root, node_path)
        node = way[-1]
        match cause.shows:
            case "raise":
                self._raise(cause, node, positions, seed)
            case "leaf":
                self._leaf(cause, node, positions, seed)
            case "token":
                self._leaf(cause, node, positions, seed, status=401)
            case "crowd":
                self._crowd(cause, node, positions, seed)
            case "refuse" | "deny" | "stranger":
                defect = cause.planted.defect if cause.planted else None
                status = defect.status if defect else cause.trouble.status if cause.trouble else 400
                node.attributes["http.response.status_code"] = status
                node.children = []
                if defect is not None and cause.shows == "refuse" and seed % 2:
                    node.attributes["error.type"] = str(status)
            case "slow":
                node.ms = (node.ms + 40) * (cause.planted.defect.factor if cause.planted else 1)
                return tree
            case "many":
                self._many(cause, node)
                return tree
            case "hang":
                if not self._hang(cause, way, positions, seed):
                    return tree
        calls = {id(n): self._call(w, n, positions) for w, n in itertools.pairwise(way) if n.kind == CLIENT}
        if cause.shows == "hang":
            way = way[:-2]
        self.trees.spread(way, frames=calls, seed=seed // 7)
        return tree

    def _call(self, server: Node, client: Node, positions: dict[str, int]) -> list[dict[str, Any]]:
        return self.frames(server.service, positions[server.service.name], client_path(server, client))

    def _site(self, cause: Cause, node: Node) -> list[Any]:
        if cause.planted is not None:
            operation = node.operation
            index = cause.operations.index(operation) if operation in cause.operations else -1
            return cause.planted.paths.get(index, [])
        assert cause.trouble is not None
        assert node.operation is not None
        for function, statement in cause.trouble.sites:
            found = path_between(node.operation.handler, function)
            if found is not None:
                return [(f, s if s is not None else statement) for f, s in found]
        return []

    def _told(self, cause: Cause) -> tuple[str, dict[str, str], bool]:
        if cause.planted is not None:
            defect = cause.planted.defect
            return defect.signature, defect.names, defect.library
        assert cause.trouble is not None
        return cause.trouble.signature, cause.trouble.names, False

    def _raise(self, cause: Cause, node: Node, positions: dict[str, int], seed: int) -> None:
        kind, names, library = self._told(cause)
        site = self._site(cause, node)
        frames = self.frames(node.service, positions[node.service.name], site)
        node.raised = self.trees.raised(node, kind, names, frames, library=library, seed=seed)
        node.status = ERROR
        if node.kind == SERVER:
            node.attributes["http.response.status_code"] = 500
            node.attributes["error.type"] = node.raised[0].type if node.raised and seed % 2 else "500"
        elif node.raised:
            node.attributes["error.type"] = node.raised[0].type
        # What would have come after the failing statement did not.
        order = _order(node)
        if site:
            until = order.get(site[-1][1].key, len(order))
            node.children = [c for c in node.children if order.get(c.key, 0) <= until]

    def _leaf(self, cause: Cause, node: Node, positions: dict[str, int], seed: int, status: int = 0) -> None:
        kind, names, _ = self._told(cause)
        keys = cause.trouble.keys if cause.trouble else {s.key for _, s in cause.planted.defect.sites}  # type: ignore[union-attr]
        child = next((c for c in node.children if c.key in keys), None)
        if child is None:
            sites = cause.planted.defect.sites if cause.planted else cause.trouble.sites  # type: ignore[union-attr]
            reached = reachable(node.operation.handler) if node.operation else []
            function, statement = next((x for x in sites if x[0] in reached), sites[0])
            child = self.trees.child(node.service, statement, function)
            node.children.append(child)
        node.children = node.children[: node.children.index(child) + 1]
        child.children = []
        child.status = ERROR
        path = client_path(node, child)
        frames = self.frames(node.service, positions[node.service.name], path)
        if status:
            child.attributes["http.response.status_code"] = status
            child.attributes["error.type"] = str(status)
            node.raised = self.trees._status_error(node, child, frames, seed)
        else:
            child.attributes.pop("http.response.status_code", None)
            if kind == "unresolved":
                child.attributes["server.address"] = names["host"]
            raised = self.trees.raised(node, kind, names, frames, library=False, seed=seed)
            child.attributes["error.type"] = raised[0].type if raised else "_OTHER"
            if kind in SQLSTATES and seed % 4:
                child.attributes["db.response.status_code"] = SQLSTATES[kind]
            if seed % 3:
                child.raised = raised
            node.raised = raised
            if kind == "timeout":
                child.ms = 5000
        node.status = ERROR
        if node.kind == SERVER:
            node.attributes["http.response.status_code"] = 502 if seed % 5 == 0 else 500
            node.attributes["error.type"] = node.raised[0].type if node.raised and seed % 2 else "500"

    def _crowd(self, cause: Cause, node: Node, positions: dict[str, int], seed: int) -> None:
        assert cause.trouble is not None
        if cause.trouble.status == 500:
            self._raise(cause, node, positions, seed)
            node.ms += 3000
            return
        node.children = []
        node.attributes["http.response.status_code"] = cause.trouble.status
        if cause.trouble.status == 503:
            node.status = ERROR
            node.attributes["error.type"] = "503"

    def _many(self, cause: Cause, node: Node) -> None:
        assert cause.planted is not None
        defect = cause.planted.defect
        keys = {s.key for _, s in defect.sites}
        child = next((c for c in node.children if c.key in keys), None)
        if child is None:
            function, statement = defect.sites[0]
            child = self.trees.child(node.service, statement, function)
            node.children.append(child)
        node.children += [copy_of(child) for _ in range(int(defect.factor))]

    def _hang(self, cause: Cause, way: list[Node], positions: dict[str, int], seed: int) -> bool:
        """True when somebody who waits gives up."""
        assert cause.planted is not None
        node = way[-1]
        keys = {s.key for _, s in cause.planted.defect.sites}
        child = next((c for c in node.children if c.key in keys), None)
        if child is not None:
            child.ms += cause.planted.defect.factor * 1000
        else:
            node.ms += cause.planted.defect.factor * 1000
        if len(way) < 3 or way[-2].kind != CLIENT:
            return False
        client, waiting = way[-2], way[-3]
        client.cut_ms = 5000
        client.status = ERROR
        client.attributes.pop("http.response.status_code", None)
        raised = self.trees.raised(
            waiting,
            "timeout",
            {"host": "peer"},
            self._call(waiting, client, positions),
            library=False,
            seed=seed,
        )
        client.attributes["error.type"] = raised[0].type if raised else "timeout"
        client.raised = raised
        waiting.raised = raised
        waiting.status = ERROR
        if waiting.kind == SERVER:
            waiting.attributes["http.response.status_code"] = 504 if seed % 2 else 500
            waiting.attributes["error.type"] = client.attributes["error.type"]
        return True


def _order(node: Node) -> dict[int, int]:
    """Statement key -> place in the order of execution, of what the operation of ``node`` runs."""
    found: dict[int, int] = {}
    seen: set[int] = set()

    def walk(function: Any) -> None:
        if id(function) in seen:
            return
        seen.add(id(function))
        for statement in function.body:
            if statement.calls is not None:
                walk(statement.calls)
            found[statement.key] = len(found)

    if node.operation is not None:
        walk(node.operation.handler)
    return found
