//! What a backup holds and a restore must not bring to life again.

use super::tables::quoted;

/// The tables, and which of their rows go.
///
/// A session of then may have been ended since, and a cookie that was refreshed since looks like one that a thief has copied. A link of
/// then may have been used or withdrawn since, and would be good a second time. A mail that waited then was sent since, and would be
/// sent twice: with a link, or with news that is none.
pub(super) const ENDED: [(&str, &str); 7] = [
    ("sessions", "TRUE"),
    ("email_verification_tokens", "TRUE"),
    ("password_reset_tokens", "TRUE"),
    ("invitations", "TRUE"),
    ("sign_up_attempts", "TRUE"),
    ("outgoing_mails", "finished_at IS NULL"),
    // What was just written of the sessions above. All are told of at once, below.
    ("revocations", "TRUE"),
];

/// Who follows what is revoked cannot know sessions that began after the backup was made: all tokens of before are told to be no good,
/// under a new name of the database, so that everybody begins anew.
pub(super) const FEED: &str = "revocation_feed";
pub(super) const RENEWED_IN_SQLITE: &str = "
    UPDATE revocation_feed
    SET epoch = lower(hex(randomblob(16))), all_until = strftime('%Y-%m-%dT%H:%M:%f', 'now') || '000Z'";
const RENEWED_IN_POSTGRES: &str =
    "epoch = replace(gen_random_uuid()::text, '-', ''), all_until = clock_timestamp()";

/// Statements for PostgreSQL that end it in a schema, for the transaction that restores. A backup of an older release has fewer
/// tables.
pub fn end_restored_sql(schema: &str) -> String {
    let statements: Vec<String> = ENDED
        .iter()
        .map(|(table, condition)| {
            let name = format!("{}.{}", quoted(schema), quoted(table));
            format!(
                "    IF to_regclass('{}') IS NOT NULL THEN DELETE FROM {name} WHERE {condition}; END IF;\n",
                name.replace('\'', "''")
            )
        })
        .collect();
    let feed = format!("{}.{}", quoted(schema), quoted(FEED));
    let renewed = format!(
        "    IF to_regclass('{}') IS NOT NULL THEN UPDATE {feed} SET {RENEWED_IN_POSTGRES}; END IF;\n",
        feed.replace('\'', "''")
    );
    format!("DO $ended$\nBEGIN\n{}{renewed}END;\n$ended$;\n", statements.concat())
}
