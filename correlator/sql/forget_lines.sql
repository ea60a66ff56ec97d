-- Question: which files are gone, moved or written anew since the last replay?
-- One row deleted: the list of one such file. Parameters: $repository; $paths.
DELETE FROM line_owners
WHERE repository = $repository AND path IN (SELECT unnest($paths))
