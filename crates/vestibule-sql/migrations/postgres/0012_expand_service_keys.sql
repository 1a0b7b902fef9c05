-- Keys by which programs beside the site are let in.
CREATE TABLE service_keys (
    id            uuid        PRIMARY KEY,
    name          text        NOT NULL CHECK (length(name) BETWEEN 1 AND 100),
    -- The words of what it may do, separated by blanks.
    scopes        text        NOT NULL CHECK (scopes <> ''),
    -- SHA-256 of purpose and secret; only the program has the secret.
    key_hash      bytea       NOT NULL UNIQUE CHECK (length(key_hash) = 32),
    created_at    timestamptz NOT NULL,
    -- None for one without end.
    expires_at    timestamptz,
    last_used_at  timestamptz
);
