-- What goes by mail, and what a person does with an account of their own.

-- The outbox becomes one that workers share. The defaults are for servers of the release before, which may still run
-- while others are new.
ALTER TABLE outgoing_mails
    -- None for a request to reset a password: whose the address is, is looked up as the mail is sent.
    ALTER COLUMN user_id DROP NOT NULL,
    -- 0 goes first.
    ADD COLUMN urgency          bigint      NOT NULL DEFAULT 1 CHECK (urgency IN (0, 1)),
    ADD COLUMN attempts         bigint      NOT NULL DEFAULT 0 CHECK (attempts >= 0),
    -- While a worker has the mail, the end of its lease.
    ADD COLUMN next_attempt_at  timestamptz,
    ADD COLUMN finished_at      timestamptz,
    ADD COLUMN outcome          text                 CHECK (outcome IN ('sent', 'moot', 'dead')),
    -- Why the last attempt failed or the mail was given up. No text of the mail.
    ADD COLUMN reason           text        NOT NULL DEFAULT '',
    ADD CHECK ((finished_at IS NULL) = (outcome IS NULL));

UPDATE outgoing_mails SET next_attempt_at = created_at;

ALTER TABLE outgoing_mails
    ALTER COLUMN next_attempt_at SET DEFAULT now(),
    ALTER COLUMN next_attempt_at SET NOT NULL;

-- Whose turn it is.
CREATE INDEX outgoing_mails_waiting ON outgoing_mails (urgency, next_attempt_at) WHERE finished_at IS NULL;
-- What is over.
CREATE INDEX outgoing_mails_finished ON outgoing_mails (finished_at) WHERE finished_at IS NOT NULL;
-- How many an address was sent lately.
CREATE INDEX outgoing_mails_by_recipient ON outgoing_mails (recipient, kind, created_at);

-- How many mails of each quota went on each day (UTC).
CREATE TABLE mail_quotas (
    quota  text    NOT NULL CHECK (quota <> ''),
    day    text    NOT NULL CHECK (day LIKE '____-__-__'),
    used   bigint  NOT NULL CHECK (used >= 0),
    PRIMARY KEY (quota, day)
);

CREATE TABLE email_verification_tokens (
    -- SHA-256 of purpose and token; only the mail has the token.
    token_hash      bytea       PRIMARY KEY CHECK (octet_length(token_hash) = 32),
    user_id         uuid        NOT NULL REFERENCES users (id) ON DELETE CASCADE,
    -- The address that the mail went to, and the only one that the token confirms.
    email           text        NOT NULL CHECK (email = lower(trim(email)) AND email LIKE '%_@_%'),
    replaces_email  boolean     NOT NULL,
    expires_at      timestamptz NOT NULL,
    created_at      timestamptz NOT NULL,
    -- A new one ends the one before it.
    UNIQUE (user_id, replaces_email)
);

CREATE TABLE password_reset_tokens (
    token_hash  bytea       PRIMARY KEY CHECK (octet_length(token_hash) = 32),
    -- A new one ends the one before it.
    user_id     uuid        NOT NULL UNIQUE REFERENCES users (id) ON DELETE CASCADE,
    expires_at  timestamptz NOT NULL,
    created_at  timestamptz NOT NULL
);

-- The browsers that an account was used with.
CREATE TABLE devices (
    user_id       uuid        NOT NULL REFERENCES users (id) ON DELETE CASCADE,
    device_hash   bytea       NOT NULL CHECK (octet_length(device_hash) = 32),
    created_at    timestamptz NOT NULL,
    last_seen_at  timestamptz NOT NULL,
    PRIMARY KEY (user_id, device_hash)
);

-- Those that did not come back.
CREATE INDEX devices_by_last_seen ON devices (last_seen_at);

-- A refused log-in is written down with its user, or without where nobody has the address. A foreign key would be looked
-- up and locked for the first only, and the difference could be timed. So there is none: the insertion takes the user from
-- `users`, known or not, and this trigger does what ON DELETE CASCADE did.
ALTER TABLE audit_events DROP CONSTRAINT audit_events_user_id_fkey;

CREATE FUNCTION audit_events_go_with_their_user() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    DELETE FROM audit_events WHERE user_id = old.id;
    RETURN NULL;
END;
$$;

CREATE TRIGGER audit_events_go_with_their_user AFTER DELETE ON users
FOR EACH ROW EXECUTE FUNCTION audit_events_go_with_their_user();
