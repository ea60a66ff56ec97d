-- Question: did any fact change that a correlation as of $until reads?
-- One row: SHA-256 text over sizes and newest receipts of the fact tables.
-- Parameters: $until, UTC.
SELECT sha256(concat_ws('|',
    (SELECT concat_ws(',', count(*), max(received_at)) FROM spans WHERE start_time <= $until::TIMESTAMP_NS),
    (SELECT concat_ws(',', count(*), max(received_at)) FROM exceptions WHERE "time" <= $until::TIMESTAMP_NS),
    (SELECT string_agg(concat_ws(',', repository, source, url, head_sha, notes_sha, assume_unmarked, assume_unmarked_from, least(synced_at, $until)), ';' ORDER BY repository) FROM repositories),
    (SELECT concat_ws(',', count(*), max(received_at)) FROM deployments WHERE coalesce(finished_at, started_at) <= $until),
    (SELECT concat_ws(',', count(*), max(received_at)) FROM incident_events WHERE occurred_at <= $until),
    (SELECT concat_ws(',', count(*), max(received_at)) FROM change_requests),
    (SELECT concat_ws(',', count(*), max(stated_at)) FROM service_mappings),
    (SELECT concat_ws(',', count(*), max(decided_at)) FROM verdicts WHERE decided_at <= $until)
)) AS digest
