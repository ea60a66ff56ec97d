"""The company as it stands before its first day: repositories, services, modules of code, and the operations they serve."""

import random
from dataclasses import dataclass, field
from typing import Any

from worlds.code import Function, Keys, Module, Statement, reachable
from worlds.languages import EXTENSION, LANGUAGES, Name, Text, render
from worlds.words import DOMAINS, LIBRARIES, LOCALS, VERBS, Domain


@dataclass(eq=False, slots=True)
class Operation:
    """What a service answers: an HTTP route, or messages of a ``topic``. ``hourly``: requests from outside at noon."""

    service: "Service"
    method: str
    path: str
    handler: Function
    hourly: float
    topic: str = ""
    role: Statement | None = None
    """Who may call it, when not everybody may."""

    @property
    def name(self) -> str:
        return f"process {self.topic}" if self.topic else f"{self.method.upper()} {self.path}"


@dataclass(eq=False, slots=True)
class Service:
    name: str
    language: str
    repository: "Repository"
    root: str
    modules: list[Module] = field(default_factory=list)
    operations: list[Operation] = field(default_factory=list)
    settings: dict[str, str] = field(default_factory=dict)
    libraries: dict[str, str] = field(default_factory=dict)
    tables: dict[str, list[str]] = field(default_factory=dict)
    migrations: list[tuple[str, str]] = field(default_factory=list)
    container: str = "/app"
    hosts: int = 2

    def module(self, name: str) -> Module:
        return next(m for m in self.modules if m.name == name)

    def functions(self) -> list[Function]:
        return [f for m in self.modules for f in m.functions]

    def file(self, path: str) -> str:
        return f"{self.root}/{path}" if self.root else path


@dataclass(eq=False, slots=True)
class Repository:
    """``files``: everything that is not source code, path -> text."""

    name: str
    services: list[Service] = field(default_factory=list)
    files: dict[str, str] = field(default_factory=dict)


class Company:
    """Everything that stands; ``keys`` number its statements."""

    def __init__(self, chance: random.Random, *, services: int) -> None:
        self.chance = chance
        self.keys = Keys()
        self.domain: Domain = chance.choice(DOMAINS)
        self.repositories: list[Repository] = []
        self.services: list[Service] = []
        self._texts: dict[int, tuple[int, Text]] = {}
        self._found(services)
        for index, service in enumerate(self.services):
            self._furnish(service, self.services[index + 1 :])
        self._connect()

    def text(self, module: Module) -> Text:
        """The file of ``module`` as it stands."""
        known = self._texts.get(id(module))
        if known is None or known[0] != module.version:
            language = self.service(module.service).language
            self._texts[id(module)] = known = (module.version, render(module, language))
        return known[1]

    def service(self, name: str) -> Service:
        return next(s for s in self.services if s.name == name)

    def name(self, taken: set[str]) -> str:
        """A function name that is not in ``taken``."""
        while True:
            found = (
                f"{self.chance.choice(VERBS)}_{self.chance.choice((*self.domain.nouns, *self.domain.fields))}"
            )
            if found not in taken:
                return found

    # --- what there is -----------------------------------------------------------------------------

    def _found(self, count: int) -> None:
        chance = self.chance
        names = chance.sample(self.domain.services, count)
        repositories = min(chance.choice((1, 1, 2, 2, 3)), count)
        self.repositories = [
            Repository(f"acme/{'platform' if n == 0 else names[-n]}") for n in range(repositories)
        ]
        languages = chance.sample(LANGUAGES, len(LANGUAGES)) + chance.choices(LANGUAGES, k=4)
        for number, name in enumerate(names):
            alone = count - number < repositories
            repository = self.repositories[count - number] if alone else self.repositories[0]
            is_only = alone or (repositories == count)
            root = "" if is_only else f"services/{name}"
            service = Service(name, languages[number], repository, root, hosts=chance.choice((1, 2, 3)))
            service.container = chance.choice(("/app", "/srv/app", "/usr/src/app", f"/opt/{name}"))
            repository.services.append(service)
            self.services.append(service)

    def _furnish(self, service: Service, callees: list[Service]) -> None:
        chance = self.chance
        parts = chance.sample(self.domain.parts, chance.choice((2, 3, 3, 4)))
        nouns = chance.sample(self.domain.nouns, 4)
        for table in nouns[:3]:
            service.tables[table + "s"] = ["id", *chance.sample(self.domain.fields, 5)]
        for key in ("database_url", "cache_ttl", "request_timeout", "pool_size", f"{parts[0]}_window"):
            service.settings[key] = {"pool_size": "20", "cache_ttl": "300"}.get(
                key, str(chance.choice((5, 10, 30, 60)))
            )
        service.settings["database_url"] = f"postgres://{service.name}_app@db.internal:5432/{service.name}"
        service.libraries = dict(LIBRARIES[service.language])
        for name in (
            chance.choice(("routes", "handlers", "endpoints")),
            *parts,
            "validation",
            "store",
            "clients",
            "defaults",
        ):
            service.modules.append(self._module(service, name))
        routes, *middle, validation, store, clients, defaults = service.modules
        for key in ("batch_size", "page_size", "retry_limit"):
            defaults.constants[key] = chance.choice((20, 25, 50, 100))
        taken: set[str] = set()
        lower: list[Function] = []
        for _ in range(chance.randint(4, 6)):
            lower.append(self._stored(service, store, taken))
        checks = [self._checked(validation, taken) for _ in range(chance.randint(2, 3))]
        for callee in callees[:2]:
            lower += [self._client(clients, op, taken) for op in callee.operations[:1]]
        for host in chance.sample(self.domain.hosts, 1):
            lower.append(self._outside(clients, host, taken))
            service.settings[f"{clients.functions[-1].body[0].arguments['h']}_url"] = f"https://{host}"
        for module in reversed(middle):
            made = [self._logic(module, lower, taken, defaults) for _ in range(chance.randint(3, 5))]
            lower += made
        for number in range(chance.randint(2, 4)):
            self._operation(
                service,
                routes,
                nouns[number],
                number,
                [f for f in lower if f.module in middle],
                checks,
                taken,
            )
        for module in service.modules:
            module.version += 1
        self._papers(service)

    def _module(self, service: Service, name: str) -> Module:
        java = service.language == "java"
        match service.language:
            case "python":
                path = f"app/{name}.py"
            case "go":
                path = f"internal/{name.replace('_', '')}/{name}.go"
            case "java":
                path = f"src/main/java/com/acme/{service.name}/{Name(name).P}.java"
            case _:
                path = f"src/{Name(name).d}{EXTENSION[service.language]}"
        note = f"{name.replace('_', ' ').capitalize()} of {service.name}."
        return Module(
            name, service.file(path), service.name, note=note, style=self.chance.randint(0, 9) + 0 * java
        )

    def _function(self, module: Module, taken: set[str], parameters: int = 1) -> Function:
        name = self.name(taken)
        taken.add(name)
        given = self.chance.sample(self.domain.nouns, parameters)
        note = (
            f"{name.replace('_', ' ').capitalize()} of a {given[0].replace('_', ' ')}."
            if self.chance.random() < 0.6
            else ""
        )
        function = Function(
            name, given, [], module, note, result=given[0], heat=self.chance.paretovariate(1.1)
        )
        module.functions.append(function)
        return function

    def local(self, function: Function) -> str:
        """A name that is new in ``function``."""
        used = {*function.visible(), *(s.arguments.get("x") for s in function.body)}
        free = [n for n in (*LOCALS, *self.domain.fields) if n not in used]
        return self.chance.choice(free) if free else f"value_{len(function.body)}"

    def put(self, function: Function, statement: Statement, at: int | None = None) -> Statement:
        """Add ``statement`` to ``function``, at its end unless ``at`` is stated."""
        function.body.insert(len(function.body) if at is None else at, statement)
        return statement

    def filler(self, function: Function, at: int | None = None) -> Statement:
        """A statement for position ``at`` that harms nothing."""
        chance, make = self.chance, self.keys.statement
        seen = function.visible(at)
        a, b = chance.choice(seen), chance.choice(seen)
        kind = chance.choices(
            (
                "log",
                "scale",
                "bound",
                "branch",
                "getfield",
                "sum",
                "guard",
                "sizeguard",
                "comment",
                "field",
                "keep",
            ),
            (3, 3, 2, 2, 3, 1, 2, 1, 2, 3, 1),
        )[0]
        f, n = chance.choice(self.domain.fields), chance.choice((2, 3, 5, 10, 12, 24, 60, 100))
        text = f"{chance.choice(VERBS)} {f.replace('_', ' ')} of {function.module.name.replace('_', ' ')}"
        match kind:
            case "log" | "comment":
                return make(kind, a=a, text=text)
            case "branch" | "keep":
                return make(kind, a=a, b=b, n=n, key=function.module.name)
            case "guard" | "sizeguard":
                return make(kind, a=a)
        return make(kind, x=self.local(function), a=a, f=f, n=n)

    def fill(self, function: Function, count: int) -> None:
        for _ in range(count):
            self.put(function, self.filler(function))

    def call(self, function: Function, target: Function, at: int | None = None) -> Statement:
        """A statement for position ``at`` of ``function`` that calls ``target``, with as many arguments as it takes."""
        passes = [self.chance.choice(function.visible(at)) for _ in target.parameters]
        return self.keys.statement("call", target, x=self.local(function), passes=passes)

    def _close(self, function: Function) -> None:
        function.body.append(self.keys.statement("return", a=function.visible()[-1]))

    def _stored(self, service: Service, store: Module, taken: set[str]) -> Function:
        function, chance = self._function(store, taken), self.chance
        table = chance.choice(sorted(service.tables))
        columns = chance.sample(service.tables[table], 3)
        if chance.random() < 0.4:
            self.fill(function, 1)
        function.body.append(
            self.keys.statement(
                "query",
                x=self.local(function),
                cols=", ".join(columns),
                t=table,
                w="id",
                a=function.parameters[0],
            )
        )
        if chance.random() < 0.3:
            function.body.append(
                self.keys.statement("write", t=table, f=columns[-1] if columns[-1] != "id" else columns[0], w="id",
                                    a=function.visible()[-1], b=function.parameters[0])
            )  # fmt: skip
        self.fill(function, chance.randint(0, 2))
        self._close(function)
        return function

    def _checked(self, module: Module, taken: set[str]) -> Function:
        function = self._function(module, taken)
        for _ in range(self.chance.randint(1, 3)):
            f = self.chance.choice(self.domain.fields)
            n = self.chance.choice((24, 32, 40, 64, 120))
            function.body.append(self.keys.statement("check", a=function.parameters[0], f=f, n=n))
        self._close(function)
        return function

    def _client(self, module: Module, operation: Operation, taken: set[str]) -> Function:
        function = self._function(module, taken)
        function.body.append(
            self.keys.statement("fetch", x=self.local(function), h=operation.service.name, method=operation.method,
                                path=operation.path.split("{")[0].rstrip("/"), n=self.chance.choice((2, 5, 10)), target=operation)
        )  # fmt: skip
        got = function.visible()[-1]
        function.body.append(
            self.keys.statement("field", x=self.local(function), a=got, f=self._answered(operation))
        )
        self._close(function)
        return function

    def _answered(self, operation: Operation) -> str:
        answer = operation.handler.body[-1]
        return str(answer.arguments["f"]) if answer.kind == "answer" else "id"

    def _outside(self, module: Module, host: str, taken: set[str]) -> Function:
        function = self._function(module, taken)
        name = (
            host.split(".", maxsplit=1)[0] if host.split(".", maxsplit=1)[0] != "api" else host.split(".")[1]
        )
        function.body.append(
            self.keys.statement("fetch", x=self.local(function), h=name, method="get", path=f"/v1/{self.chance.choice(self.domain.fields)}",
                                n=self.chance.choice((3, 5, 8)), host=host)
        )  # fmt: skip
        got = function.visible()[-1]
        function.body.append(
            self.keys.statement(
                "field", x=self.local(function), a=got, f=self.chance.choice(self.domain.fields)
            )
        )
        self._close(function)
        return function

    def _logic(self, module: Module, lower: list[Function], taken: set[str], defaults: Module) -> Function:
        chance = self.chance
        function = self._function(module, taken, chance.choice((1, 1, 2)))
        self.fill(function, chance.randint(2, 5))
        for target in chance.sample(lower, min(len(lower), chance.choice((1, 1, 2)))):
            at = chance.randint(0, len(function.body))
            self.put(function, self.call(function, target, at), at)
        if chance.random() < 0.35:
            key = chance.choice(sorted(defaults.constants))
            function.body.append(
                self.keys.statement(
                    "constant", x=self.local(function), a=function.parameters[0], k=key, module=defaults.name
                )
            )
        if chance.random() < 0.3:
            function.body.append(
                self.keys.statement("method", x=self.local(function), a=function.visible()[-1])
            )
        self._close(function)
        return function

    def _operation(
        self, service: Service, routes: Module, noun: str, number: int, logic: list[Function],
        checks: list[Function], taken: set[str],
    ) -> None:  # fmt: skip
        chance = self.chance
        handler = self._function(routes, taken)
        handler.name = f"{chance.choice(('get', 'create', 'update', 'list'))}_{noun}"
        method = {"get": "get", "list": "get", "create": "post", "update": "put"}[handler.name.split("_")[0]]
        path = f"/{noun}s".replace("_", "-") + ("/{id}" if method != "post" and chance.random() < 0.6 else "")
        if any(o.path == path and o.method == method for o in service.operations):
            path += f"/{chance.choice(VERBS)}"
        handler.parameters = [noun]
        handler.decorations.append(self.keys.statement("route", method=method, path=path, fn=handler.name))
        role = None
        if chance.random() < 0.4:
            role = self.keys.statement("role", role=chance.choice(("admin", "staff", "partner", "member")))
            handler.decorations.append(role)
        if chance.random() < 0.6:
            handler.body.append(self.call(handler, chance.choice(checks)))
        self.fill(handler, chance.randint(0, 2))
        for target in chance.sample(logic, min(len(logic), chance.choice((1, 2, 2, 3)))):
            handler.body.append(self.call(handler, target))
        f, g = chance.sample(self.domain.fields, 2)
        handler.body.append(
            self.keys.statement(
                "answer", f=f, a=handler.visible()[-1], g=g, b=chance.choice(handler.visible())
            )
        )
        hourly = 2 ** chance.uniform(0, 4) * (1.5 if number == 0 else 1)
        service.operations.append(Operation(service, method, path, handler, hourly, role=role))

    def _connect(self) -> None:
        """Later services are called by earlier ones: they were not there yet when the clients were made."""
        chance = self.chance
        for index, service in enumerate(self.services[:-1]):
            later = self.services[index + 1 :]
            clients = service.module("clients")
            taken = {f.name for f in service.functions()}
            for callee in chance.sample(later, min(len(later), chance.choice((1, 1, 2)))):
                client = self._client(clients, chance.choice(callee.operations), taken)
                service.settings[f"{callee.name}_url"] = f"http://{callee.name}.internal:8080"
                users = [
                    f
                    for f in service.functions()
                    if f.module.name not in ("store", "clients", "validation", "defaults")
                ]
                served = {id(f) for o in service.operations for f in reachable(o.handler)}
                users = [f for f in users if id(f) in served] or users
                for user in chance.sample(users, min(len(users), chance.choice((1, 2)))):
                    at = chance.randint(0, len(user.body) - 1)
                    self.put(user, self.call(user, client, at), at)
                    user.module.version += 1
            clients.version += 1
            callee = later[0]
            if chance.random() < 0.6:
                self._message(service, callee)
            self._papers(service)

    def _message(self, producer: Service, consumer: Service) -> None:
        """``producer`` publishes what ``consumer`` works off."""
        chance = self.chance
        noun, f = chance.choice(self.domain.nouns), chance.choice(self.domain.fields)
        topic = f"{producer.name}.{noun}s"
        if any(o.topic for o in consumer.operations):
            return
        module = self._module(consumer, "consumers")
        consumer.modules.insert(1, module)
        taken = {x.name for x in consumer.functions()}
        handler = self._function(module, taken)
        handler.name, handler.parameters = f"on_{noun}", [noun]
        handler.body.append(self.keys.statement("field", x=self.local(handler), a=noun, f=f))
        self.fill(handler, 1)
        logic = [
            x
            for x in consumer.functions()
            if x.module.name not in ("routes", "handlers", "endpoints", "consumers", "clients", "defaults")
        ]
        handler.body.append(self.call(handler, chance.choice(logic)))
        self._close(handler)
        consumer.operations.append(Operation(consumer, "", "", handler, 0.0, topic=topic))
        users = [o.handler for o in producer.operations if not o.topic]
        user = chance.choice(users)
        statement = self.keys.statement("publish", topic=topic, f=f, a=user.parameters[0], n=1)
        user.body.insert(len(user.body) - 1, statement)
        module.version += 1
        user.module.version += 1

    # --- files that are no code -----------------------------------------------------------------------

    def _papers(self, service: Service) -> None:
        files = service.repository.files
        files.setdefault(
            "README.md",
            f"# {service.repository.name.split('/')[1].capitalize()}\n\nServices of the company.\n",
        )
        files.setdefault(
            ".github/workflows/ci.yml",
            "name: ci\non: [push]\njobs:\n  test:\n    runs-on: ubuntu-24.04\n    steps:\n      - uses: actions/checkout@v4\n      - run: make test\n",
        )
        files[service.file("README.md") if service.root else "docs/overview.md"] = (
            f"# {service.name}\n\nOwned by the {service.name} team.\n"
        )
        self.papers(service)

    def papers(self, service: Service) -> None:
        """Bring settings, manifest and migrations of ``service`` in line with what it holds."""
        files = service.repository.files
        files[service.file("config/production.yaml")] = "".join(
            f"{k}: {v}\n" for k, v in service.settings.items()
        )
        manifest, lock = manifests(service)
        files.update({service.file(path): text for path, text in (*manifest.items(), *lock.items())})
        if not service.migrations:
            columns = {
                t: ",\n".join(f"    {c} {'bigint primary key' if c == 'id' else 'text'}" for c in cs)
                for t, cs in service.tables.items()
            }
            service.migrations.append(
                ("0001_start.sql", "".join(f"CREATE TABLE {t} (\n{c}\n);\n" for t, c in columns.items()))
            )
        for name, text in service.migrations:
            files[service.file(f"migrations/{name}")] = text


def manifests(service: Service) -> tuple[dict[str, str], dict[str, str]]:
    """(manifest files, lock files) of a service, by path inside it."""
    pinned: dict[str, Any] = service.libraries
    match service.language:
        case "python":
            bounds = "".join(f'    "{n}>={v.rsplit(".", 1)[0]}",\n' for n, v in pinned.items())
            lock = "".join(f"{n}=={v} \\\n    --hash=sha256:{_digest(n, v)}\n" for n, v in pinned.items())
            return {"pyproject.toml": f'[project]\nname = "{service.name}"\ndependencies = [\n{bounds}]\n'}, {
                "requirements.txt": lock
            }
        case "java":
            body = "".join(f'    implementation("org.libs:{n}:{v}")\n' for n, v in pinned.items())
            return {"build.gradle.kts": f"dependencies {{\n{body}}}\n"}, {
                "gradle.lockfile": "".join(f"org.libs:{n}:{v}=runtimeClasspath\n" for n, v in pinned.items())
            }
        case "go":
            body = "".join(f"\t{n} {v}\n" for n, v in pinned.items())
            return {"go.mod": f"module acme.example/{service.name}\n\ngo 1.23\n\nrequire (\n{body})\n"}, {
                "go.sum": "".join(f"{n} {v} h1:{_digest(n, v)[:44]}=\n" for n, v in pinned.items())
            }
        case _:
            body = ",\n".join(f'    "{n}": "^{v}"' for n, v in pinned.items())
            locked = ",\n".join(
                f'    "node_modules/{n}": {{\n      "version": "{v}",\n      "integrity": "sha512-{_digest(n, v)}"\n    }}'
                for n, v in pinned.items()
            )
            return {
                "package.json": f'{{\n  "name": "{service.name}",\n  "dependencies": {{\n{body}\n  }}\n}}\n'
            }, {"package-lock.json": f'{{\n  "lockfileVersion": 3,\n  "packages": {{\n{locked}\n  }}\n}}\n'}


def _digest(name: str, version: str) -> str:
    import hashlib

    return hashlib.sha256(f"{name}{version}".encode()).hexdigest()
