-- Question: at which revision did these failures first occur, and what do we know of the code there?
-- One row: one stored excerpt of one failure group's revision; answer is null where none is stored.
-- Parameters: $group_ids, 16 hex digits each.
-- Order: group, then question.
SELECT g.group_id, g.repository, g.onset_sha, a.question, a.answer
FROM failure_groups AS g
LEFT JOIN git_answers AS a
    ON a.repository = g.repository AND a.sha = g.onset_sha AND starts_with(a.question, '["excerpt"')
WHERE list_contains($group_ids, g.group_id)
ORDER BY g.group_id, a.question
