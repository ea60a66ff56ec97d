"""What metrics read and what they answered, kept for as long as the inferences that it comes from hold: REST and pages
share it."""

import threading
from collections import OrderedDict
from contextlib import nullcontext
from datetime import datetime

from api import queries
from api.routes.operations import Operations
from correlator import metrics
from correlator.metric_data import MetricData
from correlator.metric_queries import MetricQuery
from schemas.settings import Settings
from schemas.store import Store, sql

CACHED_MAX = 8
ANSWERS_MAX = 256
ANSWER_ROWS_MAX = 2000
"""Answers beyond are not kept: a month of days by service is read once, and would push out what a page asks for."""


class DataCache:
    """The last few :class:`MetricData`, by digest of the inferences, time, and what people stated since; and answers.

    One for the present and one for a past are made at a time: inferring a past may take long, and whoever asks about
    the present does not wait for it.
    """

    def __init__(self) -> None:
        self._held: OrderedDict[tuple[str, datetime, str], MetricData] = OrderedDict()
        self._answers: OrderedDict[tuple[str, str], metrics.MetricAnswer] = OrderedDict()
        self._lock = threading.Lock()
        self._making = {False: threading.Lock(), True: threading.Lock()}

    def prepare(self, store: Store, settings: Settings, now: datetime) -> None:
        """Make what a question about the present will read, so that the next one to ask need not wait for it."""
        self.get(store, settings, queries.present(store, now))

    def get(
        self, store: Store, settings: Settings, as_of: datetime, *, past: Operations | None = None
    ) -> MetricData:
        """What metrics read as of ``as_of``; with ``past``, from inferences made as of then."""
        run = queries.correlation(store)
        if run is None:
            return queries.metric_data(store, settings, as_of)
        key = (run["inferences_digest"], as_of, str(store.value(sql("api", "verdict_watermark"))))
        with self._making[past is not None]:
            with self._lock:
                if key in self._held:
                    self._held.move_to_end(key)
                    return self._held[key]
            with past.as_of(as_of) if past else nullcontext(store) as source:
                data = queries.metric_data(source, settings, as_of)
            with self._lock:
                self._held[key] = data
                if len(self._held) > CACHED_MAX:
                    self._held.popitem(last=False)
            return data

    def answer(self, query: MetricQuery, data: MetricData) -> metrics.MetricAnswer:
        """The answer to ``query``, kept: equal data and an equal question give equal digits."""
        # The digest knows no clock, so the moment until which facts count is part of the key.
        key = (data.digest, repr((query, data.as_of)))
        with self._lock:
            if key in self._answers:
                self._answers.move_to_end(key)
                return self._answers[key]
        found = metrics.answer(query, data)
        if len(found.rows) <= ANSWER_ROWS_MAX:
            with self._lock:
                self._answers[key] = found
                if len(self._answers) > ANSWERS_MAX:
                    self._answers.popitem(last=False)
        return found
