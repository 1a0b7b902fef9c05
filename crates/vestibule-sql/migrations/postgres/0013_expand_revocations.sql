-- What ended sessions, for programs that verify access tokens by themselves and ask once in a while (docs/adr/0039).

-- What is told of all sessions at once. One row.
CREATE TABLE revocation_feed (
    is_the_one  boolean     PRIMARY KEY CHECK (is_the_one),
    -- Of this database since it was last made or restored. Who comes with another one begins anew.
    epoch       text        NOT NULL CHECK (epoch ~ '^[0-9a-f]{32}$'),
    -- Tokens that were issued until then are not good, whosever they are.
    all_until   timestamptz
);

-- Where there are users already, a backup of before may just have taken their sessions.
INSERT INTO revocation_feed (is_the_one, epoch, all_until)
SELECT TRUE, replace(gen_random_uuid()::text, '-', ''),
    CASE WHEN EXISTS (SELECT 1 FROM users) THEN clock_timestamp() END;

CREATE TABLE revocations (
    -- The transaction that wrote it: who reads knows which of them are over, and which may still bring something.
    position         bigint      NOT NULL,
    session_id_hash  bytea       NOT NULL CHECK (length(session_id_hash) = 32),
    -- Its tokens that were issued until then are not good.
    issued_until     timestamptz NOT NULL,
    PRIMARY KEY (position, session_id_hash)
);

-- The removal of those whose tokens are over.
CREATE INDEX revocations_by_moment ON revocations (issued_until);

-- In the transaction that ends the session, whoever does that. No token of it is issued any more, so a minute is added for servers
-- whose clocks are ahead. The path is that of now: a restore and an operator may have another.
CREATE FUNCTION vestibule_note_ended_session() RETURNS trigger LANGUAGE plpgsql SET search_path FROM CURRENT AS $$
BEGIN
    INSERT INTO revocations (position, session_id_hash, issued_until)
    VALUES (pg_current_xact_id()::text::bigint, OLD.id_hash, clock_timestamp() + interval '1 minute')
    ON CONFLICT (position, session_id_hash)
    DO UPDATE SET issued_until = greatest(revocations.issued_until, excluded.issued_until);
    RETURN NULL;
END
$$;

-- The session goes on, and its tokens of before are of who the user was then. Who is disabled gets no new ones.
CREATE FUNCTION vestibule_note_changed_user() RETURNS trigger LANGUAGE plpgsql SET search_path FROM CURRENT AS $$
BEGIN
    INSERT INTO revocations (position, session_id_hash, issued_until)
    SELECT
        pg_current_xact_id()::text::bigint,
        id_hash,
        clock_timestamp() + CASE WHEN NEW.is_disabled THEN interval '1 minute' ELSE interval '0' END
    FROM sessions
    WHERE user_id = NEW.id AND NOT is_revoked AND expires_at > clock_timestamp() - interval '1 minute'
    ON CONFLICT (position, session_id_hash)
    DO UPDATE SET issued_until = greatest(revocations.issued_until, excluded.issued_until);
    RETURN NULL;
END
$$;

CREATE FUNCTION vestibule_note_all_ended() RETURNS trigger LANGUAGE plpgsql SET search_path FROM CURRENT AS $$
BEGIN
    UPDATE revocation_feed SET all_until = clock_timestamp() + interval '1 minute';
    RETURN NULL;
END
$$;

-- Not those that were over before.
CREATE TRIGGER vestibule_session_deleted AFTER DELETE ON sessions
    FOR EACH ROW
    WHEN (NOT OLD.is_revoked AND OLD.expires_at > clock_timestamp() - interval '1 minute')
    EXECUTE FUNCTION vestibule_note_ended_session();

CREATE TRIGGER vestibule_session_revoked AFTER UPDATE OF is_revoked ON sessions
    FOR EACH ROW
    WHEN (NOT OLD.is_revoked AND NEW.is_revoked AND OLD.expires_at > clock_timestamp() - interval '1 minute')
    EXECUTE FUNCTION vestibule_note_ended_session();

CREATE TRIGGER vestibule_user_restricted AFTER UPDATE OF role, is_disabled ON users
    FOR EACH ROW
    WHEN (OLD.role <> NEW.role OR (NEW.is_disabled AND NOT OLD.is_disabled))
    EXECUTE FUNCTION vestibule_note_changed_user();

CREATE TRIGGER vestibule_sessions_truncated AFTER TRUNCATE ON sessions
    FOR EACH STATEMENT EXECUTE FUNCTION vestibule_note_all_ended();
