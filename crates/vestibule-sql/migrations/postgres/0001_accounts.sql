-- Users, sessions, and what the first flows write. Each constraint holds an invariant of a model in the crate
-- `vestibule`; the database is the last to refuse.

CREATE TABLE users (
    id                 uuid        PRIMARY KEY,
    -- Canonical: two spellings of one mailbox can't be two accounts.
    email              text        NOT NULL UNIQUE CHECK (email = lower(trim(email)) AND email LIKE '%_@_%'),
    name               text        NOT NULL CHECK (name <> ''),
    -- A PHC string, or no password at all. A blank one would be an open door.
    password_hash      text                 CHECK (password_hash LIKE '$_%$_%$_%'),
    is_email_verified  boolean     NOT NULL,
    role               text        NOT NULL CHECK (role IN ('user', 'admin')),
    is_disabled        boolean     NOT NULL,
    created_at         timestamptz NOT NULL,
    updated_at         timestamptz NOT NULL
);

CREATE TABLE sessions (
    -- SHA-256 of an id that only the browser has.
    id_hash               bytea       PRIMARY KEY CHECK (octet_length(id_hash) = 32),
    public_id             uuid        NOT NULL UNIQUE,
    user_id               uuid        NOT NULL REFERENCES users (id) ON DELETE CASCADE,
    secret_hash           bytea       NOT NULL CHECK (octet_length(secret_hash) = 32),
    previous_secret_hash  bytea                CHECK (octet_length(previous_secret_hash) = 32 AND previous_secret_hash <> secret_hash),
    secret_rotated_at     timestamptz NOT NULL,
    secret_first_used_at  timestamptz,
    csrf_token            text        NOT NULL CHECK (length(csrf_token) >= 22),
    is_revoked            boolean     NOT NULL,
    created_at            timestamptz NOT NULL,
    last_seen_at          timestamptz NOT NULL,
    expires_at            timestamptz NOT NULL,
    -- Never moves; no refresh outlives it.
    absolute_expires_at   timestamptz NOT NULL CHECK (absolute_expires_at >= expires_at),
    ip                    text,
    user_agent            text                 CHECK (length(user_agent) <= 512)
);

-- "Log out everywhere", and the removal of a user.
CREATE INDEX sessions_by_user ON sessions (user_id);

CREATE TABLE outgoing_mails (
    id          uuid        PRIMARY KEY,
    kind        text        NOT NULL CHECK (kind <> ''),
    user_id     uuid        NOT NULL REFERENCES users (id) ON DELETE CASCADE,
    recipient   text        NOT NULL CHECK (recipient LIKE '%_@_%'),
    created_at  timestamptz NOT NULL,
    ip          text,
    user_agent  text                 CHECK (length(user_agent) <= 512)
);

-- The removal of a user.
CREATE INDEX outgoing_mails_by_user ON outgoing_mails (user_id);

CREATE TABLE audit_events (
    id          uuid        PRIMARY KEY,
    kind        text        NOT NULL CHECK (kind <> ''),
    -- None where nobody is known: a log-in with an address that no one has.
    user_id     uuid                 REFERENCES users (id) ON DELETE CASCADE,
    created_at  timestamptz NOT NULL,
    ip          text,
    user_agent  text                 CHECK (length(user_agent) <= 512)
);

-- One user's trail, and the removal of a user.
CREATE INDEX audit_events_by_user ON audit_events (user_id);

CREATE TABLE signing_keys (
    kid                 text        PRIMARY KEY CHECK (kid <> ''),
    -- Unique, so that of several servers that start at once one makes the first key.
    generation          bigint      NOT NULL UNIQUE CHECK (generation >= 1),
    public_key          bytea       NOT NULL CHECK (octet_length(public_key) = 32),
    -- Encrypted: who can read the database cannot sign.
    sealed_private_key  bytea       NOT NULL,
    created_at          timestamptz NOT NULL
);
