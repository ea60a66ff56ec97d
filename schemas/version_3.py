"""The step to schema version 3: exceptions carry the number of the load that brought them; code mappings, source maps,
and what people decide about fingerprints.

Frozen: it leads from what version 2 was to what version 3 was, whatever the tables are today.
"""

STATEMENTS: tuple[str, ...] = (
    "ALTER TABLE facts.exceptions ADD COLUMN load_number BIGINT",
    """CREATE TABLE facts.code_mappings (
  "service" VARCHAR NOT NULL,
  "prefix" VARCHAR NOT NULL,
  "path" VARCHAR NOT NULL,
  "stated_at" TIMESTAMP NOT NULL,
  PRIMARY KEY (service, prefix)
)""",
    """CREATE TABLE facts.source_maps (
  "service" VARCHAR NOT NULL,
  "version" VARCHAR NOT NULL,
  "file" VARCHAR NOT NULL,
  "content" BLOB NOT NULL,
  "content_sha256" VARCHAR NOT NULL,
  "byte_count" BIGINT NOT NULL,
  "received_at" TIMESTAMP NOT NULL,
  PRIMARY KEY (service, version, file)
)""",
    """CREATE TABLE ledger.groupings (
  "service" VARCHAR NOT NULL,
  "fingerprint" VARCHAR NOT NULL,
  "fingerprint_version" VARCHAR NOT NULL,
  "decided_at" TIMESTAMP NOT NULL,
  "decision" VARCHAR NOT NULL,
  "into_fingerprint" VARCHAR,
  "split_by" VARCHAR,
  "token_id" VARCHAR NOT NULL,
  "reason" VARCHAR,
  PRIMARY KEY (service, fingerprint, decided_at)
)""",
)
