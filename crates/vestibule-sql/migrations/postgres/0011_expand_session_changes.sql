-- Tells every server which sessions and users are not what they were, in the transaction that changes them: also what an older
-- release changes, or an operator by hand. Servers that remember sessions listen.

CREATE FUNCTION vestibule_tell_session() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    PERFORM pg_notify('vestibule_changes', 's' || encode(OLD.id_hash, 'hex'));
    RETURN NULL;
END
$$;

CREATE FUNCTION vestibule_tell_user() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    PERFORM pg_notify('vestibule_changes', 'u' || OLD.id::text);
    RETURN NULL;
END
$$;

-- Not what a refresh writes: transactions that tell something are committed one after the other, and a refresh takes nothing away.
CREATE TRIGGER vestibule_session_changed AFTER DELETE OR UPDATE OF is_revoked, user_id ON sessions
    FOR EACH ROW EXECUTE FUNCTION vestibule_tell_session();

CREATE TRIGGER vestibule_user_changed AFTER DELETE OR UPDATE ON users
    FOR EACH ROW EXECUTE FUNCTION vestibule_tell_user();

-- Everything at once. A letter that nobody knows has all forgotten.
CREATE FUNCTION vestibule_tell_all() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    PERFORM pg_notify('vestibule_changes', 'a');
    RETURN NULL;
END
$$;

CREATE TRIGGER vestibule_sessions_emptied AFTER TRUNCATE ON sessions
    FOR EACH STATEMENT EXECUTE FUNCTION vestibule_tell_all();

CREATE TRIGGER vestibule_users_emptied AFTER TRUNCATE ON users
    FOR EACH STATEMENT EXECUTE FUNCTION vestibule_tell_all();
