-- Task: forget the events of spans that expire_spans.sql forgot.
-- Parameters: $spans_before, UTC: as for it.
DELETE FROM span_events
WHERE received_at < $spans_before
  AND trace_id NOT IN (SELECT trace_id FROM spans WHERE received_at < $spans_before)
