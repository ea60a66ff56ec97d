"""Edits that harm nothing, of every kind that a working week sees; each changes the code, and says what it did."""

from dataclasses import dataclass, field

from worlds.code import Function, Module, Statement, reachable
from worlds.company import Company, Service
from worlds.languages import Name
from worlds.words import VERBS

FILLERS = frozenset({"log", "scale", "bound", "branch", "getfield", "sum", "comment", "keep"})
NUMBERED = frozenset({"scale", "bound", "branch", "getfield", "check"})


@dataclass(slots=True)
class Draft:
    """A change in the making. ``subject`` is its first line; ``what``: words of its edits."""

    service: Service
    kind: str
    subject: str = ""
    what: list[str] = field(default_factory=list)


def served(service: Service) -> list[Function]:
    """Functions that some operation of ``service`` reaches, each once."""
    found: dict[int, Function] = {}
    for operation in service.operations:
        for function in reachable(operation.handler):
            found[id(function)] = function
    return list(found.values())


def callers(service: Service, target: Function) -> list[tuple[Function, Statement]]:
    return [(f, s) for f in service.functions() for s in f.body if s.calls is target]


class Editor:
    """Edits one company's code. Every method changes it and gives words for the change's message."""

    def __init__(self, company: Company) -> None:
        self.company = company
        self.chance = company.chance
        self._serial = 0

    def function(self, service: Service, *, modules: tuple[str, ...] = ()) -> Function:
        """One that people change: the hot ones often."""
        listed = [
            f
            for f in service.functions()
            if f.module.name != "defaults" and (not modules or f.module.name in modules)
        ]
        return self.chance.choices(listed, [f.heat for f in listed])[0]

    def add_statements(self, service: Service) -> str:
        function = self.function(service)
        for _ in range(self.chance.choice((1, 1, 2, 3))):
            at = self.chance.randint(0, max(len(function.body) - 1, 0))
            self.company.put(function, self.company.filler(function, at), at)
        function.module.version += 1
        return f"{function.name.replace('_', ' ')}"

    def remove_statement(self, service: Service) -> str:
        function = self.function(service)
        used = {str(v) for s in function.body for k, v in s.arguments.items() if k in "ab"} | {
            p for s in function.body for p in s.arguments.get("passes", ())
        }
        for statement in function.body:
            if statement.kind in FILLERS and statement.arguments.get("x") not in used:
                function.body.remove(statement)
                function.module.version += 1
                return f"drop an unused {statement.kind} in {function.name.replace('_', ' ')}"
        return self.add_statements(service)

    def tune_number(self, service: Service) -> str:
        listed = [(f, s) for f in service.functions() for s in f.body if s.kind in NUMBERED]
        if not listed:
            return self.add_statements(service)
        function, statement = self.chance.choices(listed, [f.heat for f, _ in listed])[0]
        old = statement.arguments["n"]
        statement.arguments["n"] = (
            old * 2
            if statement.kind == "check"
            else self.chance.choice([n for n in (2, 3, 5, 10, 12, 15, 24, 30, 60, 90) if n != old])
        )
        function.module.version += 1
        return f"tune {function.name.replace('_', ' ')}"

    def tune_constant(self, service: Service) -> str:
        module = service.module("defaults")
        key = self.chance.choice(sorted(module.constants))
        old = module.constants[key] or 20
        module.constants[key] = self.chance.choice([n for n in (10, 20, 25, 40, 50, 100, 200) if n != old])
        module.version += 1
        return f"set {key.replace('_', ' ')} to {module.constants[key]}"

    def add_function(self, service: Service) -> str:
        module = self.function(service).module
        company = self.company
        taken = {f.name for f in service.functions()}
        name = company.name(taken)
        function = Function(
            name,
            self.chance.sample(company.domain.nouns, 1),
            [],
            module,
            f"{name.replace('_', ' ').capitalize()}.",
            result=company.domain.nouns[0],
            heat=self.chance.paretovariate(1.1),
        )
        company.fill(function, self.chance.randint(2, 6))
        company.put(function, company.keys.statement("return", a=function.visible()[-1]))
        module.functions.insert(self.chance.randint(0, len(module.functions)), function)
        module.version += 1
        upper = [f for f in module.functions if f is not function] + [
            f for m in service.modules[: service.modules.index(module)] for f in m.functions
        ]
        upper = [f for f in upper if f not in reachable(function)]
        if upper:
            user = self.chance.choices(upper, [f.heat for f in upper])[0]
            at = self.chance.randint(0, max(len(user.body) - 1, 0))
            company.put(user, company.call(user, function, at), at)
            user.module.version += 1
        return name.replace("_", " ")

    def rename_function(self, service: Service) -> str:
        """With every caller of it."""
        function = self.function(service)
        old = function.name
        function.name = self.company.name({f.name for f in service.functions()})
        function.module.version += 1
        for caller, _ in callers(service, function):
            caller.module.version += 1
        return f"rename {old} to {function.name}"

    def add_parameter(self, service: Service) -> str:
        """With every caller of it."""
        listed = [f for f in served(service) if not f.decorations and not f.name.startswith("on_")]
        function = self.chance.choices(listed, [f.heat for f in listed])[0]
        free = [n for n in self.company.domain.nouns if n not in function.visible()]
        if not free:
            return self.tune_number(service)
        function.parameters.append(self.chance.choice(free))
        function.module.version += 1
        for caller, statement in callers(service, function):
            at = caller.body.index(statement)
            statement.arguments["passes"] = [
                *statement.arguments["passes"],
                self.chance.choice(caller.visible(at)),
            ]
            caller.module.version += 1
        return f"let {function.name.replace('_', ' ')} take a {function.parameters[-1].replace('_', ' ')}"

    def extract_function(self, service: Service) -> str:
        listed = [f for f in service.functions() if len(f.body) >= 6]
        if not listed:
            return self.add_statements(service)
        function = self.chance.choices(listed, [f.heat for f in listed])[0]
        at = self.chance.randint(1, len(function.body) - 3)
        moved = [s for s in function.body[at : at + 3] if s.kind in FILLERS]
        if not moved:
            return self.add_statements(service)
        name = self.company.name({f.name for f in service.functions()})
        new = Function(
            name,
            [function.parameters[0]],
            [],
            function.module,
            result=function.parameters[0],
            heat=function.heat / 2,
        )
        for statement in moved:
            function.body.remove(statement)
        for statement in moved:
            for key in ("a", "b"):
                if key in statement.arguments and statement.arguments[key] not in new.visible():
                    statement.arguments[key] = new.parameters[0]
            new.body.append(statement)
        new.body.append(self.company.keys.statement("return", a=new.visible()[-1]))
        function.module.functions.insert(function.module.functions.index(function) + 1, new)
        where = min(at, len(function.body) - 1)
        self.company.put(function, self.company.call(function, new, where), where)
        self._repair(function)
        function.module.version += 1
        return f"extract {name.replace('_', ' ')}"

    def _repair(self, function: Function) -> None:
        """Statements that use a name which is gone use another one."""
        for at, statement in enumerate(function.body):
            seen = function.visible(at)
            for key in ("a", "b"):
                if isinstance(statement.arguments.get(key), str) and statement.arguments[key] not in seen:
                    statement.arguments[key] = seen[-1]
            if statement.calls is not None:
                statement.arguments["passes"] = [
                    p if p in seen else seen[-1] for p in statement.arguments["passes"]
                ]

    def describe(self, service: Service) -> str:
        function = self.function(service)
        function.note = f"{function.name.replace('_', ' ').capitalize()} of a {function.parameters[0].replace('_', ' ')}, {self.chance.choice(VERBS)} {self.chance.choice(self.company.domain.fields).replace('_', ' ')} first."
        function.module.version += 1
        return f"say what {function.name.replace('_', ' ')} does"

    def reformat(self, service: Service) -> str:
        for module in service.modules:
            module.style ^= 2
            module.version += 1
        return f"format {service.name}"

    def guard(self, service: Service) -> str:
        function = self.chance.choice(served(service))
        at = self.chance.randint(0, len(function.body) - 1)
        self.company.put(
            function, self.company.keys.statement("guard", a=self.chance.choice(function.visible(at))), at
        )
        function.module.version += 1
        return f"check {function.name.replace('_', ' ')} for nothing"

    def setting(self, service: Service) -> str:
        key = self.chance.choice([k for k in service.settings if not k.endswith("_url")])
        service.settings[key] = str(int(service.settings[key]) + self.chance.choice((1, 5, 10)))
        if self.chance.random() < 0.3:
            service.settings[
                f"{self.chance.choice(self.company.domain.nouns)}_{self.chance.choice(('limit', 'window', 'ttl'))}"
            ] = str(self.chance.choice((5, 15, 60)))
        self.company.papers(service)
        return f"set {key.replace('_', ' ')} of {service.name}"

    def library(self, service: Service, *, is_patch: bool) -> str:
        name = self.chance.choice(sorted(service.libraries))
        parts = service.libraries[name].split(".")
        part = -1 if is_patch else 1
        digits = "".join(c for c in parts[part] if c.isdigit()) or "0"
        parts[part] = parts[part].replace(digits, str(int(digits) + 1), 1)
        service.libraries[name] = ".".join(parts)
        self.company.papers(service)
        return f"bump {name} to {service.libraries[name]}"

    def migration(self, service: Service) -> str:
        table = self.chance.choice(sorted(service.tables))
        free = [f for f in self.company.domain.fields if f not in service.tables[table]]
        number = len(service.migrations) + 1
        if free and self.chance.random() < 0.6:
            column = self.chance.choice(free)
            service.tables[table].append(column)
            text = f"ALTER TABLE {table} ADD COLUMN {column} text;\n"
        else:
            column = self.chance.choice(service.tables[table][1:])
            text = f"CREATE INDEX {table}_{column} ON {table} ({column});\n"
        service.migrations.append((f"{number:04d}_{table}_{column}.sql", text))
        self.company.papers(service)
        return f"add {column} to {table}" if "ADD" in text else f"index {table} by {column}"

    def docs(self, service: Service) -> str:
        files = service.repository.files
        path = self.chance.choice([p for p in files if p.endswith(".md")])
        function = self.function(service)
        lines = [
            f"{function.name.replace('_', ' ').capitalize()} takes a {function.parameters[0].replace('_', ' ')}."
            for _ in range(self.chance.randint(1, 6))
        ]
        files[path] += "\n" + "\n".join(lines) + "\n"
        return f"describe {function.name.replace('_', ' ')}"

    def tests(self, service: Service) -> str:
        function = self.function(service)
        module = function.module
        python = service.language == "python"
        path = {
            "python": f"tests/test_{module.name}.py",
            "go": f"internal/{module.name.replace('_', '')}/{module.name}_test.go",
            "java": f"src/test/java/com/acme/{service.name}/{Name(module.name).P}Test.java",
        }.get(
            service.language,
            f"test/{Name(module.name).d}.test.{'ts' if service.language == 'typescript' else 'js'}",
        )
        path = service.file(path)
        self._serial += 1
        name = function.name if python else Name(function.name).c
        block = {
            "python": f"\n\ndef test_{name}_{self._serial}():\n    assert {module.name}.{name}(sample({self._serial}))\n",
            "go": f"\n\nfunc Test{Name(function.name).P}{self._serial}(t *testing.T) {{\n\tcheck(t, {Name(function.name).P}(ctx, sample({self._serial})))\n}}\n",
            "java": f"\n    @Test\n    void {name}{self._serial}() {{\n        assertNotNull(subject.{name}(sample({self._serial})));\n    }}\n",
        }.get(service.language, f"\ntest('{name} {self._serial}', async () => {{\n  expect(await {name}(sample({self._serial}))).toBeDefined();\n}});\n")  # fmt: skip
        files = service.repository.files
        files[path] = files.get(path, "") + block
        return f"test {function.name.replace('_', ' ')}"

    def answer_field(self, service: Service) -> str:
        """A route's answer says another thing first; nobody reads it yet."""
        listed = [o for o in service.operations if o.handler.body[-1].kind == "answer"]
        operation = self.chance.choice(listed)
        statement = operation.handler.body[-1]
        statement.arguments["g"] = self.chance.choice(
            [f for f in self.company.domain.fields if f != statement.arguments["f"]]
        )
        operation.handler.module.version += 1
        return f"answer {operation.path} with {statement.arguments['g'].replace('_', ' ')}"

    def role(self, service: Service) -> str:
        listed = [o for o in service.operations if not o.topic and o.role is None]
        if not listed:
            return self.guard(service)
        operation = self.chance.choice(listed)
        operation.handler.note = (
            f"{operation.handler.name.replace('_', ' ').capitalize()}, for whoever is signed in."
        )
        operation.handler.module.version += 1
        return f"say who may call {operation.path}"


def module_of(service: Service, name: str) -> Module:
    return service.module(name)
