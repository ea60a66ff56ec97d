"""Strong ETags from what an answer is made of, not from its bytes: equal inferences and equal question, equal answer.

Source: RFC 9110 sections 8.8.3 and 13.1.2.
"""

import hashlib

from fastapi import Request, Response

from api.problems import NotModified
from schemas.store import Row


def unless_known(request: Request, response: Response, known: Row | None, *parts: str) -> None:
    """Put the ETag of the answer to ``request`` on ``response``.

    ``known`` is ``queries.known``; ``parts`` is what the answer depends on beside that, the path and the parameters.
    Before the first correlation there is nothing to tell one answer from the next by: then there is no ETag.

    Raises:
        NotModified: the client says that it has this answer already.
    """
    if known is None:
        return
    question = sorted(request.query_params.multi_items())
    state = (known["inferences_digest"], known["watermark"], request.url.path, question, parts)
    etag = f'"{hashlib.sha256(repr(state).encode()).hexdigest()[:32]}"'
    held = [text.strip().removeprefix("W/") for text in request.headers.get("if-none-match", "").split(",")]
    if etag in held or "*" in held:
        raise NotModified(etag)
    response.headers["ETag"] = etag
