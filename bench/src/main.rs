//! Measures the real program and says of each promise whether it holds. `cargo xtask bench` builds and runs it.

#![forbid(unsafe_code)]
#![expect(clippy::print_stdout, reason = "the figures are what it is for")]

mod figures;
mod hash_loop;
mod hello;
mod house;
mod lines;
mod load;
mod machine;
mod measuring;
mod population;
mod site;
mod wire;
mod wrk;

use std::cell::Cell;
use std::path::PathBuf;
use std::process::ExitCode;

use ::bench::in_process::InProcess;
use anyhow::{Context, Result, bail};
use clap::{Parser, Subcommand};
use measuring::{Bench, Line};
use serde_json::json;

/// Measures the real program.
#[derive(Parser)]
#[command(name = "bench", bin_name = "bench")]
struct CommandLine {
    #[command(subcommand)]
    what: What,
}

#[derive(Subcommand)]
enum What {
    /// Measures.
    Measure {
        /// The site, built as for a release.
        #[arg(long)]
        program: PathBuf,
        /// A throw-away PostgreSQL server.
        #[arg(long)]
        postgres: String,
        /// Where the figures go, as JSON.
        #[arg(long)]
        json: PathBuf,
        /// Only long enough to see that everything runs.
        #[arg(long)]
        quick: bool,
        /// Only these lines.
        #[arg(long)]
        only: Vec<String>,
    },
    /// Has a session checked so many times in this process, for a program that counts instructions.
    CheckSessions {
        /// How many times.
        times: u64,
        /// How many sessions are remembered.
        #[arg(long, default_value_t = 0)]
        remembered: usize,
    },
    /// Answers `hello`.
    Hello {
        /// Where.
        port: u16,
    },
}

fn main() -> ExitCode {
    match run() {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            println!("\nfailed: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run() -> Result<bool> {
    let on_all_cores = || tokio::runtime::Builder::new_multi_thread().enable_all().build();
    match CommandLine::parse().what {
        What::CheckSessions { times, remembered } => check_sessions(times, remembered).map(|()| true),
        What::Hello { port } => on_all_cores()?.block_on(hello::serve(port)).map(|()| true),
        What::Measure { program, postgres, json, quick, only } => {
            let (scratch, runtime) = (tempfile::tempdir()?, on_all_cores()?);
            let bench = Bench { program, postgres, is_quick: quick, runtime, scratch, made: Cell::new(0) };
            measure(&bench, &json, &only)
        }
    }
}

/// On one thread, so that two runs differ as little as can be.
fn check_sessions(times: u64, remembered: usize) -> Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async {
        let site = InProcess::open(remembered).await?;
        for _ in 0..times {
            site.check().await?;
        }
        Ok(())
    })
}

fn measure(bench: &Bench, json: &PathBuf, only: &[String]) -> Result<bool> {
    if let Some(unknown) = only.iter().find(|name| lines::ALL.iter().all(|(known, _)| known != name)) {
        let known: Vec<_> = lines::ALL.iter().map(|(name, _)| *name).collect();
        bail!("there is no line `{unknown}`; there are {}", known.join(", "));
    }
    let machine = machine::describe(bench)?;
    println!("{machine:#}");
    println!("\n{:<58} {:>28}   {:<34} holds", "what", "measured", "promised");
    let mut all = Vec::new();
    for (name, measure) in lines::ALL {
        if !only.is_empty() && only.iter().all(|wanted| wanted != name) {
            continue;
        }
        // One that fails must not take the figures of the others along.
        let lines = measure(bench).unwrap_or_else(|error| {
            vec![Line {
                name: (*name).to_owned(),
                measured: format!("{error:#}"),
                asked: "to be measured".to_owned(),
                holds: Some(false),
                figures: json!(null),
            }]
        });
        for line in lines {
            tell(&line);
            all.push((*name, line));
        }
    }
    let holds = all.iter().all(|(_, line)| line.holds != Some(false));
    let told: Vec<_> = all
        .into_iter()
        .map(|(group, line)| {
            let Line { name, measured, asked, holds, figures } = line;
            json!({ "line": group, "name": name, "measured": measured, "asked": asked, "holds": holds, "figures": figures })
        })
        .collect();
    let text =
        serde_json::to_string_pretty(&json!({ "machine": machine, "quick": bench.is_quick, "lines": told }))?;
    std::fs::write(json, text).with_context(|| format!("{} cannot be written", json.display()))?;
    println!("\nThe figures are in {}.", json.display());
    if bench.is_quick {
        println!("This was a quick run: it shows that everything runs, and its figures are rough.");
    }
    Ok(holds)
}

fn tell(line: &Line) {
    let holds = match line.holds {
        Some(true) => "yes",
        Some(false) => "NO",
        None => "",
    };
    println!("{:<58} {:>28}   {:<34} {holds}", line.name, line.measured, line.asked);
}
