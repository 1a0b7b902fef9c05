-- Nothing: PostgreSQL gets triggers that tell every server which sessions and users are not what they were. Of an embedded database,
-- SQLite itself says when another program changed something (PRAGMA data_version).
SELECT 1;
