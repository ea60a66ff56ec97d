-- Task: list the rows of signal_hours that arrived_signals continues in the temporary table known_signals.
-- One row: one row of signal_hours.
-- Parameters: none.
CREATE OR REPLACE TEMP TABLE known_signals AS
SELECT o.*
FROM signal_hours AS o
SEMI JOIN arrived_signals AS a
    ON a.hour_at = o.hour_at
    AND a.signal = o.signal
    AND a.service = o.service
    AND a.subject = o.subject
    AND a.aspect = o.aspect
    AND a.environment = o.environment
    AND a.revision IS NOT DISTINCT FROM o.revision
