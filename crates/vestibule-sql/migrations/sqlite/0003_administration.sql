-- What operators and admins do.

-- Roles of the site's own. What a name may be is the model's rule; this one keeps out what no name can hold. SQLite cannot
-- change a constraint, and to make the table anew would remove all that refers to users; so a column takes the place of
-- another.
ALTER TABLE users ADD COLUMN role_2 TEXT NOT NULL DEFAULT 'user'
    CHECK (role_2 GLOB '[a-z]*' AND role_2 NOT GLOB '*[^a-z0-9_-]*' AND length(role_2) <= 32);
UPDATE users SET role_2 = role;
ALTER TABLE users DROP COLUMN role;
ALTER TABLE users RENAME COLUMN role_2 TO role;

-- The admins, of whom one must stay.
CREATE INDEX users_by_role ON users (role) WHERE role <> 'user';

-- None for sessions of a server of the release before: then it was as they logged in.
ALTER TABLE sessions ADD COLUMN password_given_at TEXT;

-- Who did it: whom it concerns, an admin, or who has the command line.
ALTER TABLE audit_events ADD COLUMN actor TEXT NOT NULL DEFAULT 'visitor' CHECK (actor IN ('visitor', 'admin', 'operator'));
ALTER TABLE audit_events ADD COLUMN actor_id TEXT;
ALTER TABLE audit_events ADD COLUMN detail TEXT NOT NULL DEFAULT '';

-- The trail by what happened, and the numbers of a day.
CREATE INDEX audit_events_by_kind ON audit_events (kind, id);
-- The removal of an admin.
CREATE INDEX audit_events_by_actor ON audit_events (actor_id) WHERE actor_id IS NOT NULL;

-- What an admin did to others stays, without their name.
DROP TRIGGER audit_events_go_with_their_user;
CREATE TRIGGER audit_events_go_with_their_user AFTER DELETE ON users
BEGIN
    DELETE FROM audit_events WHERE user_id = old.id;
    UPDATE audit_events SET actor_id = NULL WHERE actor_id = old.id;
END;
