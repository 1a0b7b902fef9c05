-- Keys that take turns.

-- From when a key signs. Before that it is only published, so that verifiers can learn it. None for keys of the release
-- before: those sign since they were made.
ALTER TABLE signing_keys ADD COLUMN activates_at TEXT;

-- The longest life, in seconds, of a token that was signed with it: so long it is needed after its successor has taken over,
-- whatever VESTIBULE_ACCESS_TTL has become by then. Of keys of the release before it is not known, and a day is more than
-- anybody has a reason to set.
ALTER TABLE signing_keys ADD COLUMN token_ttl INTEGER NOT NULL DEFAULT 86400 CHECK (token_ttl >= 0);
