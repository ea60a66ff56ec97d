-- Question: which names of what runs does each service's telemetry send together?
-- One row: one distinct combination of them; lists as JSON, as sent.
-- Parameters: none.
-- Order: by all columns.
WITH named AS (
    SELECT
        service,
        coalesce(
            attribute(attribute_keys, attribute_values, 'vcs.ref.head.revision'),
            attribute(attribute_keys, attribute_values, 'vcs.repository.ref.revision')
        ) AS vcs_ref_head_revision,
        attribute(attribute_keys, attribute_values, 'service.version') AS service_version,
        attribute(attribute_keys, attribute_values, 'oci.manifest.digest') AS oci_manifest_digest,
        attribute(attribute_keys, attribute_values, 'container.image.repo_digests') AS container_image_repo_digests,
        attribute(attribute_keys, attribute_values, 'container.image.id') AS container_image_id,
        attribute(attribute_keys, attribute_values, 'container.image.tags') AS container_image_tags,
        attribute(attribute_keys, attribute_values, 'container.image.tag') AS container_image_tag,
        attribute(attribute_keys, attribute_values, 'container.image.name') AS container_image_name,
        attribute(attribute_keys, attribute_values, 'k8s.replicaset.name') AS k8s_replicaset_name,
        attribute(attribute_keys, attribute_values, 'k8s.pod.label.pod-template-hash') AS k8s_pod_label_pod_template_hash,
        attribute(attribute_keys, attribute_values, 'deployment.id') AS deployment_id
    FROM resources
)
SELECT DISTINCT *
FROM named
ORDER BY ALL NULLS FIRST
