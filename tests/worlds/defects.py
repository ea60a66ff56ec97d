"""Defects: edits that harm, of every mechanism, each planted in the code as it stands, with what will be seen of it.

A mechanism answers None where the service has no place for it. What it edits is what people edit all the time: the
harmless twin of most of them stands in ``edits.py``.
"""

import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

from worlds.code import Function, Statement, reachable
from worlds.company import Company, Operation, Service
from worlds.edits import callers, served


@dataclass(eq=False, slots=True)
class Defect:
    """A planted defect and how it shows.

    ``shows``: raise | leaf | refuse | slow | many | hang | open | deny | silent. ``service``: which fails. ``sites``:
    (function, statement) that fail. ``signature``: of ``stacks.signature``, with ``names``. ``chance``: share of requests
    that meet it. ``undo``: mends it. ``waits``: days between its deployment and the first request that meets it.
    """

    mechanism: str
    service: Service
    shows: str
    undo: Callable[[], None]
    subject: str
    operations: list[Operation] = field(default_factory=list)
    sites: list[tuple[Function, Statement]] = field(default_factory=list)
    signature: str = ""
    names: dict[str, str] = field(default_factory=dict)
    chance: float = 0.3
    waits: float = 0.0
    status: int = 500
    flag: str = ""
    library: bool = False
    caller: Service | None = None
    factor: float = 1.0
    text: str = ""
    kind: str = "feature"


def operations_of(service: Service, function: Function) -> list[Operation]:
    return [o for o in service.operations if function in reachable(o.handler)]


class Planter:
    """Plants defects into one company."""

    def __init__(self, company: Company, chance: random.Random) -> None:
        self.company = company
        self.chance = chance

    def plant(self, mechanism: str, service: Service) -> Defect | None:
        """Edit the code so that it holds the defect; None when there is no place for it."""
        found: Defect | None = MECHANISMS[mechanism](self, service)
        return found

    # --- places ---------------------------------------------------------------------------------------

    def _logic(self, service: Service, least: int = 2) -> Function | None:
        listed = [
            f
            for f in served(service)
            if len(f.body) >= least and f.module.name not in ("store", "validation", "defaults")
        ]
        return self.chance.choices(listed, [f.heat for f in listed])[0] if listed else None

    def _statements(self, service: Service, *kinds: str) -> list[tuple[Function, Statement]]:
        return [(f, s) for f in served(service) for s in f.body if s.kind in kinds]

    def _touch(self, *functions: Function) -> None:
        for function in functions:
            function.module.version += 1

    def _remover(self, function: Function, statement: Statement) -> Callable[[], None]:
        def undo() -> None:
            if statement in function.body:
                function.body.remove(statement)
                function.module.version += 1

        return undo

    def _setter(self, function: Function, statement: Statement, **values: Any) -> Callable[[], None]:
        """Set arguments of a statement now; what it gives back sets them as they were."""
        old = {k: statement.arguments.get(k) for k in values}
        statement.arguments.update(values)
        self._touch(function)

        def undo() -> None:
            statement.arguments.update(old)
            function.module.version += 1

        return undo

    def _kind(self, function: Function, statement: Statement, kind: str) -> Callable[[], None]:
        old = statement.kind
        statement.kind = kind
        self._touch(function)

        def undo() -> None:
            statement.kind = old
            function.module.version += 1

        return undo

    def _say(self, function: Function) -> str:
        return function.name.replace("_", " ")

    # --- the line itself --------------------------------------------------------------------------------

    def raising_line(self, service: Service) -> Defect | None:
        function = self._logic(service)
        if function is None:
            return None
        company, chance = self.company, self.chance
        at = chance.randint(0, len(function.body) - 1)
        a = chance.choice(function.visible(at))
        f, g = chance.sample(company.domain.fields, 2)
        kind, signature = chance.choice(
            (("deepfield", "missing"), ("field", "none"), ("index", "index"), ("parse", "parse"))
        )
        statement = company.keys.statement(
            kind, x=company.local(function), a=a, f=f, g=g, i=chance.choice((0, 1, 2))
        )
        company.put(function, statement, at)
        self._touch(function)
        names = {"f": f, "g": g, "a": a, "i": str(statement.arguments["i"])}
        return Defect(
            "raising_line", service, "raise", self._remover(function, statement),
            f"Use {f.replace('_', ' ')} in {self._say(function)}", operations_of(service, function),
            [(function, statement)], signature, names, chance.choice((0.05, 0.15, 0.3, 0.6)),
        )  # fmt: skip

    def deleted_guard(self, service: Service) -> Defect | None:
        chance = self.chance
        listed = [
            (f, s) for f, s in self._statements(service, "guard", "sizeguard") if f.module.name != "store"
        ]
        if not listed:
            return None
        function, guard = chance.choice(listed)
        at = function.body.index(guard)
        a = guard.arguments["a"]
        later = [
            s
            for s in function.body[at + 1 :]
            if s.arguments.get("a") == a and s.kind in ("field", "index", "method")
        ]
        if not later:
            return None
        failing = chance.choice(later)
        signature = {"field": "none", "index": "index", "method": "nothing"}[failing.kind]
        function.body.remove(guard)
        self._touch(function)

        def undo() -> None:
            function.body.insert(min(at, len(function.body)), guard)
            function.module.version += 1

        names = {"f": failing.arguments.get("f", "value"), "a": a, "i": str(failing.arguments.get("i", 0))}
        return Defect(
            "deleted_guard", service, "raise", undo, f"Simplify {self._say(function)}", operations_of(service, function),
            [(function, failing)], signature, names, chance.choice((0.05, 0.1, 0.3)), kind="refactor",
        )  # fmt: skip

    def off_by_one(self, service: Service) -> Defect | None:
        """The index of a statement that was there moves on."""
        listed = [(f, s) for f, s in self._statements(service, "index")]
        if not listed:
            return None
        function, statement = self.chance.choice(listed)
        i = int(statement.arguments["i"]) + 1
        undo = self._setter(function, statement, i=i)
        names = {"f": statement.arguments["f"], "i": str(i), "a": statement.arguments["a"]}
        return Defect(
            "off_by_one", service, "raise", undo, f"Take the next entry in {self._say(function)}",
            operations_of(service, function), [(function, statement)], "index", names, self.chance.choice((0.1, 0.3)), kind="fix",
        )  # fmt: skip

    def latent(self, service: Service) -> Defect | None:
        """A line that fails once the calendar or the data reach what nobody thought of."""
        function = self._logic(service)
        if function is None:
            return None
        company = self.company
        at = self.chance.randint(0, len(function.body) - 1)
        a, f = self.chance.choice(function.visible(at)), self.chance.choice(company.domain.fields)
        statement = company.put(
            function, company.keys.statement("dated", x=company.local(function), a=a, f=f), at
        )
        self._touch(function)
        return Defect(
            "latent", service, "raise", self._remover(function, statement), f"Rate {self._say(function)} by month",
            operations_of(service, function), [(function, statement)], "dated", {"month": "2026-04"},
            self.chance.choice((0.1, 0.3, 0.6)), waits=self.chance.uniform(6, 20),
        )  # fmt: skip

    # --- somewhere else ------------------------------------------------------------------------------

    def changed_default(self, service: Service) -> Defect | None:
        listed = self._statements(service, "constant")
        if not listed:
            return None
        function, statement = self.chance.choice(listed)
        key, module = statement.arguments["k"], service.module("defaults")
        sites = [(f, s) for f, s in listed if s.arguments["k"] == key][:2]
        old = module.constants[key]
        module.constants[key] = None if service.language in ("javascript", "typescript") else 0
        module.version += 1

        def undo() -> None:
            module.constants[key] = old
            module.version += 1

        return Defect(
            "changed_default", service, "raise", undo, f"Turn {key.replace('_', ' ')} off by default",
            operations_of(service, function), sites, "constant", {}, self.chance.choice((0.2, 0.5, 0.9)),
        )  # fmt: skip

    def changed_signature(self, service: Service) -> Defect | None:
        listed = [
            f
            for f in served(service)
            if not f.decorations and not f.name.startswith("on_") and callers(service, f)
        ]
        several = [f for f in listed if len(callers(service, f)) > 1] or listed
        if not several:
            return None
        company, chance = self.company, self.chance
        function = chance.choice(several)
        known = callers(service, function)
        reached = {id(f) for f in served(service)}
        forgotten = chance.choice([(c, s) for c, s in known if id(c) in reached])
        free = [n for n in company.domain.nouns if n not in function.visible()]
        if not free:
            return None
        parameter = chance.choice(free)
        function.parameters.append(parameter)
        g = chance.choice(company.domain.fields)
        used = company.put(
            function, company.keys.statement("field", x=company.local(function), a=parameter, f=g), 0
        )
        self._touch(function)
        for caller, statement in known:
            if statement is not forgotten[1]:
                at = caller.body.index(statement)
                statement.arguments["passes"] = [
                    *statement.arguments["passes"],
                    chance.choice(caller.visible(at)),
                ]
                self._touch(caller)
        inside = service.language in ("javascript", "typescript", "go")

        def undo() -> None:
            caller, statement = forgotten
            if statement in caller.body:
                at = caller.body.index(statement)
                statement.arguments["passes"] = [*statement.arguments["passes"], caller.visible(at)[-1]]
                caller.module.version += 1

        names = {
            "fn": function.name,
            "p": parameter,
            "g": g,
            "package": service.name,
            "m": function.module.name,
            "a": function.parameters[0],
        }
        return Defect(
            "changed_signature", service, "raise", undo, f"Let {self._say(function)} take a {parameter.replace('_', ' ')}",
            operations_of(service, forgotten[0]), [(function, used) if inside else forgotten], "argument", names,
            chance.choice((0.3, 0.7, 1.0)), kind="refactor",
        )  # fmt: skip

    def removed_export(self, service: Service) -> Defect | None:
        """A function gets another name, and one caller in another file keeps the old one."""
        reached = served(service)
        listed = [
            (f, c, s)
            for f in reached
            for c, s in callers(service, f)
            if c in reached and c.module is not f.module
        ]
        if not listed:
            return None
        function, caller, statement = self.chance.choice(listed)
        old = function.name
        ghost = Function(old, list(function.parameters), [], function.module, result=function.result)
        ghost.body = function.body
        function.name = self.company.name({f.name for f in service.functions()})
        for other, _ in callers(service, function):
            self._touch(other)
        statement.calls = ghost
        self._touch(function)

        def undo() -> None:
            statement.calls = function
            caller.module.version += 1

        names = {"fn": old, "m": function.module.name, "package": service.name, "a": function.parameters[0]}
        return Defect(
            "removed_export", service, "raise", undo, f"Rename {old} to {function.name}", operations_of(service, caller),
            [(caller, statement)], "export", names, 1.0, kind="refactor",
        )  # fmt: skip

    def changed_return(self, service: Service) -> Defect | None:
        """What a function gives back is of another type; who uses it, in another place, fails."""
        chance = self.chance
        reached = served(service)
        listed = [
            (f, s) for f in reached for s in f.body
            if s.calls is not None and s.calls.body and s.calls.body[-1].kind == "return" and s.calls in reached
        ]  # fmt: skip
        if not listed:
            return None
        caller, statement = chance.choice(listed)
        assert statement.calls is not None
        function = statement.calls
        x = statement.arguments["x"]
        at = caller.body.index(statement)
        users = [s for s in caller.body[at + 1 :] if s.kind == "method" and s.arguments["a"] == x]
        if not users:
            return None
        end = function.body[-1]
        way, signature = chance.choice((("returntext", "type"), ("returnnone", "nothing")))
        undo = self._kind(function, end, way)
        return Defect(
            "changed_return", service, "raise", undo, f"Give {self._say(function)} as {'text' if way == 'returntext' else 'nothing when empty'}",
            operations_of(service, caller), [(caller, users[0])], signature, {"a": x}, chance.choice((0.2, 0.6, 1.0)),
        )  # fmt: skip

    def other_place(self, service: Service) -> Defect | None:
        """What is kept in the cache has another shape; who reads it fails, and calls nobody who changed."""
        chance = self.chance
        reads = self._statements(service, "recall")
        keeps = [(f, s) for f, s in self._statements(service, "keep")]
        pairs = [
            (r, k)
            for r in reads
            for k in keeps
            if r[1].arguments["key"] == k[1].arguments["key"] and r[0] is not k[0]
        ]
        if not pairs:
            return None
        (reader, read), (writer, keep) = chance.choice(pairs)
        undo = self._kind(writer, keep, "keepother")
        names = {"f": read.arguments["f"]}
        return Defect(
            "other_place", service, "raise", undo, f"Keep what {self._say(writer)} found with its value",
            operations_of(service, reader), [(reader, read)], "cached", names, chance.choice((0.1, 0.4)),
        )  # fmt: skip

    def registry(self, service: Service) -> Defect | None:
        """A step is registered under another name than it is looked up by."""
        listed = self._statements(service, "registry")
        if not listed:
            return None
        function, statement = self.chance.choice(listed)
        key, module = statement.arguments["key"], function.module
        if key not in module.registry:
            return None
        old = dict(module.registry)
        new = f"{key}_{self.chance.choice(('v2', 'step', 'all', 'next'))}"
        module.registry = {new if k == key else k: v for k, v in module.registry.items()}
        module.version += 1

        def undo() -> None:
            module.registry = old
            module.version += 1

        return Defect(
            "registry", service, "raise", undo, f"Name the steps of {module.name.replace('_', ' ')} alike",
            operations_of(service, function), [(function, statement)], "registry", {"key": key}, 1.0, kind="refactor",
        )  # fmt: skip

    # --- what is checked, asked for, answered ---------------------------------------------------------------

    def changed_check(self, service: Service) -> Defect | None:
        listed = self._statements(service, "check")
        if not listed:
            return None
        function, statement = self.chance.choice(listed)
        old = int(statement.arguments["n"])
        undo = self._setter(function, statement, n=max(old // 4, 2))
        return Defect(
            "changed_check", service, "refuse", undo, f"Keep {statement.arguments['f'].replace('_', ' ')} short",
            operations_of(service, function), [(function, statement)], "", {"f": statement.arguments["f"]},
            self.chance.choice((0.15, 0.3, 0.6)), status=self.chance.choice((400, 422)), kind="fix",
        )  # fmt: skip

    def callee_contract(self, service: Service) -> Defect | None:
        """A route answers as well as ever, but under another name; the service that asked for the old one fails."""
        found = []
        for caller in self.company.services:
            if caller is service:
                continue
            for function in served(caller):
                for at, s in enumerate(function.body):
                    target = s.arguments.get("target") if s.kind == "fetch" else None
                    if target is None:
                        continue
                    after = function.body[at + 1 :]
                    reads = [r for r in after if r.kind == "field" and r.arguments["a"] == s.arguments["x"]]
                    if target.service is service and reads and target.handler.body[-1].kind == "answer":
                        found.append((caller, function, reads[0], target))
        if not found:
            return None
        caller, function, read, target = self.chance.choice(found)
        answer = target.handler.body[-1]
        old = answer.arguments["f"]
        new = self.chance.choice(
            [f for f in self.company.domain.fields if f not in (old, answer.arguments["g"])]
        )
        undo = self._setter(target.handler, answer, f=new)
        signature = "missing" if caller.language == "python" else "none"
        user = next((s for s in function.body if s.arguments.get("a") == read.arguments["x"]), read)
        failing = read if caller.language == "python" or user.kind == "return" else user
        return Defect(
            "callee_contract", caller, "raise", undo, f"Answer {target.path} with {new.replace('_', ' ')}",
            operations_of(caller, function), [(function, failing)], signature,
            {"f": old, "g": old, "a": str(failing.arguments.get("a", "answer"))}, self.chance.choice((0.5, 1.0)),
        )  # fmt: skip

    def queue_payload(self, service: Service) -> Defect | None:
        """A message holds its content under another name; the consumer, of another service, fails."""
        found = []
        for function, s in self._statements(service, "publish"):
            for other in self.company.services:
                for o in other.operations:
                    if o.topic and o.topic == s.arguments["topic"]:
                        reads = [r for r in o.handler.body if r.kind == "field"]
                        if reads:
                            found.append((function, s, other, o, reads[0]))
        if not found:
            return None
        function, publish, other, operation, read = self.chance.choice(found)
        old = publish.arguments["f"]
        new = self.chance.choice([f for f in self.company.domain.fields if f != old])
        undo = self._setter(function, publish, f=new, n=2)
        signature = "missing" if other.language == "python" else "none"
        return Defect(
            "queue_payload", other, "raise", undo, f"Send {new.replace('_', ' ')} with {publish.arguments['topic']}",
            [operation], [(operation.handler, read)], signature, {"f": old, "g": old, "a": read.arguments["a"]}, 1.0,
        )  # fmt: skip

    def new_value(self, service: Service) -> Defect | None:
        """A value that a switch does not know begins to be written."""
        listed = self._statements(service, "switch")
        writers = [f for f in served(service) if f.module.name not in ("store", "validation", "defaults")]
        if not listed:
            return None
        function, statement = self.chance.choice(listed)
        writer = self.chance.choice([f for f in writers if f is not function] or writers)
        value = self.chance.choice(("paused", "partial", "held", "review", "expired"))
        at = self.chance.randint(0, len(writer.body) - 1)
        made = self.company.keys.statement(
            "keep",
            a=writer.visible(at)[0],
            b=writer.visible(at)[-1],
            key=f"{statement.arguments['f']}:{value}",
        )
        self.company.put(writer, made, at)
        self._touch(writer)
        return Defect(
            "new_value", service, "raise", self._remover(writer, made), f"Let {self._say(writer)} be {value}",
            operations_of(service, function), [(function, statement)], "switch",
            {"value": value, "f": statement.arguments["f"]}, self.chance.choice((0.05, 0.2)),
        )  # fmt: skip

    # --- configuration, libraries, the database ---------------------------------------------------------------

    def settings_change(self, service: Service) -> Defect | None:
        company, chance = self.company, self.chance
        ways = ["login", "pool", "gone", "host"]
        way = chance.choice(ways)
        old = dict(service.settings)

        def undo() -> None:
            service.settings.clear()
            service.settings.update(old)
            company.papers(service)

        queries = self._statements(service, "query")
        outside = [(f, s) for f, s in self._statements(service, "fetch") if s.arguments.get("host")]
        if way == "gone":
            listed = self._statements(service, "setting")
            if not listed:
                return None
            function, statement = chance.choice(listed)
            key = statement.arguments["k"]
            if key not in service.settings:
                return None
            service.settings = {(f"{k}_seconds" if k == key else k): v for k, v in service.settings.items()}
            found = Defect(
                "settings_change",
                service,
                "raise",
                undo,
                "Name settings by their unit",
                operations_of(service, function),
                [(function, statement)],
                "setting",
                {"k": key},
                1.0,
            )
        elif way == "host" and outside:
            function, statement = chance.choice(outside)
            key = f"{statement.arguments['h']}_url"
            service.settings[key] = (
                service.settings.get(key, "https://x.example")
                .replace("https://", "https://eu-")
                .replace(".example", ".test")
            )
            host = service.settings[key].split("//")[1]
            found = Defect(
                "settings_change",
                service,
                "leaf",
                undo,
                f"Use the new {statement.arguments['h']}",
                operations_of(service, function),
                [(function, statement)],
                "unresolved",
                {"host": host},
                1.0,
            )
        elif way == "pool" and queries:
            service.settings["pool_size"] = "5"
            function, statement = chance.choice(queries)
            found = Defect(
                "settings_change",
                service,
                "raise",
                undo,
                "Size the pool for smaller pods",
                list(service.operations),
                queries[:3],
                "pool",
                {},
                chance.choice((0.1, 0.25)),
            )
        elif queries:
            service.settings["database_url"] = service.settings["database_url"].replace("_app@", "_svc@")
            function, statement = chance.choice(queries)
            found = Defect(
                "settings_change",
                service,
                "leaf",
                undo,
                "Use the service account",
                list(service.operations),
                queries,
                "login",
                {"service": service.name},
                1.0,
            )
        else:
            return None
        company.papers(service)
        found.kind = "config"
        return found

    def library_bump(self, service: Service) -> Defect | None:
        listed = self._statements(service, "fetch", "query", "publish", "parse") or self._statements(
            service, "call"
        )
        if not listed:
            return None
        chance, company = self.chance, self.company
        function, statement = chance.choice(listed)
        name = chance.choice(sorted(service.libraries))
        old = dict(service.libraries)
        major = service.libraries[name].split(".")
        digits = "".join(c for c in major[1] if c.isdigit()) or "1"
        major[1] = str(int(digits) + chance.choice((1, 2)))
        service.libraries[name] = ".".join(major)
        company.papers(service)

        def undo() -> None:
            service.libraries.clear()
            service.libraries.update(old)
            company.papers(service)

        signature = chance.choice(("validation", "encode"))
        return Defect(
            "library_bump", service, "raise", undo, f"Bump {name} from {old[name]} to {service.libraries[name]}",
            operations_of(service, function), [(function, statement)], signature,
            {"a": function.parameters[0], "f": chance.choice(company.domain.fields)}, chance.choice((0.1, 0.4, 1.0)),
            library=True, kind="dependency",
        )  # fmt: skip

    def migration(self, service: Service) -> Defect | None:
        """A column goes, or is asked for before it is there."""
        company, chance = self.company, self.chance
        listed = self._statements(service, "query")
        if not listed:
            return None
        function, statement = chance.choice(listed)
        table, columns = statement.arguments["t"], statement.arguments["cols"].split(", ")
        if chance.random() < 0.5:
            column = chance.choice([c for c in columns if c != "id"] or columns)
            number = len(service.migrations) + 1
            name = (
                f"{number:04d}_{table}_{column}.sql",
                f"ALTER TABLE {table} RENAME COLUMN {column} TO {column}_text;\n",
            )
            service.migrations.append(name)
            company.papers(service)
            sites = [(f, s) for f, s in listed if s.arguments["t"] == table and column in s.arguments["cols"]]

            def undo() -> None:
                service.migrations.append(
                    (
                        f"{len(service.migrations) + 1:04d}_{table}_{column}_back.sql",
                        f"ALTER TABLE {table} RENAME COLUMN {column}_text TO {column};\n",
                    )
                )
                company.papers(service)

            subject = f"Name {column.replace('_', ' ')} of {table} by its type"
            kind = "migration"
        else:
            free = [f for f in company.domain.fields if f not in service.tables[table]]
            if not free:
                return None
            column = chance.choice(free)
            undo = self._setter(function, statement, cols=", ".join([*columns, column]))
            sites, subject, kind = (
                [(function, statement)],
                f"Read {column.replace('_', ' ')} of {table}",
                "feature",
            )
        return Defect(
            "migration", service, "leaf", undo, subject, operations_of(service, function), sites, "column", {"column": column}, 1.0, kind=kind,
        )  # fmt: skip

    def flag_flip(self, service: Service) -> Defect | None:
        """No change at all: somebody turns on what waited behind a flag."""
        listed = self._statements(service, "flagged")
        if not listed:
            return None
        function, statement = self.chance.choice(listed)
        names = {k: str(statement.arguments[k]) for k in ("f", "g", "a")}
        return Defect(
            "flag_flip", service, "raise", lambda: None, "", operations_of(service, function), [(function, statement)], "missing",
            names, self.chance.choice((0.1, 0.4)), flag=statement.arguments["flag"],
        )  # fmt: skip

    # --- slow -------------------------------------------------------------------------------------------

    def many_queries(self, service: Service) -> Defect | None:
        listed = self._statements(service, "query")
        if not listed:
            return None
        function, statement = self.chance.choice(listed)
        undo = self._kind(function, statement, "queryeach")
        return Defect(
            "many_queries", service, "many", undo, f"Load each entry in {self._say(function)}", operations_of(service, function),
            [(function, statement)], chance=1.0, factor=self.chance.choice((6, 12, 25)),
        )  # fmt: skip

    def slow_loop(self, service: Service) -> Defect | None:
        function = self._logic(service)
        if function is None:
            return None
        company = self.company
        at = self.chance.randint(0, len(function.body) - 1)
        made = [
            company.keys.statement(
                "sum",
                x=company.local(function),
                a=function.visible(at)[0],
                f=self.chance.choice(company.domain.fields),
            )
        ]
        company.put(function, made[0], at)
        self._touch(function)
        return Defect(
            "slow_loop", service, "slow", self._remover(function, made[0]), f"Count every entry in {self._say(function)}",
            operations_of(service, function), [(function, made[0])], chance=1.0, factor=self.chance.choice((3, 5, 10)),
        )  # fmt: skip

    def lost_timeout(self, service: Service) -> Defect | None:
        """A call without its timeout hangs with its peer; who waits for us gives up."""
        listed = [(f, s) for f, s in self._statements(service, "fetch")]
        if not listed:
            return None
        function, statement = self.chance.choice(listed)
        undo = self._kind(function, statement, "fetchslow")
        return Defect(
            "lost_timeout", service, "hang", undo, f"Simplify the call in {self._say(function)}", operations_of(service, function),
            [(function, statement)], "timeout", {"host": statement.arguments["h"]}, self.chance.choice((0.05, 0.15)),
            factor=60, kind="refactor",
        )  # fmt: skip

    # --- doors, and silence --------------------------------------------------------------------------------

    def open_door(self, service: Service) -> Defect | None:
        return self._door(service, is_open=True)

    def closed_door(self, service: Service) -> Defect | None:
        return self._door(service, is_open=False)

    def _door(self, service: Service, *, is_open: bool) -> Defect | None:
        listed = [o for o in service.operations if o.role is not None and o.role in o.handler.decorations]
        if not listed:
            return None
        operation = self.chance.choice(listed)
        role, handler = operation.role, operation.handler
        assert role is not None
        if is_open:
            handler.decorations.remove(role)
            self._touch(handler)

            def undo() -> None:
                handler.decorations.append(role)
                handler.module.version += 1

            return Defect(
                "open_door",
                service,
                "open",
                undo,
                f"Tidy {operation.path}",
                [operation],
                [],
                chance=1.0,
                kind="refactor",
            )
        undo = self._setter(
            handler,
            role,
            role=self.chance.choice([r for r in ("admin", "owner", "staff") if r != role.arguments["role"]]),
        )
        return Defect(
            "closed_door",
            service,
            "deny",
            undo,
            f"Restrict {operation.path}",
            [operation],
            [],
            chance=self.chance.choice((0.3, 0.6)),
            status=403,
        )

    def silent_data(self, service: Service) -> Defect | None:
        """Wrong, and no error says so."""
        function = self._logic(service)
        if function is None:
            return None
        company, chance = self.company, self.chance
        at = chance.randint(1, len(function.body) - 1) if len(function.body) > 1 else 0
        a = function.visible(at)[-1]
        statement = company.put(
            function,
            company.keys.statement("round", x=company.local(function), a=a, n=chance.choice((0, 1, 2))),
            at,
        )
        end = function.body[-1]
        if end.kind == "return":
            self._setter(function, end, a=statement.arguments["x"])
        self._touch(function)

        def undo() -> None:
            statement.arguments["n"] = 6
            function.module.version += 1

        what = function.name.split("_", 1)[-1].replace("_", " ")
        return Defect(
            "silent_data", service, "silent", undo, f"Round what {self._say(function)} gives", operations_of(service, function), [],
            chance=0.0, waits=chance.uniform(1, 6), text=chance.choice((f"Wrong {what} in {service.name}", f"Customers report {what} that do not add up", f"{what.capitalize()} is off by a little since last week")),
        )  # fmt: skip


MECHANISMS: dict[str, Callable[[Planter, Service], Defect | None]] = {
    name: getattr(Planter, name)
    for name in (
        "raising_line", "deleted_guard", "off_by_one", "latent", "changed_default", "changed_signature", "removed_export",
        "changed_return", "other_place", "registry", "changed_check", "callee_contract", "queue_payload", "new_value",
        "settings_change", "library_bump", "migration", "flag_flip", "many_queries", "slow_loop", "lost_timeout",
        "open_door", "closed_door", "silent_data",
    )
}  # fmt: skip


def places(company: Company, chance: random.Random) -> None:
    """Statements that some defects need: caches that are read, registries, switches, flags, settings that are asked for."""
    for service in company.services:
        logic = [
            f for f in served(service) if f.module.name not in ("store", "validation", "clients", "defaults")
        ]
        wanted: Sequence[str] = (
            "recall",
            "registry",
            "switch",
            "flagged",
            "setting",
            "index",
            "method",
            "guarded",
        )
        for kind in wanted:
            for function in chance.sample(logic, min(len(logic), chance.choice((1, 1, 2)))):
                _place(company, chance, service, function, kind, logic)


def _place(
    company: Company,
    chance: random.Random,
    service: Service,
    function: Function,
    kind: str,
    logic: list[Function],
) -> None:
    make, fields = company.keys.statement, company.domain.fields
    at = chance.randint(0, max(len(function.body) - 1, 0))
    a, x = chance.choice(function.visible(at)), company.local(function)
    f, g = chance.sample(fields, 2)
    made: list[Statement]
    match kind:
        case "recall":
            key = f"{service.name}:{f}"
            writer = chance.choice([o for o in logic if o is not function] or logic)
            where = chance.randint(0, max(len(writer.body) - 1, 0))
            company.put(
                writer, make("keep", a=writer.visible(where)[0], b=writer.visible(where)[-1], key=key), where
            )
            writer.module.version += 1
            made = [make("recall", x=x, a=a, f=f, key=key)]
        case "registry":
            others = [o for o in function.module.functions if o is not function] or [function]
            function.module.registry = {o.name: o.name for o in others[:3]}
            made = [make("registry", x=x, a=a, r="steps", key=chance.choice(list(function.module.registry)))]
        case "switch":
            v1, v2, v3 = chance.sample(("open", "closed", "sent", "new", "paid", "late", "done"), 3)
            made = [make("switch", x=x, a=a, f=f, v1=v1, v2=v2, v3=v3)]
        case "flagged":
            made = [
                make(
                    "flagged",
                    x=x,
                    a=a,
                    b=function.visible(at)[-1],
                    f=f,
                    g=g,
                    flag=f"{service.name}-{f.replace('_', '-')}",
                )
            ]
        case "setting":
            made = [
                make("setting", x=x, k=chance.choice([k for k in service.settings if not k.endswith("url")]))
            ]
        case "index":
            made = [make("index", x=x, a=a, i=chance.choice((0, 1)), f=f)]
        case "method":
            calls = [s for s in function.body if s.calls is not None and s.calls.body[-1].kind == "return"]
            if not calls:
                return
            call = chance.choice(calls)
            at = function.body.index(call) + 1
            made = [make("method", x=x, a=call.arguments["x"])]
        case _:
            made = [make("guard", a=a), make(chance.choice(("field", "index")), x=x, a=a, f=f, i=0)]
    for offset, statement in enumerate(made):
        company.put(function, statement, at + offset)
    function.module.version += 1
