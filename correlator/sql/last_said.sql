-- Question: what was said last of each failure group and incident?
-- One row: the newest version of one. Parameters: none. Order: subject, id.
SELECT subject, subject_id, "version", candidates, is_false_alarm, duplicate_of, groups, algorithm_version
FROM said_attributions
QUALIFY row_number() OVER (PARTITION BY subject, subject_id ORDER BY "version" DESC) = 1
ORDER BY subject, subject_id
