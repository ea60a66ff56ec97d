"""Equal failures have equal fingerprints, whatever differs from case to case."""

import re
import uuid
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from correlator import fingerprint, frames, function_names
from schemas import vocabulary as v
from schemas.records import FailureFacts

FACTS = FailureFacts(
    exception_type="shop.PriceError",
    message="no price",
    attributes={v.HTTP_REQUEST_METHOD: "GET", v.HTTP_ROUTE: "/orders/{id}", v.HTTP_RESPONSE_STATUS_CODE: 500},
)


def of(
    facts: FailureFacts = FACTS, functions: tuple[str, ...] = (), operation: str = "GET /orders/{id}"
) -> str:
    return fingerprint.of(facts, functions, operation).fingerprint


def stack(root: str, shift: int, sku: str) -> tuple[FailureFacts, list[str]]:
    text = (
        "Traceback (most recent call last):\n"
        f'  File "{root}/cart.py", line {10 + shift}, in total\n    x\n'
        f'  File "{root}/prices.py", line {3 + shift}, in price\n    x\n'
        f"shop.PriceError: no price for {sku}\n"
    )
    parsed = frames.parse(text)
    assert parsed is not None
    link = parsed.root_cause
    return FailureFacts(link.type, link.message), [frame.function or "" for frame in link.frames]


@given(st.sampled_from(["/app", "/srv/shop/v2", "C:\\shop"]), st.integers(0, 500), st.integers(0, 9999))
def test_lines_container_paths_and_ids_take_no_part(root: str, shift: int, sku: int) -> None:
    facts, functions = stack(root, shift, f"sku-{sku}")
    expected_facts, expected_functions = stack("/app", 0, "sku-0")
    assert of(facts, tuple(functions)) == of(expected_facts, tuple(expected_functions))


def test_another_function_or_type_is_another_failure() -> None:
    assert of(functions=("price", "total")) != of(functions=("price", "view"))
    other = FailureFacts("shop.StockError", FACTS.message, FACTS.attributes)
    assert of(functions=("price",)) != of(other, functions=("price",))


def test_only_the_innermost_functions_count() -> None:
    inner = tuple(f"f{n}" for n in range(fingerprint.FUNCTIONS_MAX))
    assert of(functions=(*inner, "middleware_a")) == of(functions=(*inner, "middleware_b"))


def test_with_a_stack_the_operation_and_the_message_take_no_part() -> None:
    other = FailureFacts(FACTS.exception_type, "something else", {v.HTTP_ROUTE: "/carts"})
    assert of(functions=("price",)) == of(other, functions=("price",), operation="POST /carts")


@pytest.mark.parametrize(
    "change",
    [{v.HTTP_ROUTE: "/carts"}, {v.HTTP_RESPONSE_STATUS_CODE: 503}, {v.HTTP_REQUEST_METHOD: "POST"}],
)
def test_without_a_stack_route_and_status_tell_failures_apart(change: dict[str, object]) -> None:
    assert of() != of(FailureFacts(FACTS.exception_type, FACTS.message, {**FACTS.attributes, **change}))


def test_old_attribute_names_give_the_same_fingerprint() -> None:
    old = {"http.method": "GET", v.HTTP_ROUTE: "/orders/{id}", "http.status_code": 500}
    assert of(FailureFacts(FACTS.exception_type, FACTS.message, old)) == of()


def test_an_operation_without_attributes_is_told_by_its_template() -> None:
    facts = FailureFacts("E", "m")
    assert of(facts, operation="job 17") == of(facts, operation="job 18")
    assert of(facts, operation="job 17") != of(facts, operation="mail 17")


def test_parts_say_what_contributed() -> None:
    assert fingerprint.of(FACTS, ["price"], "op").parts == {
        "rule": "stack",
        "type": "shop.PriceError",
        "functions": ["price"],
    }
    parts = fingerprint.of(FACTS, [], "op").parts
    assert parts["rule"] == "operation"
    assert parts["status"] == ["500"]
    assert parts["message"] == "no price"


def test_the_fingerprint_of_version_2_never_changes() -> None:
    assert fingerprint.VERSION == "2"
    assert of(functions=("price", "total")) == "9c311d0390e5d381"
    assert of() == "bc1358bf55278ea2"


@pytest.mark.parametrize(
    ("message", "template"),
    [
        ("no price for sku 4711", "no price for sku <n>"),
        ("'price'", "<text>"),
        ('key "a b" is `missing`', "key <text> is <text>"),
        ("can't find it, don't ask", "can't find it, don't ask"),
        ("cart 9f86d081884c7d65 of ada@example.org", "cart <hex> of <email>"),
        ("at 0x7f3a9c and 10.0.0.7:8080", "at <hex> and <n>"),
        ("open /srv/shop/carts/7.json failed", "open <path> failed"),
        ("open C:\\shop\\carts\\7.json failed", "open <path> failed"),
        ("GET https://prices.example.org/v1/7?x=1 gave 503", "GET <url> gave <n>"),
        ("2026-03-02T12:00:01Z is late", "<n>-<n>-<n>T<n>Z is late"),
        ("order 01HZX3K9QWERTY7PLM0 is gone", "order <id> is gone"),
        ("pod checkout-7d9f8b6c5d-x2x4z failed", "pod <id> failed"),
        ("Http2ConnectionSettingsError", "Http<n>ConnectionSettingsError"),
        ("two\n  lines", "two lines"),
        ("", ""),
        ("either/or", "either/or"),
    ],
)
def test_template(message: str, template: str) -> None:
    assert fingerprint.template(message) == template


@pytest.mark.parametrize(
    ("name", "template"),
    [
        ("GET /orders", "GET /orders"),
        ("GET /orders/4711/items", "GET /orders/<n>/items"),
        ("GET /orders/4f9a2b1c-0000-4000-8000-000000000001", "GET /orders/<uuid>"),
        ("job 17 of mail", "job <n> of mail"),
        ("GET https://prices.example.org/v1", "GET <url>"),
    ],
)
def test_the_folders_of_an_operation_tell_it_apart(name: str, template: str) -> None:
    assert fingerprint.operation_template(name) == template


@given(st.uuids())
def test_uuids_take_no_part_in_a_template(value: uuid.UUID) -> None:
    assert fingerprint.template(f"cart {value} is gone") == "cart <uuid> is gone"
    assert fingerprint.template(f"cart {value.hex} is gone") == "cart <uuid> is gone"


@given(st.text(max_size=2000))
def test_a_template_is_bounded_and_repeatable(message: str) -> None:
    template = fingerprint.template(message)
    assert len(template) <= fingerprint.TEMPLATE_CHARS_MAX
    assert template == fingerprint.template(message)


SHIFTED = [
    "python/a_cause_with_a_message_of_two_lines",
    "ruby/a_cause_below_its_effect",
    "php/a_cause_printed_before_its_effect",
    "dotnet/an_inner_exception_whose_frames_come_first",
    "elixir/arguments_in_the_innermost_frame",
    "go/generics_and_inlined_calls",
    "java/suppressed_with_a_cause_of_its_own",
    "javascript/a_cause_shown_by_inspect",
    "rust/an_index_out_of_bounds_with_its_backtrace",
    "dart/an_unhandled_exception_with_notes",
    "swift/a_stack_of_swift_backtrace",
]


@pytest.mark.parametrize("name", SHIFTED)
@given(shift=st.integers(1, 900), root=st.sampled_from(["/app", "/opt/build/7f3a", "/home/ci/w-3"]))
@settings(max_examples=5)
def test_a_moved_and_edited_copy_of_a_program_fails_alike(name: str, shift: int, root: str) -> None:
    """Lines are shifted and the folder is another, in a real stack of each language."""
    path = Path(__file__).parent.parent / "golden" / "stack_traces" / f"{name}.txt"
    text = path.read_text(encoding="utf-8")
    moved = re.sub(
        r"(:|:line |line |\()(\d{1,4})(?=[:)\n, ]|\Z)", lambda m: f"{m[1]}{int(m[2]) + shift}", text
    ).replace("/srv/shop", root)
    assert moved != text
    assert _of_text(moved) == _of_text(text)


def _of_text(text: str) -> str:
    parsed = frames.parse(text)
    assert parsed is not None
    link = parsed.root_cause
    names = [
        name for frame in link.frames if frame.in_app is not False and (name := function_names.of(frame))
    ]
    return of(FailureFacts(link.type, link.message), tuple(names))
