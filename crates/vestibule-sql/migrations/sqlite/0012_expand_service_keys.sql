-- Keys by which programs beside the site are let in.
CREATE TABLE service_keys (
    id            TEXT    NOT NULL PRIMARY KEY,
    name          TEXT    NOT NULL CHECK (length(name) BETWEEN 1 AND 100),
    -- The words of what it may do, separated by blanks.
    scopes        TEXT    NOT NULL CHECK (scopes <> ''),
    -- SHA-256 of purpose and secret; only the program has the secret.
    key_hash      BLOB    NOT NULL UNIQUE CHECK (length(key_hash) = 32),
    created_at    TEXT    NOT NULL,
    -- None for one without end.
    expires_at    TEXT,
    last_used_at  TEXT
) STRICT;
