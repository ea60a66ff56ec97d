"""Accuracy of categories on labelled rows."""

from correlator.category_accuracy import Labelled, measure
from schemas.records import RankedCategory
from schemas.vocabulary import FailureCategory as C


def row(number: int, label: C, predicted: C, *plausible: C, kind: str = "span") -> Labelled:
    ranked = (RankedCategory(predicted, 0.8, "because"),)
    return Labelled(str(number), kind, str(label), tuple(map(str, plausible)), ranked)


def test_exact_and_plausible_are_told_apart() -> None:
    rows = [
        row(1, C.SECURITY, C.SECURITY),
        row(2, C.SECURITY, C.INTEGRATION, C.INTEGRATION),
        row(3, C.SECURITY, C.UNKNOWN, C.INTEGRATION),
        row(4, C.UNKNOWN, C.UNKNOWN, kind="incident_text"),
    ]
    found = measure(rows)
    assert found["exact"]["value"] == 0.5
    assert found["plausible"]["value"] == 0.75
    assert found["by_kind"]["incident_text"]["exact"]["value"] == 1.0
    assert [wrong["id"] for wrong in found["wrong"]] == ["2", "3"]


def test_every_row_stands_once_in_the_confusion_and_intervals_hold_their_share() -> None:
    rows = [row(i, label, guess) for i, (label, guess) in enumerate((a, b) for a in C for b in C if a != b)]
    found = measure([*rows, row(99, C.SECURITY, C.SECURITY)])
    assert sum(count for counts in found["confusion"].values() for count in counts.values()) == len(rows) + 1
    for entry in found["classes"]:
        for share in (entry["recall"], entry["precision"]):
            assert share["low"] <= share["value"] <= share["high"]


def test_a_class_without_a_label_has_no_recall() -> None:
    (integration, security) = measure([row(1, C.SECURITY, C.INTEGRATION)])["classes"]
    assert integration["recall"]["value"] is None
    assert security["precision"]["value"] is None
