-- To which address a link that resets a password was mailed: it is good only while that is the user's. None for a link that
-- a server of the release before made; it is over within half an hour.
ALTER TABLE password_reset_tokens
    ADD COLUMN email TEXT CHECK (email = lower(trim(email)) AND email LIKE '%_@_%');
