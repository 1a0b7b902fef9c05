-- What operators and admins do.

-- Roles of the site's own. What a name may be is the model's rule; this one keeps out what no name can hold.
ALTER TABLE users DROP CONSTRAINT users_role_check;
ALTER TABLE users ADD CONSTRAINT users_role_check CHECK (role ~ '^[a-z][a-z0-9_-]{0,31}$');

-- The admins, of whom one must stay.
CREATE INDEX users_by_role ON users (role) WHERE role <> 'user';

-- None for sessions of a server of the release before: then it was as they logged in.
ALTER TABLE sessions ADD COLUMN password_given_at timestamptz;

-- Who did it: whom it concerns, an admin, or who has the command line.
ALTER TABLE audit_events ADD COLUMN actor text NOT NULL DEFAULT 'visitor' CHECK (actor IN ('visitor', 'admin', 'operator'));
ALTER TABLE audit_events ADD COLUMN actor_id uuid;
ALTER TABLE audit_events ADD COLUMN detail text NOT NULL DEFAULT '';

-- The trail by what happened, and the numbers of a day.
CREATE INDEX audit_events_by_kind ON audit_events (kind, id);
-- The removal of an admin.
CREATE INDEX audit_events_by_actor ON audit_events (actor_id) WHERE actor_id IS NOT NULL;

-- What an admin did to others stays, without their name.
CREATE OR REPLACE FUNCTION audit_events_go_with_their_user() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    DELETE FROM audit_events WHERE user_id = old.id;
    UPDATE audit_events SET actor_id = NULL WHERE actor_id = old.id;
    RETURN NULL;
END;
$$;
