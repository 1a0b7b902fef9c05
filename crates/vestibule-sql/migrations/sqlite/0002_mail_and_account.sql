-- What goes by mail, and what a person does with an account of their own.

-- The outbox becomes one that workers share. SQLite cannot change a column, so the table is made anew. The defaults are
-- for servers of the release before, which may still run while others are new.
CREATE TABLE outgoing_mails_2 (
    id               TEXT    NOT NULL PRIMARY KEY,
    kind             TEXT    NOT NULL CHECK (kind <> ''),
    -- None for a request to reset a password: whose the address is, is looked up as the mail is sent.
    user_id          TEXT    REFERENCES users (id) ON DELETE CASCADE,
    recipient        TEXT    NOT NULL CHECK (recipient LIKE '%_@_%'),
    created_at       TEXT    NOT NULL,
    ip               TEXT,
    user_agent       TEXT    CHECK (length(user_agent) <= 512),
    -- 0 goes first.
    urgency          INTEGER NOT NULL DEFAULT 1 CHECK (urgency IN (0, 1)),
    attempts         INTEGER NOT NULL DEFAULT 0 CHECK (attempts >= 0),
    -- While a worker has the mail, the end of its lease.
    next_attempt_at  TEXT    NOT NULL DEFAULT (strftime('%Y-%m-%dT%H:%M:%f000Z', 'now')),
    finished_at      TEXT,
    outcome          TEXT    CHECK (outcome IN ('sent', 'moot', 'dead')),
    -- Why the last attempt failed or the mail was given up. No text of the mail.
    reason           TEXT    NOT NULL DEFAULT '',
    CHECK ((finished_at IS NULL) = (outcome IS NULL))
) STRICT;

INSERT INTO outgoing_mails_2
    (id, kind, user_id, recipient, created_at, ip, user_agent, urgency, attempts, next_attempt_at, reason)
SELECT id, kind, user_id, recipient, created_at, ip, user_agent, 1, 0, created_at, ''
FROM outgoing_mails;

DROP TABLE outgoing_mails;
ALTER TABLE outgoing_mails_2 RENAME TO outgoing_mails;

-- Whose turn it is.
CREATE INDEX outgoing_mails_waiting ON outgoing_mails (urgency, next_attempt_at) WHERE finished_at IS NULL;
-- What is over.
CREATE INDEX outgoing_mails_finished ON outgoing_mails (finished_at) WHERE finished_at IS NOT NULL;
-- How many an address was sent lately.
CREATE INDEX outgoing_mails_by_recipient ON outgoing_mails (recipient, kind, created_at);
-- The removal of a user.
CREATE INDEX outgoing_mails_by_user ON outgoing_mails (user_id);

-- How many mails of each quota went on each day (UTC).
CREATE TABLE mail_quotas (
    quota  TEXT    NOT NULL CHECK (quota <> ''),
    day    TEXT    NOT NULL CHECK (day LIKE '____-__-__'),
    used   INTEGER NOT NULL CHECK (used >= 0),
    PRIMARY KEY (quota, day)
) STRICT, WITHOUT ROWID;

CREATE TABLE email_verification_tokens (
    -- SHA-256 of purpose and token; only the mail has the token.
    token_hash      BLOB    NOT NULL PRIMARY KEY CHECK (length(token_hash) = 32),
    user_id         TEXT    NOT NULL REFERENCES users (id) ON DELETE CASCADE,
    -- The address that the mail went to, and the only one that the token confirms.
    email           TEXT    NOT NULL CHECK (email = lower(trim(email)) AND email LIKE '%_@_%'),
    replaces_email  INTEGER NOT NULL CHECK (replaces_email IN (0, 1)),
    expires_at      TEXT    NOT NULL,
    created_at      TEXT    NOT NULL,
    -- A new one ends the one before it.
    UNIQUE (user_id, replaces_email)
) STRICT;

CREATE TABLE password_reset_tokens (
    token_hash  BLOB    NOT NULL PRIMARY KEY CHECK (length(token_hash) = 32),
    -- A new one ends the one before it.
    user_id     TEXT    NOT NULL UNIQUE REFERENCES users (id) ON DELETE CASCADE,
    expires_at  TEXT    NOT NULL,
    created_at  TEXT    NOT NULL
) STRICT;

-- The browsers that an account was used with.
CREATE TABLE devices (
    user_id       TEXT    NOT NULL REFERENCES users (id) ON DELETE CASCADE,
    device_hash   BLOB    NOT NULL CHECK (length(device_hash) = 32),
    created_at    TEXT    NOT NULL,
    last_seen_at  TEXT    NOT NULL,
    PRIMARY KEY (user_id, device_hash)
) STRICT, WITHOUT ROWID;

-- Those that did not come back.
CREATE INDEX devices_by_last_seen ON devices (last_seen_at);

-- A refused log-in is written down with its user, or without where nobody has the address. A foreign key would be looked
-- up and locked for the first only, and the difference could be timed. So there is none: the insertion takes the user from
-- `users`, known or not, and this trigger does what ON DELETE CASCADE did. SQLite cannot drop a constraint, so the table is
-- made anew.
CREATE TABLE audit_events_2 (
    id          TEXT    NOT NULL PRIMARY KEY,
    kind        TEXT    NOT NULL CHECK (kind <> ''),
    -- None where nobody is known: a log-in with an address that no one has.
    user_id     TEXT,
    created_at  TEXT    NOT NULL,
    ip          TEXT,
    user_agent  TEXT    CHECK (length(user_agent) <= 512)
) STRICT;

INSERT INTO audit_events_2 (id, kind, user_id, created_at, ip, user_agent)
SELECT id, kind, user_id, created_at, ip, user_agent
FROM audit_events;

DROP TABLE audit_events;
ALTER TABLE audit_events_2 RENAME TO audit_events;

-- One user's trail, and the removal of a user.
CREATE INDEX audit_events_by_user ON audit_events (user_id);

CREATE TRIGGER audit_events_go_with_their_user AFTER DELETE ON users
BEGIN
    DELETE FROM audit_events WHERE user_id = old.id;
END;
