-- What holds against attack.

-- How far each quota is used up: the moment at which it will be full again, and how long filling it takes, in microseconds.
CREATE TABLE rate_limits (
    key TEXT PRIMARY KEY,
    full_at INTEGER NOT NULL,
    span INTEGER NOT NULL CHECK (span > 0)
) STRICT;

-- The removal of those that are full again.
CREATE INDEX rate_limits_by_full_at ON rate_limits (full_at);
