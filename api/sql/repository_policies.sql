-- Question: since when are the unmarked commits of each repository stated to be human?
-- One row: one repository; a null time: not stated. A statement without a date holds from the beginning.
-- Parameters: none.
-- Order: by repository.
SELECT
    repository,
    CASE
        WHEN assume_unmarked = 'human' THEN coalesce(assume_unmarked_from, TIMESTAMP '1970-01-01 00:00:00')
    END AS assume_unmarked_from
FROM repositories
ORDER BY repository
