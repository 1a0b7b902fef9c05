-- Nobody takes what they did to others out of the trail by removing an account, their own or the other one's.

-- What a person did themselves goes with them. What an admin or an operator did stays for as long as the trail is kept, with
-- the ids of both, which lead to nobody once the accounts are gone; and so does that an account was removed. From where
-- somebody did it is personal, and goes with them. There is still no foreign key: an insertion would look up and lock the user,
-- and the time of that would tell whether an address is known.
CREATE OR REPLACE FUNCTION audit_events_go_with_their_user() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    DELETE FROM audit_events WHERE user_id = old.id AND actor = 'visitor' AND kind <> 'account_deleted';
    UPDATE audit_events SET ip = NULL, user_agent = NULL WHERE actor_id = old.id;
    RETURN NULL;
END;
$$;
