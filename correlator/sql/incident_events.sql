-- Question: what had been said of incidents by then?
-- One row: one event of one incident. Parameters: $until (UTC). Order: source, incident, time, event.
SELECT
    source,
    external_id,
    event,
    occurred_at,
    title,
    service,
    environment,
    severity,
    status,
    opened_at,
    resolved_at,
    trace_id,
    commit_sha,
    pull_request,
    url,
    duplicate_of,
    labels,
    postmortem,
    received_at
FROM incident_events
WHERE occurred_at <= $until
ORDER BY source, external_id, occurred_at, event
