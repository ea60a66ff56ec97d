-- Task: forget raw spans that are old enough and counted; the traces of failing spans are kept whole for longer.
-- Parameters, UTC: $spans_before, forget what was received before then; $failures_before, the traces of failing spans too.
--   Failing as in correlator/sql/root_causes.sql: a status of Error, or an exception of severity Error and above.
DELETE FROM spans
WHERE received_at < $spans_before
  AND (
      received_at < $failures_before
      OR trace_id NOT IN (
          SELECT trace_id FROM spans WHERE status_code = 2
          UNION
          SELECT trace_id
          FROM exceptions
          WHERE trace_id IS NOT NULL AND coalesce(severity_number, 0) NOT BETWEEN 1 AND 16
      )
  )
  AND (
      load_number IS NULL
      OR load_number NOT IN (
          SELECT d.load_number
          FROM loads AS d
          LEFT JOIN folded_loads AS f ON f.load_number = d.load_number
          WHERE f.late_folded_at IS NULL
      )
  )
