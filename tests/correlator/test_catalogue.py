import copy
import re
import tomllib
from importlib import resources
from typing import Any

import pytest

from correlator import agent_names, catalogue, message_lines, statements
from correlator.agent_names import Reading
from correlator.catalogue import compiled

RULES = catalogue.catalogue()


@pytest.fixture
def raw() -> dict[str, Any]:
    text = resources.files("correlator").joinpath("catalogue.toml").read_text(encoding="utf-8")
    return copy.deepcopy(tomllib.loads(text))


def test_every_model_pattern_matches_its_example(raw: dict[str, Any]) -> None:
    for entry, model in zip(raw["model"], RULES.models, strict=True):
        found = model.pattern.search(entry["example"])
        assert found, entry
        head = re.match(r"[a-z]+", found.group().lower())
        assert head is not None
        assert head.group() in model.heads, entry


def test_every_phrase_is_the_first_to_match_its_example() -> None:
    for phrase in RULES.phrases:
        lines = message_lines.read(f"Subject\n\n{phrase.example}\n")
        kinds = {(e.kind, e.role) for e in statements.read(lines, RULES, None, is_revert=False)}
        assert (phrase.kind, phrase.role) in kinds, phrase.example


def test_every_marker_line_matches_its_example(raw: dict[str, Any]) -> None:
    for entry in raw["marker_line"]:
        lines = message_lines.read(f"Subject\n\n{entry['example']}\n")
        found = {
            e.tool for e in statements.read(lines, RULES, None, is_revert=False) if e.kind == "host_text"
        }
        assert found == {entry["tool"]}


def test_mailboxes_are_addresses_in_lower_case() -> None:
    for mailbox in [*RULES.mailboxes, *RULES.automation.mailboxes]:
        assert mailbox == mailbox.lower()
        assert re.fullmatch(r"[^@\s]+@[\w.-]+\.\w+", mailbox), mailbox


def test_no_mailbox_is_both_an_agents_and_a_machines() -> None:
    assert not RULES.automation.mailboxes & RULES.mailboxes.keys()


def test_the_web_committer_is_nobodys_mailbox() -> None:
    assert "noreply@github.com" not in RULES.mailboxes


def test_an_account_of_two_tools_is_refused(raw: dict[str, Any]) -> None:
    raw["tool"][1].setdefault("mailboxes", []).append("noreply@anthropic.com")
    with pytest.raises(ValueError, match="claimed by"):
        compiled(raw)


def test_a_name_of_two_tools_is_refused(raw: dict[str, Any]) -> None:
    raw["tool"][1]["names"].append("Claude Code")
    with pytest.raises(ValueError, match="given to"):
        compiled(raw)


@pytest.mark.parametrize(
    ("text", "tools", "models"),
    [
        ("Claude Code (Opus 4.5)", ("claude-code",), ("Opus 4.5",)),
        ("ClaudeCode", ("claude-code",), ()),
        ("`Gemini 3 Pro (High)` on `Antigravity`", ("antigravity",), ("Gemini 3 Pro",)),
        ("Crush:glm-5.3", ("crush",), ("glm-5.3",)),
        ("GitLab Duo, OpenCode", ("gitlab-duo", "opencode"), ()),
        ("Claude, with model: claude-opus-4-6", ("claude-code",), ("claude-opus-4-6",)),
        ("OpenCode with MiniMax-M3", ("opencode",), ("MiniMax-M3",)),
        ("DeepSeek V4 Pro", ("unspecified-ai",), ("DeepSeek V4",)),
        ("anthropic/claude-opus-4.6", ("claude-code",), ("claude-opus-4.6",)),
        ("GitHub Copilot (gpt-5.2-codex)", ("copilot",), ("gpt-5.2-codex",)),
    ],
)
def test_values_resolve_to_tool_and_model(text: str, tools: tuple[str, ...], models: tuple[str, ...]) -> None:
    named = agent_names.resolved(text, RULES, None)
    assert named is not None
    assert (named.tools, named.models) == (tools, models)


@pytest.mark.parametrize(
    "text",
    ["PR-Codex overview", "docs/claude.md", "aider@example.org", "Claude Dubois", "copilots", "@claude"],
)
def test_other_things_are_no_mention(text: str) -> None:
    assert agent_names.mentions(text, RULES, None) == []


@pytest.mark.parametrize(
    "text", ["the Claude Agent SDK", "Copilot settings", "move the cursor", "Devin wrote it"]
)
def test_subject_matter_of_a_sentence_is_no_mention(text: str) -> None:
    assert agent_names.mentions(text, RULES, None, Reading.SENTENCE) == []


@pytest.mark.parametrize(
    ("name", "mailbox", "tool"),
    [
        ("Claude", "noreply@anthropic.com", "claude-code"),
        ("Claude", "", "claude-code"),
        ("Claude", "noreply@shop.example", "claude-code"),
        ("Claude Code", "ada+claude-code@shop.example", "claude-code"),
        ("OpenCode", "noreply@anthropic.com", "opencode"),
        ("Kimi K2.5", "noreply@anthropic.com", "claude-code"),
        ("AI (Claude Sonnet 4 via Pi)", "noreply@pi.dev", "pi"),
        ("GitHub Copilot", "noreply@github.com", "copilot"),
        ("x", "158243242+renamed[bot]@users.noreply.github.com", "devin"),
        ("x", "devin-ai-integration[bot]@users.noreply.github.com", "devin"),
        ("x", "77+devin-ai-integration[bot]@users.noreply.ghe.shop.example", "devin"),
        ("Goose", "opensource@block.xyz", "goose"),
        ("Ada's AI bot", "ada@shop.example", "unspecified-ai"),
    ],
)
def test_agents_are_recognised(name: str, mailbox: str, tool: str) -> None:
    found = agent_names.agent(name, mailbox, RULES, None)
    assert found is not None
    assert found.tool == tool


@pytest.mark.parametrize(
    ("name", "mailbox"),
    [
        ("Claude", "claude@dubois.example"),
        ("Claude Dubois 3rd", "claude@dubois.example"),
        ("Devin Smith", ""),
        ("Aider Khan", "a@khan.example"),
        ("Alice Gemini", "a@gemini.example"),
        ("Kim Lee", "kim@anthropic.com"),
        ("Ada", "ada+claude-code@shop.example"),
        ("Ada", "opensource@block.xyz"),
        ("GitHub", "noreply@github.com"),
        ("dependabot[bot]", "49699333+dependabot[bot]@users.noreply.github.com"),
    ],
)
def test_people_and_machines_are_no_agents(name: str, mailbox: str) -> None:
    assert agent_names.agent(name, mailbox, RULES, None) is None


@pytest.mark.parametrize(
    ("value", "pairs"),
    [
        ("Ada <ada@shop.example>", [("Ada", "ada@shop.example")]),
        ("Cursor cursoragent@cursor.com", [("Cursor", "cursoragent@cursor.com")]),
        ("Crush <crush@charm.land", [("Crush", "crush@charm.land")]),
        ("Oz [oz-agent@warp.dev](mailto:oz-agent@warp.dev)", [("Oz", "oz-agent@warp.dev")]),
        ("Claude Opus 4.6", [("Claude Opus 4.6", "")]),
        ("A <a@b.example>, C <c@d.example>", [("A", "a@b.example"), ("C", "c@d.example")]),
        (
            "dependabot[bot] <49699333+dependabot[bot]@users.noreply.github.com>",
            [("dependabot[bot]", "49699333+dependabot[bot]@users.noreply.github.com")],
        ),
    ],
)
def test_identities_are_read_as_people_write_them(value: str, pairs: list[tuple[str, str]]) -> None:
    assert list(agent_names.identities(value)) == pairs
