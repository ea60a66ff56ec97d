"""What really happened at Acme: who wrote each change, and which change caused each incident.

Known only because Acme is made up. The product never sees this file; the demo prints it beside the product's answers.
"""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Cause:
    """Why an incident happened. ``change``: key of the change that did it, None when none did."""

    change: str | None
    category: str
    story: str
    same_as: str | None = None


AI_CHANGES = frozenset(
    {
        *(
            "02",
            "04",
            "06",
            "11",
            "13",
            "15",
            "17",
            "20",
            "22",
            "24",
            "27",
            "28",
            "32",
            "35",
            "37",
            "39",
            "41",
        ),
        # Written by an agent, and nothing in git says so: no tool that reads declared marks can know.
        "42",
        *("44", "47", "49", "50", "51", "53", "56", "58"),
    }
)
UNMARKED_AI_CHANGES = frozenset({"42"})
AUTOMATED_CHANGES = frozenset({"09", "19"})


def origin(key: str) -> str:
    """``ai``, ``automation`` or ``human``: who wrote the change, in truth."""
    if key in AI_CHANGES:
        return "ai"
    return "automation" if key in AUTOMATED_CHANGES else "human"


CAUSES: dict[str, Cause] = {
    "INC-101": Cause("06", "logic_unhandled", "no picture, no thumbnail: None has no rpartition"),
    "INC-102": Cause("10", "data_integrity", "two orders of one second share a number"),
    "INC-103": Cause("15", "integration", "the cart calls the quantity qty, checkout does not"),
    "INC-104": Cause("15", "integration", "the same failure again", same_as="INC-103"),
    "INC-105": Cause(None, "dependency_infrastructure", "the payment gateway refused connections"),
    "INC-106": Cause("22", "security", "inventory forgets the token header that checkout sends"),
    "INC-107": Cause("26", "resource_performance", "orders for review keep their connection"),
    "INC-108": Cause("32", "resource_performance", "one question to the warehouse per product"),
    "INC-109": Cause("35", "configuration_deploy", "a variable that production does not set"),
    "INC-110": Cause("38", "configuration_deploy", "the migration lies in the wrong folder"),
    "INC-111": Cause(None, "integration", "a partner's client cuts its bodies off"),
    "INC-112": Cause("42", "logic_unhandled", "coupons without an expiry date"),
    "INC-113": Cause("33", "logic_unhandled", "an average over no pieces, weeks after it was written"),
    "INC-114": Cause("50", "compliance_governance", "customers in an export without their consent"),
    "INC-115": Cause(None, "unknown", "nothing failed: a false alarm"),
    "INC-116": Cause("55", "logic_unhandled", "a Decimal where everybody expects integer cents"),
}
"""Incident -> its cause."""
