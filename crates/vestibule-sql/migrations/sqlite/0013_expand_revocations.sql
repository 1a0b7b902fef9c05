-- What ended sessions, for programs that verify access tokens by themselves and ask once in a while (docs/adr/0039).

-- What is told of all sessions at once. One row.
CREATE TABLE revocation_feed (
    is_the_one  INTEGER NOT NULL PRIMARY KEY CHECK (is_the_one = 1),
    -- Of this database since it was last made or restored. Who comes with another one begins anew.
    epoch       TEXT    NOT NULL CHECK (length(epoch) = 32 AND epoch NOT GLOB '*[^0-9a-f]*'),
    -- Tokens that were issued until then are not good, whosever they are.
    all_until   TEXT
) STRICT;

-- Where there are users already, a backup of before may just have taken their sessions.
INSERT INTO revocation_feed (is_the_one, epoch, all_until)
SELECT 1, lower(hex(randomblob(16))),
    CASE WHEN EXISTS (SELECT 1 FROM users) THEN strftime('%Y-%m-%dT%H:%M:%f', 'now') || '000Z' END;

CREATE TABLE revocations (
    -- One more than the last: there is one writer at a time. The last row is never removed, so that no number comes twice.
    position         INTEGER NOT NULL PRIMARY KEY,
    session_id_hash  BLOB    NOT NULL CHECK (length(session_id_hash) = 32),
    -- Its tokens that were issued until then are not good.
    issued_until     TEXT    NOT NULL
) STRICT;

-- The removal of those whose tokens are over.
CREATE INDEX revocations_by_moment ON revocations (issued_until);

-- In the transaction that ends the session, whoever does that; not those that were over before. No token of it is issued any more,
-- so a minute is added for servers whose clocks are ahead.
CREATE TRIGGER vestibule_session_deleted AFTER DELETE ON sessions
WHEN NOT old.is_revoked AND old.expires_at > strftime('%Y-%m-%dT%H:%M:%f', 'now', '-1 minute') || '000Z'
BEGIN
    INSERT INTO revocations (session_id_hash, issued_until)
    VALUES (old.id_hash, strftime('%Y-%m-%dT%H:%M:%f', 'now', '+1 minute') || '000Z');
END;

CREATE TRIGGER vestibule_session_revoked AFTER UPDATE OF is_revoked ON sessions
WHEN NOT old.is_revoked AND new.is_revoked
    AND old.expires_at > strftime('%Y-%m-%dT%H:%M:%f', 'now', '-1 minute') || '000Z'
BEGIN
    INSERT INTO revocations (session_id_hash, issued_until)
    VALUES (old.id_hash, strftime('%Y-%m-%dT%H:%M:%f', 'now', '+1 minute') || '000Z');
END;

-- The session goes on, and its tokens of before are of who the user was then. Who is disabled gets no new ones.
CREATE TRIGGER vestibule_user_restricted AFTER UPDATE OF role, is_disabled ON users
WHEN old.role <> new.role OR (new.is_disabled AND NOT old.is_disabled)
BEGIN
    INSERT INTO revocations (session_id_hash, issued_until)
    SELECT
        id_hash,
        strftime('%Y-%m-%dT%H:%M:%f', 'now', CASE WHEN new.is_disabled THEN '+1 minute' ELSE '+0 minutes' END) || '000Z'
    FROM sessions
    WHERE user_id = new.id AND NOT is_revoked
        AND expires_at > strftime('%Y-%m-%dT%H:%M:%f', 'now', '-1 minute') || '000Z';
END;
