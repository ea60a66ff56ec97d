"""Each tool of the catalogue by each of its channels, and beside it what only looks like it. One row, one commit."""

from datetime import UTC, datetime

import pytest

from correlator.provenance import Policy, detect, ranked_tools
from schemas.records import Commit, CommitSha, RepositoryName

ANY = "some tool"
WHEN = datetime(2026, 6, 1, tzinfo=UTC)
ADA = ("Ada Byron", "ada@shop.example")


def commit(
    message: str = "Fix x",
    a: tuple[str, str] = ADA,
    cm: tuple[str, str] | None = None,
    at: datetime = WHEN,
) -> Commit:
    name = RepositoryName("acme/shop")
    return Commit(name, CommitSha("0" * 40), (), *a, *(cm or a), at, at, message)


def trailer(text: str) -> Commit:
    return commit(f"Fix x\n\nBody text.\n\n{text}\n")


def author(name: str, mailbox: str) -> Commit:
    return commit(a=(name, mailbox))


# (commit, leading tool | ANY | "tool:role" | "human" | "automation" | None for unknown)
ROWS = [
    # claude
    (trailer("Co-Authored-By: Claude Opus 4.6 (1M context) <noreply@anthropic.com>"), "claude-code"),
    (author("Claude", "noreply@anthropic.com"), "claude-code"),
    (author("claude[bot]", "209825114+claude[bot]@users.noreply.github.com"), "claude-code"),
    (trailer("Claude-Session: https://claude.ai/code/session_01abc"), "claude-code"),
    (trailer("Claude-Generated-By: Claude Code"), "claude-code"),
    (trailer("https://claude.ai/code/session_01abc"), "claude-code"),
    (trailer("🤖 Generated with [Claude Code](https://claude.ai/code)"), "claude-code"),
    (trailer("🤖 Generated with [Claude Code](https://claude.com/claude-code)"), "claude-code"),
    (trailer("🤖 Generated with Claude Code"), "claude-code"),
    (trailer("Generated with Claude Code"), "claude-code"),
    (trailer("Co-authored-by: Claude Code <x+claude-code@corp.example>"), "claude-code"),
    (trailer("Co-authored-by: Cursor <noreply@anthropic.com>"), "cursor"),
    (commit(cm=("Claude", "noreply@anthropic.com")), None),
    (trailer("Remove the Generated with Claude Code footer"), None),
    (commit('Remove "Generated with Claude Code" footer'), None),
    # copilot
    (author("Copilot", "198982749+Copilot@users.noreply.github.com"), "copilot-agent"),
    (author("copilot-swe-agent[bot]", "198982749+Copilot@users.noreply.github.com"), "copilot-agent"),
    (trailer("Agent-Logs-Url: https://github.com/a/b/sessions/1"), "copilot-agent"),
    (trailer("Co-authored-by: Copilot <223556219+Copilot@users.noreply.github.com>"), "copilot"),
    (trailer("Co-authored-by: Copilot <copilot@github.com>"), "copilot"),
    (trailer("Co-authored-by: GitHub Copilot <noreply@github.com>"), "copilot"),
    (author("GitHub", "noreply@github.com"), None),
    (commit(cm=("GitHub", "noreply@github.com")), None),
    (trailer("Co-authored-by: Copilot <175728472+Copilot@users.noreply.github.com>"), "copilot:suggestion"),
    (
        trailer("Co-authored-by: Copilot Autofix powered by AI <175728472+Copilot@users.noreply.github.com>"),
        "copilot:suggestion",
    ),
    (
        trailer(
            "Co-authored-by: Copilot Autofix powered by AI <62310815+github-advanced-security[bot]@users.noreply.github.com>"
        ),
        "copilot:suggestion",
    ),
    # codex
    (trailer("Co-authored-by: Codex <noreply@openai.com>"), "codex"),
    (trailer("Co-authored-by: Codex <codex@openai.com>"), "codex"),
    (
        trailer(
            "Co-authored-by: chatgpt-codex-connector[bot] <199175422+chatgpt-codex-connector[bot]@users.noreply.github.com>"
        ),
        "codex",
    ),
    (commit("[codex] Fix the parser"), "codex"),
    (trailer("Co-authored-by: Lena Meier <lena@openai.com>"), None),
    (trailer("Co-authored-by: Codex <codex@example.com>"), "codex"),
    (commit('Revert "[codex] Fix the parser"\n\nThis reverts commit 1234567.'), None),
    # cursor
    (trailer("Co-authored-by: Cursor <cursoragent@cursor.com>"), "cursor"),
    (author("Cursor Agent", "cursoragent@cursor.com"), "cursor"),
    (trailer("Co-authored-by: cursor[bot] <206951365+cursor[bot]@users.noreply.github.com>"), "cursor"),
    (trailer("Made-with: Cursor"), "cursor"),
    (trailer("Made with [Cursor](https://cursor.com)"), "cursor"),
    (trailer("Co-authored-by: Cursor cursoragent@cursor.com"), "cursor"),
    (commit("Move the cursor with arrow keys\n\nImplemented with cursor pagination."), None),
    # aider
    (author("Ada Byron (aider)", "ada@shop.example"), "aider"),
    (trailer("Co-authored-by: aider (gpt-5) <aider@aider.chat>"), "aider"),
    (trailer("Co-authored-by: aider (gpt-5) <noreply@aider.chat>"), "aider"),
    (trailer("Co-authored-by: aider (openrouter/x/y) <aider@aider.dev>"), "aider"),
    (commit("aider: Fix the parser"), "aider"),
    (commit(cm=("Ada Byron (aider)", "ada@shop.example")), "human"),
    (trailer("Co-authored-by: Pat Maker <pat@aider.chat>"), None),
    # devin
    (
        author("devin-ai-integration[bot]", "158243242+devin-ai-integration[bot]@users.noreply.github.com"),
        "devin",
    ),
    (trailer("Co-Authored-By: Devin AI <devin-ai-integration[bot]@users.noreply.github.com>"), "devin"),
    (author("Devin", "devin@shop.example"), None),
    (trailer("Co-authored-by: Devin Gould <dgould@gmail.com>"), None),
    # gemini
    (
        trailer(
            "Co-authored-by: gemini-code-assist[bot] <176961590+gemini-code-assist[bot]@users.noreply.github.com>"
        ),
        "gemini:suggestion",
    ),
    (trailer("Co-authored-by: Gemini <gemini-cli-agent@google.com>"), "gemini"),
    (trailer("Assisted-by: Gemini 3 Pro"), "gemini"),
    (trailer("Assisted-by: Gemini 3 Pro on Antigravity"), "antigravity"),
    (author("gemini-cli-robot", "gemini-cli-robot@google.com"), "automation"),
    (
        commit(
            "chore(release): v0.9.0",
            a=("gemini-cli[bot]", "218312386+gemini-cli[bot]@users.noreply.github.com"),
        ),
        "automation",
    ),
    (
        commit(
            "fix(core): handle nil",
            a=("gemini-cli[bot]", "218312386+gemini-cli[bot]@users.noreply.github.com"),
        ),
        "gemini",
    ),
    # jules
    (author("google-labs-jules[bot]", "161369871+google-labs-jules[bot]@users.noreply.github.com"), "jules"),
    (author("jules-fleet[bot]", "247082972+jules-fleet[bot]@users.noreply.github.com"), "jules"),
    (author("Jules", "jules@shop.example"), None),
    (author("Jules Verne", "jv@shop.example"), None),
    # openhands
    (trailer("Co-authored-by: openhands <openhands@all-hands.dev>"), "openhands"),
    (trailer("Co-authored-by: OpenDevin <opendevin@all-hands.dev>"), "openhands"),
    (trailer("Co-authored-by: Grace Lee <grace@all-hands.dev>"), None),
    (
        commit("Bump x", a=("dependabot[bot]", "49699333+dependabot[bot]@users.noreply.github.com")),
        "automation",
    ),
    (
        commit(
            "Bump x\n\nCo-authored-by: openhands <openhands@all-hands.dev>\n",
            a=("dependabot[bot]", "49699333+dependabot[bot]@users.noreply.github.com"),
        ),
        "openhands",
    ),
    # amp
    (trailer("Co-authored-by: Amp <amp@ampcode.com>"), "amp"),
    (trailer("Amp-Thread-ID: https://ampcode.com/threads/T-1"), "amp"),
    (commit("Add amp reading\n\nThe amp is measured with the meter."), None),
    # droid
    (
        trailer("Co-authored-by: factory-droid[bot] <138933559+factory-droid[bot]@users.noreply.github.com>"),
        "factory-droid",
    ),
    (trailer("Co-authored-by: Droid <droid@factory.ai>"), "factory-droid"),
    (
        commit(
            "Fix the door\\n\\nCo-authored-by: factory-droid[bot] <138933559+factory-droid[bot]@users.noreply.github.com>"
        ),
        "factory-droid",
    ),
    (trailer("Co-authored-by: Sam Fac <sam@factory.ai>"), None),
    # crush
    (trailer("Co-Authored-By: Crush <crush@charm.land>"), "crush"),
    (trailer("Co-Authored-By: Crush <crush@crush.charm.land>"), "crush"),
    (trailer("Assisted-by: Crush:glm-5"), "crush"),
    (trailer("Assisted-by: Kimi K2.5 via Crush <crush@charm.land>"), "crush"),
    (trailer("💘 Generated with Crush"), "crush"),
    (trailer("💖 Generated with Crush"), "crush"),
    (trailer("Co-Authored-By: Crush <crush@charm.land"), "crush"),
    # opencode
    (trailer("Co-authored-by: opencode <noreply@opencode.ai>"), "opencode"),
    (author("opencode-agent[bot]", "219766164+opencode-agent[bot]@users.noreply.github.com"), "opencode"),
    (trailer("Assisted-by: OpenCode (claude-sonnet-4.5)"), "opencode"),
    (trailer("Generated with opencode"), "opencode"),
    (author("opencode", "opencode@sst.dev"), "automation"),
    # warp
    (trailer("Co-Authored-By: Oz <oz-agent@warp.dev>"), "warp"),
    (trailer("Co-Authored-By: Warp <agent@warp.dev>"), "warp"),
    (trailer("Co-Authored-By: Oz [oz-agent@warp.dev](mailto:oz-agent@warp.dev)"), "warp"),
    (author("x", "240773466+oz-agent[bot]@users.noreply.github.com"), "warp"),
    (author("y", "277970191+zz[bot]@users.noreply.github.com"), "warp"),
    (trailer("- [x] Warp Agent Mode"), "warp"),
    (trailer("- [ ] Warp Agent Mode"), None),
    (trailer("This PR was created by [Oz](https://warp.dev/oz)"), "warp"),
    (trailer("This PR was generated with [Oz](https://warp.dev/oz)"), "warp"),
    (trailer("Co-authored-by: Zach L <zach@warp.dev>"), None),
    # roo
    (author("roomote[bot]", "219738659+roomote[bot]@users.noreply.github.com"), "roo"),
    (author("roomote-v0[bot]", "219738659+roomote-v0[bot]@users.noreply.github.com"), "roo"),
    (trailer("Co-authored-by: Roo Code <roomote@roocode.com>"), "roo"),
    (trailer("Co-authored-by: Roo <roo@roocode.dev>"), "roo"),
    (author("Roomote Bot", "worker@roocode.com"), "roo"),
    (author("Roo Code", "support@roocode.com"), None),
    (author("Roo Code", "roo-code@roocode.com"), "roo"),
    (author("Devin", "devin@cognition.ai"), "devin"),
    (author("Devin", "d.gould@cognition.ai"), None),
    (author("Claude", "claude.martin@anthropic.com"), None),
    (trailer("Co-authored-by: Continue Agent <nate@continue.dev>"), "continue"),
    # kiro
    (trailer("Co-authored-by: Kiro <244629292+kiro-agent@users.noreply.github.com>"), "kiro"),
    (trailer("Co-authored-by: x <kiro-agent@users.noreply.github.com>"), "kiro"),
    (
        trailer(
            "Co-authored-by: amazon-q-developer[bot] <208079219+amazon-q-developer[bot]@users.noreply.github.com>"
        ),
        "amazon-q",
    ),
    (commit("Add Kiro to the list of IDEs\n\nDocument Amazon Q Developer support."), None),
    # junie
    (author("jetbrains-junie[bot]", "201638009+jetbrains-junie[bot]@users.noreply.github.com"), "junie"),
    (author("Junie Kim", "junie@shop.example"), None),
    # cline
    (author("cline-cloud[bot]", "276134852+cline-cloud[bot]@users.noreply.github.com"), "cline"),
    (trailer("Co-authored-by: Cline <noreply@cline.bot>"), "cline"),
    (trailer("Co-authored-by: cline-agent <cline-agent@users.noreply.github.com>"), "cline"),
    (trailer("Co-authored-by: Saoud R <saoud@cline.bot>"), None),
    (author("Cline", "cline@example.com"), "automation"),
    # others
    (trailer("Co-authored-by: Firebender <help@firebender.com>"), "firebender"),
    (trailer("Co-authored-by: Goose <opensource@block.xyz>"), "goose"),
    (trailer("Co-authored-by: Windsurf <noreply@codeium.com>"), "windsurf"),
    (trailer("Co-authored-by: Pi <noreply@pi.dev>"), "pi"),
    (trailer("Co-authored-by: Zed Agent <noreply@zed.dev>"), "zed"),
    (trailer("Co-authored-by: Zed <noreply@zed.dev>"), "zed"),
    (trailer("Co-authored-by: Augment Code <noreply@augmentcode.com>"), "augment"),
    (trailer("Co-authored-by: Auggie <noreply@augmentcode.com>"), "augment"),
    (trailer("Co-authored-by: Continue <noreply@continue.dev>"), "continue"),
    (trailer("Generated with [Continue](https://continue.dev)"), "continue"),
    (trailer("Co-authored-by: Agus Zub <agus@zed.dev>"), None),
    # replit
    (trailer("Replit-Commit-Author: Agent\nReplit-Commit-Session-Id: 0a1b"), "replit"),
    (trailer("Replit-Commit-Author: Assistant"), "replit"),
    (trailer("Replit-Commit-Author: Deployment"), "automation"),
    # lovable
    (author("gpt-engineer-app[bot]", "159125892+gpt-engineer-app[bot]@users.noreply.github.com"), "lovable"),
    (author("lovable-dev[bot]", "159125892+lovable-dev[bot]@users.noreply.github.com"), "lovable"),
    (author("v0[bot]", "1+v0[bot]@users.noreply.github.com"), "v0"),
    (author("v0", "v0[bot]@users.noreply.github.com"), "v0"),
    (author("bolt-new-by-stackblitz[bot]", "2+bolt-new-by-stackblitz[bot]@users.noreply.github.com"), "bolt"),
    # review bots
    (
        trailer("Co-authored-by: ellipsis-dev[bot] <65095814+ellipsis-dev[bot]@users.noreply.github.com>"),
        "ellipsis:suggestion",
    ),
    (
        trailer("Co-authored-by: greptile-apps[bot] <165735046+greptile-apps[bot]@users.noreply.github.com>"),
        "greptile:suggestion",
    ),
    (
        trailer(
            "Co-authored-by: qodo-merge-for-open-source[bot] <189517486+qodo-merge-for-open-source[bot]@users.noreply.github.com>"
        ),
        "qodo:suggestion",
    ),
    (
        trailer(
            "Co-authored-by: codiumai-pr-agent-free[bot] <138128286+codiumai-pr-agent-free[bot]@users.noreply.github.com>"
        ),
        "qodo:suggestion",
    ),
    (
        trailer("Co-authored-by: coderabbitai[bot] <136622811+coderabbitai[bot]@users.noreply.github.com>"),
        "coderabbit:suggestion",
    ),
    (
        trailer("Co-authored-by: cubic-dev-ai[bot] <191113872+cubic-dev-ai[bot]@users.noreply.github.com>"),
        "cubic:suggestion",
    ),
    # unknown agent name
    (trailer("Co-authored-by: GPT-5.4 <noreply@example.com>"), ANY),
    (trailer("Co-authored-by: Gemini 2.5 Pro"), "gemini"),
    (trailer("Co-authored-by: Grok 4 <g@x.example>"), ANY),
    (trailer("Co-authored-by: GLM 4.6 <z@z.example>"), ANY),
    (trailer("Co-authored-by: Qwen 3 Coder <q@q.example>"), ANY),
    (trailer("Co-authored-by: deepseek-v3.2 <d@d.example>"), ANY),
    (trailer("Co-authored-by: Kimi K2 <k@k.example>"), ANY),
    (trailer("Co-authored-by: Claude Dubois 3rd <cd@shop.example>"), None),
    (trailer("Co-authored-by: Claude Dubois"), None),
    (trailer("Co-authored-by: Claude"), "claude-code"),
    (trailer("Co-authored-by: Claude Sonnet 4.5"), "claude-code"),
    # generic
    (trailer("Assisted-by: Grace Hopper <grace@x.example>"), None),
    (trailer("Assisted-by: Grace Hopper"), None),
    (trailer("Generated-by: protoc"), None),
    (trailer("AI-assisted: true"), ANY),
    (trailer("AI-assisted: yes"), ANY),
    (trailer("AI-Tools: Claude Code, Copilot"), ANY),
    (trailer("Co-authored-by-AI: Copilot (GPT-4.1)"), "copilot"),
    (trailer("Generated-by: Claude Code (Opus 4.5)"), "claude-code"),
    (trailer("Assisted-by: AI"), ANY),
    (trailer("Assisted-by: an LLM"), ANY),
    (trailer("Generated-By: Cursor"), "cursor"),
    (trailer("Assisted-By: Devin"), "devin"),
    (trailer("AI-assisted: no"), "human"),
    # template
    (trailer("### Was this patch authored or co-authored using generative AI tooling?\nNo"), "human"),
    (trailer("### Was this patch authored or co-authored using generative AI tooling?\n\nNO."), "human"),
    (trailer("### Was this patch authored or co-authored using generative AI tooling?\nN/A"), "human"),
    (
        trailer(
            "### Was this patch authored or co-authored using generative AI tooling?\nYes (`Claude Opus 4.5` on `Claude Code`)"
        ),
        "claude-code",
    ),
    (
        trailer(
            "### Was this patch authored or co-authored using generative AI tooling?\nGenerated-by: Cursor 1.2"
        ),
        "cursor",
    ),
    (
        trailer(
            "### Was this patch authored or co-authored using generative AI tooling?\n\nCloses #1 from x/y."
        ),
        None,
    ),
    # prose
    (trailer("AI disclosure: Claude wrote the tests."), "claude-code"),
    (trailer("Tests written by Claude Code."), "claude-code"),
    (trailer("With the help of Copilot."), "copilot"),
    (trailer("Assisted by Claude."), "claude-code"),
    (trailer("Found in review by Codex."), None),
    (trailer("I wanted to use Claude Code but it could not do it."), None),
    (trailer("This file is to be used by AI agents."), None),
    # project stores
    (trailer("Entire-Checkpoint: 4c02af2759b6"), "unspecified-ai"),
    (trailer("Ai-assisted: true\nCo-authored-by: Goose <opensource@block.xyz>"), "goose"),
    (trailer("Assisted-by: Claude:claude-opus-4.5 [coccinelle]"), "claude-code"),
    (trailer("(Commit message generated by Copilot)"), None),
    (author("R00-B0T", "110429663+R00-B0T@users.noreply.github.com"), "automation"),
    (author("GitHub Actions", "actions@github.com"), "automation"),
    (author("Mend Renovate", "bot@renovateapp.com"), "automation"),
    (author("bootc-bot[bot]", "225049296+bootc-bot[bot]@users.noreply.github.com"), "automation"),
    (author("ghostty-vouch[bot]", "262049992+ghostty-vouch[bot]@users.noreply.github.com"), "automation"),
    (commit("x", at=datetime(2019, 1, 1, tzinfo=UTC)), "human"),
    (trailer("```\nCo-authored-by: Claude <noreply@anthropic.com>\n```"), None),
    (trailer("> Co-authored-by: Claude <noreply@anthropic.com>"), None),
    (trailer("Approved-by: Claude Martin <cm@x.example>"), None),
]


@pytest.mark.parametrize(("made", "expected"), ROWS)
def test_verdict_is_the_catalogues(made: Commit, expected: str | None) -> None:
    verdict = detect(made, Policy())
    tools = ranked_tools(verdict, made.message)
    if expected is None:
        assert verdict.origin == "unknown"
    elif expected in ("human", "automation"):
        assert verdict.origin == expected
    else:
        tool, _, role = expected.partition(":")
        assert verdict.origin == "ai"
        assert tool in (ANY, tools[0])
        assert role in ("", verdict.role)
