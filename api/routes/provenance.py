"""``/v1/provenance``: how much is declared, what is said of one commit, what people state, audits of the tags."""

from datetime import UTC, datetime
from typing import Annotated, Any

from fastapi import APIRouter, Path, Query, Request, Response

from api import problems, provenance
from api.flat_rows import as_csv
from api.problems import UnknownName
from api.routes.bounds import Since, Until
from api.routes.parts import Admin, Reader, StoreDep
from schemas.provenance_responses import (
    Audit,
    AuditDraw,
    Audits,
    CommitProvenance,
    Coverage,
    LabelStatements,
    Markers,
    ProvenanceStatement,
    StatedProvenance,
    StatedProvenances,
)

router = APIRouter(prefix="/v1/provenance", tags=["provenance"], responses=problems.RESPONSES)

Repository = Annotated[str | None, Query(max_length=200, description="owner/name")]
AuditId = Annotated[str, Path(pattern="^[0-9a-f]{8}$")]
_CSV: dict[int | str, dict[str, Any]] = {200: {"content": {"text/csv": {}}}}


@router.get("/coverage", response_model=Coverage, responses=_CSV)
def read_coverage(
    store: StoreDep,
    _: Reader,
    repository: Repository = None,
    since: Since = None,
    until: Until = None,
    format_: Annotated[str, Query(alias="format", pattern="^(json|csv)$")] = "json",
) -> Any:
    """Shares of declared, AI, human, assumed, unknown and automated commits, per repository and month of landing."""
    rows = provenance.coverage(store, repository=repository, since=since, until=until)
    if format_ == "csv":
        return Response(as_csv(rows), media_type="text/csv; charset=utf-8; header=present")
    return {"rows": rows}


@router.get("/markers", response_model=Markers)
def list_markers(store: StoreDep, _: Reader, repository: Repository = None) -> Any:
    """Which marks each repository carries, since when and until when."""
    return {"items": provenance.markers(store, repository)}


@router.get("/commits/{sha}", response_model=CommitProvenance)
def read_commit(
    store: StoreDep,
    _: Reader,
    sha: Annotated[str, Path(pattern="^[0-9a-fA-F]{4,64}$", description="full sha, or a unique start of it")],
    repository: Repository = None,
) -> Any:
    """One commit: verdict, evidence, statements of people, verdicts of earlier rules."""
    found = provenance.commit(store, sha, repository)
    if found is None:
        raise UnknownName(f"no commit begins with {sha}")
    return found


@router.get("/statements", response_model=StatedProvenances)
def list_statements(store: StoreDep, _: Admin, repository: Repository = None) -> Any:
    """What people stated, newest first; those taken back included."""
    return {"items": provenance.statements(store, repository)}


@router.post("/statements", response_model=StatedProvenance, status_code=201)
def state(request: Request, store: StoreDep, asker: Admin, stated: ProvenanceStatement) -> Any:
    """State who wrote a commit or, of a merge, its change. It holds from the next correlation on."""
    return provenance.state(
        store,
        **stated.model_dump(),
        now=datetime.now(UTC),
        actor=asker.token_id,
        request_id=request.state.request_id,
    )


@router.get("/audits", response_model=Audits)
def list_audits(store: StoreDep, _: Reader) -> Any:
    """Audits of the tags, newest first."""
    return {"items": provenance.list_audits(store)}


@router.post("/audits", response_model=Audit, status_code=201)
def draw_audit(request: Request, store: StoreDep, asker: Admin, draw: AuditDraw = AuditDraw()) -> Any:
    """Draw a stratified sample of changes for people to label."""
    return provenance.draw_audit(
        store,
        sample=draw.sample,
        seed=draw.seed,
        since=draw.since,
        now=datetime.now(UTC),
        actor=asker.token_id,
        request_id=request.state.request_id,
    )


@router.get("/audits/{audit_id}", response_model=Audit)
def read_audit(store: StoreDep, _: Reader, audit_id: AuditId) -> Any:
    """One audit: the drawn changes, their labels, and sensitivity and specificity of the tags with intervals."""
    return provenance.audit(store, audit_id)


@router.put("/audits/{audit_id}/labels", response_model=Audit)
def label(request: Request, store: StoreDep, asker: Admin, audit_id: AuditId, stated: LabelStatements) -> Any:
    """Label drawn changes. The rates use an audit once enough of it is labelled."""
    return provenance.label(
        store,
        audit_id,
        [item.model_dump(mode="json") for item in stated.labels],
        now=datetime.now(UTC),
        actor=asker.token_id,
        request_id=request.state.request_id,
    )
