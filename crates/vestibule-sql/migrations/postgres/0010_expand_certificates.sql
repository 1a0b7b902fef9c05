-- Certificates that the servers order themselves (ACME, RFC 8555). All servers of an installation share them.

-- Accounts at certificate authorities.
CREATE TABLE acme_accounts (
    -- The address of the authority's directory.
    authority           text        PRIMARY KEY CHECK (authority <> ''),
    -- Encrypted: who can read the database cannot order in the name of the account.
    sealed_credentials  bytea       NOT NULL,
    created_at          timestamptz NOT NULL
);

CREATE TABLE certificates (
    authority           text        NOT NULL CHECK (authority <> ''),
    -- The names in it, sorted and separated by commas. One authority has one certificate for them.
    names               text        NOT NULL CHECK (names <> ''),
    -- PEM, the server's own first.
    chain               text        NOT NULL CHECK (chain LIKE '%-----BEGIN CERTIFICATE-----%'),
    -- Encrypted: who can read the database cannot pass for the site.
    sealed_private_key  bytea       NOT NULL,
    issued_at           timestamptz NOT NULL,
    expires_at          timestamptz NOT NULL,
    PRIMARY KEY (authority, names)
);

-- Who orders which certificate, so that of several servers one does. What failed is tried again by any of them.
CREATE TABLE certificate_orders (
    authority           text        NOT NULL CHECK (authority <> ''),
    names               text        NOT NULL CHECK (names <> ''),
    holder              uuid        NOT NULL,
    -- Who does not come back by then is taken for dead.
    held_until          timestamptz NOT NULL,
    -- How many attempts in a row failed.
    failures            bigint      NOT NULL CHECK (failures >= 0),
    next_attempt_at     timestamptz NOT NULL,
    PRIMARY KEY (authority, names)
);

-- What an authority wants to find at a name, whichever server it comes to. Both values are public once it asks.
CREATE TABLE acme_challenges (
    token               text        PRIMARY KEY CHECK (token <> ''),
    name                text        NOT NULL CHECK (name <> ''),
    key_authorization   text        NOT NULL CHECK (key_authorization <> ''),
    created_at          timestamptz NOT NULL,
    expires_at          timestamptz NOT NULL
);

-- The challenge that is asked for in a handshake.
CREATE INDEX acme_challenges_by_name ON acme_challenges (name);
