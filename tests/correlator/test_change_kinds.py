from typing import Any

import pytest

from correlator import change_kinds
from correlator.change_kinds import Statement
from schemas.vocabulary import ChangeKind


def _stated(title: str, *touched: str, **stated: Any) -> Statement:
    values: dict[str, Any] = {
        "titles": [title],
        "paths": touched or ("shop/rates.py",),
        "authors": ["Ada <ada@example.com>"],
        "labels": (),
        "is_revert": False,
        "names_fixed_change": False,
        "fixes_issue": False,
    }
    return Statement(**(values | stated))


@pytest.mark.parametrize(
    ("statement", "kind", "rule"),
    [
        (_stated("Add rates"), ChangeKind.FEATURE, "default"),
        (_stated("feat(shop): fix nothing"), ChangeKind.FEATURE, "prefix:feature"),
        (_stated("fix(shop)!: rate of zero"), ChangeKind.FIX, "prefix:fix"),
        (_stated("hotfix: rate"), ChangeKind.FIX, "prefix:fix"),
        (_stated("Rates", names_fixed_change=True), ChangeKind.FIX, "trailer:fixes"),
        (_stated("Rates", labels=["Bug"]), ChangeKind.FIX, "label:bug"),
        (_stated("Rates", fixes_issue=True), ChangeKind.FIX, "closes:fixes"),
        (_stated("Fix crash on empty cart"), ChangeKind.FIX, "title:fix_word"),
        (_stated("Add prefix to debug output"), ChangeKind.FEATURE, "default"),
        (_stated('Revert "Add rates"', is_revert=True), ChangeKind.REVERT, "names:reverted_change"),
        (_stated("fix: typo", "README.md", "docs/x.png"), ChangeKind.DOCS, "paths:docs"),
        (_stated("Update", "uv.lock", "web/yarn.lock"), ChangeKind.LOCKFILE, "paths:lock"),
        (
            _stated("Bump requests from 2.1 to 2.2", "requirements.txt"),
            ChangeKind.DEPENDENCY,
            "title:dependency",
        ),
        (
            _stated(
                "Update it",
                "package.json",
                "package-lock.json",
                authors=["dependabot[bot] <49699333+dependabot[bot]@users.noreply.github.com>"],
            ),
            ChangeKind.DEPENDENCY,
            "author:dependency_bot",
        ),
        (_stated("fix(deps): update x", "package.json", "src/a.ts"), ChangeKind.DEPENDENCY, "prefix:deps"),
        (
            _stated("Raise pool size", "config/app.yaml", "README.md"),
            ChangeKind.CONFIGURATION,
            "paths:configuration",
        ),
        (_stated("fix: pool size", "config/app.yaml"), ChangeKind.FIX, "prefix:fix"),
        (_stated("Run black"), ChangeKind.FORMATTER, "title:formatter"),
        (_stated("style: spaces"), ChangeKind.FORMATTER, "prefix:style"),
        (_stated("style: new button", "web/button.css"), ChangeKind.FEATURE, "default"),
        (_stated("Format prices with two digits"), ChangeKind.FEATURE, "default"),
    ],
)
def test_the_first_rule_that_fires_decides(statement: Statement, kind: ChangeKind, rule: str) -> None:
    assert change_kinds.kind_of(statement) == (kind, rule)


def test_a_merge_without_a_title_is_a_fix_when_all_it_brings_in_are() -> None:
    assert change_kinds.kind_of(_stated("", titles=["fix: a", "fix: b"]))[0] is ChangeKind.FIX
    assert change_kinds.kind_of(_stated("", titles=["fix: a", "Add b"]))[0] is ChangeKind.FEATURE


def test_documentation_lock_files_and_formatting_are_no_code() -> None:
    assert change_kinds.is_code(ChangeKind.FEATURE, ["shop/rates.py"])
    assert change_kinds.is_code(ChangeKind.CONFIGURATION, ["config/app.yaml"])
    assert not change_kinds.is_code(ChangeKind.FORMATTER, ["shop/rates.py"])
    assert not change_kinds.is_code(ChangeKind.REVERT, ["README.md"])
    assert not change_kinds.is_code(ChangeKind.FEATURE, [])
