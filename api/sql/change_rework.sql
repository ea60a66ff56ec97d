-- Question: what became of the lines of this change?
-- One row: the change; none when its lines were not measured.
-- Parameters: $repository; $sha, mainline commit.
-- Order: at most one row.
SELECT
    observed_days,
    lines_added,
    lines_added_test,
    lines_reworked_14d,
    lines_reworked_21d,
    lines_reworked_30d,
    lines_reworked_30d_test,
    lines_reworked_30d_same_author,
    lines_fixed_30d,
    lines_alive_7d,
    lines_alive_30d,
    lines_alive_90d,
    reverted_by,
    reverted_at
FROM change_rework
WHERE repository = $repository AND sha = $sha
