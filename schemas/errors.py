"""Four kinds of error, told apart by who must act; each carries its facts and a hint for whoever reads it at night."""


class AftermergeError(Exception):
    """The one base. ``hint`` says what to do next, in one sentence."""

    def __init__(self, message: str, *, hint: str = "", **facts: object) -> None:
        super().__init__(message)
        self.hint = hint
        self.facts = facts


class MalformedInput(AftermergeError):
    """The sender must mend the input; sending it again unchanged cannot help."""


class Overloaded(AftermergeError):
    """The sender should send the same again later, after ``retry_after_s`` seconds."""

    def __init__(self, message: str, *, retry_after_s: int = 1, hint: str = "", **facts: object) -> None:
        super().__init__(message, hint=hint, **facts)
        self.retry_after_s = retry_after_s


class SourceUnavailable(AftermergeError):
    """A git remote or a provider did not answer as it should; retried with backoff."""


class StoreError(AftermergeError):
    """The operator must act: disk, permissions, a newer schema, a second server."""
