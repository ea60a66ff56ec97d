"""The words for every code: arms, origins, categories, outcomes, evidence, caveats, methods, coverage.

Tables only. A code that has no entry is shown as words by ``wording.label``; tests hold the tables to the vocabulary.
"""

from schemas.vocabulary import (
    Candidate,
    Caveat,
    ChangeKind,
    EvidenceKind,
    FailureCategory,
    MergeMethod,
    Origin,
    OutcomeKind,
    Role,
)

ARMS: dict[str, str] = {"ai_marked": "AI-marked", "not_ai_marked": "Not AI-marked"}


ARM_PHRASES: dict[str, str] = {"ai_marked": "AI-marked changes", "not_ai_marked": "other changes"}


ARM_SHORT: dict[str, str] = {"ai_marked": "AI-marked", "not_ai_marked": "others"}


ORIGINS: dict[str, str] = {
    Origin.AI: "AI",
    Origin.MIXED: "Mixed",
    Origin.HUMAN: "Human",
    Origin.AUTOMATION: "Automation",
    Origin.UNKNOWN: "Unknown",
}


ORIGIN_PHRASES: dict[str, str] = {
    Origin.AI: "AI-marked",
    Origin.MIXED: "AI-marked in part",
    Origin.HUMAN: "human by statement or policy",
    Origin.AUTOMATION: "made by automation",
    Origin.UNKNOWN: "of unknown origin",
}


BASES: dict[str, str] = {
    "declared": "declared in its commits",
    "attested_lines": "attested line by line",
    "override": "stated by a person",
    "policy": "assumed by the operator",
    "automation": "a known bot",
    "none": "no evidence",
}
"""What the origin of a change rests on."""


PLACES: dict[str, str] = {
    "stated": "stated by the operator",
    "telemetry": "from its spans",
    "frames": "from its stack frames",
    "settings": "from the settings file",
    "deployment": "from its deployments",
}
"""How the repository of a service is known."""


CATEGORIES: dict[str, str] = {
    FailureCategory.INTEGRATION: "Integration",
    FailureCategory.COMPLIANCE_GOVERNANCE: "Compliance and governance",
    FailureCategory.DATA_INTEGRITY: "Data integrity",
    FailureCategory.SECURITY: "Security",
    FailureCategory.RESOURCE_PERFORMANCE: "Resources and performance",
    FailureCategory.LOGIC_UNHANDLED: "Unhandled logic",
    FailureCategory.CONFIGURATION_DEPLOY: "Configuration and deployment",
    FailureCategory.DEPENDENCY_INFRASTRUCTURE: "Dependency and infrastructure",
    FailureCategory.UNKNOWN: "Unknown",
}


OUTCOMES: dict[str, str] = {
    OutcomeKind.INCIDENT: "incident",
    OutcomeKind.FAILURE_GROUP: "new failure group",
    OutcomeKind.ROLLBACK: "rollback",
    OutcomeKind.REVERT: "revert",
    OutcomeKind.HOTFIX: "hotfix",
}


CANDIDATES: dict[str, str] = {
    Candidate.CHANGE: "A change",
    Candidate.FLAG: "A feature flag",
    Candidate.CONFIGURATION: "Configuration",
    Candidate.NO_CHANGE: "No change is to blame",
    Candidate.UNATTRIBUTED: "Not attributed",
}


KINDS: dict[str, str] = {
    ChangeKind.FEATURE: "Feature",
    ChangeKind.FIX: "Fix",
    ChangeKind.REVERT: "Revert",
    ChangeKind.FORMATTER: "Formatting only",
    ChangeKind.DEPENDENCY: "Dependencies",
    ChangeKind.LOCKFILE: "Lock file only",
    ChangeKind.DOCS: "Documentation only",
    ChangeKind.CONFIGURATION: "Configuration",
}


MERGE_METHODS: dict[str, str] = {
    MergeMethod.MERGE: "merge commit",
    MergeMethod.SQUASH: "squash merge",
    MergeMethod.DIRECT: "direct push",
}


ROLES: dict[str, str] = {
    Role.AUTHOR: "wrote it",
    Role.COAUTHOR: "co-wrote it",
    Role.ASSIST: "assisted",
    Role.SUGGESTION: "a suggestion was taken",
    Role.MESSAGE_ONLY: "wrote the message only",
    Role.REVIEW_ONLY: "reviewed only",
    Role.NONE: "no role",
}


EVIDENCE: dict[str, str] = {
    EvidenceKind.NAMED_BY_INCIDENT: "Named by the incident",
    EvidenceKind.NAMED_BY_FIX: "Named by its fix",
    EvidenceKind.REVERTED_AFTER: "Reverted afterwards",
    EvidenceKind.ROLLED_BACK_AFTER: "Rolled back afterwards",
    EvidenceKind.BLAMED_LINE: "Wrote the failing line",
    EvidenceKind.BLAMED_NEAR: "Wrote the lines beside what is missing",
    EvidenceKind.CHANGED_FUNCTION: "Changed the failing function",
    EvidenceKind.WROTE_FUNCTION: "Wrote much of the failing function",
    EvidenceKind.CHANGED_FILE: "Changed the failing file",
    EvidenceKind.CHANGED_ROUTE_FILE: "Changed the file of the failing route",
    EvidenceKind.CHANGED_CONFIGURATION: "Changed configuration",
    EvidenceKind.CHANGED_MATTER: "Changed what failed",
    EvidenceKind.CHANGED_TOKEN: "Changed a name in the message",
    EvidenceKind.RAISES_MESSAGE: "Wrote the words of the message",
    EvidenceKind.RAISES_TYPE: "Raises this error",
    EvidenceKind.REMOVED_NAME: "Removed what is missing",
    EvidenceKind.MISSING_NAME: "Changed lines that name what is missing",
    EvidenceKind.CHANGED_SIGNATURE: "Changed the parameters of a function in use",
    EvidenceKind.CHANGED_CALLEE: "Changed a function that the failing code calls",
    EvidenceKind.CHANGED_VALUE: "Changed a value that the failing code reads",
    EvidenceKind.CHANGED_IMPORT: "Changed a file that the failing file imports",
    EvidenceKind.CHANGED_CODE_NAME: "Changed names of the failing code",
    EvidenceKind.REMOVED_GUARD: "Removed a check",
    EvidenceKind.ADDED_LOAD: "Added work or waiting",
    EvidenceKind.CHANGED_BOUND: "Changed the version of a dependency that failed",
    EvidenceKind.CHANGED_CONTRACT: "Changed what its callers rely on",
    EvidenceKind.CHANGE_POINT: "Began soon after its deployment",
    EvidenceKind.SERVED_WELL: "Served well before it began",
    EvidenceKind.OUTSIDE_FAULT: "Names a fault outside of the code",
    EvidenceKind.CROWD: "More requests than ever",
    EvidenceKind.FLIPPED_BEFORE: "Changed shortly before",
    EvidenceKind.VARIANT_FAILS: "How its variant fails beside others",
    EvidenceKind.FLIPPED_BACK_AFTER: "Flipped back, and it ended",
    EvidenceKind.CONCURRENT_REVISIONS: "Only its revision fails",
    EvidenceKind.REVISIONS_ALIKE: "All revisions fail alike",
    EvidenceKind.ONE_INSTANCE: "Only one of several instances fails",
    EvidenceKind.PEER_FAILED: "A peer outside failed",
    EvidenceKind.PEER_REFUSED: "A peer outside refused our credentials",
    EvidenceKind.OLDER_THAN_RANGE: "Older than the deployed range",
    EvidenceKind.UNTOUCHED: "Touches nothing that failed",
    EvidenceKind.DEPENDENCY_DOWN: "A dependency was down",
    EvidenceKind.CALLER_GARBAGE: "The caller sent bad input",
    EvidenceKind.PREDATES_RANGE: "Failed before the deployed range",
    EvidenceKind.ENDED_WITHOUT_DEPLOYMENT: "Ended while nothing was deployed",
    EvidenceKind.HUMAN_VERDICT: "Decided by a person",
    EvidenceKind.FALSE_ALARM: "False alarm",
}


CAVEATS: dict[str, str] = {
    Caveat.SMALL_N: "Few changes: the interval is wide and a point would mislead.",
    Caveat.ZERO_CELL: "One side has no event: the ratio is bounded on one side only.",
    Caveat.OPEN_UPPER: "The upper end of the interval is open.",
    Caveat.IMMATURE_EXCLUDED: "Changes whose follow-up has not passed are left out.",
    Caveat.LOW_TAG_COVERAGE: "Few changes carry evidence of who wrote them.",
    Caveat.HIGH_UNKNOWN: "Most changes are of unknown origin: unmarked AI work would hide in the other arm.",
    Caveat.LOW_OVERLAP: "The arms work in different places: few strata hold changes of both.",
    Caveat.HIGH_UNATTRIBUTED: "Much of the blame could not be given to any change.",
    Caveat.UNCALIBRATED_WEIGHTS: "The attribution weights have not been checked against labelled incidents.",
    Caveat.OVERDISPERSED: "Failures come in clusters: the interval is widened for it.",
    Caveat.MULTIPLE_COMPARISONS: "Many groups are compared: some differences appear by chance.",
    Caveat.SAMPLED_TRACES: "Traces are sampled: first-seen evidence is not used.",
    Caveat.ASSUMED_HUMAN: "A repository states that unmarked commits are human.",
    Caveat.UNEQUAL_DETECTION: "One arm is watched better than the other: services with traces differ.",
    Caveat.DIFFUSE_ATTRIBUTION: "Blame is spread so widely that the interval is much wider than known culprits would make it.",
    Caveat.UNCERTAIN_TAGS: "Missing or wrong marks make the corrected ratio much less certain.",
    Caveat.CONFOUNDED_CRUDE: "The arms work in places of unlike risk: read the adjusted ratio, not the crude one.",
}


REASONS: dict[str, str] = {
    "small_n": "not enough data",
    "cohort_below_5": "fewer than 5: hidden",
    "few_events": "not enough data: too few failures",
    "low_overlap": "the arms work in different places",
}
"""Why a figure is withheld, for people; codes as in the metric catalogue."""


DECIDING_METHOD = "armaware_mh"
"""The ratio that a headline may rest on: adjusted. The crude one alone misleads where AI is used for easy work."""


METHODS: dict[str, str] = {
    "armaware_mh": "Adjusted for repository, size and time",
    "armaware_mh_tagcorrected": "Adjusted, and corrected for missing marks",
    "armblind_crude": "Crude, from the same evidence",
    "last_deployment": "Last deployment before the failure",
    "share_weighted": "Failed deployments, shared by AI share",
}
"""Ways to estimate the ratio, in the order of the page; the last two are what other tools compute."""


METHOD_NOTES: dict[str, str] = {
    "armaware_mh": "like compared with like",
    "armblind_crude": "nothing adjusted; drawn towards 1×",
    "last_deployment": "a common rule: all its changes failed",
    "share_weighted": "a common rule: blame by proportion",
}


NAIVE: dict[str, str] = {"last_deployment": "last deployment", "share_weighted": "shared by AI share"}


COVERAGE: dict[str, tuple[str, str]] = {
    "tagged_share": (
        "Changes of known origin",
        "Evidence says AI, mixed or human. The rest is unknown, some of it perhaps AI.",
    ),
    "services_with_traces": (
        "Changes on services with traces",
        "Elsewhere a failure shows only when somebody reports it.",
    ),
    "services_with_revision": (
        "Changes on services that name their revision",
        "Without it the running code is inferred from deployments.",
    ),
    "failures_visible": (
        "Changes whose failures would be seen",
        "Traces that name the revision, and a source of incidents.",
    ),
    "deployed_share": ("Changes seen in production", "The others cannot fail there and are not counted."),
    "automation_share": ("Changes made by automation", "In neither arm: dependency and release bots."),
    "attributed_mass": (
        "Weight of failures on changes",
        "How much of what failed the evidence puts on changes.",
    ),
    "no_change_mass": ("Weight on no change", "Providers, traffic, data: nothing that was merged."),
    "unattributed_mass": ("Weight not placed", "Failures that the evidence could not place."),
}
"""Figures of the coverage metric: name and what it means. ``unknown_share`` is the rest of ``tagged_share``."""
