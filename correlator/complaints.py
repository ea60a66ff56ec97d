"""What an incident complains of, as far as that decides whether spans would show it: by the words of its title. Pure.

A service without a failing span proves that nothing was done only where what is complained of makes spans fail. Words
are those of pagers and of people: alert names of Prometheus ("HighRequestLatency"), monitors of Datadog ("p95 latency on
{service} is high"), titles of PagerDuty and of tickets ("Invoice totals are wrong").
"""

import re
from collections.abc import Mapping
from enum import StrEnum
from typing import Any

from correlator import category_texts
from schemas.vocabulary import Detector, FailureCategory

Row = Mapping[str, Any]


class Complaint(StrEnum):
    """What is said to be wrong."""

    OPEN_ACCESS = "open_access"  # somebody may do what he may not: no span fails of that
    WRONG_DATA = "wrong_data"  # an answer came, and was wrong
    SLOWNESS = "slowness"  # durations tell
    REFUSALS = "refusals"  # an answer of 4xx is no failure of the service that gives it
    NAMED_ERROR = "named_error"  # somebody saw this exception
    FAILURE = "failure"  # all else: it would show in spans


UNSEEN = frozenset({Complaint.OPEN_ACCESS, Complaint.WRONG_DATA})
"""No span tells of them, and seldom anything but a change brings them about."""

DETECTORS: Mapping[Complaint, frozenset[Detector]] = {
    Complaint.OPEN_ACCESS: frozenset({Detector.DENIALS_STOPPED, Detector.CALLERS_UNAUTHENTICATED}),
    Complaint.WRONG_DATA: frozenset({Detector.VALUES_EMPTY, Detector.CONSTRAINTS_BROKEN}),
    Complaint.SLOWNESS: frozenset({Detector.OPERATION_SLOWER, Detector.CALLS_MULTIPLIED}),
    Complaint.REFUSALS: frozenset({Detector.DENIALS_ROSE}),
}
"""Drifts that are what is complained of."""

_HUMP = re.compile(r"(?<=[a-z])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])|(?<=[A-Za-z])(?=4xx)|_")
_ACCOUNT = r"(?:auth\w*|login|log(?:ging)? ?in|sign(?:ing)? ?in|credentials?|(?:access )?tokens?|passwords?|api keys?|permissions?)"
_NUMBER = r"(?<![\d.#])4(?:xx|0\d|1\d|2\d)s?(?![\w.])(?!\s*(?:ms|msec|milli|s|sec|min|[kmg]i?b|%|percent|req|rps)\w*\b)"
_WORDS: tuple[tuple[Complaint, re.Pattern[str]], ...] = tuple(
    (complaint, re.compile(rf"(?i)(?<![a-z])(?:{'|'.join(phrases)})(?![a-z])"))
    for complaint, phrases in (
        (
            Complaint.OPEN_ACCESS,
            (
                rf"(?:without|no|missing|skips?|bypass(?:es|ed|ing)?) (?:(?:an?|any|the|valid) )*{_ACCOUNT}(?: checks?)?(?= |$|[.,;:)])",
                r"unauthenticated|unauthori[sz]ed access|any(?:one|body) (?:can|could|may)|every(?:one|body) can",
                r"(?:publicly|openly) \w+|world[- ]readable|auth\w* bypass|broken access control|IDOR",
                r"(?:other|another) (?:users?|customers?|tenants?|accounts?)\W?s?\W? (?:\w+ ){0,2}(?:data|orders?|records?|accounts?|profiles?|files?|details|invoices?|documents?|messages?|addresses)",
            ),
        ),
        (
            Complaint.WRONG_DATA,
            (
                r"wrong|incorrect(?:ly)?|inaccurate|inconsisten\w+|corrupt\w*|stale|duplicated?|out of sync|discrepanc\w+",
                r"(?:is|are|was|were|be) off(?: by)?|off by|does ?n[o']t (?:add up|match|reconcile|balance)|do(?:es)? not (?:add up|match|reconcile|balance)|don't (?:add up|match|reconcile|balance)",
                r"data (?:quality|loss|drift|mismatch|integrity)|(?:missing|lost) (?:orders?|rows?|records?|data|entries|payments?|events?|invoices?)",
                r"(?:charged|billed|counted|sent|paid) (?:twice|double)|double[- ](?:charg|bill|count)\w+|round(?:ed|ing)",
            ),
        ),
        (
            Complaint.SLOWNESS,
            (
                r"latenc(?:y|ies)|slow(?:er|ly|ness|down)?|p(?:50|75|9\d|9\.9|999)|\d\dth percentile|percentiles?|apdex",
                r"response times?|durations?|(?:takes?|taking|took) (?:too |very |so |far too )*long(?:er)?|performance|sluggish",
            ),
        ),
        (
            Complaint.REFUSALS,
            (
                _NUMBER,
                r"(?<!connection )(?<!connections )(?:refus\w+|reject\w+)|denied|denials?|forbidden|unauthori[sz]ed|bad requests?|unprocessable|client errors?",
                r"validation (?:errors?|failures?)|(?:can ?not|can't|cannot|unable to) (?:log|sign) ?in|(?:log|sign)[- ]?in (?:failures?|fails|errors?)|too many requests|rate[- ]?limited",
            ),
        ),
    )
)
# `TypeError`, `java.lang.IllegalStateException`; not `Error`, `HighErrorRate`, `Errors`.
_ERROR_NAME = re.compile(r"(?<![A-Za-z])(?:\w+(?:\.|::|\\))*[A-Z]\w*[a-z]\w*(?:Error|Exception)\b")
_PATH = re.compile(r"(?<![\w/:.])/[\w{}:.$*<>\[\]-]+(?:/[\w{}:.$*<>\[\]-]+)*")


def of(incident: Row) -> Complaint:
    """What a row of ``incident_states.fold`` complains of; that a span cannot show wins over what one can."""
    title = incident["title"] or ""
    spoken = " ".join(part for part in _HUMP.split(title) if part)
    for complaint, pattern in _WORDS[:2]:
        if pattern.search(spoken):
            return complaint
    # The name of an exception is the better witness: `ForbiddenError in checkout` is about the error.
    if _ERROR_NAME.search(title):
        return Complaint.NAMED_ERROR
    for complaint, pattern in _WORDS[2:]:
        if pattern.search(spoken):
            return complaint
    category = category_texts.of(incident).category
    return Complaint.WRONG_DATA if category is FailureCategory.DATA_INTEGRITY else Complaint.FAILURE


def named_paths(title: str) -> frozenset[str]:
    """Routes that a title names: ``p95 of /orders/{id} doubled``."""
    return frozenset(found.rstrip(".:") for found in _PATH.findall(title))
