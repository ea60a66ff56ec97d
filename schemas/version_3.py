"""The step to schema version 3: exceptions carry the number of the load that brought them.

Frozen: it leads from what version 2 was to what version 3 was, whatever the tables are today.
"""

STATEMENTS: tuple[str, ...] = ("ALTER TABLE facts.exceptions ADD COLUMN load_number BIGINT",)
