-- Question: which incidents were there?
-- One row: one incident, open when its end was not known yet.
-- Parameters: $as_of, UTC.
-- Order: by id.
SELECT
    incident_id,
    source,
    external_id,
    title,
    service,
    environment,
    severity,
    opened_at,
    CASE WHEN resolved_at <= $as_of THEN resolved_at END AS resolved_at,
    CASE WHEN resolved_at > $as_of THEN 'open' ELSE status END AS status,
    duplicate_of,
    is_false_alarm,
    category,
    category_reason,
    detection_delay_s,
    url,
    labels
FROM incident_states
WHERE opened_at <= $as_of
ORDER BY incident_id
