"""A small company in a store of its own, written as the correlator writes it, and rows of metric answers by hand."""

import hashlib
import json
import random
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

from schemas import tables
from schemas.store import Store

END = datetime(2026, 11, 16, tzinfo=UTC)
"""Monday after 2026-W46: the company's history ends here."""
WEEK = "2026-W46"
REPOSITORY = "acme/shop"
SERVICES = ("checkout", "payments", "search")
SUBJECTS = (
    "Rework cart totals for removed items",
    "Cache price lists per region",
    "Retry the payment provider on timeouts",
    "Show delivery dates at checkout",
    "Move search filters to the index",
    "Store addresses once per customer",
    "Round VAT per line",
)
FAILURES = (
    ("AttributeError: 'NoneType' object has no attribute 'price'", "logic_unhandled"),
    ("ConnectTimeout: provider did not answer", "integration"),
    ("IntegrityError: duplicate key value", "data_integrity"),
    ("KeyError: 'FEATURE_TOTALS'", "configuration_deploy"),
)


def sha(text: str) -> str:
    """A full sha, the same for the same text."""
    return hashlib.sha1(text.encode(), usedforsecurity=False).hexdigest()


def company(changes: int = 60, *, seed: int = 7, ratio: float = 1.7, base: float = 0.06) -> Store:
    """A store of ``changes`` landed over the 13 weeks before :data:`END`; every fourth failure is an incident.

    About 45 % are AI-marked and fail ``ratio`` times as often as the others' ``base``. The first failure is always
    an incident with a whole chain (:func:`first_incident`), and so is one failure of the last week, :data:`WEEK`.
    """
    store = Store.open()
    made = _Company(store, random.Random(seed))
    for index in range(changes):
        made.change(index, changes, ratio, base)
    made.write()
    return store


def first_incident(store: Store) -> str:
    """The id of the incident that carries trace, frames, blamed line, excerpt and provenance."""
    return str(store.value("SELECT incident_id FROM incident_states ORDER BY opened_at, incident_id LIMIT 1"))


def last_incident(store: Store) -> str:
    """The id of the incident of :data:`WEEK`."""
    return str(
        store.value("SELECT incident_id FROM incident_states ORDER BY opened_at DESC, incident_id LIMIT 1")
    )


class _Company:
    def __init__(self, store: Store, chance: random.Random) -> None:
        self.store, self.chance = store, chance
        self.rows: dict[str, list[dict[str, Any]]] = {}
        self.shas: list[str] = []
        self.incidents = 0
        self.late = False
        self.failures = 0

    def add(self, table: tables.Table, **row: Any) -> None:
        self.rows.setdefault(table.name, []).append(row)

    def change(self, index: int, total: int, ratio: float, base: float) -> None:
        draw = self.chance
        landed = END - timedelta(days=91) + timedelta(days=91 * index / total)
        deployed = landed + timedelta(hours=draw.randrange(1, 30))
        name = sha(f"change {index}")
        origin = draw.choices(("ai", "mixed", "human", "automation", "unknown"), (38, 7, 8, 9, 38))[0]
        marked = origin in ("ai", "mixed")
        tool = ["claude-code" if index % 3 else "copilot"] if marked else []
        lines = draw.choice((8, 30, 90, 260))
        service = SERVICES[index % len(SERVICES)]
        subject = SUBJECTS[index % len(SUBJECTS)]
        kind = "fix" if index % 9 == 5 else "dependency" if origin == "automation" else "feature"
        self.shas.append(name)
        self.add(
            tables.CHANGES,
            repository=REPOSITORY, sha=name, position=index, landed_at=landed, subject=subject, number=100 + index,
            merge_method="squash", kind=kind, kind_rule="default", is_code=True, commits=[name], origin=origin,
            ai_share={"ai": 0.9, "mixed": 0.3, "human": 0.0}.get(origin), tools=tool,
            suggesting_tools=[], conflict=False,
            confidence="A" if marked else None, origin_basis="declared" if origin != "unknown" else "none",
            lines_added=lines, lines_deleted=lines // 3, files_changed=1 + index % 4,
            size_band="small" if lines < 15 else "medium" if lines < 150 else "large",
            reverts=[], fixes=[], closes=[],
        )  # fmt: skip
        self.add(
            tables.COMMITS,
            repository=REPOSITORY, sha=name, parents=[], author_name="", author_email="", committer_name="",
            committer_email="", authored_at=landed, committed_at=landed, message=f"{subject} (#{100 + index})\n",
        )  # fmt: skip
        evidence = [
            {
                "channel": "trailer", "kind": "co_authored_by", "tool": tool[0], "model": None, "role": "coauthor",
                "confidence": "A", "matched_text": f"Co-Authored-By: {tool[0]} <noreply@example.com>", "origin": "ai",
            }
        ] if marked else []  # fmt: skip
        self.add(
            tables.COMMIT_PROVENANCE,
            repository=REPOSITORY, sha=name, origin="ai" if marked else origin, role="coauthor" if marked else "none",
            tools=tool, models=[], confidence="A" if marked else None, basis="declared" if marked else "none",
            conflict=False, evidence=json.dumps(evidence), ai_lines="[]", catalogue_version="2026.11",
        )  # fmt: skip
        self.add(
            tables.CHANGE_DEPLOYMENTS,
            repository=REPOSITORY, sha=name, service=service, environment="production", deployed_at=deployed,
            deployment_sha=name, has_traces=True, has_revision=index % 10 != 0,
        )  # fmt: skip
        observed = (END - landed).total_seconds() / 86400
        reworked = int(lines * draw.choice((0, 0, 0.05, 0.1, 0.4)))
        self.add(
            tables.CHANGE_REWORK,
            repository=REPOSITORY, sha=name, observed_days=observed, lines_added=lines, lines_added_test=0,
            lines_reworked_14d=reworked // 2, lines_reworked_14d_test=0, lines_reworked_21d_test=0,
            lines_reworked_30d_test=0,
            lines_reworked_21d=reworked, lines_reworked_30d=reworked, lines_reworked_30d_same_author=0,
            lines_fixed_30d=reworked // 4, lines_alive_7d=lines, lines_alive_30d=lines - reworked,
            lines_alive_90d=lines - reworked, reverted_by=None, reverted_at=None,
        )  # fmt: skip
        failed_at = deployed + timedelta(hours=draw.randrange(1, 200))
        fails = draw.random() < base * (ratio if marked else 1.0)
        # One AI-marked change of the last week always leads to an incident in it.
        is_late = marked and index >= 0.93 * total and not self.late
        if is_late:
            self.late, failed_at = True, deployed + timedelta(hours=20)
            self.failure(index, name, service, failed_at, is_incident=True)
            return
        if (fails or (marked and not self.failures)) and failed_at < END and index:
            self.failure(index, name, service, failed_at)

    def failure(
        self, index: int, name: str, service: str, failed_at: datetime, *, is_incident: bool = False
    ) -> None:
        draw = self.chance
        title, category = FAILURES[self.failures % len(FAILURES)]
        group = sha(f"group {index}")[:16]
        trace, span = sha(f"trace {index}")[:32], sha(f"span {index}")[:16]
        other = self.shas[index - 1]
        weight = draw.choice((0.9, 0.81, 0.62, 0.45))
        self.failures += 1
        self.add(
            tables.FAILURE_GROUPS,
            group_id=group, fingerprint=group, fingerprint_version="1", fingerprint_parts="{}", service=service,
            environment="production", operation="POST /cart/{id}/total", title=title,
            exception_type=title.partition(":")[0], message_template=title.partition(": ")[2], category=category,
            categories="[]", first_seen_at=failed_at, last_seen_at=failed_at, failing_trace_count=3,
            sample_trace_id=trace, sample_span_id=span, repository=REPOSITORY, onset_sha=name, previous_sha=other,
            is_partial=False, callers=["storefront"],
        )  # fmt: skip
        frames = (
            ("/srv/app/cart.py", "total_of", 42, "services/checkout/app/cart.py", name),
            ("/srv/app/views.py", "show_total", 118, "services/checkout/app/views.py", other),
            ("/usr/lib/python3/site-packages/flask/app.py", "dispatch_request", 865, None, None),
        )
        for place, (file, function, line, path, blamed) in enumerate(frames):
            self.add(
                tables.GROUP_FRAMES,
                group_id=group, position=place, file=file, function=function, line=line, in_app=path is not None,
                path=path, mapping="suffix" if path else None, blamed_sha=blamed, blamed_change=blamed,
            )  # fmt: skip
        self.add(
            tables.GIT_ANSWERS,
            repository=REPOSITORY, sha=name, question=json.dumps(["excerpt", "services/checkout/app/cart.py", 42, 3]),
            answer=json.dumps(
                [[41, "    for item in cart.items:"], [42, "        total += prices.get(item.sku).price"], [43, "    return total"]]
            ),
        )  # fmt: skip
        pieces = [
            {"kind": "blamed_line", "log_lr": 3.4, "detail": "wrote services/checkout/app/cart.py:42, the innermost frame of the repository", "facts": {"line": 42}},
            {"kind": "change_point", "log_lr": 1.2, "detail": "began after 4 requests since its deployment", "facts": {}},
            {"kind": "served_well", "log_lr": -0.3, "detail": "12 requests were served well since its deployment", "facts": {}},
        ]  # fmt: skip
        weaker = [
            {
                "kind": "changed_file",
                "log_lr": 0.6,
                "detail": "changes services/checkout/app/views.py",
                "facts": {},
            }
        ]
        none = [
            {
                "kind": "ended_without_deployment",
                "log_lr": 0.4,
                "detail": "long after the last deployment",
                "facts": {},
            }
        ]
        left = round(1 - weight, 6)
        shares = [
            ("change", name, weight, pieces),
            ("change", other, round(left * 0.4, 6), weaker),
            ("no_change", None, round(left * 0.35, 6), none),
        ]
        shares.append(("unattributed", None, round(1 - sum(s[2] for s in shares), 6), []))
        is_incident = is_incident or self.failures % 4 == 1
        incident = f"generic:INC-{self.incidents + 1}"
        for rank, (candidate, who, part, why) in enumerate(shares, 1):
            common = {
                "rank": rank, "candidate": candidate, "repository": REPOSITORY if who else None, "sha": who, "weight": part,
            }  # fmt: skip
            self.add(
                tables.GROUP_SUSPECTS,
                group_id=group,
                evidence=json.dumps(why),
                algorithm_version="2026.11.1",
                **common,
            )
            outcome = {"occurred_at": failed_at, "service": service, "category": category}
            self.add(
                tables.CHANGE_OUTCOMES,
                kind="failure_group",
                outcome_id=group,
                severity=None,
                **outcome,
                **common,
            )
            if is_incident:
                self.add(
                    tables.CHANGE_OUTCOMES,
                    kind="incident",
                    outcome_id=incident,
                    severity="high",
                    **outcome,
                    **common,
                )
                self.add(
                    tables.INCIDENT_ATTRIBUTIONS,
                    incident_id=incident, group_id=group, evidence=json.dumps(why), algorithm_version="2026.11.1", **common,
                )  # fmt: skip
        if is_incident:
            self.incidents += 1
            self.add(
                tables.INCIDENT_STATES,
                incident_id=incident, source="generic", external_id=incident.removeprefix("generic:"),
                title=f"{service.capitalize()} fails: {title.partition(':')[0]}", service=service, environment="production",
                severity="high", opened_at=failed_at + timedelta(minutes=9), resolved_at=failed_at + timedelta(hours=3),
                status="resolved", duplicate_of=None, is_false_alarm=False, category=category,
                category_reason="exception of the repository's own code", detection_delay_s=540.0,
                url=f"https://pager.example/{incident}", labels="{}",
            )  # fmt: skip
            self.add(
                tables.INCIDENT_LINKS,
                incident_id=incident, group_id=group, weight=0.92,
                evidence=json.dumps([{"kind": "trace", "detail": "the incident names a trace of this group"}]),
            )  # fmt: skip

    def write(self) -> None:
        self.add(
            tables.REPOSITORIES,
            repository=REPOSITORY, source="/srv/git/shop", url=None, default_branch="main", head_sha=self.shas[-1],
            notes_sha=None, assume_unmarked=None, assume_unmarked_from=None, added_at=END, synced_at=END,
        )  # fmt: skip
        for service in SERVICES:
            self.add(
                tables.SERVICE_REPOSITORIES,
                service=service, repository=REPOSITORY, path=f"services/{service}", basis="telemetry",
            )  # fmt: skip
            for day in range(0, 91, 3):
                failed = day % 30 == 0
                self.add(
                    tables.DEPLOYMENT_OUTCOMES,
                    service=service, environment="production", deployed_at=END - timedelta(days=90 - day, hours=3),
                    deployment_id=None, sha=self.shas[0], is_rollback=False, is_failed=failed, is_unplanned=failed,
                    recovered_at=END - timedelta(days=90 - day, hours=1) if failed else None, change_count=2,
                    lead_time_s=3600.0 * (1 + day % 5),
                )  # fmt: skip
        self.add(
            tables.CORRELATION_RUNS,
            as_of=END, facts_digest="facts", rules='{"catalogue": "2026.11", "weights": "2026.11.1"}',
            inferences_digest=sha(",".join(self.shas)),
        )  # fmt: skip
        named = {table.name: table for table in tables.ALL}
        for name, rows in self.rows.items():
            self.store.append_rows(named[name], rows)


def row(**given: Any) -> dict[str, Any]:
    """One flat row of a metric answer."""
    made: dict[str, Any] = {
        "time": None, "value": 0.05, "low": 0.03, "high": 0.08, "numerator": 20.0, "denominator": 400.0, "n": 400,
        "status": "ok", "suppressed": None, "needed": 0,
    }  # fmt: skip
    return made | given


def withheld(**given: Any) -> dict[str, Any]:
    """A row whose point is withheld: 23 changes where 30 are needed."""
    return row(
        value=None, status="insufficient", suppressed="small_n", n=23, denominator=23.0, numerator=2.0, low=0.01,
        high=0.28, needed=7,
    ) | given  # fmt: skip


def meta(**given: Any) -> Mapping[str, Any]:
    """The parts of an answer's ``meta`` that blocks read."""
    return {"level": 0.95, "window": {"followup_days": 14}} | given
