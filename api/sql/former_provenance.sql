-- Question: what did earlier versions of the rule catalogue say of one commit?
-- One row: one version. Parameters: $repository, $sha. Order: newest version first.
SELECT catalogue_version, origin, role, tools, models, confidence, basis, conflict, evidence
FROM former_provenance
WHERE repository = $repository AND sha = $sha
ORDER BY catalogue_version DESC
