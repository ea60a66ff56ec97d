"""Failures of every category, by the code, type or message that tells them, in many languages."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from correlator import categories
from schemas import vocabulary as v
from schemas.records import FailureFacts
from schemas.vocabulary import FailureCategory as C
from schemas.vocabulary import SpanKind


def first(type_: str | None = None, message: str | None = None, **flags: Any) -> C:
    attributes = flags.pop("attributes", {})
    return categories.rank(FailureFacts(type_, message, attributes), **flags)[0].category


@pytest.mark.parametrize(
    ("code", "category"),
    [
        ("23505", C.DATA_INTEGRITY),
        ("23514", C.DATA_INTEGRITY),
        ("22003", C.DATA_INTEGRITY),
        ("22P02", C.INTEGRATION),
        ("22012", C.LOGIC_UNHANDLED),
        ("28000", C.CONFIGURATION_DEPLOY),
        ("3D000", C.CONFIGURATION_DEPLOY),
        ("40P01", C.RESOURCE_PERFORMANCE),
        ("42P01", C.CONFIGURATION_DEPLOY),
        ("42501", C.SECURITY),
        ("42803", C.LOGIC_UNHANDLED),
        ("53300", C.RESOURCE_PERFORMANCE),
        ("57014", C.RESOURCE_PERFORMANCE),
        ("57P03", C.DEPENDENCY_INFRASTRUCTURE),
        ("08001", C.DEPENDENCY_INFRASTRUCTURE),
        ("XX001", C.DATA_INTEGRITY),
    ],
)
def test_sqlstate_decides(code: str, category: C) -> None:
    attributes = {v.DB_SYSTEM_NAME: "postgresql", v.DB_RESPONSE_STATUS_CODE: code}
    assert first(attributes=attributes) is category
    assert first("sqlalchemy.exc.DBAPIError", "it failed", attributes=attributes) is category
    assert first("PDOException", f"SQLSTATE[{code}]: it failed") is category


@pytest.mark.parametrize(
    ("system", "code", "category"),
    [
        ("mysql", "1062", C.DATA_INTEGRITY),
        ("mysql", "1213", C.RESOURCE_PERFORMANCE),
        ("mariadb", "1146", C.CONFIGURATION_DEPLOY),
        ("mysql", "2013", C.DEPENDENCY_INFRASTRUCTURE),
        ("microsoft.sql_server", "2627", C.DATA_INTEGRITY),
        ("oracle.db", "ORA-00060", C.RESOURCE_PERFORMANCE),
        ("mongodb", "11000", C.DATA_INTEGRITY),
        ("redis", "OOM", C.RESOURCE_PERFORMANCE),
        ("sqlite", "SQLITE_CONSTRAINT_UNIQUE", C.DATA_INTEGRITY),
    ],
)
def test_a_database_has_codes_of_its_own(system: str, code: str, category: C) -> None:
    assert first(attributes={v.DB_SYSTEM_NAME: system, v.DB_RESPONSE_STATUS_CODE: code}) is category


@pytest.mark.parametrize(
    ("status", "kind", "category"),
    [
        (400, "CLIENT", C.INTEGRATION),
        (404, SpanKind.CLIENT, C.INTEGRATION),
        (422, "SERVER", C.INTEGRATION),
        (401, "SERVER", C.SECURITY),
        (403, "CLIENT", C.SECURITY),
        (409, "SERVER", C.DATA_INTEGRITY),
        (429, "CLIENT", C.RESOURCE_PERFORMANCE),
        (502, "CLIENT", C.DEPENDENCY_INFRASTRUCTURE),
        (503, "CLIENT", C.DEPENDENCY_INFRASTRUCTURE),
        (503, SpanKind.SERVER, C.RESOURCE_PERFORMANCE),
        (504, "CLIENT", C.RESOURCE_PERFORMANCE),
        (451, "SERVER", C.COMPLIANCE_GOVERNANCE),
        (500, "SERVER", C.UNKNOWN),
    ],
)
def test_http_status_and_side(status: int, kind: object, category: C) -> None:
    assert first(attributes={v.HTTP_RESPONSE_STATUS_CODE: status, "span.kind": kind}) is category
    assert first(attributes={v.ERROR_TYPE: str(status), "span.kind": kind}) is category


@pytest.mark.parametrize(
    ("code", "category"),
    [
        (3, C.INTEGRATION),
        ("UNIMPLEMENTED", C.INTEGRATION),
        ("StatusCode.UNAVAILABLE", C.DEPENDENCY_INFRASTRUCTURE),
        ("4", C.RESOURCE_PERFORMANCE),
        (7, C.SECURITY),
        (15, C.DATA_INTEGRITY),
        (13, C.UNKNOWN),
    ],
)
def test_grpc_status_by_number_or_name(code: object, category: C) -> None:
    assert first(attributes={v.RPC_GRPC_STATUS_CODE: code}) is category


def test_old_attribute_names_count() -> None:
    assert first(attributes={"http.status_code": 429}) is C.RESOURCE_PERFORMANCE
    assert first(attributes={"rpc.status_code": "UNAUTHENTICATED"}) is C.SECURITY


@pytest.mark.parametrize(
    ("type_", "message", "category"),
    [
        ("TypeError", "unsupported operand type(s) for +: 'int' and 'str'", C.LOGIC_UNHANDLED),
        ("KeyError", "'discount'", C.LOGIC_UNHANDLED),
        ("java.lang.NullPointerException", None, C.LOGIC_UNHANDLED),
        ("TypeError", "Cannot read properties of undefined (reading 'amount')", C.LOGIC_UNHANDLED),
        ("System.InvalidOperationException", "Sequence contains no elements", C.LOGIC_UNHANDLED),
        ("runtime.boundsError", "index out of range [3] with length 3", C.LOGIC_UNHANDLED),
        ("NoMethodError", "undefined method `+' for nil", C.LOGIC_UNHANDLED),
        ("Elixir.FunctionClauseError", "no function clause matching", C.LOGIC_UNHANDLED),
        ("KeyError", "'STRIPE_API_KEY'", C.CONFIGURATION_DEPLOY),
        ("ModuleNotFoundError", "No module named 'shop'", C.CONFIGURATION_DEPLOY),
        ("java.lang.NoClassDefFoundError", "com/acme/Cart", C.CONFIGURATION_DEPLOY),
        ("Error", "Cannot find module './cart'", C.CONFIGURATION_DEPLOY),
        (
            "FileNotFoundError",
            "[Errno 2] No such file or directory: '/etc/shop.toml'",
            C.CONFIGURATION_DEPLOY,
        ),
        ("sqlite3.OperationalError", "no such column: discount", C.CONFIGURATION_DEPLOY),
        ("org.springframework.dao.DataIntegrityViolationException", None, C.DATA_INTEGRITY),
        ("django.db.utils.IntegrityError", "UNIQUE constraint failed: cart.id", C.DATA_INTEGRITY),
        ("MongoServerError", "E11000 duplicate key error collection: shop.carts", C.DATA_INTEGRITY),
        ("Microsoft.EntityFrameworkCore.DbUpdateConcurrencyException", None, C.DATA_INTEGRITY),
        ("json.decoder.JSONDecodeError", "Expecting value: line 1 column 1 (char 0)", C.INTEGRATION),
        ("pydantic_core._pydantic_core.ValidationError", "2 validation errors for Order", C.INTEGRATION),
        ("SyntaxError", "Unexpected token < in JSON at position 0", C.INTEGRATION),
        (
            "*json.UnmarshalTypeError",
            "json: cannot unmarshal string into Go value of type int",
            C.INTEGRATION,
        ),
        ("com.fasterxml.jackson.databind.exc.UnrecognizedPropertyException", None, C.INTEGRATION),
        (
            "requests.exceptions.HTTPError",
            "422 Client Error: Unprocessable Entity for url: http://p",
            C.INTEGRATION,
        ),
        (
            "requests.exceptions.HTTPError",
            "503 Server Error: Service Unavailable",
            C.DEPENDENCY_INFRASTRUCTURE,
        ),
        ("requests.exceptions.ConnectionError", "Max retries exceeded", C.DEPENDENCY_INFRASTRUCTURE),
        ("ECONNREFUSED", "connect ECONNREFUSED 10.0.0.7:5432", C.DEPENDENCY_INFRASTRUCTURE),
        ("*net.OpError", "dial tcp 10.0.0.7:80: connect: connection refused", C.DEPENDENCY_INFRASTRUCTURE),
        (
            "psycopg2.OperationalError",
            "server closed the connection unexpectedly",
            C.DEPENDENCY_INFRASTRUCTURE,
        ),
        ("ssl.SSLCertVerificationError", "certificate has expired", C.DEPENDENCY_INFRASTRUCTURE),
        ("TimeoutError", "", C.RESOURCE_PERFORMANCE),
        ("java.net.SocketTimeoutException", "Read timed out", C.RESOURCE_PERFORMANCE),
        ("java.lang.OutOfMemoryError", "Java heap space", C.RESOURCE_PERFORMANCE),
        (
            "sqlalchemy.exc.TimeoutError",
            "QueuePool limit of size 5 overflow 10 reached",
            C.RESOURCE_PERFORMANCE,
        ),
        ("OSError", "[Errno 28] No space left on device", C.RESOURCE_PERFORMANCE),
        ("sqlite3.OperationalError", "database is locked", C.RESOURCE_PERFORMANCE),
        ("context.deadlineExceededError", "context deadline exceeded", C.RESOURCE_PERFORMANCE),
        ("jwt.exceptions.ExpiredSignatureError", "Signature has expired", C.SECURITY),
        ("django.core.exceptions.PermissionDenied", "", C.SECURITY),
        ("ActionController::InvalidAuthenticityToken", None, C.SECURITY),
        ("Exception", None, C.UNKNOWN),
        ("Error", "", C.UNKNOWN),
        (None, None, C.UNKNOWN),
    ],
)
def test_type_and_message(type_: str | None, message: str | None, category: C) -> None:
    assert first(type_, message) is category


def test_a_code_says_more_than_a_type_and_a_type_more_than_a_bare_500() -> None:
    database = {v.DB_SYSTEM_NAME: "postgresql", v.DB_RESPONSE_STATUS_CODE: "40001"}
    assert first("ValueError", attributes=database) is C.RESOURCE_PERFORMANCE
    assert first("ValueError", attributes={v.HTTP_RESPONSE_STATUS_CODE: 500}) is C.LOGIC_UNHANDLED


def test_at_startup_a_language_error_is_a_matter_of_configuration() -> None:
    assert first("KeyError", "'region'") is C.LOGIC_UNHANDLED
    assert first("KeyError", "'region'", at_startup=True) is C.CONFIGURATION_DEPLOY


def test_a_failing_call_to_what_sends_no_spans_is_a_dependency() -> None:
    assert first(is_dependency_leaf=True) is C.DEPENDENCY_INFRASTRUCTURE
    server_error = {v.HTTP_RESPONSE_STATUS_CODE: 500}
    assert first(attributes=server_error, is_dependency_leaf=True) is C.DEPENDENCY_INFRASTRUCTURE
    assert first(attributes={v.HTTP_RESPONSE_STATUS_CODE: 422}, is_dependency_leaf=True) is C.INTEGRATION
    database = {v.DB_SYSTEM_NAME: "postgresql", v.DB_RESPONSE_STATUS_CODE: "23505"}
    assert first(attributes=database, is_dependency_leaf=True) is C.DATA_INTEGRITY


def test_an_own_exception_of_the_service_is_unhandled_logic_only_in_its_own_code() -> None:
    assert first("shop.CartFrozen", "cart 7 is frozen") is C.UNKNOWN
    assert first("shop.CartFrozen", "cart 7 is frozen", in_app=True) is C.LOGIC_UNHANDLED


def test_reasons_name_what_decided() -> None:
    hit = categories.rank(FailureFacts("jwt.InvalidSignatureError", "signature invalid"))[0]
    assert "InvalidSignatureError" in hit.reason or "signature" in hit.reason
    code = categories.rank(FailureFacts(attributes={v.DB_RESPONSE_STATUS_CODE: "23505"}))[0]
    assert "23505" in code.reason


@given(
    st.one_of(st.none(), st.text(max_size=40)),
    st.one_of(st.none(), st.text(max_size=80)),
    st.dictionaries(
        st.sampled_from(
            [v.HTTP_RESPONSE_STATUS_CODE, v.RPC_GRPC_STATUS_CODE, v.DB_RESPONSE_STATUS_CODE, v.ERROR_TYPE]
        ),
        st.one_of(st.text(max_size=8), st.integers(), st.none()),
    ),
    st.sampled_from([None, True, False]),
    st.booleans(),
    st.booleans(),
)
def test_a_ranking_is_never_empty_ordered_and_names_each_category_once(
    type_: str | None,
    message: str | None,
    attributes: dict[str, object],
    in_app: bool | None,
    leaf: bool,
    start: bool,
) -> None:
    ranked = categories.rank(
        FailureFacts(type_, message, attributes), in_app=in_app, is_dependency_leaf=leaf, at_startup=start
    )
    assert ranked
    assert len({hit.category for hit in ranked}) == len(ranked)
    assert [hit.score for hit in ranked] == sorted((hit.score for hit in ranked), reverse=True)
    assert all(0 < hit.score <= 1 and hit.reason for hit in ranked)


def test_a_language_error_of_our_own_at_startup_is_a_matter_of_configuration() -> None:
    facts = FailureFacts("KeyError", "'REGION'", language="python")
    ranked = categories.rank(facts, in_app=True, at_startup=True)
    assert ranked[0].category is C.CONFIGURATION_DEPLOY


@pytest.mark.parametrize(
    ("type_", "message", "category"),
    [
        # Which message decides must not depend on words that go with several languages' ordinary errors.
        ("System.ArgumentNullException", "Value cannot be null. (Parameter 'order')", C.LOGIC_UNHANDLED),
        ("RangeError", "Maximum call stack size exceeded", C.LOGIC_UNHANDLED),
        # The last two segments tell what the last alone does not.
        ("*json.SyntaxError", "invalid character 'x' looking for beginning of value", C.INTEGRATION),
        ("SyntaxError", "Unexpected identifier 'foo'", C.LOGIC_UNHANDLED),
        # An HTTP client's error says only that a call failed; the status says how.
        (
            "System.Net.Http.HttpRequestException",
            "Response status code does not indicate success: 404 (Not Found).",
            C.INTEGRATION,
        ),
        ("feign.FeignException$Forbidden", "[403 Forbidden] during [PUT] to [http://a/b]", C.SECURITY),
        ("AxiosError", "Request failed with status code 429", C.RESOURCE_PERFORMANCE),
        ("AxiosError", "connect ECONNREFUSED 10.0.0.9:8080", C.DEPENDENCY_INFRASTRUCTURE),
        # Database codes inside of messages.
        ("Postgrex.Error", "ERROR 40P01 (deadlock_detected) deadlock", C.RESOURCE_PERFORMANCE),
        ("Npgsql.PostgresException", "23503: insert breaks a key", C.DATA_INTEGRITY),
        # A setting is told by its spelling.
        ("Error", "PAYMENT_API_URL is not set", C.CONFIGURATION_DEPLOY),
        ("ErrorException", "order is not set", C.UNKNOWN),
    ],
)
def test_the_more_specific_of_type_and_message_decides(type_: str, message: str, category: C) -> None:
    assert first(type_, message) is category


def test_reading_a_hostile_message_takes_linear_time() -> None:
    """Twice the text may cost about twice the work: every repetition in the rules is bounded."""
    for piece in ("timeout ", "a" * 50, "connect ", "read ", "_A", "'", "pool "):
        assert categories.rank(FailureFacts("X", piece * 100_000))
