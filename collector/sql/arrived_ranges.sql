-- Question: in which stretches of time did the gathered spans start?
-- One row: one hour by their own clocks, as nanoseconds since the Unix epoch. So narrow a stretch lets row groups of
--   other times be left out unread.
-- Parameters: none.
-- Order: newest first.
SELECT epoch_ns(min(start_time)) AS first_ns, epoch_ns(max(start_time)) AS last_ns
FROM arrived_spans
GROUP BY date_trunc('hour', start_time::TIMESTAMP)
ORDER BY first_ns DESC
