-- Question: which services sent exceptions in log records?
-- One row: one service. Those of span events are known by their spans, once these are counted: all exceptions are not
--   looked through for the seconds until then.
-- Parameters: none.
-- Order: none that matters.
SELECT DISTINCT service FROM exceptions WHERE source = 'log_record'
