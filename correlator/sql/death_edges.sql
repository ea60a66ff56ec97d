-- Question: whose lines had been destroyed by then, and by whom?
-- One row: lines of one victim in one path that one change removed. Parameters: $repository; $until (UTC).
-- Order: killer, victim, path.
SELECT e.repository, e.killer, e.victim, e.path, e.lines
FROM death_edges AS e
JOIN mainline AS m ON m.repository = e.repository AND m.sha = e.killer
WHERE e.repository = $repository AND m.landed_at <= $until
ORDER BY e.killer, e.victim, e.path
