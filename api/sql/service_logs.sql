-- Question: which services sent exceptions in log records?
-- One row: one service. Those of span events are known by their spans.
-- Parameters: none.
-- Order: none that matters.
SELECT DISTINCT service FROM exceptions WHERE source = 'log_record'
