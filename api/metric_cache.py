"""What metrics read and what they answered, kept for as long as the inferences that it comes from hold: REST and pages
share it."""

import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Hashable
from contextlib import nullcontext, suppress
from datetime import datetime
from typing import Any, TypeVar

import duckdb
import structlog

from api import queries
from api.routes.operations import Operations
from correlator import metrics
from correlator.metric_data import MetricData
from schemas.errors import AftermergeError, StoreError
from schemas.settings import Settings
from schemas.store import Row, Store

T = TypeVar("T")
log = structlog.get_logger(__name__)
HELD_MAX = {False: 2, True: 8}
"""Of the present and of pasts. A present that is over is asked for no more, a past takes seconds to infer."""
ANSWERS_MAX = 256
RENEWED_MAX = 32
RENEWAL_S_MAX = 2.0
"""Longer than this nobody's next question is answered ahead; the next correlation waits for it."""
ANSWER_ROWS_MAX = 2000
"""Answers beyond are not kept: a month of days by service is read once, and would push out what a page asks for."""


class DataCache:
    """The last few :class:`MetricData`, by digest of the inferences, time, and what people stated since; and answers.

    One for the present and one for a past are made at a time: inferring a past may take long, and whoever asks about
    the present does not wait for it.
    """

    def __init__(self) -> None:
        self._held: dict[bool, OrderedDict[tuple[str, datetime, str], MetricData]] = {
            is_past: OrderedDict() for is_past in HELD_MAX
        }
        self._present: MetricData | None = None
        self._answers: OrderedDict[tuple[str, datetime, Hashable], Any] = OrderedDict()
        self._asked: OrderedDict[Hashable, Callable[[MetricData], Any]] = OrderedDict()
        self._lock = threading.Lock()
        self._making = {False: threading.Lock(), True: threading.Lock()}

    def prepare(self, store: Store, settings: Settings, now: datetime) -> None:
        """Make what questions about the present will read, and answer those anew that were asked since the last time:
        whoever asks them next need not wait for it.

        To be called before new inferences are seen by others (``Correlator.on_written``), and at times while there are
        none, for the begun hour is a new question too. What goes wrong here is logged, and told to whoever asks.

        Raises:
            StoreError: a statement failed, and with it the transaction that it was in.
        """
        try:
            self._prepare(store, settings, now)
        except duckdb.OutOfMemoryException:
            raise
        except duckdb.Error as error:
            log.exception("answers not made ahead")
            raise StoreError(f"answers could not be made ahead: {error}") from error
        except Exception:
            log.exception("answers not made ahead")

    def _prepare(self, store: Store, settings: Settings, now: datetime) -> None:
        known = queries.known(store)
        data = self.get(store, settings, queries.present(known, now), known)
        if data is self._present:
            return
        with self._lock:
            self._present = data
            # The same time inferred by other rules: data that are equal need not come from equal inferences.
            for key in [key for key in self._answers if key[1] == data.as_of]:
                del self._answers[key]
            asked, self._asked = self._asked, OrderedDict()
        until = time.monotonic() + RENEWAL_S_MAX
        for question, make in reversed(asked.items()):
            if time.monotonic() >= until:
                return
            # What it raises is for somebody who asks.
            with suppress(AftermergeError):
                self._keep(data, question, make(data))

    def get(
        self,
        store: Store,
        settings: Settings,
        as_of: datetime,
        known: Row | None,
        *,
        past: Operations | None = None,
    ) -> MetricData:
        """What metrics read as of ``as_of``, by ``known`` (``queries.known``); with ``past``, from inferences made as of
        then."""
        if known is None:
            return queries.metric_data(store, settings, as_of)
        key = (known["inferences_digest"], as_of, known["watermark"])
        is_past = past is not None
        held = self._held[is_past]
        with self._making[is_past]:
            with self._lock:
                if key in held:
                    held.move_to_end(key)
                    return held[key]
            with past.as_of(as_of) if past else nullcontext(store) as source:
                data = queries.metric_data(source, settings, as_of)
            with self._lock:
                held[key] = data
                if len(held) > HELD_MAX[is_past]:
                    held.popitem(last=False)
            return data

    def answer(self, data: MetricData, question: Hashable, make: Callable[[MetricData], T]) -> T:
        """``make(data)``, kept: equal data and an equal ``question`` give equal digits.

        ``make`` is called again with newer data, so all that it depends on is in the data and in ``question``, or in the
        inferences of their time.
        """
        key = (data.digest, data.as_of, question)
        with self._lock:
            if key in self._answers:
                self._answers.move_to_end(key)
                kept: T = self._answers[key]
                self._remember(data, question, make)
                return kept
        found = make(data)
        self._keep(data, question, found)
        with self._lock:
            self._remember(data, question, make)
        return found

    def _remember(self, data: MetricData, question: Hashable, make: Callable[[MetricData], Any]) -> None:
        """That the present was asked so, and answered: in the transaction of a correlation nothing is to fail."""
        if data is self._present:
            self._asked[question] = make
            self._asked.move_to_end(question)
            if len(self._asked) > RENEWED_MAX:
                self._asked.popitem(last=False)

    def _keep(self, data: MetricData, question: Hashable, found: Any) -> None:
        if isinstance(found, metrics.MetricAnswer) and len(found.rows) > ANSWER_ROWS_MAX:
            return
        with self._lock:
            # The digest knows no clock, so the moment until which facts count is part of the key.
            self._answers[data.digest, data.as_of, question] = found
            if len(self._answers) > ANSWERS_MAX:
                self._answers.popitem(last=False)
