use std::io::{ErrorKind, Read, Write};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::thread::{self, ScopedJoinHandle};

use vestibule_sql::{Engine, PostgresServer, end_restored_sql};

use super::archive::{self, Manifest};
use super::draft::new_private_file;
use super::progress::Progress;
use super::sealing::Sealed;
use crate::failure::{Failure, with_causes};

const MISSING: &str = "Install PostgreSQL's client programs, of the server's version or a later one: `apt-get install \
                       postgresql-client` on Debian and Ubuntu, `dnf install postgresql` on Fedora, `brew install libpq` on macOS.";

/// What was said of a server that does not answer.
pub(crate) fn unanswered(error: &impl std::error::Error) -> Failure {
    Failure::with_way_out(
        format!("PostgreSQL failed: {}", with_causes(error)),
        "Check VESTIBULE_DATABASE_URL, and that the database runs and can be reached from here.",
    )
}

/// Dumps the database as it is at one moment, and counts the rows of that same moment.
pub(crate) async fn dump(
    server: &PostgresServer,
    into: &Path,
    progress: Progress,
) -> Result<Manifest, Failure> {
    let held = server.hold().await.map_err(|error| unanswered(&error))?;
    let file = new_private_file(into).map_err(Failure::because)?;
    let mut pg_dump = program("pg_dump", server);
    pg_dump
        .args(["--format=custom", "--compress=0", "--no-password", "--no-owner", "--no-privileges"])
        // Quoted, as it takes patterns.
        .arg(format!("--schema=\"{}\"", held.schema.replace('"', "\"\"")))
        .arg(format!("--snapshot={}", held.snapshot))
        .stdin(Stdio::null())
        .stdout(file)
        .stderr(Stdio::piped());
    // It ends with this: nobody would take what it still writes.
    let mut pg_dump = tokio::process::Command::from(pg_dump);
    let child = pg_dump.kill_on_drop(true).spawn().map_err(|error| unstarted("pg_dump", &error))?;
    let output = child.wait_with_output().await.map_err(Failure::because)?;
    if !output.status.success() {
        let told = String::from_utf8_lossy(&output.stderr);
        let way_out = if told.contains("version mismatch") {
            MISSING
        } else {
            "Look whether the user of VESTIBULE_DATABASE_URL may read all tables."
        };
        return Err(Failure::with_way_out(format!("pg_dump failed: {}", told.trim()), way_out));
    }
    let mut manifest = Manifest::of_dump(Engine::Postgres, into, progress).map_err(Failure::because)?;
    manifest.schema = Some(held.schema.clone());
    manifest.rows.clone_from(&held.rows);
    held.close().await.map_err(|error| unanswered(&error))?;
    Ok(manifest)
}

/// Puts a dump in the place of all that is in its schema: in one transaction, which commits only where every table has the rows
/// that the manifest tells of, and without the sessions and links among them. Whatever happens before, the old rows are still there.
///
/// `pg_restore` makes statements of the dump and `psql` carries them out: by itself `pg_restore` would not remove what the dump
/// does not know. The end of `psql`'s input alone commits nothing; the word for it is written last.
pub(crate) fn put_back(
    server: &PostgresServer,
    backup: &Sealed,
    manifest: &Manifest,
    progress: Progress,
) -> Result<(), Failure> {
    let schema = manifest.schema.as_deref().unwrap_or("public");
    let mut pg_restore = program("pg_restore", server);
    pg_restore
        .args(["--file=-", "--no-owner", "--no-privileges"])
        .arg(format!("--schema={schema}"))
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    let mut psql = program("psql", server);
    psql.args(["--no-psqlrc", "--quiet", "--no-password", "--set=ON_ERROR_STOP=1"])
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::piped());
    let mut psql = start(&mut psql, "psql")?;
    let mut pg_restore = start(&mut pg_restore, "pg_restore")?;
    let spoken = || Failure::with_way_out("PostgreSQL's programs cannot be spoken to", MISSING);
    let mut into_psql = psql.stdin.take().ok_or_else(spoken)?;
    let into_restore = pg_restore.stdin.take().ok_or_else(spoken)?;
    let mut statements = pg_restore.stdout.take().ok_or_else(spoken)?;

    thread::scope(|scope| {
        let psql_told = listen(scope, &mut psql);
        let restore_told = listen(scope, &mut pg_restore);
        let carried = scope.spawn(move || -> std::io::Result<_> {
            into_psql.write_all(before(schema).as_bytes())?;
            std::io::copy(&mut statements, &mut into_psql)?;
            Ok(into_psql)
        });
        // Read once more from the beginning: what was verified before is verified again while it goes in.
        let fed = archive::read_again(backup, manifest, progress, into_restore).map(drop);
        // Closed in any case before psql is waited for, which waits for its end.
        let mut into_psql = carried.join().ok().and_then(Result::ok);
        let restored = pg_restore.wait().map_err(Failure::because)?;
        let restore_told = restore_told.join().unwrap_or_default();
        if fed.is_ok()
            && restored.success()
            && let Some(into_psql) = &mut into_psql
        {
            // A broken pipe is told by psql.
            drop(into_psql.write_all(after(schema, manifest).as_bytes()));
        }
        drop(into_psql);
        let status = psql.wait().map_err(Failure::because)?;
        let psql_told = psql_told.join().unwrap_or_default();
        let refused = |told: &str| {
            Failure::with_way_out(
                format!("the backup could not be restored: {}", told.trim()),
                "Nothing was changed: all of it was one transaction.",
            )
        };
        // Of several that failed, the one that was first: psql ends, and then nobody takes the others' output.
        if !status.success() {
            return Err(refused(&psql_told));
        }
        fed?;
        if restored.success() { Ok(()) } else { Err(refused(&restore_told)) }
    })
}

/// A program of PostgreSQL's that finds the server by its environment, where nobody else sees the password.
fn program(name: &str, server: &PostgresServer) -> Command {
    let mut program = Command::new(name);
    program.envs(server.variables()).env("PGCLIENTENCODING", "UTF8").env("LC_ALL", "C");
    program
}

fn start(program: &mut Command, name: &str) -> Result<Child, Failure> {
    program.spawn().map_err(|error| unstarted(name, &error))
}

fn unstarted(name: &str, error: &std::io::Error) -> Failure {
    match error.kind() {
        ErrorKind::NotFound => {
            Failure::with_way_out(format!("the program `{name}` is not on this machine"), MISSING)
        }
        _ => Failure::with_way_out(format!("`{name}` cannot be started: {error}"), MISSING),
    }
}

fn listen<'scope>(
    scope: &'scope thread::Scope<'scope, '_>,
    child: &mut Child,
) -> ScopedJoinHandle<'scope, String> {
    let told = child.stderr.take();
    scope.spawn(move || {
        let mut words = Vec::new();
        if let Some(mut told) = told {
            drop(told.read_to_end(&mut words));
        }
        String::from_utf8_lossy(&words).into_owned()
    })
}

fn literal(text: &str) -> String {
    format!("'{}'", text.replace('\'', "''"))
}

/// Begins, and removes all that is in the schema, but for what belongs to an extension: that was there before any of our tables.
fn before(schema: &str) -> String {
    let (name, text) = (format!("\"{}\"", schema.replace('"', "\"\"")), literal(schema));
    format!(
        "BEGIN;
SET LOCAL client_min_messages = warning;
SET LOCAL standard_conforming_strings = on;
SET LOCAL statement_timeout = 0;
SET LOCAL idle_in_transaction_session_timeout = 0;
SET LOCAL lock_timeout = '10s';
CREATE SCHEMA IF NOT EXISTS {name};
DO $before$
DECLARE
    place CONSTANT oid := (SELECT oid FROM pg_namespace WHERE nspname = {text});
    doomed text;
BEGIN
    FOR doomed IN
        SELECT format('DROP %s IF EXISTS %I.%I CASCADE',
                      CASE relkind WHEN 'v' THEN 'VIEW' WHEN 'm' THEN 'MATERIALIZED VIEW' WHEN 'f' THEN 'FOREIGN TABLE'
                                   WHEN 'S' THEN 'SEQUENCE' ELSE 'TABLE' END,
                      {text}, relname)
        FROM pg_class
        WHERE relnamespace = place AND relkind IN ('r', 'p', 'v', 'm', 'f', 'S') AND NOT EXISTS (
            SELECT FROM pg_depend WHERE classid = 'pg_class'::regclass AND objid = pg_class.oid AND deptype = 'e')
        ORDER BY relkind = 'S'
    LOOP EXECUTE doomed; END LOOP;
    FOR doomed IN
        SELECT format('DROP ROUTINE IF EXISTS %s CASCADE', oid::regprocedure)
        FROM pg_proc
        WHERE pronamespace = place AND NOT EXISTS (
            SELECT FROM pg_depend WHERE classid = 'pg_proc'::regclass AND objid = pg_proc.oid AND deptype = 'e')
    LOOP EXECUTE doomed; END LOOP;
    FOR doomed IN
        SELECT format('DROP TYPE IF EXISTS %I.%I CASCADE', {text}, typname)
        FROM pg_type
        WHERE typnamespace = place
          AND (typtype IN ('e', 'd', 'r')
               OR typtype = 'c' AND EXISTS (SELECT FROM pg_class WHERE oid = typrelid AND relkind = 'c'))
          AND NOT EXISTS (
            SELECT FROM pg_depend WHERE classid = 'pg_type'::regclass AND objid = pg_type.oid AND deptype = 'e')
    LOOP EXECUTE doomed; END LOOP;
END;
$before$;
SET LOCAL lock_timeout = 0;
"
    )
}

/// Compares the rows with the manifest, ends what must not live again, and commits.
fn after(schema: &str, manifest: &Manifest) -> String {
    let quoted = |name: &str| format!("\"{}\"", name.replace('"', "\"\""));
    let counted: Vec<String> = manifest
        .rows
        .iter()
        .map(|(table, rows)| {
            format!(
                "    IF (SELECT count(*) FROM {}.{}) <> {rows} THEN RAISE EXCEPTION USING MESSAGE = {}; END IF;\n",
                quoted(schema),
                quoted(table),
                literal(&format!("the table {table} has not the rows that the manifest tells of")),
            )
        })
        .collect();
    let ended = end_restored_sql(schema);
    format!("\n;\nDO $after$\nBEGIN\n{}END;\n$after$;\n{ended}COMMIT;\n", counted.concat())
}
