-- Task: take out of signal_hours the rows of known_signals; stored_signals puts them back, grown.
-- Parameters: none.
DELETE FROM signal_hours AS o
USING known_signals AS a
WHERE a.hour_at = o.hour_at
  AND a.signal = o.signal
  AND a.service = o.service
  AND a.subject = o.subject
  AND a.aspect = o.aspect
  AND a.environment = o.environment
  AND a.revision IS NOT DISTINCT FROM o.revision
