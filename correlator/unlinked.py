"""Suspects of an incident that no failing span explains: what was deployed before it, read against its words.

Some failures emit nothing: data sent without consent, a wrong total, an open door. Words are weak evidence, so by them
alone no change weighs more than the cap for an unknown revision; where the code of a route that the incident names was
found, and a change at it, the caps of a known one hold (``named_routes``). Source: DESIGN "Incident links"; section 8 "degrades as a ladder".
"""

import json
import re
from collections.abc import Iterable, Mapping, Sequence
from math import fsum, log
from typing import Any

from correlator import complaints, suspects
from correlator.candidates import Listed, deployed_before
from correlator.environments import TRIAL_NAMES
from correlator.failure_groups import ServiceCode
from correlator.incident_links import named_shas
from correlator.mainlines import Mainline
from correlator.revisions import Timeline
from correlator.tokens import TokenRarity, words_of
from correlator.weights import Weights
from schemas.records import Suspect, SuspectEvidence
from schemas.vocabulary import EvidenceKind, FailureCategory

Row = Mapping[str, Any]

SILENT = frozenset(
    {FailureCategory.COMPLIANCE_GOVERNANCE, FailureCategory.DATA_INTEGRITY, FailureCategory.SECURITY}
)
"""Categories of incident text whose failures need not show in any span."""

NO_CHANGE_PRIOR = 0.5
NO_CHANGE_PRIOR_UNSEEN = 0.25
"""Doors do not open by themselves, and totals go wrong by a load or an outside fault at most."""
_PART = re.compile(r"[A-Za-z][a-z]+")
_ENDING = re.compile(r"(?:ing|ed|es|s)$")


def candidates(
    state: Row,
    *,
    environments: Iterable[str],
    timeline: Timeline,
    mainlines: Mapping[str, Mainline],
    services: Mapping[str, ServiceCode],
    paths_of: Mapping[tuple[str, str], Sequence[str]],
    weights: Weights,
) -> list[Listed]:
    """Changes that ran in the incident's service when it was opened, and older ones that it names, ordered by sha.

    An incident that names no environment is not about the ones where people try things, if there are others.
    """
    found: dict[str, Listed] = {}
    known = [name for name in environments if name.lower() not in TRIAL_NAMES] or list(environments)
    for environment in [state["environment"]] if state["environment"] else known:
        if not state["service"]:
            break
        for listed in deployed_before(
            state["service"],
            {"environment": environment, "first_seen_at": state["opened_at"]},
            is_callee=False,
            service_share=1.0,
            decay=weights.prior["late_range_decay"],
            timeline=timeline,
            mainlines=mainlines,
            services=services,
            paths_of=paths_of,
            weights=weights,
        ):
            sha = listed.change["sha"]
            if sha not in found or listed.share > found[sha].share:
                found[sha] = listed
    for prefix in sorted(named_shas(state)):
        meant = {name: mainline.named(prefix) for name, mainline in sorted(mainlines.items())}
        places = [(mainlines[name], sha) for name, sha in meant.items() if sha is not None]
        change = places[0][0].change(places[0][1]) if len(places) == 1 else None
        # A post-mortem names the fix too: what landed later did not do it.
        if change is not None and change["landed_at"] <= state["opened_at"] and change["sha"] not in found:
            found[change["sha"]] = Listed(change, 1.0, -1, state["service"] or "", False, None)
    return [found[sha] for sha in sorted(found)]


def weigh(
    state: Row,
    listed: Sequence[Listed],
    *,
    hunks: Mapping[str, Sequence[Row]],
    named: frozenset[str],
    at_routes: Mapping[str, Sequence[SuspectEvidence]],
    weights: Weights,
) -> list[Suspect]:
    """Suspects by the words that the incident and a change share, rare ones count more, and by the routes it names.

    Args:
        hunks: change sha -> rows of ``hunks``.
        named: changes that the incident names by sha.
        at_routes: change sha -> ``named_routes.evidence``.
    """
    labels = json.loads(state["labels"]) if state["labels"] else {}
    texts = [state["title"] or "", state["postmortem"] or "", *(str(v) for v in labels.values())]
    # That an incident of a service names the service tells no change of that service from another.
    said = _stems(words_of(texts)) - _stems((state["service"] or "",))
    words = {c.change["sha"]: _stems(_texts(c, hunks)) for c in listed}
    rarity = TokenRarity(words)
    weighed = []
    for candidate in listed:
        sha = candidate.change["sha"]
        shared = sorted(said & words[sha], key=lambda word: (-rarity.weight(word), word))[:4]
        total = fsum(rarity.weight(word) for word in shared)
        pieces = [*at_routes.get(sha, ())]
        if total > 0.3:
            value = min(total, log(weights.maximum("changed_token_max")))
            text = f"the incident and the change both speak of {', '.join(shared)}"
            pieces.append(
                SuspectEvidence(EvidenceKind.CHANGED_TOKEN, round(value, 6), text, {"tokens": shared})
            )
        elif not pieces:
            untouched = weights.log_ratio(EvidenceKind.UNTOUCHED)
            pieces.append(
                SuspectEvidence(
                    EvidenceKind.UNTOUCHED, round(untouched, 6), "shares no word with the incident"
                )
            )
        if sha in named:
            value = weights.log_ratio(EvidenceKind.NAMED_BY_INCIDENT)
            pieces.append(
                SuspectEvidence(
                    EvidenceKind.NAMED_BY_INCIDENT, round(value, 6), "the incident names this change"
                )
            )
        weighed.append(suspects.CandidateChange(sha, candidate.share, tuple(pieces)))
    prior = NO_CHANGE_PRIOR_UNSEEN if complaints.of(state) in complaints.UNSEEN else NO_CHANGE_PRIOR
    # Where the code of the route was found it is known which code ran.
    return suspects.weigh(
        weighed, [], no_change_prior=prior, is_revision_known=bool(at_routes), weights=weights
    )


def _texts(candidate: Listed, hunks: Mapping[str, Sequence[Row]]) -> list[str]:
    found = [str(candidate.change["subject"])]
    for hunk in hunks.get(candidate.change["sha"], ()):
        found += [hunk["path"], *hunk["tokens"]]
    return found


def _stems(texts: Iterable[str]) -> frozenset[str]:
    """Lower-case parts of words and identifiers without their commonest endings: ``exports`` and ``export`` meet."""
    parts = {part.lower() for text in texts for part in _PART.findall(text)}
    return frozenset(stem for part in parts if len(stem := _ENDING.sub("", part)) >= 4)
