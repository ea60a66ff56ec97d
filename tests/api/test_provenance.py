"""``/v1/provenance`` and its commands: coverage, statements, imports, audits, former verdicts; with real git."""

import csv
import json
import shutil
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from repository_builder import NAME, RepositoryBuilder
from rest_client import Rest, rest
from server_process import refused, run

from api import provenance
from api.installation import Installation
from correlator.ratios import ASSUMED
from schemas.settings import Settings
from schemas.store import Store
from schemas.vocabulary import TokenScope

CLAUDE = "\n\nCo-Authored-By: Claude <noreply@anthropic.com>\n"
CHANGES = 30


@pytest.fixture(scope="module")
def builder(tmp_path_factory: pytest.TempPathFactory) -> RepositoryBuilder:
    """Thirty changes in two months; every second one is marked, and every fifth comes from a machine."""
    made = RepositoryBuilder(tmp_path_factory.mktemp("work") / "shop")
    for number in range(CHANGES):
        made.commit(
            f"Change {number}" + (CLAUDE if number % 2 else ""),
            {f"shop/f{number}.py": f"value = {number}\n"},
            when=datetime(2026, 1 + number // 15, 3, number % 15, tzinfo=UTC),
            author="ci-bot <ci-bot@example.com>" if number % 10 == 0 else "Ada <ada@example.com>",
        )
    return made


@pytest.fixture(scope="module")
def filled(tmp_path_factory: pytest.TempPathFactory, builder: RepositoryBuilder) -> Path:
    """A data folder as a first correlation leaves it; each test has its own copy."""
    data = tmp_path_factory.mktemp("filled") / "data"
    with Installation.open(Settings(data=data)) as opened:
        opened.add_repository(NAME, str(builder.path))
        opened.sync()
        opened.correlate()
    return data


@pytest.fixture
def installation(tmp_path: Path, filled: Path) -> Any:
    shutil.copytree(filled, tmp_path / "data")
    with Installation.open(Settings(data=tmp_path / "data")) as opened:
        yield opened


@pytest.fixture
def asked(installation: Installation) -> Rest:
    return rest(installation.store, operations=installation)


def sha_of(builder: RepositoryBuilder, number: int) -> str:
    return builder.head(f"HEAD~{CHANGES - 1 - number}")


def told(asked: Rest, sha: str) -> dict[str, Any]:
    found: dict[str, Any] = asked.get(f"/v1/provenance/commits/{sha}").json()
    return found


# --- coverage -----------------------------------------------------------------------------------------


def test_coverage_is_flat_rows_per_repository_and_month(asked: Rest) -> None:
    rows = asked.get("/v1/provenance/coverage").json()["rows"]
    assert {(row["time"], row["repository"]) for row in rows} == {
        ("2026-01-01T00:00:00Z", NAME),
        ("2026-02-01T00:00:00Z", NAME),
    }
    january = {row["figure"]: row for row in rows if row["time"].startswith("2026-01")}
    assert (january["ai_share"]["numerator"], january["ai_share"]["denominator"]) == (7, 13)
    assert (january["automation_share"]["numerator"], january["automation_share"]["denominator"]) == (2, 15)
    assert january["notes_share"]["value"] == 0
    for row in rows:
        assert row["low"] <= row["value"] <= row["high"]
    shares = ("ai_share", "human_share", "assumed_share", "unknown_share")
    assert sum(january[name]["numerator"] for name in shares) == 13
    only = asked.get("/v1/provenance/coverage", params={"since": "2026-02-01T00:00:00Z"}).json()["rows"]
    assert {row["time"] for row in only} == {"2026-02-01T00:00:00Z"}
    text = asked.get("/v1/provenance/coverage", params={"format": "csv"})
    assert len(list(csv.DictReader(text.text.splitlines()))) == len(rows)


def test_markers_say_since_when_and_until_when(asked: Rest, builder: RepositoryBuilder) -> None:
    (marker,) = [m for m in asked.get("/v1/provenance/markers").json()["items"] if m["channel"] == "trailer"]
    assert (marker["kind"], marker["tool"], marker["commit_count"]) == ("co-authored-by", "claude-code", 15)
    assert (marker["first_seen_at"], marker["last_seen_at"]) == (
        "2026-01-03T01:00:00Z",
        "2026-02-03T14:00:00Z",
    )


# --- statements -----------------------------------------------------------------------------------------


def test_a_statement_holds_from_the_next_correlation_and_leaves_a_trail(
    asked: Rest, installation: Installation, builder: RepositoryBuilder
) -> None:
    sha = sha_of(builder, 4)
    body = {"repository": NAME, "sha": sha[:9], "origin": "ai", "tools": ["codex"], "reason": "pair session"}
    made = asked.post("/v1/provenance/statements", TokenScope.ADMIN, json=body)
    assert made.status_code == 201, made.text
    assert told(asked, sha)["origin"] == "unknown"
    installation.correlate()
    after = told(asked, sha)
    assert (after["origin"], after["basis"], after["tools"]) == ("ai", "override", ["codex"])
    assert asked.get(f"/v1/changes/{sha}").json()["origin"] == "ai"
    taken_back = body | {"origin": None, "tools": [], "reason": None}
    assert asked.post("/v1/provenance/statements", TokenScope.ADMIN, json=taken_back).status_code == 201
    installation.correlate()
    last = told(asked, sha)
    assert (last["origin"], len(last["statements"])) == ("unknown", 2)
    trail = installation.store.rows("SELECT action, object, token_id FROM audit WHERE action LIKE 'prov%'")
    assert [row["object"] for row in trail] == [f"{NAME}@{sha} -> ai", f"{NAME}@{sha} -> None"]
    assert {row["token_id"] for row in trail} == {last["statements"][0]["token_id"]}


def test_a_rebuild_keeps_statements(
    asked: Rest, installation: Installation, builder: RepositoryBuilder
) -> None:
    sha = sha_of(builder, 5)
    provenance.state(
        installation.store, repository=NAME, sha=sha, origin="human", now=datetime.now(UTC), actor="local"
    )
    installation.correlate()
    assert installation.rebuilt()["is_same"]
    assert told(asked, sha)["origin"] == "human"


@pytest.mark.parametrize(
    ("change", "status"),
    [
        ({"sha": "f" * 40}, 422),
        ({"origin": "mixed"}, 422),
        ({"origin": "human", "tools": ["codex"]}, 422),
        ({"repository": "acme/other"}, 422),
        ({"reason": "x" * 3000}, 422),
    ],
)
def test_a_statement_that_cannot_be_is_refused(
    asked: Rest, builder: RepositoryBuilder, change: dict[str, Any], status: int
) -> None:
    body = {"repository": NAME, "sha": sha_of(builder, 4), "origin": "ai"} | change
    assert asked.post("/v1/provenance/statements", TokenScope.ADMIN, json=body).status_code == status
    assert asked.get("/v1/provenance/statements", TokenScope.ADMIN).json() == {"items": []}


def test_only_an_admin_states(asked: Rest, builder: RepositoryBuilder) -> None:
    body = {"repository": NAME, "sha": sha_of(builder, 4), "origin": "ai"}
    assert asked.post("/v1/provenance/statements", TokenScope.READ, json=body).status_code == 403
    assert asked.post("/v1/provenance/audits", TokenScope.READ, json={}).status_code == 403
    assert asked.client.get("/v1/provenance/coverage").status_code == 401


# --- imports and former verdicts ------------------------------------------------------------------------


def test_an_imported_record_makes_a_commit_ai(
    asked: Rest, installation: Installation, builder: RepositoryBuilder
) -> None:
    sha = sha_of(builder, 6)
    record = {
        "version": "0.1.0",
        "id": "r-1",
        "timestamp": "2026-01-03T07:00:00Z",
        "vcs": {"type": "git", "revision": sha},
        "tool": {"name": "cursor"},
        "files": [
            {
                "path": "shop/f6.py",
                "conversations": [
                    {"contributor": {"type": "ai"}, "ranges": [{"start_line": 1, "end_line": 1}]}
                ],
            }
        ],
    }
    lines = "\n".join(json.dumps(record | {"id": f"r-{n}"}) for n in range(2))
    assert asked.post("/v1/intake/agent-traces", content=lines).json() == {"accepted": 2, "duplicates": 0}
    assert asked.post("/v1/intake/agent-traces", content=lines).json() == {"accepted": 0, "duplicates": 2}
    installation.correlate()
    assert (told(asked, sha)["basis"], told(asked, sha)["tools"]) == ("attested_lines", ["cursor"])
    assert asked.get(f"/v1/changes/{sha}").json()["ai_share"] == 1.0


def test_a_new_catalogue_keeps_what_the_old_one_said(
    asked: Rest, installation: Installation, builder: RepositoryBuilder
) -> None:
    sha = sha_of(builder, 7)
    store = installation.store
    store.execute(
        "UPDATE commit_provenance SET catalogue_version = '2020.1.1', origin = 'unknown', tools = [] "
        "WHERE sha = $sha",
        sha=sha,
    )
    installation.correlated()
    found = told(asked, sha)
    assert (found["origin"], found["tools"]) == ("ai", ["claude-code"])
    assert [(f["catalogue_version"], f["origin"]) for f in found["former"]] == [("2020.1.1", "unknown")]
    assert found["former"][0]["evidence"][0]["kind"] == "co-authored-by"
    installation.rebuilt()
    installation.correlated()
    assert store.value("SELECT count(*) FROM former_provenance") == 1


def test_an_answer_for_the_past_puts_nothing_into_the_ledger(installation: Installation) -> None:
    store = installation.store
    store.execute("UPDATE commit_provenance SET catalogue_version = '2020.1.1'")
    installation.correlated(as_of=datetime(2026, 1, 20, tzinfo=UTC))
    assert store.value("SELECT count(*) FROM former_provenance") == 0


# --- audits -----------------------------------------------------------------------------------------------


def answered(store: Store, items: list[dict[str, Any]]) -> list[dict[str, str]]:
    """Labels as a person would give them: the subject tells; every fourth unmarked change was AI's after all."""
    marked = {r["sha"] for r in store.rows("SELECT sha FROM changes WHERE origin = 'ai'")}
    rest_ = [item for item in items if item["sha"] not in marked]
    missed = {item["sha"] for item in rest_[::4]}
    return [
        {
            "repository": item["repository"],
            "sha": item["sha"],
            "label": "ai" if item["sha"] in marked | missed else "other",
        }
        for item in items
    ]


def assumed(asked: Rest) -> dict[str, Any]:
    window = {"from": "2026-01-01T00:00:00Z", "to": "2026-03-01T00:00:00Z"}
    answer = asked.get("/v1/metrics/query", params={"metric": "failure_ratio", **window})
    assert answer.status_code == 200, answer.text
    found: dict[str, Any] = answer.json()["meta"]["assumed"]
    return found


def test_an_audit_is_drawn_labelled_and_used_by_the_rates(asked: Rest, installation: Installation) -> None:
    assert assumed(asked)["basis"] == "assumed"
    drawn = asked.post("/v1/provenance/audits", TokenScope.ADMIN, json={"sample": 200, "seed": 1})
    assert drawn.status_code == 201, drawn.text
    audit = drawn.json()
    # The first marked change is the second; what a machine did is left out.
    assert len(audit["items"]) == CHANGES - 3
    assert "origin" not in audit["items"][0]
    assert "stratum" not in audit["items"][0]
    at = f"/v1/provenance/audits/{audit['audit_id']}"
    labels = answered(installation.store, audit["items"])
    half = asked.client.put(
        f"{at}/labels", json={"labels": labels[:5]}, headers=asked.headers(TokenScope.ADMIN)
    ).json()
    assert (half["figures"]["labelled"], half["figures"]["is_used"]) == (5, False)
    assert assumed(asked)["basis"] == "assumed"
    done = asked.client.put(
        f"{at}/labels", json={"labels": labels}, headers=asked.headers(TokenScope.ADMIN)
    ).json()
    figures = done["figures"]
    assert (figures["labelled"], figures["marked_labelled"], figures["is_used"]) == (27, 15, True)
    assert figures["sensitivity"]["value"] == round(15 / 18, 6)
    assert figures["sensitivity"]["low"] < figures["sensitivity"]["value"] < figures["sensitivity"]["high"]
    assert figures["specificity"]["value"] == 1.0
    used = assumed(asked)
    assert used["basis"] == "audit"
    assert abs(used["sensitivity"] - 15 / 18) < 0.03
    assert asked.get(at).json()["figures"] == figures
    (listed,) = asked.get("/v1/provenance/audits").json()["items"]
    assert (listed["audit_id"], listed["drawn"], listed["labelled"]) == (audit["audit_id"], 27, 27)


@pytest.mark.parametrize("label", [{"sha": "f" * 40}, {"label": "maybe"}, {"repository": "acme/other"}])
def test_a_wrong_label_is_refused_and_none_is_taken(asked: Rest, label: dict[str, str]) -> None:
    audit = asked.post("/v1/provenance/audits", TokenScope.ADMIN, json={"sample": 5}).json()
    good = [{"repository": i["repository"], "sha": i["sha"], "label": "other"} for i in audit["items"]]
    answer = asked.client.put(
        f"/v1/provenance/audits/{audit['audit_id']}/labels",
        json={"labels": [good[0], good[1] | label]},
        headers=asked.headers(TokenScope.ADMIN),
    )
    assert answer.status_code == 422
    assert asked.get(f"/v1/provenance/audits/{audit['audit_id']}").json()["figures"]["labelled"] == 0


def test_without_an_audit_the_rates_assume() -> None:
    assert provenance.tag_errors(Store.open()) is ASSUMED


# --- the command line -------------------------------------------------------------------------------------


@pytest.fixture
def folder(command_line: None, installation: Installation) -> Path:
    """A data folder that no process has open."""
    installation.close()
    return installation.settings.data


def test_an_audit_by_file(capsys: pytest.CaptureFixture[str], tmp_path: Path, folder: Path) -> None:
    at = ("--data", str(folder))
    sheet = tmp_path / "sample.csv"
    said = run(capsys, "audit", "provenance", "--sample", "200", "--seed", "1", "--to", str(sheet), *at)
    assert "27 changes in" in said
    rows = list(csv.DictReader(sheet.open(encoding="utf-8", newline="")))
    with Installation.open(Settings(data=folder)) as opened:
        labels = {row["sha"]: row["label"] for row in answered(opened.store, rows)}
    for row in rows:
        row["label"] = labels[row["sha"]]
    rows[0]["label"] = "perhaps"
    with sheet.open("w", encoding="utf-8", newline="") as opened_sheet:
        writer = csv.DictWriter(opened_sheet, rows[0].keys())
        writer.writeheader()
        writer.writerows(rows)
    told_off = refused(capsys, "audit", "provenance", "--labels", str(sheet), *at)
    assert f"{sheet} line 2: no label: 'perhaps'" in told_off
    audit_id = rows[0]["audit_id"]
    found = json.loads(run(capsys, "audit", "provenance", "--audit", audit_id, "--json", *at))
    assert (found["figures"]["labelled"], found["figures"]["is_used"]) == (26, True)
    assert "the rates use it" in run(capsys, "audit", "provenance", "--audit", audit_id, *at)


def test_an_audit_on_a_terminal(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, folder: Path
) -> None:
    answers = iter(["a", "nonsense", "o", "u", "q"])
    monkeypatch.setattr("builtins.input", lambda _: next(answers))
    monkeypatch.setattr("sys.stdin.isatty", lambda: True, raising=False)
    said = run(capsys, "audit", "provenance", "--sample", "8", "--seed", "2", "--data", str(folder))
    assert "1 of 8: acme/shop@" in said
    assert "2 of 8 labelled, 1 unsure" in said


def test_coverage_statements_and_imports_by_command(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, folder: Path, builder: RepositoryBuilder
) -> None:
    at = ("--data", str(folder))
    assert "2026-01  15" in run(capsys, "provenance", "coverage", *at)
    sha = sha_of(builder, 4)
    assert "stated as human" in run(
        capsys, "provenance", "state", NAME, sha[:10], "human", "--reason", "by hand", *at
    )
    assert "taken back" in run(capsys, "provenance", "state", NAME, sha[:10], "none", *at)
    rows = json.loads(run(capsys, "provenance", "statements", "--json", *at))
    assert [(row["origin"], row["token_id"]) for row in rows] == [(None, "local"), ("human", "local")]
    assert "no commit that begins with" in refused(
        capsys, "provenance", "state", NAME, "f" * 40, "human", *at
    )
    record = {
        "version": "0.1.0",
        "id": "r-1",
        "vcs": {"type": "git", "revision": sha},
        "files": [
            {
                "path": "shop/f4.py",
                "conversations": [
                    {"contributor": {"type": "ai"}, "ranges": [{"start_line": 1, "end_line": 1}]}
                ],
            }
        ],
    }
    file = tmp_path / "traces.jsonl"
    file.write_text(json.dumps(record) + "\n{}\nnot json\n")
    told_off = refused(capsys, "provenance", "import", str(file), *at)
    assert f"{file} line 2: version: Field required" in told_off
    assert f"{file} line 3: not JSON" in told_off
    with Installation.open(Settings(data=folder)) as opened:
        assert opened.store.value("SELECT count(*) FROM attested_lines") == 1
