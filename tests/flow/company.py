"""A company small enough to follow by eye: one service, six changes, three deployments, one defect that Claude wrote."""

import traceback
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from builders import Row, exception, insert, resource_id, server, span
from repository_builder import RepositoryBuilder

from api.installation import Installation
from schemas import tables
from schemas.settings import Settings
from schemas.vocabulary import SpanKind

NAME = "acme/shop"
PATH = "services/checkout/app.py"
CLAUDE = "Co-Authored-By: Claude <noreply@anthropic.com>"

BASE = '''"""Checkout."""


def price(order):
    total = 0
    for item in order["items"]:
        total += item["price"] * item["count"]
    return total


def handle(order):
    return {"total": price(order)}
'''
COUPONS = BASE.replace(
    "    return total\n",
    '    total -= order["coupon"]["value"]\n    return total\n',
)
FIXED = COUPONS.replace(
    '    total -= order["coupon"]["value"]\n', '    total -= (order.get("coupon") or {"value": 0})["value"]\n'
)


@dataclass
class Company:
    """What was built, with the truth."""

    installation: Installation
    shas: dict[str, str]
    times: dict[str, datetime]

    def at(self, name: str, hours: float) -> datetime:
        return self.times[name] + timedelta(hours=hours)


def raised(source: str, order: dict[str, Any]) -> Row:
    """Type, message and stack of what ``source`` raises for ``order``, as an SDK in a container would send it."""
    space: dict[str, Any] = {}
    exec(compile(source, f"/app/{PATH}", "exec"), space)  # noqa: S102
    try:
        space["handle"](order)
    except Exception as error:
        stack = "".join(traceback.format_exception(error))
        return {"type_": type(error).__name__, "message": str(error), "stacktrace": stack}
    raise AssertionError("nothing was raised")


def build(tmp_path: Path, *, marked: bool = True, port_down: bool = True) -> Company:
    """History, deployments, telemetry and incidents as facts; nothing is correlated yet."""
    repository = RepositoryBuilder(tmp_path / "shop")
    shas, times = {}, {}

    def commit(name: str, message: str, files: dict[str, str | bytes | None], *, days: float = 2) -> None:
        shas[name] = repository.commit(message, files, when=repository.now + timedelta(days=days))
        times[name] = repository.now

    commit("base", "Start the shop", {PATH: BASE, "README.md": "# Shop\n"})
    commit("first", "Describe the shop", {"README.md": "# Shop\n\nSells.\n"})
    commit("coupons", "Take coupons" + (f"\n\n{CLAUDE}" if marked else ""), {PATH: COUPONS})
    commit("config", "Listen on 8081", {"services/checkout/settings.toml": "port = 8081\n"}, days=0.1)
    commit("docs", "Say how coupons work", {"docs/coupons.md": "Coupons.\n"}, days=0.1)
    fix = f"Fix orders without coupons\n\nFixes: {shas['coupons'][:12]}"
    commit("fix", fix, {PATH: FIXED}, days=1)

    settings = Settings(data=tmp_path / "data", sampling_ratio=1.0)
    installation = Installation.open(settings)
    installation.add_repository(NAME, str(repository.path))
    installation.sync(NAME)
    installation.map_service("checkout", NAME, "services/checkout")
    company = Company(installation, shas, times)
    _deploy(company)
    _run(company, port_down=port_down)
    _alert(company)
    return company


def _deploy(company: Company) -> None:
    rows = [
        {
            "deployment_id": f"deploy-{name}",
            "service": "checkout",
            "environment": "production",
            "revision": company.shas[name],
            "repository": NAME,
            "started_at": company.at(name, 1),
            "finished_at": company.at(name, 1.1),
            "type": "deploy",
            "status": "succeeded",
            "received_at": company.at(name, 1.2),
        }
        for name in ("first", "docs", "fix")
    ]
    company.installation.store.append_rows(tables.DEPLOYMENTS, rows)


def _run(company: Company, *, port_down: bool) -> None:
    """Traffic of each revision: after coupons every third order fails; for an hour the bank cannot be reached."""
    spans: list[Row] = []
    exceptions: list[Row] = []
    number = 0

    def request(revision: str, hours: float, **overrides: Any) -> int:
        nonlocal number
        number += 1
        started = company.at(revision, hours)
        common = {
            "trace": number,
            "start_time": started,
            "received_at": started,
            "revision": company.shas[revision],
            "resource_id": resource_id("checkout"),
        }
        spans.append(server(1, **{**common, "name": "POST /orders", "http_route": "/orders", **overrides}))
        return number

    broken = raised(COUPONS, {"items": [{"price": 3, "count": 2}]})
    for name, total in (("first", 60), ("docs", 60), ("fix", 60)):
        for n in range(total):
            hours = 1.2 + n * 0.25
            is_broken = name == "docs" and n % 3 == 0
            trace = request(name, hours, is_error=is_broken)
            if is_broken:
                when = company.at(name, hours)
                exceptions.append(exception(1, trace=trace, **broken, time=when, received_at=when))
    for n in range(12 if port_down else 0):
        hours = 6.3 + n * 0.05
        trace = request("first", hours, is_error=True, name="POST /payments", http_route="/payments")
        when = company.at("first", hours)
        spans.append(
            span(
                2,
                trace=trace,
                parent=1,
                kind=SpanKind.CLIENT,
                name="POST",
                is_error=True,
                start_time=when,
                received_at=when,
                revision=company.shas["first"],
                server_address="bank.example",
                error_type="ConnectionRefusedError",
            )
        )
        exceptions.append(
            exception(
                2,
                trace=trace,
                type_="ConnectionRefusedError",
                message="[Errno 111] Connection refused",
                time=when,
                received_at=when,
            )
        )
    for n in range(40 if port_down else 0):
        request("first", 8 + n * 0.25, name="POST /payments", http_route="/payments")
    insert(company.installation.store, spans, exceptions)


def incident(external_id: str, title: str, opened_at: datetime, resolved_at: datetime) -> list[Row]:
    """The two events of one incident of checkout."""
    common = {
        "source": "generic",
        "external_id": external_id,
        "title": title,
        "service": "checkout",
        "environment": "production",
        "severity": "critical",
        "opened_at": opened_at,
    }
    return [
        {**common, "event": "opened", "occurred_at": opened_at, "received_at": opened_at},
        {
            **common,
            "event": "resolved",
            "occurred_at": resolved_at,
            "resolved_at": resolved_at,
            "received_at": resolved_at,
        },
    ]


def _alert(company: Company) -> None:
    at = company.at
    rows = [
        *incident("INC-1", "Orders fail at checkout", at("docs", 2), at("docs", 20)),
        *incident("INC-2", "Many 500 on POST /orders", at("docs", 2.5), at("docs", 20)),
        *incident("INC-3", "Payments cannot reach the bank", at("first", 6.5), at("first", 7.5)),
        *incident("INC-4", "Error rate alert", at("fix", 3), at("fix", 3.2)),
    ]
    company.installation.store.append_rows(tables.INCIDENT_EVENTS, rows)
