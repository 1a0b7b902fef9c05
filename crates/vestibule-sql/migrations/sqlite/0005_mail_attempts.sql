-- Attempts only ever grow, so that no two claims of a mail, and no two messages made of it, have the same number.

-- Those that do not count against the limit: the mail had to stand back, or an operator had it tried again after them. Not
-- checked against `attempts`, which the release before this one sets back.
ALTER TABLE outgoing_mails
    ADD COLUMN uncounted_attempts INTEGER NOT NULL DEFAULT 0 CHECK (uncounted_attempts >= 0);
