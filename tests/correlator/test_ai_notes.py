import json

from hypothesis import given
from hypothesis import strategies as st

from correlator import ai_notes
from correlator.ai_notes import EMPTY, AiNote
from correlator.catalogue import catalogue
from schemas.vocabulary import Origin

SESSION = "s_0123456789abcd"
PROMPT = "0123456789abcdef"
HUMAN = "h_0123456789abcd"


def agent(tool: str, model: str) -> dict[str, object]:
    return {"agent_id": {"tool": tool, "id": "1", "model": model}}


def note(head: str, **metadata: object) -> str:
    body = {"schema_version": "authorship/3.0.0", "prompts": {}, **metadata}
    return f"{head}---\n{json.dumps(body, indent=2)}\n"


def parse(text: str) -> AiNote:
    return ai_notes.parse(text, catalogue())


def test_three_kinds_of_key_are_told_apart() -> None:
    text = note(
        f"src/a.py\n  {SESSION}::t_0123456789abcd 1-4,9\n  {HUMAN} 10-11\nsrc/b.py\n  {PROMPT} 7\n  1234567 8\n",
        sessions={SESSION: agent("claude", "claude-opus-4-6")},
        prompts={PROMPT: agent("cursor", "default"), "1234567": agent("codex", "gpt-5.6")},
    )
    parsed = parse(text)
    assert [(x.path, x.start, x.end, x.origin, x.tool) for x in parsed.lines] == [
        ("src/a.py", 1, 4, Origin.AI, "claude-code"),
        ("src/a.py", 9, 9, Origin.AI, "claude-code"),
        ("src/a.py", 10, 11, Origin.HUMAN, None),
        ("src/b.py", 7, 7, Origin.AI, "cursor"),
        ("src/b.py", 8, 8, Origin.AI, "codex"),
    ]
    assert (parsed.ai_line_count, parsed.human_line_count) == (7, 2)
    assert parsed.tools == ("claude-code", "codex", "cursor")
    assert parsed.models == ("claude-opus-4-6", "gpt-5.6")
    assert not parsed.is_truncated


def test_quoted_paths_lose_their_quotes_and_escapes() -> None:
    parsed = parse(note(f'"my file.txt"\n  {PROMPT} 1\n"caf\\303\\251 \\"x\\".py"\n  {PROMPT} 2\n'))
    assert [x.path for x in parsed.lines] == ["my file.txt", 'café "x".py']


def test_prompts_without_lines_attest_nothing() -> None:
    parsed = parse(note("", prompts={PROMPT: agent("claude", "claude-opus-4-6")}))
    assert (parsed.lines, parsed.tools, parsed.ai_line_count) == ((), (), 0)


def test_a_key_that_the_metadata_lost_is_still_an_ais() -> None:
    parsed = parse(note(f"a.py\n  {PROMPT} 3\n"))
    assert parsed.tools == ("unspecified-ai",)


def test_an_unknown_tool_keeps_its_name() -> None:
    parsed = parse(note(f"a.py\n  {PROMPT} 3\n", prompts={PROMPT: agent("New Tool", "m1")}))
    assert parsed.tools == ("new-tool",)


def test_an_unknown_prefix_is_left_out() -> None:
    assert parse(note("a.py\n  x_0123456789abcd 3\n")).lines == ()


def test_a_cut_before_the_divider_drops_the_torn_line() -> None:
    parsed = parse(f"a.py\n  {PROMPT} 1-20\n  {HUMAN} 25-3")
    assert [(x.start, x.end) for x in parsed.lines] == [(1, 20)]
    assert parsed.is_truncated


def test_a_cut_in_the_metadata_keeps_the_agents_before_it() -> None:
    text = note(
        f"a.py\n  {PROMPT} 1\n", prompts={PROMPT: agent("codex", "gpt-5.6"), "f" * 16: agent("amp", "x")}
    )
    parsed = parse(text[: text.index("amp")])
    assert parsed.tools == ("codex",)
    assert parsed.is_truncated


def test_another_format_is_not_read() -> None:
    assert parse(f'a.py\n  {PROMPT} 1\n---\n{{"schema_version": "authorship/0.0.1"}}') == EMPTY


def test_malformed_ranges_are_left_out() -> None:
    parsed = parse(note(f"a.py\n  {PROMPT} 5-2,0,-3,7-,99999999999,4\n"))
    assert [(x.start, x.end) for x in parsed.lines] == [(7, 7), (4, 4)]


def test_a_line_under_two_keys_counts_once_and_as_ai() -> None:
    parsed = parse(note(f"a.py\n  {PROMPT} 1-5\n  {SESSION}::t_0123456789abcd 4-6\n  {HUMAN} 6-8\n"))
    assert (parsed.ai_line_count, parsed.human_line_count) == (6, 2)


@given(st.text(max_size=200), st.integers(0, 400))
def test_never_fails_on_any_text_or_cut(text: str, cut: int) -> None:
    whole = note(f"a.py\n  {PROMPT} 1-4\n" + text, sessions={SESSION: agent("claude", text)})
    for candidate in (text, whole[:cut], whole.replace("\n", "\r\n")):
        parsed = parse(candidate)
        assert all(1 <= x.start <= x.end for x in parsed.lines)
