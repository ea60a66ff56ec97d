"""Every metric, defined once: METRICS.md and ``/v1/metrics`` say the same because both are held to this list.

Raise :data:`DEFINITION_VERSION` whenever a figure of equal facts would change.
"""

from dataclasses import dataclass

from schemas.vocabulary import Caveat

DEFINITION_VERSION = "1"
COHORT_MIN = 5
"""Cells below are hidden wholly, whoever asks: so few changes may be one person's."""
N_MIN = 30
"""Points of rates are hidden below; interval, n and reason stay."""
RATIO_N_MIN = 100
RATIO_EVENTS_MIN = 5.0
ADJUSTED_EVENTS_MIN = 10.0
OVERLAP_MIN = 0.5
RATIO_TO_TELL = 1.7
"""``needed`` counts changes until this ratio could be told from 1: what surveys and reviews claim."""


@dataclass(frozen=True, slots=True)
class Metric:
    """One definition. ``window_days``: follow-up by default, None without one; ``windows``: the others allowed.

    ``min_n``: points of cells below are hidden. ``group_bys``: what its rows can be split by.
    """

    id: str
    title: str
    unit: str
    numerator: str
    denominator: str
    window: str
    interval: str
    caveats: tuple[str, ...]
    group_bys: tuple[str, ...]
    window_days: int | None = None
    windows: tuple[int, ...] = ()
    min_n: int = N_MIN


CHANGE_GROUPS = (
    *("origin", "arm", "service", "repository", "team", "kind", "size_band", "tool", "model", "review"),
)
OUTCOME_GROUPS = (*CHANGE_GROUPS, "category", "severity", "outcome")
_REVIEW_GROUPS = tuple(name for name in CHANGE_GROUPS if name != "review")
RATIO_GROUPS = ("service", "repository", "team", "kind", "size_band", "review")
SERVICE_GROUPS = ("service", "team")
FOLLOWUPS = (7, 14, 21, 28, 30, 60, 90)

_ATTRIBUTED = (
    Caveat.SMALL_N,
    Caveat.ZERO_CELL,
    Caveat.IMMATURE_EXCLUDED,
    Caveat.LOW_TAG_COVERAGE,
    Caveat.HIGH_UNKNOWN,
    Caveat.HIGH_UNATTRIBUTED,
    Caveat.UNCALIBRATED_WEIGHTS,
    Caveat.MULTIPLE_COMPARISONS,
    Caveat.SAMPLED_TRACES,
    Caveat.ASSUMED_HUMAN,
    Caveat.UNEQUAL_DETECTION,
)
_COUNTED = (*_ATTRIBUTED, Caveat.OVERDISPERSED)
_LINES = (
    Caveat.SMALL_N,
    Caveat.ZERO_CELL,
    Caveat.IMMATURE_EXCLUDED,
    Caveat.LOW_TAG_COVERAGE,
    Caveat.HIGH_UNKNOWN,
    Caveat.MULTIPLE_COMPARISONS,
    Caveat.ASSUMED_HUMAN,
)
_LANDED_NOW = tuple(code for code in _LINES if code is not Caveat.IMMATURE_EXCLUDED)
_RATIO = (
    *_ATTRIBUTED,
    Caveat.OPEN_UPPER,
    Caveat.LOW_OVERLAP,
    Caveat.DIFFUSE_ATTRIBUTION,
    Caveat.UNCERTAIN_TAGS,
    Caveat.CONFOUNDED_CRUDE,
)
_DELIVERY = (Caveat.SMALL_N, Caveat.ZERO_CELL, Caveat.IMMATURE_EXCLUDED, Caveat.MULTIPLE_COMPARISONS)
_DELIVERY_NOW = tuple(code for code in _DELIVERY if code is not Caveat.IMMATURE_EXCLUDED)
_TIMES = (Caveat.SMALL_N, Caveat.OPEN_UPPER, Caveat.MULTIPLE_COMPARISONS)
_CHANGE_TIMES = (*_TIMES, Caveat.LOW_TAG_COVERAGE, Caveat.HIGH_UNKNOWN, Caveat.ASSUMED_HUMAN)

_MATURE = "code changes first deployed to production in the window, at least 14 days before the data's end"
_LANDED = "code changes that landed in the window and have been observed for the whole follow-up"
_REVIEWED = "code changes that landed in the window after their forge's first word of a review"
_AFTER_DEPLOYMENT = "14 days from a change's first production deployment; 7, 21, 28, 30, 60 and 90 selectable"
_DRAWS_BETA = (
    "posterior draws: who caused each outcome, by its weights, and how much of the unattributed a change did, then "
    "Beta(x + 1/2, n - x + 1/2); the Jeffreys interval itself where every cause is certain"
)
_DRAWS_GAMMA = (
    "posterior draws: who caused each outcome, by its weights, and how much of the unattributed a change did, then "
    "phi x Gamma(k / phi + 1/2) over the exposure, phi = max(1, sum y^2 / sum y) over changes"
)
_WILSON = "Wilson score"
_GAMMA_PHI = "phi x Gamma(k / phi + 1/2) over the changes, phi = max(1, sum y^2 / sum y) over changes"
_CLUSTERED = "logit +- t with the variance clustered by change; bootstrap-t over changes below 200 of them"
_RATIO_INTERVAL = (
    "armblind_crude: draws of both rates; armaware_mh: draws of culprits by weight, arm and place, compared in "
    "Mantel-Haenszel strata (repository x size x 4 weeks x how it is seen), quantiles over culprits and sampling; "
    "armaware_mh_tagcorrected: the same, marks undone inside the strata with sensitivity and specificity drawn from "
    "their Beta posteriors; last_deployment: Koopman score; share_weighted: log with 1/2 added"
)

METRICS: dict[str, Metric] = {
    m.id: m
    for m in (
        Metric(
            "failure_rate",
            "Changes followed by a failure",
            "share of changes",
            "of them, those that were followed by at least one new failure group, rollback, revert or hotfix; "
            "expected number under the attribution weights",
            _MATURE,
            _AFTER_DEPLOYMENT,
            _DRAWS_BETA,
            _ATTRIBUTED,
            OUTCOME_GROUPS,
            14,
            FOLLOWUPS,
        ),
        Metric(
            "change_failure_rate",
            "Changes followed by an incident",
            "share of changes",
            "of them, those to which at least one incident is attributed; expected number under the attribution weights",
            _MATURE,
            _AFTER_DEPLOYMENT,
            _DRAWS_BETA,
            _ATTRIBUTED,
            OUTCOME_GROUPS,
            14,
            FOLLOWUPS,
        ),
        Metric(
            "incidents_per_100_changes",
            "Incidents per 100 changes",
            "incidents per 100 changes",
            "incidents, each counted by its weight on these changes",
            _MATURE,
            _AFTER_DEPLOYMENT,
            _DRAWS_GAMMA,
            _COUNTED,
            OUTCOME_GROUPS,
            14,
            FOLLOWUPS,
        ),
        Metric(
            "failure_groups_per_100_changes",
            "New failure groups per 100 changes",
            "failure groups per 100 changes",
            "failure groups first seen in the follow-up, each counted by its weight on these changes",
            _MATURE,
            _AFTER_DEPLOYMENT,
            _DRAWS_GAMMA,
            _COUNTED,
            OUTCOME_GROUPS,
            14,
            FOLLOWUPS,
        ),
        Metric(
            "incidents_per_1000_lines",
            "Incidents per 1,000 added lines",
            "incidents per 1,000 added lines",
            "incidents, each counted by its weight on these changes",
            "lines added by " + _MATURE,
            _AFTER_DEPLOYMENT,
            _DRAWS_GAMMA,
            _COUNTED,
            OUTCOME_GROUPS,
            14,
            FOLLOWUPS,
        ),
        Metric(
            "incidents_per_1000_changed_lines",
            "Incidents per 1,000 changed lines",
            "incidents per 1,000 lines added or deleted",
            "incidents, each counted by its weight on these changes",
            "lines added or deleted by " + _MATURE,
            _AFTER_DEPLOYMENT,
            _DRAWS_GAMMA,
            _COUNTED,
            OUTCOME_GROUPS,
            14,
            FOLLOWUPS,
        ),
        Metric(
            "incidents_per_100_change_weeks",
            "Incidents per 100 change-weeks",
            "incidents per 100 weeks that changes have run",
            "incidents in the follow-up so far, each counted by its weight on these changes",
            "weeks that code changes first deployed to production in the window have run, at most 2 each; young changes "
            "count for as long as they have run",
            _AFTER_DEPLOYMENT,
            _DRAWS_GAMMA,
            tuple(code for code in _COUNTED if code is not Caveat.IMMATURE_EXCLUDED),
            OUTCOME_GROUPS,
            14,
            FOLLOWUPS,
        ),
        Metric(
            "failure_category_rate",
            "Failures of each category per 100 changes",
            "failure groups per 100 changes",
            "failure groups of the category, each counted by its weight on these changes; incidents instead with the "
            "filter outcome = incident",
            _MATURE,
            _AFTER_DEPLOYMENT,
            _DRAWS_GAMMA + "; category shares by Dirichlet(1/2 + counts)",
            _COUNTED,
            OUTCOME_GROUPS,
            14,
            FOLLOWUPS,
        ),
        Metric(
            "revert_rate",
            "Changes reverted",
            "share of changes",
            "of them, those that a later change reverts; counted for the change reverted, not for the reverter",
            _LANDED,
            "30 days from landing; 7, 14, 21, 28, 60 and 90 selectable",
            _WILSON,
            _LINES,
            CHANGE_GROUPS,
            30,
            FOLLOWUPS,
        ),
        Metric(
            "line_rework_rate",
            "Added lines reworked",
            "share of added lines",
            "of them, lines removed or replaced by a later change in the follow-up; moved lines left out",
            "lines added by " + _LANDED,
            "30 days from landing; 14 and 21 selectable",
            _CLUSTERED,
            _LINES,
            CHANGE_GROUPS,
            30,
            (14, 21, 30),
        ),
        Metric(
            "share_of_changes_reworked",
            "Changes reworked by a quarter or more",
            "share of changes",
            "of them, those with at least 25 % of their added lines reworked in the follow-up",
            _LANDED + ", with added lines",
            "30 days from landing; 14 and 21 selectable",
            _WILSON,
            _LINES,
            CHANGE_GROUPS,
            30,
            (14, 21, 30),
        ),
        Metric(
            "lines_fixed_rate",
            "Added lines mended by a fix",
            "share of added lines",
            "of them, lines removed or replaced by a fix or a revert in the follow-up",
            "lines added by " + _LANDED,
            "30 days from landing",
            _CLUSTERED,
            _LINES,
            CHANGE_GROUPS,
            30,
            (30,),
        ),
        Metric(
            "line_survival",
            "Added lines alive at 7, 30 and 90 days",
            "share of added lines",
            "of them, lines alive at the row's age: the product, from age to age, of the share that lives on",
            "lines added by code changes that landed in the window and have been observed for at least 7 days",
            "7, 30 and 90 days from landing; each age over the changes observed for so long",
            "log(-log) band, variances summed from age to age (Greenwood) and clustered by change, t",
            _LINES,
            CHANGE_GROUPS,
        ),
        Metric(
            "ai_share_of_output",
            "AI share of added lines",
            "share of added lines",
            "of them, lines that evidence gives to AI",
            "lines added by code changes that landed in the window",
            "none: every landed change counts at once",
            "bounds, not sampling: from lines that evidence gives to AI to those plus all lines of unknown origin",
            (
                Caveat.SMALL_N,
                Caveat.ZERO_CELL,
                Caveat.LOW_TAG_COVERAGE,
                Caveat.HIGH_UNKNOWN,
                Caveat.ASSUMED_HUMAN,
                Caveat.MULTIPLE_COMPARISONS,
            ),
            ("service", "repository", "team", "kind", "size_band"),
            min_n=COHORT_MIN,
        ),
        Metric(
            "firefighting_load",
            "Changes made to mend",
            "share of changes",
            "of them, fixes and reverts",
            "code changes that landed in the window",
            "none: known when it lands",
            _WILSON,
            _LANDED_NOW,
            CHANGE_GROUPS,
        ),
        Metric(
            "unreviewed_share",
            "Changes that nobody reviewed",
            "share of changes",
            "of them, those on which nobody but their opener commented or gave a verdict before they landed; direct "
            "pushes too",
            _REVIEWED,
            "none: known when it lands",
            _WILSON,
            _LANDED_NOW,
            CHANGE_GROUPS,
        ),
        Metric(
            "first_pass_share",
            "Approved without a request for changes",
            "share of approved changes",
            "of them, those of which no reviewer asked for changes",
            "code changes that landed in the window with a standing approval",
            "none: known when it lands",
            _WILSON,
            _LANDED_NOW,
            _REVIEW_GROUPS,
        ),
        Metric(
            "approvals_per_change",
            "Approvals per change",
            "approvals per change",
            "approvals that stood when the change landed, one a reviewer",
            _REVIEWED,
            "none: known when it lands",
            _GAMMA_PHI,
            _LANDED_NOW,
            _REVIEW_GROUPS,
        ),
        Metric(
            "review_comments_per_change",
            "Review comments per change",
            "comments per change",
            "comments by others than the opener before the change landed",
            _REVIEWED,
            "none: known when it lands",
            _GAMMA_PHI,
            _LANDED_NOW,
            _REVIEW_GROUPS,
        ),
        Metric(
            "review_time",
            "Time to approval",
            "hours",
            "none: the median over changes of first standing approval - opening of the request",
            "code changes that landed in the window, with a standing approval and a known opening",
            "none",
            "order statistics of the median",
            _CHANGE_TIMES,
            CHANGE_GROUPS,
            min_n=COHORT_MIN,
        ),
        Metric(
            "review_pace",
            "Lines per minute of review",
            "lines per minute",
            "none: the median over changes of lines added and deleted / minutes from opening to first standing approval",
            "code changes that landed in the window, with a standing approval after a known opening",
            "none",
            "order statistics of the median",
            _CHANGE_TIMES,
            CHANGE_GROUPS,
            min_n=COHORT_MIN,
        ),
        Metric(
            "review_escape_rate",
            "Approved at once, failed in production",
            "share of changes",
            "of them, those that were followed by at least one new failure group, rollback, revert or hotfix; expected "
            "number under the attribution weights",
            _MATURE + ", that reviewers approved without asking for changes",
            _AFTER_DEPLOYMENT,
            _DRAWS_BETA,
            _ATTRIBUTED,
            OUTCOME_GROUPS,
            14,
            FOLLOWUPS,
        ),
        Metric(
            "deployment_change_failure_rate",
            "Failed deployments (DORA)",
            "share of deployments",
            "of them, those followed by a rollback, a revert, a hotfix or an incident that links to what they carried",
            "production deployments in the window, at least 14 days old; one row for all of them and one without "
            "rollbacks",
            "14 days from deployment; 7, 21, 28, 30, 60 and 90 selectable",
            _WILSON,
            _DELIVERY,
            SERVICE_GROUPS,
            14,
            FOLLOWUPS,
        ),
        Metric(
            "deployment_rework_rate",
            "Unplanned deployments (DORA)",
            "share of deployments",
            "of them, those made to mend an incident: rollbacks, reverts and hotfixes",
            "production deployments in the window",
            "none: known when deployed",
            _WILSON,
            _DELIVERY,
            SERVICE_GROUPS,
        ),
        Metric(
            "deployment_frequency",
            "Deployments per day",
            "deployments per day",
            "production deployments",
            "days of the window, up to the data's end",
            "none",
            "Poisson (gamma) for the count",
            (Caveat.ZERO_CELL, Caveat.MULTIPLE_COMPARISONS),
            SERVICE_GROUPS,
            min_n=0,
        ),
        Metric(
            "incidents_per_100_deployments",
            "Incidents per 100 deployments",
            "incidents per 100 deployments",
            "incidents opened in the window, whatever their cause, of services that were deployed; no false alarms, no "
            "duplicates",
            "production deployments in the window",
            "none",
            "Poisson (gamma) for the count",
            _DELIVERY_NOW,
            SERVICE_GROUPS,
        ),
        Metric(
            "incidents_per_million_requests",
            "Incidents per million requests",
            "incidents per million requests",
            "incidents opened in the window, whatever their cause, of services that are counted; no false alarms, no "
            "duplicates",
            "requests answered on the UTC days that begin in the window, of services whose sampling is known on all days",
            "none",
            "Poisson (gamma) for the count",
            _DELIVERY_NOW,
            SERVICE_GROUPS,
            min_n=COHORT_MIN,
        ),
        Metric(
            "lead_time",
            "Lead time from landing to production",
            "hours",
            "none: the median over changes of deployed - landed",
            "code changes first deployed to production in the window",
            "none",
            "order statistics of the median",
            _CHANGE_TIMES,
            CHANGE_GROUPS,
            min_n=COHORT_MIN,
        ),
        Metric(
            "time_to_restore",
            "Time to restore",
            "hours",
            "none: the median over incidents of resolved - opened; open ones are censored at the data's end",
            "incidents opened in the window, whatever their cause; no false alarms, no duplicates",
            "none",
            "Kaplan-Meier with log(-log) Greenwood bands, inverted at one half",
            _TIMES,
            ("service", "team", "category", "severity"),
            min_n=COHORT_MIN,
        ),
        Metric(
            "failed_deployment_recovery_time",
            "Failed deployment recovery time (DORA)",
            "hours",
            "none: the median over failed deployments of recovered - deployed; the others are censored",
            "failed production deployments in the window",
            "none: unresolved ones are censored at the data's end",
            "Kaplan-Meier with log(-log) Greenwood bands, inverted at one half",
            _TIMES,
            SERVICE_GROUPS,
            min_n=COHORT_MIN,
        ),
        Metric(
            "detection_delay",
            "Detection delay",
            "minutes",
            "none: the median over incidents of opened - first failing span",
            "incidents opened in the window that link to a failure group; no false alarms, no duplicates",
            "none",
            "order statistics of the median",
            _TIMES,
            ("service", "team", "category", "severity"),
            min_n=COHORT_MIN,
        ),
        Metric(
            "failure_ratio",
            "Failure rate of AI-marked changes over that of others",
            "ratio",
            "failure_rate of AI-marked changes, per 100",
            "failure_rate of the changes compared with, per 100",
            _AFTER_DEPLOYMENT,
            _RATIO_INTERVAL,
            _RATIO,
            RATIO_GROUPS,
            14,
            FOLLOWUPS,
            RATIO_N_MIN,
        ),
        Metric(
            "change_failure_ratio",
            "Incident rate of AI-marked changes over that of others",
            "ratio",
            "change_failure_rate of AI-marked changes, per 100",
            "change_failure_rate of the changes compared with, per 100",
            _AFTER_DEPLOYMENT,
            _RATIO_INTERVAL,
            _RATIO,
            RATIO_GROUPS,
            14,
            FOLLOWUPS,
            RATIO_N_MIN,
        ),
        Metric(
            "line_rework_ratio",
            "Line rework of AI-marked changes over that of others",
            "ratio",
            "line_rework_rate of AI-marked changes, per 100 lines",
            "line_rework_rate of the changes compared with, per 100 lines",
            "30 days from landing; 14 and 21 selectable",
            "log ratio +- t, clustered by change, with the degrees of freedom that its largest changes leave; armaware_mh "
            "within strata (repository x size x 4 weeks); a line has one owner, so blind and aware differ by the strata only; armaware_mh_tagcorrected as above",
            (*_LINES, Caveat.OPEN_UPPER, Caveat.LOW_OVERLAP, Caveat.UNCERTAIN_TAGS),
            RATIO_GROUPS,
            30,
            (14, 21, 30),
            RATIO_N_MIN,
        ),
        Metric(
            "coverage",
            "What the figures can see",
            "share",
            "of them, those that the row's figure names: tagged, unknown, automation, on services with traces, with "
            "a revision on spans, whose failures would be seen, deployed; or the mass of outcomes attributed, to no change, unattributed",
            "code changes first deployed (deployed: landed) in the window; outcomes of the window for masses",
            "14 days for masses",
            "Wilson score for shares of changes; none for masses",
            (
                Caveat.SMALL_N,
                Caveat.ZERO_CELL,
                Caveat.LOW_TAG_COVERAGE,
                Caveat.HIGH_UNKNOWN,
                Caveat.HIGH_UNATTRIBUTED,
                Caveat.UNCALIBRATED_WEIGHTS,
                Caveat.MULTIPLE_COMPARISONS,
                Caveat.SAMPLED_TRACES,
                Caveat.ASSUMED_HUMAN,
                Caveat.UNEQUAL_DETECTION,
            ),
            ("arm", "origin", "service", "repository", "team"),
            14,
            FOLLOWUPS,
            COHORT_MIN,
        ),
    )
}
"""Every metric by id, in the order of METRICS.md."""

SUPPRESSIONS: dict[str, str] = {
    "small_n": "fewer changes (or deployments, incidents) than min_n: the point is hidden, interval and n stay",
    "cohort_below_5": "fewer than five in the cell: hidden wholly",
    "not_reached": "fewer than half of the cases have ended: the median lies beyond what was observed",
    "few_events": "a ratio with fewer than 5 expected failures in an arm, or 10 in all for the adjusted ones",
    "low_overlap": "under half of the changes stand in strata that hold both arms: no adjusted ratio",
}
"""Why a figure is hidden; METRICS.md explains each."""
