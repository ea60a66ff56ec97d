-- Question: what did earlier versions of the rule catalogue say of each commit?
-- Appends one row per verdict of another version than $catalogue_version; one that is kept already stays.
INSERT OR IGNORE INTO former_provenance
    (repository, sha, catalogue_version, origin, role, tools, models, confidence, basis, conflict, evidence)
SELECT repository, sha, catalogue_version, origin, role, tools, models, confidence, basis, conflict, evidence
FROM commit_provenance
WHERE catalogue_version <> $catalogue_version
