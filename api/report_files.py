"""The files of a weekly report: one document in three forms, in a folder that only its owner reads."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from api import folder, report

FOLDER = "reports"
"""Where they lie in the data folder."""


def write(document: Mapping[str, Any], where: Path) -> list[Path]:
    """Write ``WEEK.html``, ``WEEK.md`` and ``WEEK.json`` into ``where``; returns their absolute paths."""
    where.mkdir(mode=0o700, parents=True, exist_ok=True)
    forms = {
        "html": report.render_html(document),
        "md": report.render_markdown(document),
        "json": json.dumps(document, indent=2, sort_keys=True, ensure_ascii=False) + "\n",
    }
    paths = []
    for suffix, text in forms.items():
        path = (where / f"{document['week']}.{suffix}").resolve()
        folder.write_private(path, text)
        paths.append(path)
    return paths
