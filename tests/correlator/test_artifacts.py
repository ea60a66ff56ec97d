"""From what names a running build to its commit."""

from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from correlator.artifacts import Artifacts
from schemas import artifact_names, vocabulary

A, B = "a" * 40, "b" * 40
ONE, TWO = "sha256:" + "1" * 64, "sha256:" + "2" * 64
TAGS = {"v1.4.2": A, A: A, B: B}
COLUMNS = (
    "vcs_ref_head_revision service_version oci_manifest_digest container_image_repo_digests container_image_id "
    "container_image_tags container_image_tag container_image_name k8s_replicaset_name "
    "k8s_pod_label_pod_template_hash deployment_id"
)


def resolve(repository: str, _service: str, text: str) -> str | None:
    return TAGS.get(text) if repository == "acme/shop" else None


def resource(**said: str) -> dict[str, Any]:
    return {"service": "checkout", **dict.fromkeys(COLUMNS.split()), **said}


def deployment(**said: str) -> dict[str, Any]:
    return {
        "service": "checkout",
        "deployment_id": "d-1",
        "revision": None,
        "version": None,
        "artifact": None,
    } | said


def build(artifact: str, revision: str, **said: str | None) -> dict[str, Any]:
    return {
        "artifact": artifact,
        "revision": revision,
        "repository": None,
        "service": None,
        "version": None,
    } | said


def known(*facts: dict[str, Any]) -> Artifacts:
    return Artifacts(
        resources=[f for f in facts if "deployment_id" in f and "service_version" in f],
        deployments=[f for f in facts if "service_version" not in f and "deployment_id" in f],
        builds=[f for f in facts if "deployment_id" not in f],
        repository_of={"checkout": "acme/shop", "cart": "acme/shop", "mail": "acme/mail"},
        resolve=resolve,
    )


def test_a_digest_that_a_deployment_ties_to_a_commit_is_that_commit() -> None:
    told = known(deployment(artifact=f"registry.example/shop@{ONE}", revision=A))
    assert told.sha("acme/shop", "checkout", ONE) == A
    assert told.sha("acme/shop", "checkout", TWO) is None


def test_a_replica_set_is_the_commit_of_the_image_that_it_runs() -> None:
    told = known(
        resource(k8s_replicaset_name="checkout-7d9f", container_image_repo_digests=f'["r/shop@{ONE}"]'),
        build(ONE, A),
    )
    assert told.sha("acme/shop", "checkout", "replicaset:checkout-7d9f") == A


def test_an_image_seen_beside_a_known_revision_is_that_revision_elsewhere() -> None:
    told = known(resource(vcs_ref_head_revision=A, oci_manifest_digest=ONE))
    assert told.sha("acme/shop", "cart", ONE) == A
    assert told.sha("acme/mail", "mail", ONE) is None


def test_a_build_number_is_a_name_within_its_service() -> None:
    told = known(deployment(version="4711", revision=A))
    assert told.sha("acme/shop", "checkout", "4711") == A
    assert told.sha("acme/shop", "cart", "4711") is None


def test_a_tag_that_was_moved_names_nothing() -> None:
    told = known(
        deployment(version="stable-1", revision=A),
        deployment(deployment_id="d-2", version="stable-1", revision=B),
    )
    assert told.sha("acme/shop", "checkout", "stable-1") is None


def test_a_fact_about_the_image_outweighs_a_version_that_never_changes() -> None:
    """``v1.4.2`` is a tag, and still what every later build says of itself."""
    told = known(resource(service_version="v1.4.2", oci_manifest_digest=TWO), build(TWO, B), build(ONE, A))
    assert told.sha("acme/shop", "checkout", TWO) == B


def test_what_git_knows_needs_no_fact() -> None:
    assert known().sha("acme/shop", "checkout", "v1.4.2") == A


FACTS = (
    deployment(artifact=ONE, revision=A, version="1"),
    deployment(deployment_id="d-2", artifact=TWO, revision=B, version="2"),
    resource(k8s_replicaset_name="x", oci_manifest_digest=ONE),
    resource(k8s_replicaset_name="y", container_image_id=TWO, k8s_pod_label_pod_template_hash="q"),
    resource(k8s_pod_label_pod_template_hash="q"),
    resource(service_version="v1.4.2", k8s_replicaset_name="z"),
    build(ONE, A),
    build(TWO, A),
)
NAMES = (
    ONE,
    TWO,
    "replicaset:x",
    "replicaset:y",
    "replicaset:z",
    "pod-template:q",
    "deployment:d-2",
    "1",
    "2",
)


@given(st.permutations(FACTS), st.lists(st.sampled_from(FACTS)))
def test_facts_in_any_order_and_repeated_tell_the_same(
    order: list[dict[str, Any]], again: list[dict[str, Any]]
) -> None:
    one, other = known(*FACTS), known(*order, *again)
    for name in NAMES:
        assert one.sha("acme/shop", "checkout", name) == other.sha("acme/shop", "checkout", name)


def test_what_runs_is_named_by_its_image_before_a_version() -> None:
    def named(version: str | None = None, **said: str) -> str | None:
        keys = {key.replace(".", "_").replace("-", "_"): key for key in _KEYS}
        found = {keys[name]: text for name, text in said.items()} | {vocabulary.SERVICE_VERSION: version}
        return artifact_names.running(artifact_names.of_resource(found.get), version)

    assert named("1.4.2", oci_manifest_digest=ONE, k8s_replicaset_name="x") == ONE
    assert named("1.4.2", k8s_replicaset_name="x") is None
    assert named("1.0.0", k8s_replicaset_name="x") == "replicaset:x"
    assert named(None, container_image_tags='["latest", "20261103-0a1b2c3"]') == "20261103-0a1b2c3"
    assert named(None, container_image_name="registry:5000/shop:build-88") == "build-88"
    assert named(None, container_image_name="registry:5000/shop") is None
    assert named("latest") is None


_KEYS = (
    vocabulary.OCI_MANIFEST_DIGEST,
    vocabulary.CONTAINER_IMAGE_TAGS,
    vocabulary.CONTAINER_IMAGE_NAME,
    vocabulary.K8S_REPLICASET_NAME,
)
