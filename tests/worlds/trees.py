"""What a request looks like as spans: a tree per operation, and what becomes of it when something in it fails."""

import copy
import hashlib
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from worlds.code import Function, Statement, path_between, reachable
from worlds.company import Company, Operation, Service
from worlds.languages import Name
from worlds.stacks import LIBRARY_FRAMES, Frame, Raised, signature, stack

INTERNAL, SERVER, CLIENT, PRODUCER, CONSUMER = 1, 2, 3, 4, 5
UNSET, ERROR = 0, 2
CHILDREN_MAX = 4
DEPTH_MAX = 3


@dataclass(eq=False, slots=True)
class Node:
    """One span. ``ms``: its own time beside its children's; ``key``: of the statement that makes the call."""

    service: Service
    kind: int
    name: str
    attributes: dict[str, Any]
    ms: float
    operation: Operation | None = None
    key: int = 0
    function: Function | None = None
    status: int = UNSET
    message: str = ""
    raised: list[Raised] = field(default_factory=list)
    children: list["Node"] = field(default_factory=list)
    cut_ms: float = 0.0
    """How long it lasts whatever its children do: who waits gives up. 0: until they end."""

    def walk(self) -> Iterator["Node"]:
        yield self
        for child in self.children:
            yield from child.walk()


@dataclass(frozen=True, slots=True)
class Recording:
    """What a service's telemetry holds of failures. ``has_types``: without stacks, at least type and message."""

    has_stacks: bool
    has_types: bool


class Trees:
    """Builds trees of one company; ``recording`` by service name."""

    def __init__(self, company: Company, recording: dict[str, Recording]) -> None:
        self.company = company
        self.recording = recording
        self._known: dict[int, Node] = {}

    def of(self, operation: Operation) -> Node:
        """The tree of a request that went well."""
        if id(operation) not in self._known:
            self._known[id(operation)] = self._build(operation, 0)
        return self._known[id(operation)]

    def _build(self, operation: Operation, depth: int) -> Node:
        service = operation.service
        seed = _number(f"{service.name}{operation.name}")
        if operation.topic:
            attributes: dict[str, Any] = {
                "messaging.system": "kafka",
                "messaging.destination.name": operation.topic,
                "messaging.operation.type": "process",
            }
            root = Node(service, CONSUMER, operation.name, attributes, 4 + seed % 20, operation)
        else:
            attributes = {
                "http.request.method": operation.method.upper(),
                "http.route": operation.path,
                "http.response.status_code": 200,
                "url.path": operation.path.replace("{id}", "4711"),
            }
            root = Node(service, SERVER, operation.name, attributes, 3 + seed % 25, operation)
        queries = 0
        for function in reachable(operation.handler):
            for s in function.body:
                if s.kind in ("query", "write", "queryeach") and queries < CHILDREN_MAX:
                    queries += 1
                    root.children.append(database(service, s, function))
                elif s.kind in ("fetch", "fetchslow") and depth < DEPTH_MAX:
                    root.children.append(self._fetch(service, s, function, depth))
                elif s.kind == "publish" and depth < DEPTH_MAX:
                    consumers = [
                        o
                        for x in self.company.services
                        for o in x.operations
                        if o.topic == s.arguments["topic"]
                    ]
                    sent = Node(
                        service,
                        PRODUCER,
                        f"send {s.arguments['topic']}",
                        {"messaging.system": "kafka", "messaging.destination.name": s.arguments["topic"]},
                        2,
                        key=s.key,
                        function=function,
                    )
                    sent.children = [self._build(o, depth + 1) for o in consumers]
                    root.children.append(sent)
        return root

    def _fetch(self, service: Service, s: Statement, function: Function, depth: int) -> Node:
        target: Operation | None = s.arguments.get("target")
        method = str(s.arguments["method"]).upper()
        host = str(s.arguments.get("host") or f"{s.arguments['h']}.internal")
        attributes: dict[str, Any] = {
            "http.request.method": method,
            "server.address": host,
            "server.port": 443 if not target else 8080,
            "http.response.status_code": 200,
        }
        node = Node(
            service,
            CLIENT,
            method,
            attributes,
            1 if target else 30 + _number(host) % 80,
            key=s.key,
            function=function,
        )
        if target is not None and depth < DEPTH_MAX:
            node.children.append(self._build(target, depth + 1))
        return node

    def child(self, service: Service, s: Statement, function: Function) -> Node:
        """The span of one call."""
        return (
            database(service, s, function)
            if "t" in s.arguments
            else self._fetch(service, s, function, DEPTH_MAX)
        )

    # --- failures -----------------------------------------------------------------------------------

    def raised(
        self,
        node: Node,
        kind: str,
        names: dict[str, str],
        ours: list[dict[str, Any]],
        *,
        library: bool,
        seed: int,
    ) -> list[Raised]:
        """The exception as the SDK of the node's service records it."""
        service = node.service
        recording = self.recording[service.name]
        if not (recording.has_stacks or recording.has_types):
            return []
        type_, message = signature(kind, service.language, **names)
        if service.language == "go" and kind in _RETURNED:
            # An error that is returned is recorded without a stack unless somebody asks for one.
            return [Raised(type_, message, None)]
        text = None
        if recording.has_stacks:
            frames = [frame_of(service, f) for f in ours]
            text = stack(
                service.language,
                type_,
                message,
                frames,
                LIBRARY_FRAMES[service.language] if library else [],
                seed,
            )
        return [Raised(type_, message, text)]

    def failing(self, root: Node, node_path: list[int]) -> tuple[Node, list[Node]]:
        """A copy of ``root`` and, outermost first, the nodes on the way to the one that fails."""
        tree = copy_of(root)
        way = [tree]
        for index in node_path:
            way.append(way[-1].children[index])
        return tree, way

    def spread(
        self, way: list[Node], *, frames: dict[int, list[dict[str, Any]]], seed: int, status: int = 500
    ) -> None:
        """What those who wait for the failing node, the last of ``way``, make of it.

        Args:
            frames: id of a CLIENT node -> frames of its service at the call, innermost first.
        """
        failed = way[-1]
        code = failed.attributes.get("http.response.status_code", status)
        for node in reversed(way[:-1]):
            if node.kind == PRODUCER:
                return
            if node.kind == CLIENT:
                node.status = ERROR
                node.attributes["http.response.status_code"] = code
                node.attributes["error.type"] = str(code)
                waiting = node
            elif node.kind in (SERVER, CONSUMER):
                choice = seed % 10
                if choice < 2:
                    # It can do without.
                    return
                code = 500 if choice < 7 else 502 if code >= 500 else code
                if node.kind == SERVER:
                    node.attributes["http.response.status_code"] = code
                if code >= 500:
                    node.status = ERROR
                    node.attributes["error.type"] = str(code)
                    if choice < 7:
                        node.raised = self._status_error(node, waiting, frames.get(id(waiting), []), seed)
                seed //= 3

    def _status_error(self, node: Node, waiting: Node, ours: list[dict[str, Any]], seed: int) -> list[Raised]:
        recording, language = self.recording[node.service.name], node.service.language
        code = waiting.attributes.get("http.response.status_code", 500)
        host = waiting.attributes.get("server.address", "peer")
        type_, message = {
            "python": ("httpx.HTTPStatusError", f"Server error '{code}' for url 'http://{host}:8080/'"),
            "java": ("org.springframework.web.client.HttpServerErrorException", f"{code} : [no body]"),
            "go": ("*errors.errorString", f"{host} answered {code}"),
        }.get(language, ("AxiosError", f"Request failed with status code {code}"))
        if not (recording.has_stacks or recording.has_types):
            return []
        text = None
        if recording.has_stacks and language != "go":
            library = {
                "python": [("httpx/_models.py", "raise_for_status", 829)],
                "java": [("RestClient.java", "org.springframework.web.client.RestClient.exchange", 512)],
            }
            text = stack(
                language,
                type_,
                message,
                [frame_of(node.service, f) for f in ours],
                library.get(language, [("axios/lib/core/settle.js", "settle", 19)]),
                seed,
            )
        return [Raised(type_, message, text)]


_RETURNED = frozenset(
    {
        "setting",
        "pool",
        "refused",
        "unresolved",
        "reset",
        "certificate",
        "timeout",
        "disk",
        "column",
        "login",
        "validation",
        "encode",
        "parse",
    }
)


def frame_of(service: Service, found: dict[str, Any]) -> Frame:
    path = found["path"]
    inside = path[len(service.root) + 1 :] if service.root and path.startswith(f"{service.root}/") else path
    return Frame(
        f"{service.container}/{inside}",
        found["function"],
        found["line"],
        found["code"],
        found["module"],
        service.name.replace("_", ""),
    )


def database(service: Service, s: Statement, function: Function) -> Node:
    verb = "UPDATE" if s.kind == "write" else "SELECT"
    table = str(s.arguments["t"])
    attributes: dict[str, Any] = {
        "db.system.name": "postgresql",
        "db.operation.name": verb,
        "db.collection.name": table,
        "server.address": "db.internal",
    }
    return Node(
        service, CLIENT, f"{verb} {table}", attributes, 2 + _number(table) % 9, key=s.key, function=function
    )


def copy_of(root: Node) -> Node:
    made = copy.copy(root)
    made.attributes = dict(root.attributes)
    made.raised = list(root.raised)
    made.children = [copy_of(child) for child in root.children]
    return made


def places_of(root: Node, operations: list[Operation]) -> list[tuple[list[int], Node]]:
    """(child indices from the root, node) of the nodes that serve one of ``operations``."""
    found: list[tuple[list[int], Node]] = []

    def walk(node: Node, path: list[int]) -> None:
        if node.operation is not None and node.operation in operations:
            found.append((path, node))
        for index, child in enumerate(node.children):
            walk(child, [*path, index])

    walk(root, [])
    return found


def client_path(server: Node, client: Node) -> list[tuple[Function, Statement]]:
    """From the handler of ``server`` to the statement that makes the call of ``client``."""
    if server.operation is None or client.function is None:
        return []
    found = path_between(server.operation.handler, client.function) or []
    last = next((s for s in client.function.body if s.key == client.key), None)
    return [(f, s or last) for f, s in found if (s or last) is not None]  # type: ignore[misc]


def _number(text: str) -> int:
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:4], "big")


def pascal(snake: str) -> str:
    return Name(snake).P
