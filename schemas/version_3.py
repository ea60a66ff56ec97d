"""The step to schema version 3: exceptions carry the number of the load that brought them; code mappings, source maps,
what people decide about fingerprints; provenance by import, by people and by earlier rules; whether a tool wrote a path,
and what .git-blame-ignore-revs says; signals counted by the hour, of spans that come from then on.

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
    "ALTER TABLE facts.change_requests ADD COLUMN commits VARCHAR",
    """CREATE TABLE facts.attested_lines (
  "record_id" VARCHAR NOT NULL,
  "position" INTEGER NOT NULL,
  "sha" VARCHAR NOT NULL,
  "path" VARCHAR NOT NULL,
  "start_line" INTEGER NOT NULL,
  "end_line" INTEGER NOT NULL,
  "origin" VARCHAR NOT NULL,
  "tool" VARCHAR,
  "model" VARCHAR,
  "recorded_at" TIMESTAMP,
  "received_at" TIMESTAMP NOT NULL,
  PRIMARY KEY (record_id, position)
)""",
    """CREATE TABLE facts.side_commit_paths (
  "repository" VARCHAR NOT NULL,
  "sha" VARCHAR NOT NULL,
  "path" VARCHAR NOT NULL,
  "lines_added" BIGINT NOT NULL,
  "lines_deleted" BIGINT NOT NULL,
  PRIMARY KEY (repository, sha, path)
)""",
    """CREATE TABLE ledger.provenance_overrides (
  "repository" VARCHAR NOT NULL,
  "sha" VARCHAR NOT NULL,
  "stated_at" TIMESTAMP NOT NULL,
  "origin" VARCHAR,
  "tools" VARCHAR[] NOT NULL,
  "reason" VARCHAR,
  "token_id" VARCHAR NOT NULL,
  PRIMARY KEY (repository, sha, stated_at)
)""",
    """CREATE TABLE ledger.former_provenance (
  "repository" VARCHAR NOT NULL,
  "sha" VARCHAR NOT NULL,
  "catalogue_version" VARCHAR NOT NULL,
  "origin" VARCHAR NOT NULL,
  "role" VARCHAR NOT NULL,
  "tools" VARCHAR[] NOT NULL,
  "models" VARCHAR[] NOT NULL,
  "confidence" VARCHAR,
  "basis" VARCHAR NOT NULL,
  "conflict" BOOLEAN NOT NULL,
  "evidence" VARCHAR NOT NULL,
  PRIMARY KEY (repository, sha, catalogue_version)
)""",
    """CREATE TABLE ledger.provenance_audits (
  "audit_id" VARCHAR NOT NULL,
  "drawn_at" TIMESTAMP NOT NULL,
  "position" INTEGER NOT NULL,
  "repository" VARCHAR NOT NULL,
  "sha" VARCHAR NOT NULL,
  "stratum" VARCHAR NOT NULL,
  "stratum_size" BIGINT NOT NULL,
  "stratum_drawn" BIGINT NOT NULL,
  PRIMARY KEY (audit_id, position)
)""",
    """CREATE TABLE ledger.provenance_labels (
  "audit_id" VARCHAR NOT NULL,
  "repository" VARCHAR NOT NULL,
  "sha" VARCHAR NOT NULL,
  "labelled_at" TIMESTAMP NOT NULL,
  "label" VARCHAR NOT NULL,
  "token_id" VARCHAR NOT NULL,
  PRIMARY KEY (audit_id, repository, sha, labelled_at)
)""",
    # DuckDB changes no table that has a key and adds no column that must be filled: the table is made anew.
    # What older syncs read told no generated file from a written one; their names still do.
    """CREATE TABLE facts.change_paths_3 (
      repository VARCHAR NOT NULL, sha VARCHAR NOT NULL, path VARCHAR NOT NULL, old_path VARCHAR,
      status VARCHAR NOT NULL, is_binary BOOLEAN NOT NULL, is_generated BOOLEAN NOT NULL,
      lines_added BIGINT NOT NULL, lines_deleted BIGINT NOT NULL, PRIMARY KEY (repository, sha, path))""",
    """INSERT INTO facts.change_paths_3
    SELECT repository, sha, path, old_path, status, is_binary, false, lines_added, lines_deleted
    FROM facts.change_paths""",
    "DROP TABLE facts.change_paths",
    "ALTER TABLE facts.change_paths_3 RENAME TO change_paths",
    """CREATE TABLE facts.ignored_revisions (
      repository VARCHAR NOT NULL, sha VARCHAR NOT NULL, revisions VARCHAR[] NOT NULL,
      PRIMARY KEY (repository, sha))""",
    # What a bare version names depends on whose it is. What was answered before is asked again.
    "DROP TABLE facts.git_revisions",
    """CREATE TABLE facts.git_revisions (
      repository VARCHAR NOT NULL, revision VARCHAR NOT NULL, service_names VARCHAR NOT NULL, sha VARCHAR,
      PRIMARY KEY (repository, revision, service_names))""",
    """CREATE TABLE facts.signal_hours (
        service VARCHAR NOT NULL, environment VARCHAR NOT NULL, revision VARCHAR, signal VARCHAR NOT NULL,
        subject VARCHAR NOT NULL, aspect VARCHAR NOT NULL, hour_at TIMESTAMP NOT NULL, span_count BIGINT NOT NULL,
        hit_count BIGINT NOT NULL, first_seen_at TIMESTAMP NOT NULL, last_seen_at TIMESTAMP NOT NULL,
        last_received_at TIMESTAMP NOT NULL, hit_at TIMESTAMP, hit_trace_id UUID, hit_span_id UBIGINT,
        miss_at TIMESTAMP, miss_trace_id UUID, miss_span_id UBIGINT)""",
)
