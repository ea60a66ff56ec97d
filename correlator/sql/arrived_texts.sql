-- Question: what do the root causes that arrived say?
-- One row: one combination of the texts that tell failures apart; text_id names it within this run.
-- Order: none that matters.
SELECT
    hash(exception_type, exception_message, status_message, exception_stacktrace, sdk_language, name) AS text_id,
    any_value(exception_type) AS exception_type,
    any_value(exception_message) AS exception_message,
    any_value(status_message) AS status_message,
    any_value(exception_stacktrace) AS exception_stacktrace,
    any_value(sdk_language) AS sdk_language,
    any_value(name) AS name
FROM arrived_causes
GROUP BY text_id
