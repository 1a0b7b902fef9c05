-- The notes of users. They go when their user goes.
CREATE TABLE notes (
    id          uuid        PRIMARY KEY,
    user_id     uuid        NOT NULL REFERENCES users (id) ON DELETE CASCADE,
    title       text        NOT NULL CHECK (length(title) BETWEEN 1 AND 200),
    body        text        NOT NULL CHECK (length(body) <= 20000),
    created_at  timestamptz NOT NULL,
    updated_at  timestamptz NOT NULL
);

-- One user's notes, newest first: ids are ordered by time.
CREATE INDEX notes_by_user ON notes (user_id, id);
