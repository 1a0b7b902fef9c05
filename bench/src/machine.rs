use std::process::Command;

use anyhow::Result;
use serde_json::{Value, json};
use sqlx::Connection;
use sqlx::postgres::PgConnection;

use crate::measuring::Bench;

/// What it was measured on.
pub fn describe(bench: &Bench) -> Result<Value> {
    let cpu = std::fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let model = cpu.lines().find_map(|line| line.strip_prefix("model name")).unwrap_or_default();
    let memory = std::fs::read_to_string("/proc/meminfo").unwrap_or_default();
    let memory = memory.lines().find_map(|line| line.strip_prefix("MemTotal:")).unwrap_or_default();
    let postgres = bench.block_on(async {
        let mut connection = PgConnection::connect(&bench.postgres).await?;
        let version: String = sqlx::query_scalar("SHOW server_version").fetch_one(&mut connection).await?;
        let settings: Vec<(String, String)> = sqlx::query_as(
            "SELECT name, setting FROM pg_settings \
             WHERE name IN ('fsync', 'synchronous_commit', 'shared_buffers', 'wal_level') ORDER BY name",
        )
        .fetch_all(&mut connection)
        .await?;
        connection.close().await?;
        anyhow::Ok(json!({ "version": version, "settings": settings }))
    })?;
    Ok(json!({
        "cores": std::thread::available_parallelism()?.get(),
        "processor": model.trim_start_matches([':', '\t', ' ']),
        "memory": memory.trim(),
        "kernel": told_by("uname", &["-sr"]),
        "rustc": told_by("rustc", &["--version"]),
        "postgresql": postgres,
        "file system of the databases": told_by("stat", &["-f", "-c", "%T", &std::env::temp_dir().to_string_lossy()]),
    }))
}

fn told_by(program: &str, arguments: &[&str]) -> String {
    let told = Command::new(program).args(arguments).output().map(|told| told.stdout).unwrap_or_default();
    String::from_utf8_lossy(&told).trim().to_owned()
}
