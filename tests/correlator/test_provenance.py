import dataclasses
from datetime import UTC, datetime, timedelta

import golden
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from correlator import provenance
from correlator.catalogue import catalogue
from correlator.change_requests import detect_change_request
from correlator.provenance import Policy, detect
from schemas.records import Commit, CommitSha, RepositoryName
from schemas.vocabulary import Confidence, Origin, Role

WHEN = datetime(2026, 3, 2, 10, tzinfo=UTC)


def a_commit(message: str, **changes: object) -> Commit:
    commit = Commit(
        repository=RepositoryName("acme/shop"),
        sha=CommitSha("a" * 40),
        parents=(),
        author_name="Ada Byron",
        author_email="ada@shop.example",
        committer_name="Ada Byron",
        committer_email="ada@shop.example",
        authored_at=WHEN,
        committed_at=WHEN,
        message=message,
    )
    return dataclasses.replace(commit, **changes)  # type: ignore[arg-type]


def a_golden_commit(text: str) -> Commit:
    head, _, rest = text.partition("\n\n")
    fields = dict(line.split(": ", 1) for line in head.splitlines())
    message, separator, note = rest.partition("\n=== note ===\n")
    author, committer = (fields[key].rstrip(">").split(" <") for key in ("author", "committer"))
    at = datetime.fromisoformat(fields["date"])
    return a_commit(
        message,
        author_name=author[0],
        author_email=author[1],
        committer_name=committer[0],
        committer_email=committer[1],
        authored_at=at,
        committed_at=at,
        note=note if separator else None,
    )


@pytest.mark.parametrize("sentence", golden.cases("provenance"))
def test_verdict_is_the_golden_one(sentence: str) -> None:
    verdict = detect(a_golden_commit(golden.text("provenance", sentence)), Policy())
    golden.check(
        "provenance",
        sentence,
        {
            "origin": verdict.origin,
            "role": verdict.role,
            "tools": list(verdict.tools),
            "models": list(verdict.models),
            "confidence": verdict.confidence,
            "basis": verdict.basis,
            "conflict": verdict.conflict,
            "evidence": [f"{e.channel}/{e.kind}/{e.tool}/{e.role}/{e.confidence}" for e in verdict.evidence],
        },
    )


TRAILERS = [
    "Co-authored-by: Claude Opus 4.6 <noreply@anthropic.com>",
    "Co-authored-by: Copilot <175728472+Copilot@users.noreply.github.com>",
    "Assisted-by: Codex:GPT-5.4",
    "Generated-by: Gemini 3 Pro on Antigravity",
    "AI-assisted: no",
    "Claude-Session: https://claude.ai/code/session_01abcdefgh",
    "Signed-off-by: Ada Byron <ada@shop.example>",
    "Reviewed-by: Claude <noreply@anthropic.com>",
    "Co-authored-by: Claude Dubois <claude@dubois.example>",
]
ANY_TEXT = st.text(max_size=300) | st.lists(
    st.sampled_from(
        [*TRAILERS, "```", "<!--", "-->", "- [x] AI was used", "## AI usage", "🤖 Generated with", "\\n\\n"]
    )
    | st.text(max_size=40),
    max_size=15,
).map("\n".join)


@given(st.permutations(TRAILERS))
def test_order_of_trailer_lines_does_not_matter(lines: list[str]) -> None:
    assert detect(a_commit("Add x\n\n" + "\n".join(lines)), Policy()) == detect(
        a_commit("Add x\n\n" + "\n".join(TRAILERS)), Policy()
    )


@given(ANY_TEXT)
def test_crlf_reads_as_lf(text: str) -> None:
    text = text.replace("\r", "")
    assert detect(a_commit(text.replace("\n", "\r\n")), Policy()) == detect(a_commit(text), Policy())


@settings(max_examples=200)
@given(ANY_TEXT, st.text(max_size=30), st.text(max_size=40), st.none() | st.text(max_size=200))
def test_never_fails_and_keeps_its_bounds(message: str, name: str, mailbox: str, note: str | None) -> None:
    verdict = detect(
        a_commit(message, author_name=name, author_email=mailbox, committer_email=name, note=note), Policy()
    )
    assert verdict.catalogue_version == catalogue().version
    assert all(len(e.matched_text) <= 160 for e in verdict.evidence)
    assert (verdict.origin is Origin.UNKNOWN) == (verdict.confidence is None)
    assert bool(verdict.tools) == (verdict.origin is Origin.AI)


@given(ANY_TEXT, st.sampled_from(TRAILERS[:2]))
def test_positive_evidence_always_wins(text: str, trailer: str) -> None:
    """A trailer below any text that leaves no quotation open makes the commit ai."""
    text = text.replace("`", "").replace("~", "").replace("<", "").replace(":", "")
    assert detect(a_commit(f"Subject\n\n{text}\n\nEnd.\n\n{trailer}\n"), Policy()).origin is Origin.AI


def test_longest_messages_are_read_at_both_ends() -> None:
    message = "Subject\n\n" + "word " * 200_000 + "\n\n" + TRAILERS[0]
    assert detect(a_commit(message), Policy()).tools == ("claude-code",)


def test_unmarked_commits_are_human_only_where_the_repository_says_so() -> None:
    policy = Policy(assume_unmarked_from=WHEN)
    assert detect(a_commit("Fix typo"), policy).origin is Origin.HUMAN
    assert detect(a_commit("Fix typo"), policy).basis == "policy"
    assert detect(a_commit("Fix typo", authored_at=WHEN - timedelta(days=1)), policy).origin is Origin.UNKNOWN
    assert detect(a_commit("Fix\n\n" + TRAILERS[0]), policy).origin is Origin.AI


def test_an_agent_as_committer_is_no_unmarked_commit() -> None:
    commit = a_commit("Fix", committer_name="Claude", committer_email="noreply@anthropic.com")
    assert detect(commit, Policy(assume_unmarked_from=WHEN)).origin is Origin.UNKNOWN


def test_an_unset_clock_is_no_reason_for_human() -> None:
    assert (
        detect(a_commit("x", authored_at=datetime(1970, 1, 1, tzinfo=UTC)), Policy()).origin is Origin.UNKNOWN
    )


def test_naive_times_are_utc() -> None:
    assert detect(a_commit("x", authored_at=datetime(2019, 1, 1)), Policy()).origin is Origin.HUMAN  # noqa: DTZ001


def test_default_epoch_is_the_catalogues() -> None:
    assert Policy().ai_epoch.date() == catalogue().ai_epoch


def test_a_tool_is_not_meant_before_it_was_public() -> None:
    commit = a_commit("x\n\nAssisted-by: Claude", authored_at=datetime(2022, 1, 1, tzinfo=UTC))
    assert detect(commit, Policy()).origin is Origin.UNKNOWN


def test_the_strongest_evidence_names_the_primary_tool() -> None:
    message = f"x\n\n{TRAILERS[1]}\n{TRAILERS[2]}\n{TRAILERS[0]}"
    verdict = detect(a_commit(message), Policy())
    assert provenance.ranked_tools(verdict, message) == ["claude-code", "codex", "copilot"]
    assert verdict.tools == ("claude-code", "codex", "copilot")


def test_an_author_before_its_co_author_is_primary() -> None:
    commit = a_commit(
        f"x\n\n{TRAILERS[0]}",
        author_name="Copilot",
        author_email="198982749+Copilot@users.noreply.github.com",
    )
    assert provenance.ranked_tools(detect(commit, Policy()), commit.message)[0] == "copilot-agent"


def test_of_equal_tools_the_first_named_leads() -> None:
    lines = ["Co-authored-by: Crush <crush@charm.land>", "Co-authored-by: Amp <amp@ampcode.com>"]
    for order in (lines, lines[::-1]):
        message = "x\n\n" + "\n".join(order)
        leading = provenance.ranked_tools(detect(a_commit(message), Policy()), message)[0]
        assert leading == ("crush" if order is lines else "amp")


def test_change_request_evidence_has_at_most_confidence_b() -> None:
    rows = detect_change_request(
        "[codex] Fix basket",
        "What it does.\n\n🤖 Generated with [Claude Code](https://claude.com/claude-code)\n",
        "copilot/fix-7",
        ["bug", "ai-generated"],
    )
    assert {(e.kind, e.tool) for e in rows} == {
        ("branch", "copilot-agent"),
        ("title", "codex"),
        ("body_footer", "claude-code"),
        ("label", "unspecified-ai"),
    }
    assert all(e.confidence >= Confidence.B and e.channel == "change_request" for e in rows)


def test_a_plain_change_request_says_nothing() -> None:
    assert (
        detect_change_request("Fix basket", "Adds support for Claude.", "fix/ai-configuration", ["bug"]) == ()
    )


def test_a_change_request_may_deny() -> None:
    body = "### Was this authored using generative AI tooling?\n\nNo\n"
    (row,) = detect_change_request("Fix", body, "fix")
    assert (row.origin, row.role) == (Origin.HUMAN, Role.NONE)
