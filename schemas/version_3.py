"""The step to schema version 3: exceptions carry the number of the load that brought them,
paths whether a tool wrote them, and what .git-blame-ignore-revs says is kept.

Frozen: it leads from what version 2 was to what version 3 was, whatever the tables are today.
"""

STATEMENTS: tuple[str, ...] = (
    "ALTER TABLE facts.exceptions ADD COLUMN load_number BIGINT",
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
)
