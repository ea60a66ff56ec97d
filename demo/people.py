"""Who commits at Acme: the people, their tools, the bots, each under the identity that git records for it.

Mailboxes and account numbers of tools and bots are the ones that these tools really use; the people are made up.
"""

IDENTITIES: dict[str, tuple[str, str]] = {
    "mara": ("Mara Lindqvist", "mara@acme.example"),
    "priya": ("Priya Nair", "priya@acme.example"),
    "tomas": ("Tomas Herrera", "tomas@acme.example"),
    "jonas": ("Jonas Weber", "jonas@acme.example"),
    # A person whose given name is a product: must never be taken for the tool.
    "claude-fontaine": ("Claude Fontaine", "claude.fontaine@acme.example"),
    # aider marks its own commits by the author's name, and only the committer when it wrote just the message.
    "tomas-aider": ("Tomas Herrera (aider)", "tomas@acme.example"),
    "copilot-agent": ("copilot-swe-agent[bot]", "198982749+Copilot@users.noreply.github.com"),
    "cursor": ("Cursor Agent", "cursoragent@cursor.com"),
    "dependabot": ("dependabot[bot]", "49699333+dependabot[bot]@users.noreply.github.com"),
    # GitHub itself commits squash merges and what is merged in the browser.
    "github": ("GitHub", "noreply@github.com"),
}
