"""Agent Trace records to rows of ``attested_lines``.

A record numbers lines as its revision has them, so it attests lines of that commit. Who contributed is told per
conversation and may be told anew per range. Source: Agent Trace RFC 0.1.0, "Trace Record".
"""

from datetime import datetime
from typing import Any

from collector.intake import reports
from schemas.intake import AgentTraceReport, TraceContributor, TraceConversation, TraceRange

Row = dict[str, Any]

_ORIGINS = {"ai": "ai", "mixed": "ai", "human": "human"}
"""Lines of an unknown contributor are attested by nobody."""


def parse(value: object, received_at: datetime) -> list[Row]:
    """Rows of ``tables.ATTESTED_LINES`` for one record or an array; a record without a telling range gives none.

    Raises:
        MalformedInput: an item does not fit; names its index and field.
    """
    found = reports.checked(AgentTraceReport, reports.items(value))
    return [row for record in found for row in _rows(record, received_at)]


def merge(_old: Row, new: Row) -> Row:
    """A record told again: the later arrival corrects the earlier."""
    return new


def _rows(record: AgentTraceReport, received_at: datetime) -> list[Row]:
    told = [
        (file.path, lines, contributor)
        for file in record.files
        for conversation in file.conversations
        for lines in conversation.ranges
        if (contributor := _contributor(conversation, lines)) and contributor.type in _ORIGINS
    ]
    return [
        {
            "record_id": record.id,
            "position": position,
            "sha": record.vcs.revision,
            "path": path.replace("\\", "/").removeprefix("./"),
            "start_line": lines.start_line,
            "end_line": lines.end_line,
            "origin": _ORIGINS[contributor.type],
            "tool": record.tool.name,
            "model": contributor.model_id,
            "recorded_at": record.timestamp,
            "received_at": received_at,
        }
        for position, (path, lines, contributor) in enumerate(told)
    ]


def _contributor(conversation: TraceConversation, lines: TraceRange) -> TraceContributor | None:
    return lines.contributor or conversation.contributor
