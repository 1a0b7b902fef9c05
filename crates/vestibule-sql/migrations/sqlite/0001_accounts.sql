-- Users, sessions, and what the first flows write. Each constraint holds an invariant of a model in the crate
-- `vestibule`; the database is the last to refuse. Ids and moments are texts, which people
-- can read and which sort as they should; STRICT holds the types.

CREATE TABLE users (
    id                 TEXT    NOT NULL PRIMARY KEY,
    -- Canonical: two spellings of one mailbox can't be two accounts.
    email              TEXT    NOT NULL UNIQUE CHECK (email = lower(trim(email)) AND email LIKE '%_@_%'),
    name               TEXT    NOT NULL CHECK (name <> ''),
    -- A PHC string, or no password at all. A blank one would be an open door.
    password_hash      TEXT    CHECK (password_hash LIKE '$_%$_%$_%'),
    is_email_verified  INTEGER NOT NULL CHECK (is_email_verified IN (0, 1)),
    role               TEXT    NOT NULL CHECK (role IN ('user', 'admin')),
    is_disabled        INTEGER NOT NULL CHECK (is_disabled IN (0, 1)),
    created_at         TEXT    NOT NULL,
    updated_at         TEXT    NOT NULL
) STRICT;

CREATE TABLE sessions (
    -- SHA-256 of an id that only the browser has.
    id_hash               BLOB    NOT NULL PRIMARY KEY CHECK (length(id_hash) = 32),
    public_id             TEXT    NOT NULL UNIQUE,
    user_id               TEXT    NOT NULL REFERENCES users (id) ON DELETE CASCADE,
    secret_hash           BLOB    NOT NULL CHECK (length(secret_hash) = 32),
    previous_secret_hash  BLOB    CHECK (length(previous_secret_hash) = 32 AND previous_secret_hash <> secret_hash),
    secret_rotated_at     TEXT    NOT NULL,
    secret_first_used_at  TEXT,
    csrf_token            TEXT    NOT NULL CHECK (length(csrf_token) >= 22),
    is_revoked            INTEGER NOT NULL CHECK (is_revoked IN (0, 1)),
    created_at            TEXT    NOT NULL,
    last_seen_at          TEXT    NOT NULL,
    expires_at            TEXT    NOT NULL,
    -- Never moves; no refresh outlives it.
    absolute_expires_at   TEXT    NOT NULL CHECK (absolute_expires_at >= expires_at),
    ip                    TEXT,
    user_agent            TEXT    CHECK (length(user_agent) <= 512)
) STRICT;

-- "Log out everywhere", and the removal of a user.
CREATE INDEX sessions_by_user ON sessions (user_id);

CREATE TABLE outgoing_mails (
    id          TEXT    NOT NULL PRIMARY KEY,
    kind        TEXT    NOT NULL CHECK (kind <> ''),
    user_id     TEXT    NOT NULL REFERENCES users (id) ON DELETE CASCADE,
    recipient   TEXT    NOT NULL CHECK (recipient LIKE '%_@_%'),
    created_at  TEXT    NOT NULL,
    ip          TEXT,
    user_agent  TEXT    CHECK (length(user_agent) <= 512)
) STRICT;

-- The removal of a user.
CREATE INDEX outgoing_mails_by_user ON outgoing_mails (user_id);

CREATE TABLE audit_events (
    id          TEXT    NOT NULL PRIMARY KEY,
    kind        TEXT    NOT NULL CHECK (kind <> ''),
    -- None where nobody is known: a log-in with an address that no one has.
    user_id     TEXT    REFERENCES users (id) ON DELETE CASCADE,
    created_at  TEXT    NOT NULL,
    ip          TEXT,
    user_agent  TEXT    CHECK (length(user_agent) <= 512)
) STRICT;

-- One user's trail, and the removal of a user.
CREATE INDEX audit_events_by_user ON audit_events (user_id);

CREATE TABLE signing_keys (
    kid                 TEXT    NOT NULL PRIMARY KEY CHECK (kid <> ''),
    -- Unique, so that of several servers that start at once one makes the first key.
    generation          INTEGER NOT NULL UNIQUE CHECK (generation >= 1),
    public_key          BLOB    NOT NULL CHECK (length(public_key) = 32),
    -- Encrypted: who can read the database cannot sign.
    sealed_private_key  BLOB    NOT NULL,
    created_at          TEXT    NOT NULL
) STRICT;
