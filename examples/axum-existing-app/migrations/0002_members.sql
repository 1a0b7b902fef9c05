-- What the library keeps of a user, beside the table `users` of accounts. It goes when its user goes.
CREATE TABLE members (
    user_id      TEXT    NOT NULL PRIMARY KEY REFERENCES users (id) ON DELETE CASCADE,
    loans_limit  INTEGER NOT NULL
) STRICT;

CREATE TABLE loans (
    book_id  INTEGER NOT NULL PRIMARY KEY REFERENCES books (id),
    user_id  TEXT    NOT NULL REFERENCES members (user_id) ON DELETE CASCADE
) STRICT;
