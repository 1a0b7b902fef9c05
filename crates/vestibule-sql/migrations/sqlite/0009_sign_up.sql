-- How people come by accounts, where that is not simply open.

-- Sign-ups that wait for their address to be confirmed. They refer to no user and are bounded by address and network.
CREATE TABLE sign_up_attempts (
    id             TEXT    NOT NULL PRIMARY KEY,
    name           TEXT    NOT NULL CHECK (name <> ''),
    email          TEXT    NOT NULL CHECK (email = lower(trim(email)) AND email LIKE '%_@_%'),
    password_hash  TEXT    NOT NULL CHECK (password_hash LIKE '$_%$_%$_%'),
    -- SHA-256 of a secret that only the browser has. One browser has one attempt.
    browser_hash   BLOB    NOT NULL UNIQUE CHECK (length(browser_hash) = 32),
    -- The last mail that was written for it. No reference: mails are removed on their own.
    mail_id        TEXT    NOT NULL UNIQUE,
    mails          INTEGER NOT NULL CHECK (mails >= 1),
    -- SHA-256 of purpose and token; only that mail has the token. None before it is sent and once it is over.
    token_hash     BLOB             UNIQUE CHECK (length(token_hash) = 32),
    -- The owner of the address said that it was not them: no link is made any more.
    is_declined    INTEGER NOT NULL CHECK (is_declined IN (0, 1) AND (NOT is_declined OR token_hash IS NULL)),
    created_at     TEXT    NOT NULL,
    expires_at     TEXT    NOT NULL,
    ip             TEXT,
    user_agent     TEXT             CHECK (length(user_agent) <= 512),
    -- The address, or the /64 that it is in: what one household or machine has.
    network        TEXT
) STRICT;

-- How many wait with an address, and the end of their links.
CREATE INDEX sign_up_attempts_by_email ON sign_up_attempts (email);
-- How many wait that were begun in a network.
CREATE INDEX sign_up_attempts_by_network ON sign_up_attempts (network) WHERE network IS NOT NULL;
-- The removal of those that are over.
CREATE INDEX sign_up_attempts_by_expiry ON sign_up_attempts (expires_at);

-- Links by which one person each may sign up. A used one is gone.
CREATE TABLE invitations (
    id          TEXT    NOT NULL PRIMARY KEY,
    -- SHA-256 of purpose and token; only the link has the token.
    token_hash  BLOB    NOT NULL UNIQUE CHECK (length(token_hash) = 32),
    -- The one address that may use it; none where any may.
    email       TEXT             CHECK (email = lower(trim(email)) AND email LIKE '%_@_%'),
    role        TEXT    NOT NULL CHECK (role GLOB '[a-z]*' AND role NOT GLOB '*[^a-z0-9_-]*' AND length(role) <= 32),
    created_at  TEXT    NOT NULL,
    expires_at  TEXT    NOT NULL
) STRICT;

-- The removal of those that are over.
CREATE INDEX invitations_by_expiry ON invitations (expires_at);
