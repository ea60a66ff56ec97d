"""The compiled rule catalogue of AI provenance: ``catalogue.toml``, read once and indexed for look-up.

Knows how to find a tool by mailbox, bot account or name; does not know what a commit is. The data file says where
each rule comes from; its version is stored with every verdict, so that a new one re-classifies.
"""

import re
import tomllib
from functools import cache
from importlib import resources
from typing import Any

from correlator.catalogue_rules import (
    AI_WORDS,
    Account,
    Automation,
    Catalogue,
    Marker,
    Model,
    Phrase,
    Template,
    Tool,
    Trailers,
)
from schemas.vocabulary import Confidence, Origin, Role

_TOOL_MARK = "[`*_\"'“‘(]*\x01(?P<tool>\\d+)\x02"
"""What ``agent_names.marked`` puts in the place of a tool's name, so that one phrase serves every tool."""

# What follows a footer: nothing, punctuation, another tool, a version, a connecting word.
_FOOTER_END = (
    r"[`*_)\"'”’]*\s*(?:$|\x01|[\[(<{.,;:!|·•@—–+&/-]"
    r"|(?:via|and|with|by|using|from|in|on|at|for|as|under|v?\d[\w.]*)(?!\w))"
)


@cache
def catalogue() -> Catalogue:
    """The catalogue that ships with this version, parsed and compiled once per process."""
    text = resources.files("correlator").joinpath("catalogue.toml").read_text(encoding="utf-8")
    return compiled(tomllib.loads(text))


def compiled(raw: dict[str, Any]) -> Catalogue:
    """Compile a parsed catalogue file.

    Raises:
        KeyError, ValueError, re.error: the file breaks its own rules (a missing key, an account given to two
            tools, a pattern that does not compile). That is a fault of the release, not of an input.
    """
    tools = {entry["id"]: _tool(entry) for entry in raw["tool"]}
    product_tools = _names(tools, "names")
    short_tools = _names(tools, "short_names")
    prose_tools = product_tools | _names(tools, "prose_names")
    models = tuple(
        Model(
            _model(entry["pattern"]),
            frozenset(entry["heads"]),
            entry.get("tool"),
            entry.get("only_after_tool", False),
            entry.get("only_in_declaration", False),
        )
        for entry in raw["model"]
    )
    mailboxes, named, bot_ids, logins, prefixes = _accounts(raw["tool"])
    identities = raw["identities"]
    return Catalogue(
        version=raw["version"],
        ai_epoch=raw["ai_epoch"],
        tools=tools,
        mailboxes=mailboxes,
        named_mailboxes=named,
        bot_ids=bot_ids,
        logins=logins,
        login_prefixes=prefixes,
        author_suffixes={e["author_suffix"]: e["id"] for e in raw["tool"] if "author_suffix" in e},
        note_names={name: e["id"] for e in raw["tool"] for name in (*e.get("note_names", ()), e["id"])},
        products=_word(_alternatives(product_tools)),
        product_tools=product_tools,
        short=_word(_alternatives(short_tools)),
        short_tools=short_tools,
        prose_tools=prose_tools,
        models=models,
        not_tools=_word(_alternatives([entry["name"] for entry in raw["not_a_tool"]])),
        trailers=_trailers(raw["trailers"]),
        session_urls=tuple(_marker(e, Role.COAUTHOR) for e in raw["session_url"]),
        marker_lines=tuple(_marker(e, Role.COAUTHOR, Confidence.B) for e in raw["marker_line"]),
        subjects=tuple(_marker(e, Role.AUTHOR, Confidence.B) for e in raw["subject"]),
        branches=tuple(_marker(e, Role.AUTHOR, Confidence.B) for e in raw["branch"]),
        labels=tuple(re.compile(e["pattern"], re.IGNORECASE) for e in raw["label"]),
        phrases=tuple(_phrase(e) for e in raw["phrase"]),
        template=_template(raw),
        automation=_automation(raw["automation"]),
        self_declared=re.compile(raw["self_declared"]["name"]),
        impersonal_local=re.compile(identities["impersonal_local"], re.IGNORECASE),
        impersonal_domain=re.compile(identities["impersonal_domain"], re.IGNORECASE),
        product_words=frozenset(identities["product_words"]),
        subject_words=re.compile(
            rf"(?:['’]s)?[\s-]+(?:{_alternatives(identities['subject_words'])})\b", re.IGNORECASE
        ),
        any_ai=re.compile(identities["any_ai"]),
        product_heads=_heads(product_tools),
        short_heads=_heads(short_tools),
        heads=_heads(product_tools)
        | _heads(short_tools)
        | frozenset(head for model in models for head in model.heads)
        | AI_WORDS,
    )


def spelled(name: str) -> str:
    """A name as the indexes spell it: lower case, words parted by one space or hyphen as written in the file."""
    return re.sub(r"[\s_-]+", " ", name).strip().lower()


def _tool(entry: dict[str, Any]) -> Tool:
    return Tool(
        id=entry["id"],
        names=tuple(entry.get("names", ())),
        short_names=tuple(entry.get("short_names", ())),
        prose_names=tuple(entry.get("prose_names", ())),
        given_name=entry.get("given_name", False),
        is_family=entry.get("is_family", False),
        vendor_domains=tuple(entry.get("vendor_domains", ())),
        writes_code=entry.get("writes_code", True),
        since=entry.get("since"),
    )


def _names(tools: dict[str, Tool], kind: str) -> dict[str, str]:
    """Spelled name -> tool id. "ClaudeCode" is found too: the joined spelling is one more name."""
    found: dict[str, str] = {}
    for tool in tools.values():
        for name in getattr(tool, kind):
            for spelling in {spelled(name), spelled(name).replace(" ", "")}:
                if found.setdefault(spelling, tool.id) != tool.id:
                    raise ValueError(f"the name {name!r} is given to {found[spelling]} and {tool.id}")
    return found


def _alternatives(names: Any) -> str:
    """Longest first, so that "copilot coding agent" wins over "copilot"; a space matches a space, hyphen or underscore."""
    ordered = sorted({spelled(name) for name in names}, key=lambda name: (-len(name), name))
    return "|".join(re.escape(name).replace(r"\ ", r"[\s_-]{1,2}") for name in ordered)


def _word(pattern: str) -> re.Pattern[str]:
    """The pattern as a whole word: not inside a path, a mailbox, a package name or a longer word."""
    adjective = r"-(?!(?:assisted|aided|generated|authored|written)\b)\w"
    return re.compile(rf"(?<![\w@/.$-])(?:{pattern})(?![\w@/$]|{adjective}|\.\w)", re.IGNORECASE)


def _model(pattern: str) -> re.Pattern[str]:
    """A model may follow its vendor's name and a slash: "anthropic/claude-opus-4.6"."""
    return re.compile(rf"(?<![\w@.-])(?:{pattern})(?![\w@])", re.IGNORECASE)


def _heads(names: Any) -> frozenset[str]:
    """First words of names, letters only: where none stands in a text, no name does."""
    return frozenset(re.match(r"[a-z]+", spelled(name)).group() for name in names)  # type: ignore[union-attr]


def _accounts(
    entries: list[dict[str, Any]],
) -> tuple[
    dict[str, Account],
    dict[tuple[str, str], Account],
    dict[int, Account],
    dict[str, Account],
    tuple[tuple[str, Account], ...],
]:
    mailboxes: dict[str, Account] = {}
    named: dict[tuple[str, str], Account] = {}
    bot_ids: dict[int, Account] = {}
    logins: dict[str, Account] = {}
    prefixes: list[tuple[str, Account]] = []
    for entry in entries:
        for mailbox in entry.get("mailboxes", ()):
            _claim(mailboxes, mailbox.lower(), Account(entry["id"]))
        for pair in entry.get("named_mailboxes", ()):
            _claim(named, (spelled(pair["name"]), pair["mailbox"].lower()), Account(entry["id"]))
        for bot in entry.get("bots", ()):
            account = Account(
                entry["id"],
                Role(bot["role"]) if "role" in bot else None,
                Confidence(bot.get("confidence", "A")),
                bot.get("also_releases", False),
            )
            _claim(bot_ids, bot["id"], account)
            _claim(logins, bot["login"].lower(), account)
        role = Role(entry["login_role"]) if "login_role" in entry else None
        for login in entry.get("logins", ()):
            _claim(logins, login.lower(), Account(entry["id"], role))
        prefixes += [
            (p["prefix"], Account(entry["id"], Role(p["role"]))) for p in entry.get("login_prefixes", ())
        ]
    return mailboxes, named, bot_ids, logins, tuple(prefixes)


def _claim(index: dict[Any, Account], key: Any, account: Account) -> None:
    if index.setdefault(key, account) != account:
        raise ValueError(f"{key!r} is claimed by {index[key].tool} and {account.tool}")


def _marker(
    entry: dict[str, Any], role: Role, confidence: Confidence = Confidence.A, *, pattern: str = "pattern"
) -> Marker:
    return Marker(
        pattern=re.compile(entry.get(pattern, r"\S.*"), re.IGNORECASE),
        tool=entry.get("tool") or None,
        role=Role(entry.get("role", role)),
        confidence=Confidence(entry.get("confidence", confidence)),
        origin=Origin(entry.get("origin", Origin.AI)),
        key=entry.get("key", ""),
    )


def _trailers(raw: dict[str, Any]) -> Trailers:
    markers: dict[str, tuple[Marker, ...]] = {}
    for entry in raw["marker"]:
        markers[entry["key"]] = (
            *markers.get(entry["key"], ()),
            _marker(entry, Role.COAUTHOR, pattern="value"),
        )
    answers = raw["answers"]
    return Trailers(
        identity={key: Role(role) for key, role in raw["identity"].items()},
        tool={key: Role(role) for key, role in raw["tool"].items()},
        answer_keys=frozenset(answers["keys"]),
        answer_yes=frozenset(answers["yes"]),
        answer_no=frozenset(answers["no"]),
        no_is_mute=frozenset(answers["not_no"]),
        markers=markers,
        session_nouns=tuple(sorted(raw["session"]["nouns"], key=lambda noun: (-len(noun), noun))),
        spaced=frozenset(raw["spaced"]),
        prose_keys=frozenset(raw["prose_keys"]),
        leading_words=frozenset(raw["leading_words"]),
    )


def _phrase(entry: dict[str, Any]) -> Phrase:
    return Phrase(
        kind=entry["kind"],
        role=Role(entry["role"]),
        confidence=Confidence(entry["confidence"]),
        pattern=re.compile(
            entry["pattern"].replace("{tool}", _TOOL_MARK).replace("{end}", _FOOTER_END),
            re.IGNORECASE | re.DOTALL,
        ),
        origin=Origin(entry.get("origin", Origin.AI)),
        example=entry["example"],
        anywhere=entry.get("anywhere", False),
    )


def _template(raw: dict[str, Any]) -> Template:
    parts = raw["template"] | {f"disclosure_{key}": value for key, value in raw["disclosure"].items()}
    return Template(**{key: re.compile(value, re.IGNORECASE) for key, value in parts.items()})


def _automation(raw: dict[str, Any]) -> Automation:
    return Automation(
        mailboxes=frozenset(raw["mailboxes"]),
        names=frozenset(spelled(name) for name in raw["names"]),
        login_patterns=tuple(re.compile(p, re.IGNORECASE) for p in raw["login_patterns"]),
        name_patterns=tuple(re.compile(p) for p in raw["name_patterns"]),
        capital_name=re.compile(raw["capital_name"]),
        agreeing_mailbox=re.compile(raw["agreeing_mailbox"], re.IGNORECASE),
        release_subject=re.compile(raw["release_subject"], re.IGNORECASE),
        hint=re.compile(raw["hint"], re.IGNORECASE),
    )
