-- Question: did anything change that a repository's history depends on?
-- One row: a text that is equal exactly when nothing did. Parameters: $repository; $until (UTC).
SELECT concat_ws('|',
    (SELECT concat_ws(',', head_sha, notes_sha, assume_unmarked, assume_unmarked_from) FROM repositories WHERE repository = $repository),
    (SELECT count(*) FROM mainline WHERE repository = $repository AND landed_at <= $until),
    (SELECT count(*) FROM ignored_revisions WHERE repository = $repository),
    (SELECT count(*) FROM commits WHERE repository = $repository AND committed_at <= $until),
    (SELECT count(*) FROM side_commit_paths WHERE repository = $repository),
    (SELECT concat_ws(',', count(*), max(received_at)) FROM attested_lines),
    (SELECT concat_ws(',', count(*), max(stated_at)) FROM provenance_overrides WHERE repository = $repository AND stated_at <= $until),
    (SELECT concat_ws(',', count(*), max(received_at)) FROM change_requests WHERE repository = $repository AND coalesce(merged_at, created_at, received_at) <= $until)
) AS history_key
