"""What Aftermerge answered of a world, beside the truth and beside what simpler methods name."""

import json
import subprocess
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from worlds.causes import Cause
from worlds.history import Change
from worlds.world import Answers


@dataclass(slots=True)
class Case:
    """One failure group or incident with its truth. ``truth``: sha, '' for no change, None for what cannot be said.

    ``peers``: what other methods name, sha or None.
    """

    seed: int
    noun: str
    id: str
    title: str
    mechanism: str
    truth: str | None
    flag: str
    suspects: list[dict[str, Any]]
    peers: dict[str, str | None]
    facts: dict[str, Any]
    weighed: dict[str, Any]
    """Of a group, what went into its weights (``weighing.watched``)."""
    changes: dict[str, dict[str, Any]] = field(default_factory=dict)
    """Of each change that the truth or a suspect names: who made it, its kind and size. No input of anything."""

    def is_right(self) -> bool:
        """True when the heaviest is the culprit; of a flag that was turned, no change of code or the flag itself."""
        return self.top() == self.truth or (bool(self.flag) and self.top() == "flag")

    def top(self) -> str:
        """Sha of the heaviest change, '' when no change is heavier than each, '?' when unattributed is."""
        first = self.suspects[0] if self.suspects else {"candidate": "unattributed"}
        kinds = {"change": first.get("sha") or "", "no_change": "", "unattributed": "?"}
        return str(kinds.get(first["candidate"], first["candidate"]))

    def named(self, count: int) -> list[str]:
        """The heaviest ``count`` of changes and no change."""
        listed = [s for s in self.suspects if s["candidate"] != "unattributed"]
        return [s["sha"] or "" for s in listed[:count]]


def cases(answers: Answers) -> list[Case]:
    """Every group and incident whose truth is known."""
    store = answers.installation.store
    suspects: dict[str, list[dict[str, Any]]] = {}
    for row in store.rows("SELECT * FROM group_suspects ORDER BY group_id, rank"):
        suspects.setdefault(row["group_id"], []).append(_suspect(row))
    attributed: dict[str, list[dict[str, Any]]] = {}
    for row in store.rows("SELECT * FROM incident_attributions ORDER BY incident_id, rank"):
        attributed.setdefault(row["incident_id"], []).append(_suspect(row))
    groups = store.rows("SELECT * FROM failure_groups ORDER BY group_id")
    frames: dict[str, list[dict[str, Any]]] = {}
    for row in store.rows("SELECT * FROM group_frames ORDER BY group_id, position"):
        frames.setdefault(row["group_id"], []).append(row)
    peers = Peers(answers)
    links: dict[str, list[dict[str, Any]]] = {}
    for row in store.rows("SELECT * FROM incident_links ORDER BY incident_id, weight DESC"):
        links.setdefault(row["incident_id"], []).append(row)
    by_id = {g["group_id"]: g for g in groups}
    found: list[Case] = []
    for group in groups:
        cause = cause_of_group(answers, group)
        if cause is None:
            continue
        told = {
            k: group[k]
            for k in (
                "service",
                "operation",
                "detector",
                "exception_type",
                "category",
                "onset_sha",
                "failing_trace_count",
            )
        }
        found.append(
            _case(
                answers,
                "group",
                group["group_id"],
                group["title"],
                cause,
                suspects.get(group["group_id"], []),
                peers.of(group, frames.get(group["group_id"], [])),
                {**told, "frames": len([f for f in frames.get(group["group_id"], []) if f["path"]])},
            )
        )
    states = {s["external_id"]: s for s in store.rows("SELECT * FROM incident_states")}
    for incident in answers.told:
        id_ = f"generic:{incident.external_id}"
        linked = links.get(id_, [])
        main = by_id.get(linked[0]["group_id"]) if linked else None
        state = states.get(incident.external_id, {})
        named = (
            peers.of(main, frames.get(main["group_id"], []))
            if main
            else peers.at(str(state.get("service")), state["opened_at"])
            if state
            else {}
        )
        correct = cause_of_group(answers, main) is incident.cause if main else None
        told = {
            "service": state.get("service"),
            "is_linked": bool(linked),
            "is_linked_right": correct,
            "is_false_alarm": state.get("is_false_alarm"),
        }
        found.append(
            _case(
                answers,
                "incident",
                id_,
                str(state.get("title")),
                incident.cause,
                attributed.get(id_, []),
                named,
                told,
            )
        )
    return found


def _suspect(row: dict[str, Any]) -> dict[str, Any]:
    return {k: row[k] for k in ("candidate", "sha", "weight")} | {"evidence": json.loads(row["evidence"])}


def _case(
    answers: Answers,
    noun: str,
    id_: str,
    title: str,
    cause: Cause | None,
    suspects: list[dict[str, Any]],
    peers: dict[str, str | None],
    facts: dict[str, Any],
) -> Case:
    world = answers.world
    truth = cause.change.sha if cause and cause.change else ""
    kind = cause.kind if cause else "false_alarm"
    known = {c.sha: c for c in world.changes()}
    named = {s["sha"] for s in suspects if s["sha"]} | ({truth} - {""})
    return Case(
        world.seed,
        noun,
        id_,
        title,
        kind,
        truth,
        cause.flag if cause else "",
        suspects,
        peers,
        facts,
        answers.weighed.get(id_, {}),
        {sha: traits(known[sha]) for sha in sorted(named)},
    )


def traits(change: Change) -> dict[str, Any]:
    """Who made a change, and its kind and size: for figures by origin, no input of an answer."""
    band = "small" if change.size < 8 else "medium" if change.size < 25 else "large"
    return {
        "is_ai": change.is_ai,
        "is_tagged": change.is_tagged,
        "kind": change.kind,
        "size": change.size,
        "band": band,
    }


_DRIFTS = {
    "slow": {"operation_slower"}, "many": {"operation_slower", "calls_multiplied"}, "hang": {"operation_slower"}, "open": {"denials_stopped", "callers_unauthenticated"},
    "deny": {"denials_rose"}, "stranger": {"denials_rose"}, "leaf": {"operation_slower", "denials_rose", "host_is_new"}, "crowd": {"operation_slower", "denials_rose"}, "token": {"denials_rose"},
}  # fmt: skip


def cause_of_group(answers: Answers, group: dict[str, Any]) -> Cause | None:
    """What caused a failure group: the cause that its sample trace met; of a drift, the one it shows and is about."""
    if group["detector"] is None:
        number = answers.cause_of.get(group["sample_trace_id"])
        return None if number is None else answers.world.causes[number]
    onset = group["first_seen_at"].timestamp()
    fitting = []
    for cause in answers.world.causes:
        if group["detector"] not in _DRIFTS.get(cause.shows, set()):
            continue
        begins = _begins(cause)
        is_near = begins is not None and -7200 <= onset - begins <= 5 * 86400
        services = {
            cause.service.name,
            *(
                s.name
                for s in answers.world.history.company.services
                if cause.shows in ("slow", "hang", "many", "leaf", "crowd")
            ),
        }
        is_about = group["service"] in services and (
            cause.service.name == group["service"] or (begins is not None and abs(onset - begins) < 6 * 3600)
        )
        if is_near and is_about:
            fitting.append((abs(onset - (begins or 0)), cause.number, cause))
    return min(fitting)[2] if fitting else None


def _begins(cause: Cause) -> float | None:
    if cause.trouble is not None:
        return cause.trouble.since.timestamp()
    assert cause.planted is not None
    return cause.planted.begins_at.timestamp() if cause.planted.begins_at else None


class Peers:
    """What simpler methods name for the same failure."""

    def __init__(self, answers: Answers) -> None:
        self._answers = answers
        self._timeline = answers.installation.store.rows(
            "SELECT * FROM running_revisions ORDER BY service, started_at"
        )
        self._blamed: dict[tuple[str, str, int], str | None] = {}

    def of(self, group: dict[str, Any], frames: list[dict[str, Any]]) -> dict[str, str | None]:
        return self.at(group["service"], group["first_seen_at"]) | {
            "top_frame_blame": self._blame(group["repository"], frames, group["first_seen_at"])
        }

    def at(self, service: str, moment: datetime) -> dict[str, str | None]:
        """The newest commit of the last deployment of ``service`` before ``moment``."""
        rows = [
            r for r in self._timeline if r["service"] == service and r["started_at"] <= moment and r["sha"]
        ]
        return {"newest_of_deployment": rows[-1]["sha"] if rows else None, "top_frame_blame": None}

    def _blame(self, repository: str | None, frames: list[dict[str, Any]], moment: datetime) -> str | None:
        """Who wrote the line of the innermost frame of ours, at what was the head when it was first seen."""
        ours = next((f for f in frames if f["path"] and f["line"]), None)
        if ours is None or repository is None:
            return None
        heads = [c.sha for c in self._answers.world.history.changes[repository] if c.at <= moment]
        if not heads:
            return None
        key = (heads[-1], ours["path"], ours["line"])
        if key not in self._blamed:
            folder = self._answers.installation.settings.data.parent / "git" / repository.split("/")[1]
            done = subprocess.run(
                ["git", "blame", "--porcelain", "-L", f"{ours['line']},{ours['line']}", heads[-1], "--", ours["path"]],
                cwd=folder, capture_output=True, check=False, text=True,
            )  # fmt: skip
            self._blamed[key] = done.stdout.split(" ", 1)[0] if done.returncode == 0 else None
        return self._blamed[key]
