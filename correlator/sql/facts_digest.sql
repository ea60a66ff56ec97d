-- Question: did any fact change that a correlation as of $until reads?
-- One row: SHA-256 text over sizes and newest receipts of the fact tables.
-- Parameters: $until, UTC.
-- Spans and exceptions are told by their number, by how many of them are ahead of $until, and by the last load that
-- brought some: none of that is a scan, and it is asked every few seconds. Late spans enter operation_hours after they are stored,
-- so what was counted of them is told as well.
SELECT sha256(concat_ws('|',
    (SELECT max(load_number) FROM loads),
    (SELECT count(*) FROM spans),
    (SELECT count(*) FROM spans WHERE start_time > $until::TIMESTAMP_NS),
    (SELECT count(*) FROM exceptions),
    (SELECT count(*) FROM exceptions WHERE "time" > $until::TIMESTAMP_NS),
    (SELECT concat_ws(',', count(*), max(late_folded_at)) FROM folded_loads WHERE late_count > 0 AND late_folded_at IS NOT NULL),
    -- Drift is looked for in whole hours that are counted: a new one may hold some.
    (SELECT max(hour_at) FROM operation_hours WHERE hour_at + INTERVAL 1 HOUR <= $until),
    (SELECT string_agg(concat_ws(',', repository, source, url, head_sha, notes_sha, assume_unmarked, assume_unmarked_from, least(synced_at, $until)), ';' ORDER BY repository) FROM repositories),
    (SELECT concat_ws(',', count(*), max(received_at)) FROM deployments WHERE coalesce(finished_at, started_at) <= $until),
    (SELECT concat_ws(',', count(*), max(received_at)) FROM artifacts),
    (SELECT concat_ws(',', count(*), max(received_at)) FROM setting_changes WHERE occurred_at <= $until),
    (SELECT concat_ws(',', count(*), max(received_at)) FROM incident_events WHERE occurred_at <= $until),
    (SELECT concat_ws(',', count(*), max(received_at)) FROM change_requests),
    (SELECT count(*) FROM side_commit_paths),
    (SELECT concat_ws(',', count(*), max(received_at)) FROM attested_lines),
    (SELECT concat_ws(',', count(*), max(stated_at)) FROM provenance_overrides WHERE stated_at <= $until),
    (SELECT concat_ws(',', count(*), max(stated_at)) FROM service_mappings),
    (SELECT concat_ws(',', count(*), max(stated_at)) FROM code_mappings),
    (SELECT concat_ws(',', count(*), max(received_at)) FROM source_maps),
    (SELECT concat_ws(',', count(*), max(decided_at)) FROM groupings WHERE decided_at <= $until),
    (SELECT concat_ws(',', count(*), max(decided_at)) FROM verdicts WHERE decided_at <= $until)
)) AS digest
