-- Task: forget the numbers of loads that expire_loads.sql forgot. A span whose load neither table knows is a counted one.
-- Parameters: none.
DELETE FROM folded_loads
WHERE load_number NOT IN (SELECT load_number FROM loads)
