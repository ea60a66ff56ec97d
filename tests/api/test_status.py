import httpx
import pytest
from builders import START, exception, insert, server
from fastapi.testclient import TestClient
from prometheus_client import generate_latest
from rest_client import rest

from api import app, auth, folder, listings, status
from api.folder import Server
from collector.counters import Counters
from collector.intake.door import Door
from schemas.settings import Settings
from schemas.store import Store
from schemas.vocabulary import TokenScope


def counted() -> Counters:
    """Counters of a server that met a bit of everything."""
    counters = Counters()
    counters.received.labels("traces").inc(1200)
    counters.accepted.labels("traces").inc(1190)
    counters.rejected.labels("traces", "trace_id").inc(7)
    counters.rejected.labels("traces", "span_id").inc(3)
    counters.rejected.labels("logs", "not_an_exception").inc(5)
    counters.refused.labels("logs", "overloaded").inc(2)
    counters.stored.labels("spans").inc(1190)
    counters.altered.labels("attribute_dropped").inc(4)
    counters.loader_lag_seconds.set(1.25)
    return counters


def test_figures_are_told_by_signal_and_reason() -> None:
    told = status.of_server(counted().registry.collect())
    assert told["signals"]["traces"] == {
        "received": 1200,
        "accepted": 1190,
        "rejected": {"span_id": 3, "trace_id": 7},
        "requests_refused": {},
    }
    assert told["signals"]["logs"]["rejected"] == {"not_an_exception": 5}
    assert told["signals"]["logs"]["requests_refused"] == {"overloaded": 2}
    assert told["stored"] == {"spans": 1190}
    assert told["values_altered"] == {"attribute_dropped": 4}
    assert told["loader_lag_s"] in (1.2, 1.3)
    assert told["spool_damage"] == {}


def test_a_person_reads_the_same_figures() -> None:
    store = Store.open()
    insert(store, [server(1)], [exception(1)])
    about = {"pid": 7, "api_url": "http://127.0.0.1:8080", "started_at": "2026-03-02T12:00:00.123456Z"}
    job = {"ended_at": "2026-03-02T12:05:00Z", "duration_s": 2.5, "error": "acme/gone: no route"}
    told = status.of_store(store, backlog_bytes=4096) | {
        "server": about | status.of_server(counted().registry.collect()) | {"jobs": {"sync": job}}
    }
    lines = listings.status(told).splitlines()
    assert lines[0].endswith("http://127.0.0.1:8080, process 7, since 2026-03-02T12:00:00Z")
    said = {line.split("  ")[0]: line.split("  ", 1)[1].strip() for line in lines}
    assert said["traces"] == "1,200 received, 1,190 accepted; rejected: 3 span_id, 7 trace_id"
    assert said["backlog"].startswith("4,096 bytes")
    assert said["held"] == "1 spans, 1 exceptions"
    assert said["last correlation"] == "none yet"
    assert said["repositories"].startswith("none: aftermerge repo add")
    assert said["job sync"] == "failed: acme/gone: no route, 2026-03-02T12:05:00Z after 2.5 s"


@pytest.mark.parametrize("path", ["/metrics", "/v1/operations/status"])
def test_both_need_a_token_that_may_read(path: str) -> None:
    port = rest(Store.open())
    assert port.client.get(path).status_code == 401
    assert port.get(path, TokenScope.INGEST).status_code == 403
    # A REST port without a server around it counts nothing.
    assert port.get(path).status_code == 501


def test_metrics_are_prometheus_text() -> None:
    store, settings = Store.open(), Settings()
    secret = Server(1, "http://127.0.0.1:1", 2, 3, "admin.token", "secret")
    built = app.build(
        store,
        settings,
        intake=Door(store, settings),
        login=auth.Login(),
        metrics_text=lambda: generate_latest(counted().registry),
        status_of=lambda: {"server": None},
        prove=secret.prove,
    )
    client: httpx.Client = TestClient(built)
    answer = client.get("/metrics", headers={"Authorization": f"Bearer {token(store)}"})
    assert answer.headers["content-type"] == "text/plain; version=0.0.4; charset=utf-8"
    assert 'aftermerge_otlp_items_rejected_total{reason="trace_id",signal="traces"} 7.0' in answer.text
    proved = client.get("/healthz", headers={folder.CHALLENGE_HEADER: "who are you"})
    assert proved.headers[folder.PROOF_HEADER] == secret.prove("who are you")
    assert folder.PROOF_HEADER not in client.get("/healthz").headers


def token(store: Store) -> str:
    made = auth.create(store, name="prometheus", scope=TokenScope.READ, now=START, actor=auth.LOCAL)
    return made.token
