-- Question: what became of the lines of each change?
-- One row: one change.
-- Parameters: none; the window is part of the inference.
-- Order: by repository and sha.
SELECT
    repository,
    sha,
    observed_days,
    lines_added,
    lines_reworked_14d,
    lines_reworked_21d,
    lines_reworked_30d,
    lines_reworked_30d_same_author,
    lines_fixed_30d,
    lines_alive_7d,
    lines_alive_30d,
    lines_alive_90d,
    reverted_by,
    reverted_at
FROM change_rework
ORDER BY repository, sha
