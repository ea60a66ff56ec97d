"""What each language's SDK records of an exception: type, message and stack, with the frameworks' frames around ours."""

from dataclasses import dataclass

from worlds.languages import Name


@dataclass(frozen=True, slots=True)
class Frame:
    """A frame of ours. ``file``: as in the container; ``module``: name of the file's module; ``package``: of the service."""

    file: str
    function: str
    line: int
    code: str
    module: str
    package: str


@dataclass(frozen=True, slots=True)
class Raised:
    """An exception as a span event holds it; ``stack`` None where the SDK records none."""

    type: str
    message: str
    stack: str | None


def stack(
    language: str, type_: str, message: str, ours: list[Frame], library: list[tuple[str, str, int]], seed: int
) -> str:
    """The stack text of ``ours`` (innermost first) below ``library`` frames (file, function, line; innermost first)."""
    match language:
        case "python":
            return _python(type_, message, ours, library)
        case "javascript" | "typescript":
            return _javascript(type_, message, ours, library)
        case "java":
            return _java(type_, message, ours, library)
        case _:
            return _go(message, ours, library, seed)


def _python(type_: str, message: str, ours: list[Frame], library: list[tuple[str, str, int]]) -> str:
    site = "/usr/local/lib/python3.12/site-packages"
    out = ["Traceback (most recent call last):"]
    for file, line, function, code in (
        (f"{site}/opentelemetry/instrumentation/asgi/__init__.py", 743, "__call__", "await self.app(scope, otel_receive, otel_send)"),
        (f"{site}/starlette/middleware/exceptions.py", 62, "__call__", "await wrap_app_handling_exceptions(self.app, conn)(scope, receive, send)"),
        (f"{site}/starlette/_exception_handler.py", 53, "wrapped_app", "raise exc"),
        (f"{site}/fastapi/routing.py", 212, "run_endpoint_function", "return await dependant.call(**values)"),
    ):  # fmt: skip
        out += [f'  File "{file}", line {line}, in {function}', f"    {code}"]
    for frame in reversed(ours):
        out += [f'  File "{frame.file}", line {frame.line}, in {frame.function}', f"    {frame.code}"]
        if len(frame.code) > 20:
            out.append("    " + "^" * min(len(frame.code), 60))
    for file, function, line in reversed(library):
        out += [f'  File "{site}/{file}", line {line}, in {function}', "    return self._send(request)"]
    return "\n".join([*out, f"{type_}: {message}" if message else type_, ""])


def _javascript(type_: str, message: str, ours: list[Frame], library: list[tuple[str, str, int]]) -> str:
    short = type_ if type_.endswith("Error") else "Error"
    root = ours[0].file.split("/src/")[0] if ours else "/app"
    out = [f"{short}: {message}"]
    out += [f"    at {function} ({root}/node_modules/{file}:{line}:17)" for file, function, line in library]
    for depth, frame in enumerate(ours):
        name = frame.function if depth == 0 else f"async {frame.function}"
        out.append(f"    at {name} ({frame.file}:{frame.line}:{11 + (frame.line * 7) % 23})")
    out += [
        f"    at Layer.handle [as handle_request] ({root}/node_modules/express/lib/router/layer.js:95:5)",
        f"    at next ({root}/node_modules/express/lib/router/route.js:149:13)",
        "    at process.processTicksAndRejections (node:internal/process/task_queues:105:5)",
    ]
    return "\n".join(out)


def _java(type_: str, message: str, ours: list[Frame], library: list[tuple[str, str, int]]) -> str:
    out = [f"{type_}: {message}"]
    out += [f"\tat {function}({file}:{line})" for file, function, line in library]
    for frame in ours:
        name = Name(frame.module).P
        out.append(f"\tat com.acme.{frame.package}.{name}.{frame.function}({name}.java:{frame.line})")
    out += [
        "\tat java.base/jdk.internal.reflect.DirectMethodHandleAccessor.invoke(DirectMethodHandleAccessor.java:103)",
        "\tat java.base/java.lang.reflect.Method.invoke(Method.java:580)",
        "\tat org.springframework.web.method.support.InvocableHandlerMethod.doInvoke(InvocableHandlerMethod.java:255)",
        "\tat org.springframework.web.servlet.DispatcherServlet.doDispatch(DispatcherServlet.java:1088)",
        "\tat java.base/java.lang.Thread.run(Thread.java:1583)",
    ]
    return "\n".join(out) + "\n"


def _go(message: str, ours: list[Frame], library: list[tuple[str, str, int]], seed: int) -> str:
    number = 40 + seed % 900
    out = [f"goroutine {number} [running]:"]
    sdk = "/go/pkg/mod/go.opentelemetry.io/otel/sdk@v1.31.0/trace/span.go"
    out += ["go.opentelemetry.io/otel/sdk/trace.recordStackTrace()", f"\t{sdk}:556 +0x5c"]
    out += ["go.opentelemetry.io/otel/sdk/trace.(*recordingSpan).End(0xc0004a2000, {0x0, 0x0, 0x0})", f"\t{sdk}:487 +0x1f4"]  # fmt: skip
    out += [
        f"panic({{0x{seed % 65536:x}, 0xc000{seed % 4096:03x}8}})",
        "\t/usr/local/go/src/runtime/panic.go:785 +0x132",
    ]
    for file, function, line in library:
        out += [f"{function}(0xc00012e3c0)", f"\t/go/pkg/mod/{file}:{line} +0x2a5"]
    for frame in ours:
        package = f"acme.example/{frame.package}/internal/{frame.module.replace('_', '')}"
        out += [f"{package}.{Name(frame.function).P if '_' in frame.function else frame.function}({{0x9ac3f8, 0xc0001b4{frame.line % 10}20}}, 0xc00030e000)"]  # fmt: skip
        out += [f"\t{frame.file}:{frame.line} +0x{frame.line % 200 + 20:x}"]
    out += ["net/http.HandlerFunc.ServeHTTP(0xc0000b6510, {0x9b1ef8, 0xc0001c40e0}, 0xc0001d6000)", "\t/usr/local/go/src/net/http/server.go:2220 +0x29"]  # fmt: skip
    # The SDK gives runtime.Stack a buffer of 2048 bytes: the text ends wherever that does.
    return "\n".join(out)[:2048]


# --- types and messages --------------------------------------------------------------------------


def signature(kind: str, language: str, **names: str) -> tuple[str, str]:
    """(exception.type, exception.message) of a failure ``kind`` in ``language``; ``names`` fill the message."""
    language = "javascript" if language == "typescript" else language
    type_, message = SIGNATURES[kind][language]
    spelled = {
        key + suffix: way
        for key, value in names.items()
        for suffix, way in (("", value), ("_c", Name(value).c), ("_P", Name(value).P), ("_u", value.upper()))
    }
    return type_, message.format(**spelled)


_NIL = ("runtime.errorString", "runtime error: invalid memory address or nil pointer dereference")

SIGNATURES: dict[str, dict[str, tuple[str, str]]] = {
    "missing": {
        "python": ("KeyError", "'{f}'"),
        "javascript": ("TypeError", "Cannot read properties of undefined (reading '{g_c}')"),
        "java": ("java.lang.NullPointerException", 'Cannot invoke "com.acme.model.{f_P}.get{g_P}()" because the return value of "com.acme.model.{a_P}.get{f_P}()" is null'),
        "go": _NIL,
    },
    "none": {
        "python": ("TypeError", "'NoneType' object is not subscriptable"),
        "javascript": ("TypeError", "Cannot read properties of null (reading '{f_c}')"),
        "java": ("java.lang.NullPointerException", 'Cannot invoke "com.acme.model.{a_P}.get{f_P}()" because "{a_c}" is null'),
        "go": _NIL,
    },
    "index": {
        "python": ("IndexError", "list index out of range"),
        "javascript": ("TypeError", "Cannot read properties of undefined (reading '{f_c}')"),
        "java": ("java.lang.IndexOutOfBoundsException", "Index {i} out of bounds for length {i}"),
        "go": ("runtime.boundsError", "runtime error: index out of range [{i}] with length {i}"),
    },
    "constant": {
        "python": ("ZeroDivisionError", "integer modulo by zero"),
        "javascript": ("TypeError", "Cannot read properties of null (reading 'toString')"),
        "java": ("java.lang.ArithmeticException", "/ by zero"),
        "go": ("runtime.runtimeError", "runtime error: integer divide by zero"),
    },
    "argument": {
        "python": ("TypeError", "{fn}() missing 1 required positional argument: '{p}'"),
        "javascript": ("TypeError", "Cannot read properties of undefined (reading '{g_c}')"),
        "java": ("java.lang.NoSuchMethodError", "'java.lang.Object com.acme.{package}.{m_P}.{fn_c}(com.acme.model.{a_P})'"),
        "go": _NIL,
    },
    "export": {
        "python": ("AttributeError", "module 'app.{m}' has no attribute '{fn}'"),
        "javascript": ("TypeError", "{m_c}.{fn_c} is not a function"),
        "java": ("java.lang.NoSuchMethodError", "'java.lang.Object com.acme.{package}.{m_P}.{fn_c}(com.acme.model.{a_P})'"),
        "go": _NIL,
    },
    "registry": {
        "python": ("KeyError", "'{key}'"),
        "javascript": ("TypeError", 'steps.{key} is not a function'),
        "java": ("java.lang.NullPointerException", 'Cannot invoke "com.acme.model.Step.apply(Object)" because the return value of "java.util.Map.get(Object)" is null'),
        "go": _NIL,
    },
    "type": {
        "python": ("AttributeError", "'str' object has no attribute 'quantize'"),
        "javascript": ("TypeError", "{a_c}.toFixed is not a function"),
        "java": ("java.lang.ClassCastException", "class java.lang.String cannot be cast to class java.math.BigDecimal (java.lang.String and java.math.BigDecimal are in module java.base of loader 'bootstrap')"),
        "go": ("*runtime.TypeAssertionError", "interface conversion: interface {{}} is string, not float64"),
    },
    "nothing": {
        "python": ("AttributeError", "'NoneType' object has no attribute 'quantize'"),
        "javascript": ("TypeError", "Cannot read properties of null (reading 'toFixed')"),
        "java": ("java.lang.NullPointerException", 'Cannot invoke "java.math.BigDecimal.setScale(int)" because "{a_c}" is null'),
        "go": ("*runtime.TypeAssertionError", "interface conversion: interface {{}} is nil, not float64"),
    },
    "parse": {
        "python": ("decimal.InvalidOperation", "[<class 'decimal.ConversionSyntax'>]"),
        "javascript": ("SyntaxError", "Cannot convert 12,50 to a BigInt"),
        "java": ("java.lang.NumberFormatException", 'For input string: "12,50"'),
        "go": ("*strconv.NumError", 'strconv.ParseInt: parsing "12,50": invalid syntax'),
    },
    "setting": {
        "python": ("KeyError", "'{k_u}'"),
        "javascript": ("Error", "missing setting {k_u}"),
        "java": ("java.lang.IllegalStateException", "Required key '{k_u}' not found"),
        "go": ("*errors.errorString", "setting {k_u} is not set"),
    },
    "switch": {
        "python": ("KeyError", "'{value}'"),
        "javascript": ("TypeError", "Cannot read properties of undefined (reading 'factor')"),
        "java": ("java.lang.IllegalArgumentException", "No enum constant com.acme.model.{f_P}.{value}"),
        "go": _NIL,
    },
    "cached": {
        "python": ("KeyError", "'{f}'"),
        "javascript": ("TypeError", "Cannot read properties of undefined (reading 'length')"),
        "java": ("java.lang.ClassCastException", "class java.util.ImmutableCollections$Map1 cannot be cast to class com.acme.model.{f_P}"),
        "go": ("*runtime.TypeAssertionError", "interface conversion: interface {{}} is map[string]interface {{}}, not cache.{f_P}"),
    },
    "dated": {
        "python": ("KeyError", "'{month}'"),
        "javascript": ("TypeError", "Cannot read properties of undefined (reading 'value')"),
        "java": ("java.lang.NullPointerException", 'Cannot invoke "com.acme.model.Rate.getValue()" because the return value of "java.util.Map.get(Object)" is null'),
        "go": _NIL,
    },
    "column": {
        "python": ("psycopg.errors.UndefinedColumn", 'column "{column}" does not exist'),
        "javascript": ("42703", 'column "{column}" does not exist'),
        "java": ("org.postgresql.util.PSQLException", 'ERROR: column "{column}" does not exist'),
        "go": ("*pgconn.PgError", 'ERROR: column "{column}" does not exist (SQLSTATE 42703)'),
    },
    "login": {
        "python": ("psycopg.OperationalError", 'connection failed: FATAL:  password authentication failed for user "{service}_app"'),
        "javascript": ("28P01", 'password authentication failed for user "{service}_app"'),
        "java": ("org.postgresql.util.PSQLException", 'FATAL: password authentication failed for user "{service}_app"'),
        "go": ("*pgconn.ConnectError", 'failed to connect to `user={service}_app database=app`: FATAL: password authentication failed (SQLSTATE 28P01)'),
    },
    "pool": {
        "python": ("sqlalchemy.exc.TimeoutError", "QueuePool limit of size 5 overflow 0 reached, connection timed out, timeout 30.00"),
        "javascript": ("Error", "timeout exceeded when trying to connect"),
        "java": ("java.sql.SQLTransientConnectionException", "HikariPool-1 - Connection is not available, request timed out after 30000ms (total=5, active=5, idle=0, waiting=27)"),
        "go": ("*errors.errorString", "context deadline exceeded: acquiring a connection from the pool"),
    },
    "refused": {
        "python": ("httpx.ConnectError", "[Errno 111] Connection refused"),
        "javascript": ("ECONNREFUSED", "connect ECONNREFUSED {host}:443"),
        "java": ("java.net.ConnectException", "Connection refused: {host}:443"),
        "go": ("*net.OpError", "dial tcp {host}:443: connect: connection refused"),
    },
    "unresolved": {
        "python": ("httpx.ConnectError", "[Errno -2] Name or service not known"),
        "javascript": ("ENOTFOUND", "getaddrinfo ENOTFOUND {host}"),
        "java": ("java.net.UnknownHostException", "{host}"),
        "go": ("*net.DNSError", "lookup {host}: no such host"),
    },
    "reset": {
        "python": ("httpx.ReadError", "[Errno 104] Connection reset by peer"),
        "javascript": ("ECONNRESET", "read ECONNRESET"),
        "java": ("java.net.SocketException", "Connection reset"),
        "go": ("*net.OpError", "read tcp: connection reset by peer"),
    },
    "certificate": {
        "python": ("httpx.ConnectError", "[SSL: CERTIFICATE_VERIFY_FAILED] certificate verify failed: certificate has expired (_ssl.c:1000)"),
        "javascript": ("CERT_HAS_EXPIRED", "certificate has expired"),
        "java": ("javax.net.ssl.SSLHandshakeException", "PKIX path validation failed: java.security.cert.CertPathValidatorException: validity check failed"),
        "go": ("*tls.CertificateVerificationError", "tls: failed to verify certificate: x509: certificate has expired or is not yet valid"),
    },
    "timeout": {
        "python": ("httpx.ReadTimeout", "timed out"),
        "javascript": ("ECONNABORTED", "timeout of 5000ms exceeded"),
        "java": ("java.net.SocketTimeoutException", "Read timed out"),
        "go": ("context.deadlineExceededError", "context deadline exceeded"),
    },
    "disk": {
        "python": ("OSError", "[Errno 28] No space left on device"),
        "javascript": ("ENOSPC", "ENOSPC: no space left on device, write"),
        "java": ("java.io.IOException", "No space left on device"),
        "go": ("*fs.PathError", "write /var/spool/app/part: no space left on device"),
    },
    "validation": {
        "python": ("pydantic_core._pydantic_core.ValidationError", "1 validation error for {a_P}\n{f}\n  Input should be a valid string [type=string_type, input_value=12, input_type=int]"),
        "javascript": ("ZodError", "[{{\"code\":\"invalid_type\",\"expected\":\"string\",\"received\":\"number\",\"path\":[\"{f_c}\"]}}]"),
        "java": ("com.fasterxml.jackson.databind.exc.MismatchedInputException", "Cannot deserialize value of type `java.lang.String` from Object value (token `JsonToken.START_OBJECT`)"),
        "go": ("*json.UnmarshalTypeError", "json: cannot unmarshal number into Go struct field {a_P}.{f} of type string"),
    },
    "encode": {
        "python": ("TypeError", "Type is not JSON serializable: Decimal"),
        "javascript": ("TypeError", "Do not know how to serialize a BigInt"),
        "java": ("com.fasterxml.jackson.databind.exc.InvalidDefinitionException", "Java 8 date/time type `java.time.Instant` not supported by default"),
        "go": ("*json.UnsupportedTypeError", "json: unsupported type: func() string"),
    },
}  # fmt: skip

LIBRARY_FRAMES: dict[str, list[tuple[str, str, int]]] = {
    "python": [("orjson/__init__.py", "dumps", 41), ("pydantic/main.py", "model_dump_json", 477)],
    "javascript": [("zod/lib/types.js", "ZodObject.parse", 120), ("axios/lib/core/Axios.js", "Axios.request", 45)],
    "typescript": [("zod/lib/types.js", "ZodObject.parse", 120), ("axios/lib/core/Axios.js", "Axios.request", 45)],
    "java": [
        ("DatabindException.java", "com.fasterxml.jackson.databind.DatabindException.from", 77),
        ("ObjectMapper.java", "com.fasterxml.jackson.databind.ObjectMapper.readValue", 3825),
    ],
    "go": [("github.com/shopspring/decimal@v1.4.1/decimal.go", "github.com/shopspring/decimal.Decimal.MarshalJSON", 1512)],
}  # fmt: skip
