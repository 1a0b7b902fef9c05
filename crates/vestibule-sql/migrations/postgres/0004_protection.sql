-- What holds against attack.

-- How far each quota is used up: the moment at which it will be full again, and how long filling it takes, in microseconds.
CREATE TABLE rate_limits (
    key text PRIMARY KEY,
    full_at bigint NOT NULL,
    span bigint NOT NULL CHECK (span > 0)
);

-- The removal of those that are full again.
CREATE INDEX rate_limits_by_full_at ON rate_limits (full_at);
