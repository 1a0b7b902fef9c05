use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;
use std::process::ExitCode;

use clap::Args;
use clap::builder::PossibleValuesParser;
use serde_json::{Value, json};
use vestibule::models::EmailAddress;

use super::output::{bold, coloured, faint, print_json, print_line};
use crate::app::App;
use crate::doctor::check::{Check, Finding, Outcome, worst};
use crate::doctor::deployment::{Deployment, Options};
use crate::doctor::{CHECKS, CONFIGURATION, of_wrong_setting, records};
use crate::failure::Failure;
use crate::settings::{SettingError, Settings};
use crate::terminal::harmless;

/// Something is odd and works. (1 is for what does not work, and 2 for a command that was not understood.)
const EXIT_WARNINGS: u8 = 3;
/// A wrong setting, as with every other command.
const EXIT_CONFIGURATION: u8 = 78;

/// What can be said to the doctor.
#[derive(Args)]
pub(crate) struct DoctorArguments {
    /// Print the DNS records that the site needs, to paste, and check nothing.
    #[arg(long)]
    dns_records: bool,
    /// With --dns-records: the public address of the site, where this machine does not know it. May be repeated.
    #[arg(long, value_name = "IP", requires = "dns_records")]
    address: Vec<IpAddr>,
    /// Make only this check. May be repeated.
    #[arg(long, value_name = "CHECK", value_parser = names())]
    only: Vec<String>,
    /// Leave this check out. May be repeated.
    #[arg(long, value_name = "CHECK", value_parser = names())]
    skip: Vec<String>,
    /// The folder in which backups are.
    #[arg(long, value_name = "FOLDER")]
    backups: Option<PathBuf>,
    /// Send a mail to this address.
    #[arg(long, value_name = "ADDRESS", value_parser = address)]
    send_test_mail: Option<EmailAddress>,
    /// Where in the sender's domain the mail provider's key is. May be repeated.
    #[arg(long, value_name = "NAME")]
    dkim_selector: Vec<String>,
    /// By what domain CAA records name the certificate authority, where that is not letsencrypt.org.
    #[arg(long, value_name = "DOMAIN")]
    certificate_authority: Option<String>,
    /// The port at which plain http is answered.
    #[arg(long, value_name = "PORT", default_value_t = 80)]
    http_port: u16,
    /// Ask this name server in place of the system's.
    #[arg(long, value_name = "IP:PORT")]
    dns_server: Option<SocketAddr>,
    /// Try no log-in, so that nothing at all is written.
    #[arg(long)]
    without_log_in: bool,
}

/// The names of all checks, for the help and for what a typo is told.
fn names() -> PossibleValuesParser {
    CHECKS.map(Check::name).into()
}

fn address(text: &str) -> Result<EmailAddress, String> {
    EmailAddress::parse(text).map_err(|error| error.to_string())
}

/// Looks at everything, tells it as it is found, and exits with 0 (good), 3 (warnings), 1 (failures) or 78 (a wrong setting,
/// without which nothing else can be looked at).
pub(crate) fn run(
    app: &App,
    settings: Result<Settings, SettingError>,
    arguments: &DoctorArguments,
    json: bool,
) -> Result<ExitCode, Failure> {
    let settings = match settings {
        Ok(settings) => settings,
        Err(error) if arguments.dns_records || !json => return Err(error.into()),
        Err(error) => return tell_wrong_setting(&error),
    };
    let options = Options {
        dns_server: arguments.dns_server,
        http_port: arguments.http_port,
        certificate_authority: arguments.certificate_authority.clone(),
        dkim_selectors: arguments.dkim_selector.clone(),
        send_test_mail: arguments.send_test_mail.clone(),
        backups: arguments.backups.clone(),
        without_log_in: arguments.without_log_in,
    };
    let runtime =
        tokio::runtime::Builder::new_multi_thread().enable_all().build().map_err(Failure::because)?;
    runtime.block_on(async {
        let deployment = Deployment::open(app, &settings, &options).await;
        let told = if arguments.dns_records {
            print_records(&deployment, &arguments.address, json)
        } else {
            examine(&deployment, arguments, json).await
        };
        deployment.close().await;
        told
    })
}

async fn examine(
    deployment: &Deployment<'_>,
    arguments: &DoctorArguments,
    json: bool,
) -> Result<ExitCode, Failure> {
    let is_asked_for = |name: &str| {
        let is_named = |names: &[String]| names.iter().any(|each| each == name);
        (arguments.only.is_empty() || is_named(&arguments.only)) && !is_named(&arguments.skip)
    };
    let mut all = Vec::new();
    let mut told = Vec::new();
    for check in CHECKS.into_iter().filter(|check| is_asked_for(check.name())) {
        let findings = check.examine(deployment).await;
        if json {
            told.push(in_json(check.name(), check.about(), &findings));
        } else {
            print_findings(check.name(), &findings)?;
        }
        all.extend(findings);
    }
    let outcome = worst(&all);
    if json {
        print_json(&report(outcome, &all, &told))?;
    } else {
        print_line(&summary(&all))?;
    }
    Ok(match outcome {
        Outcome::Good | Outcome::Skipped => ExitCode::SUCCESS,
        Outcome::Warning => ExitCode::from(EXIT_WARNINGS),
        Outcome::Failure => ExitCode::FAILURE,
    })
}

fn tell_wrong_setting(error: &SettingError) -> Result<ExitCode, Failure> {
    let about = CHECKS.iter().find(|check| check.name() == CONFIGURATION).map_or("", |check| check.about());
    let findings = [of_wrong_setting(error)];
    let told = vec![in_json(CONFIGURATION, about, &findings)];
    print_json(&report(Outcome::Failure, &findings, &told))?;
    Ok(ExitCode::from(EXIT_CONFIGURATION))
}

fn report(outcome: Outcome, findings: &[Finding], checks: &[Value]) -> Value {
    // Where all was skipped, nothing is wrong.
    let outcome = outcome.max(Outcome::Good);
    json!({
        "outcome": outcome.as_str(),
        "failures": count(findings, Outcome::Failure),
        "warnings": count(findings, Outcome::Warning),
        "checks": checks,
    })
}

fn in_json(name: &str, about: &str, findings: &[Finding]) -> Value {
    let each = findings.iter().map(|finding| {
        json!({ "outcome": finding.outcome.as_str(), "what": finding.what, "way_out": finding.way_out })
    });
    json!({
        "name": name,
        "about": about,
        "outcome": worst(findings).as_str(),
        "findings": each.collect::<Vec<_>>(),
    })
}

fn count(findings: &[Finding], outcome: Outcome) -> usize {
    findings.iter().filter(|finding| finding.outcome == outcome).count()
}

fn print_findings(name: &str, findings: &[Finding]) -> Result<(), Failure> {
    for Finding { outcome, what, way_out } in findings {
        let word = format!("{:<8}", outcome.as_str());
        let word = match outcome {
            Outcome::Good => coloured(&word, 32),
            Outcome::Warning => coloured(&word, 33),
            Outcome::Failure => coloured(&word, 31),
            Outcome::Skipped => faint(&word),
        };
        print_line(&format!("{word} {} {}", bold(&format!("{name:<22}")), harmless(what)))?;
        if let Some(way_out) = way_out {
            print_line(&format!("{:<32}{}", "", harmless(way_out)))?;
        }
    }
    Ok(())
}

fn summary(findings: &[Finding]) -> String {
    match (count(findings, Outcome::Failure), count(findings, Outcome::Warning)) {
        (0, 0) => "All that was looked at is good.".to_owned(),
        (failures, warnings) => format!("Failures: {failures}. Warnings: {warnings}."),
    }
}

fn print_records(deployment: &Deployment<'_>, addresses: &[IpAddr], json: bool) -> Result<ExitCode, Failure> {
    let records = records::needed(deployment, addresses);
    if json {
        print_json(&records::in_json(&records))?;
    } else if records.is_empty() {
        print_line(
            "The site needs no DNS records: its public URL is this machine's, and no mail leaves it.",
        )?;
    } else {
        print_line(records::zone_file(&records).trim_end())?;
    }
    Ok(ExitCode::SUCCESS)
}
