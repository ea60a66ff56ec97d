"""What an answer about a service gains by a setting: an estimate of how often its failures' change would be named first.

A ladder: is a failure seen at all (sampling), is it known which code ran (revision), does the failure show a line (stack),
do counts mean anything (sampling known). Steps multiply or mix. The first figure is measured on labelled fixes; the
others are judged from it, and serve to order settings, not to promise. Pure.
"""

from dataclasses import dataclass, replace

FAILING_REQUESTS = 20
"""Requests in which a failure shows before it is mended: head sampling of one in ten misses one failure in eight."""

# (is the revision known, is there a stack) -> share of failures whose change stands first.
NAMED_FIRST = {
    (True, True): 0.76,  # blame, function and file inside the deployed range
    (False, True): 0.60,  # the same, mixed over the revisions that may have run
    (True, False): 0.40,  # the deployed range, its words, routes and times
    (False, False): 0.20,  # words alone
}
UNCOUNTED = 0.9
"""Factor on what is named where nobody knows how spans were sampled: "first seen" says nothing then."""
DEPLOYMENTS_WORTH = 0.85
"""How far deployment events stand in for revisions on spans: some are missing, and canaries run beside."""


@dataclass(frozen=True, slots=True)
class Sight:
    """What is seen of a service. Shares are 0..1.

    ``kept``: of its failing traces that are sent. ``revision``: of its spans whose revision is known. ``stacks``: of its
    failures that show lines of the repository.
    """

    kept: float = 1.0
    revision: float = 1.0
    stacks: float = 1.0
    is_counted: bool = True
    has_code: bool = True


def named_first(sight: Sight) -> float:
    """Estimated share of failures whose change stands first."""
    if not sight.has_code:
        return 0.0
    named = sum(
        share * part * NAMED_FIRST[(is_known, has_stack)]
        for is_known, share in ((True, sight.revision), (False, 1 - sight.revision))
        for has_stack, part in ((True, sight.stacks), (False, 1 - sight.stacks))
    )
    seen = 1 - (1 - min(max(sight.kept, 0.0), 1.0)) ** FAILING_REQUESTS
    return seen * named * (1.0 if sight.is_counted else UNCOUNTED)


MENDED: dict[str, dict[str, float | bool]] = {
    "no_spans": {"kept": 1.0, "revision": 1.0, "stacks": 1.0},
    "no_repository": {"has_code": True},
    "not_synced": {"has_code": True},
    "no_revision": {"revision": 1.0},
    "few_revisions": {"revision": 1.0},
    "revision_unresolved": {"revision": 1.0},
    "no_frames": {"stacks": 1.0},
    "few_stacks": {"stacks": 1.0},
    "few_frames_resolve": {"stacks": 1.0},
    "no_source_maps": {"stacks": 1.0},
    "few_traces": {"kept": 1.0},
    "sampling_unknown": {"is_counted": True},
}
"""Code of what is missing -> what its setting makes of the sight."""


def gain(code: str, sight: Sight) -> float | None:
    """What mending ``code`` adds to :func:`named_first`; None where it adds to other answers than these."""
    if code not in MENDED:
        return None
    return round(max(named_first(replace(sight, **MENDED[code])) - named_first(sight), 0.0), 3)  # type: ignore[arg-type]
