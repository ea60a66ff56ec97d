"""``explain culprit`` and ``evaluate culprits`` on a real repository."""

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from repository_builder import RepositoryBuilder
from typer.testing import CliRunner

from api.cli import cli

CART = "def total(items):\n    amount = sum(items)\n    return amount\n\n\ndef empty(items):\n    return not items\n"
FIXED_AT = datetime(2026, 2, 2, 9, 0, tzinfo=UTC)
BROKEN = CART.replace("sum(items)", "sum(items[1:])")


class Company:
    """A shop whose total was broken by one change, with neighbours before and after it."""

    def __init__(self, repos: Path) -> None:
        self.repos = repos
        self.builder = RepositoryBuilder(repos / "acme+shop")
        commit = self.builder.commit
        self.born = commit("Add a cart", {"cart.py": CART})
        self.before = [
            commit(f"Page {n}", {f"page{n}.py": f"def page{n}():\n    return {n}\n"}) for n in range(6)
        ]
        self.culprit = commit("Leave out the deposit", {"cart.py": BROKEN})
        self.after = [
            commit(f"Text {n}", {f"text{n}.py": f"def text{n}():\n    return '{n}'\n"}) for n in range(6)
        ]

    def fix(self, message: str = "Count the first item", code: str = CART) -> str:
        head = self.builder.commit(message, {"cart.py": code}, when=FIXED_AT)
        self.builder.git("branch", "-f", f"fix-{head[:8]}")
        return head

    def row(self, fix: str, **fields: Any) -> dict[str, Any]:
        return {"id": fix[:8], "repo": "acme/shop", "fix_sha": fix, **fields}

    def run(self, *arguments: str, rows: list[dict[str, Any]]) -> str:
        lines = "".join(json.dumps(row) + "\n" for row in rows)
        done = CliRunner().invoke(cli, [*arguments, "-", "--repos", str(self.repos)], input=lines)
        if done.exception is not None:
            raise done.exception
        return done.stdout

    def explain(self, *rows: dict[str, Any], mode: str = "auto") -> list[dict[str, Any]]:
        told = self.run("explain", "culprit", "--mode", mode, rows=list(rows))
        return [json.loads(line) for line in told.splitlines()]


@pytest.fixture(scope="module")
def company(tmp_path_factory: pytest.TempPathFactory) -> Company:
    return Company(tmp_path_factory.mktemp("repos"))


def test_the_change_that_wrote_the_mended_line_is_the_heaviest_suspect(company: Company) -> None:
    (found,) = company.explain(company.row(company.fix()))
    assert found["mode"] == "location"
    first, *others = found["suspects"]
    assert first["sha"] == company.culprit
    assert first["weight"] >= 0.3
    assert {e["kind"] for e in first["evidence"]} >= {"blamed_line"}
    assert {suspect["sha"] for suspect in others} == {company.born}
    total = sum(s["weight"] for s in found["suspects"]) + found["unattributed"]
    assert total == pytest.approx(1, abs=1e-5)
    company.builder.git("reset", "--quiet", "--hard", company.after[-1])


def test_neither_the_words_nor_the_new_lines_of_a_fix_are_read(company: Company) -> None:
    answers = []
    for message, code in (
        ("Count the first item", CART),
        (f"Mend the logo\n\nFixes: {company.born}", BROKEN.replace("sum(items[1:])", "round(7)")),
    ):
        fix = company.fix(message, code)
        company.builder.git("reset", "--quiet", "--hard", company.after[-1])
        answers.append(company.explain(company.row(fix, inducing_shas=[company.born]))[0])
    assert answers[0]["suspects"] == answers[1]["suspects"]


def test_a_window_shares_the_whole_mass_among_its_changes(company: Company) -> None:
    fix = company.fix()
    company.builder.git("reset", "--quiet", "--hard", company.after[-1])
    window = [*company.before, company.culprit, *company.after]
    (found,) = company.explain(company.row(fix, window=window))
    assert found["mode"] == "range"
    assert {s["sha"] for s in found["suspects"]} == set(window)
    assert found["suspects"][0]["sha"] == company.culprit
    assert found["suspects"][0]["weight"] > 0.75
    assert found["unattributed"] == pytest.approx(0, abs=1e-5)
    (elsewhere,) = company.explain(company.row(fix, window=window), mode="location")
    assert elsewhere["mode"] == "location"


def test_a_line_that_a_later_change_rewrote_still_leads_to_the_window(company: Company) -> None:
    company.builder.commit("Rename", {"cart.py": BROKEN.replace("amount", "value")})
    fix = company.fix(code=CART.replace("amount", "value"))
    company.builder.git("reset", "--quiet", "--hard", company.after[-1])
    (found,) = company.explain(company.row(fix, window=[*company.before, company.culprit]))
    assert found["suspects"][0]["sha"] == company.culprit
    assert "blamed_line" in {e["kind"] for e in found["suspects"][0]["evidence"]}


def test_lines_can_be_stated_instead_of_a_fix(company: Company) -> None:
    where = {"path": "cart.py", "first": 2, "last": 2}
    row = {"id": 7, "repo": "acme/shop", "revision": company.after[-1], "location": [where]}
    (found,) = company.explain(row)
    assert found["suspects"][0]["sha"] == company.culprit


def test_a_merge_of_the_window_answers_for_its_side_commits(tmp_path: Path) -> None:
    shop = Company(tmp_path)
    shop.builder.git("checkout", "--quiet", "-b", "side", shop.before[-1])
    shop.builder.commit("Prepare", {"other.py": "y = 1\n"})
    shop.builder.commit("Empty means one", {"cart.py": CART.replace("not items", "len(items) == 1")})
    shop.builder.git("checkout", "--quiet", "main")
    merge = shop.builder.merge("side", "Merge side")
    fix = shop.fix(code=BROKEN)
    (found,) = shop.explain(shop.row(fix, window=[merge, *shop.after]))
    assert found["suspects"][0]["sha"] == merge


def test_accuracy_is_told_beside_plain_blame(company: Company) -> None:
    fix = company.fix()
    company.builder.git("reset", "--quiet", "--hard", company.after[-1])
    row = company.row(fix, inducing_shas=[company.culprit])
    found = json.loads(company.run("evaluate", "culprits", "--json", rows=[row, row | {"strict": False}]))
    assert found["location"]["n"] == 1
    assert found["location"]["ours"]["recall"] == 1
    assert found["location"]["plain"]["top1"] == 1
    assert found["range"]["ours"]["top1"] == 1
    assert sum(bin_["n"] for bin_ in found["range"]["reliability"]) == 1
    assert found["location"]["repositories"]["acme/shop"]["n"] == 1
    table = company.run("evaluate", "culprits", rows=[row])
    assert "git blame" in table
    assert "mean weight" in table


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"repo": "acme/nowhere"}, "there is no repository"),
        ({"fix_sha": "--output=x"}, "names no commit"),
        ({"window": ["f" * 40]}, "names no commit"),
        ({"window": []}, None),
        ({"fix_sha": None}, "names no commit"),
    ],
)
def test_a_row_that_cannot_be_asked_is_refused(
    company: Company, change: dict[str, Any], said: str | None
) -> None:
    row = company.row(company.after[-1]) | change
    if said is None:
        assert company.explain(row)[0]["mode"] == "location"
        return
    with pytest.raises(Exception, match=said):
        company.explain(row)


def test_rows_without_labels_are_not_evaluated(company: Company) -> None:
    with pytest.raises(Exception, match="inducing_shas"):
        company.run("evaluate", "culprits", rows=[company.row(company.after[-1])])
