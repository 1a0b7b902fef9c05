-- The application's own table, from before there were accounts.
CREATE TABLE books (
    id     INTEGER NOT NULL PRIMARY KEY,
    title  TEXT    NOT NULL CHECK (title <> '')
) STRICT;

INSERT INTO books (title) VALUES ('A Field Guide to Plums'), ('Bread without Hurry'), ('The Tide Tables');
