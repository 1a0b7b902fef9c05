-- The notes of users. They go when their user goes.
CREATE TABLE notes (
    id          TEXT    NOT NULL PRIMARY KEY,
    user_id     TEXT    NOT NULL REFERENCES users (id) ON DELETE CASCADE,
    title       TEXT    NOT NULL CHECK (length(title) BETWEEN 1 AND 200),
    body        TEXT    NOT NULL CHECK (length(body) <= 20000),
    created_at  TEXT    NOT NULL,
    updated_at  TEXT    NOT NULL
) STRICT;

-- One user's notes, newest first: ids are ordered by time.
CREATE INDEX notes_by_user ON notes (user_id, id);
