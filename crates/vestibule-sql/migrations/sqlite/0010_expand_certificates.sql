-- Certificates that the servers order themselves (ACME, RFC 8555). All servers of an installation share them.

-- Accounts at certificate authorities.
CREATE TABLE acme_accounts (
    -- The address of the authority's directory.
    authority           TEXT    NOT NULL PRIMARY KEY CHECK (authority <> ''),
    -- Encrypted: who can read the database cannot order in the name of the account.
    sealed_credentials  BLOB    NOT NULL,
    created_at          TEXT    NOT NULL
) STRICT;

CREATE TABLE certificates (
    authority           TEXT    NOT NULL CHECK (authority <> ''),
    -- The names in it, sorted and separated by commas. One authority has one certificate for them.
    names               TEXT    NOT NULL CHECK (names <> ''),
    -- PEM, the server's own first.
    chain               TEXT    NOT NULL CHECK (chain LIKE '%-----BEGIN CERTIFICATE-----%'),
    -- Encrypted: who can read the database cannot pass for the site.
    sealed_private_key  BLOB    NOT NULL,
    issued_at           TEXT    NOT NULL,
    expires_at          TEXT    NOT NULL,
    PRIMARY KEY (authority, names)
) STRICT;

-- Who orders which certificate, so that of several servers one does. What failed is tried again by any of them.
CREATE TABLE certificate_orders (
    authority           TEXT    NOT NULL CHECK (authority <> ''),
    names               TEXT    NOT NULL CHECK (names <> ''),
    holder              TEXT    NOT NULL,
    -- Who does not come back by then is taken for dead.
    held_until          TEXT    NOT NULL,
    -- How many attempts in a row failed.
    failures            INTEGER NOT NULL CHECK (failures >= 0),
    next_attempt_at     TEXT    NOT NULL,
    PRIMARY KEY (authority, names)
) STRICT;

-- What an authority wants to find at a name, whichever server it comes to. Both values are public once it asks.
CREATE TABLE acme_challenges (
    token               TEXT    NOT NULL PRIMARY KEY CHECK (token <> ''),
    name                TEXT    NOT NULL CHECK (name <> ''),
    key_authorization   TEXT    NOT NULL CHECK (key_authorization <> ''),
    created_at          TEXT    NOT NULL,
    expires_at          TEXT    NOT NULL
) STRICT;

-- The challenge that is asked for in a handshake.
CREATE INDEX acme_challenges_by_name ON acme_challenges (name);
