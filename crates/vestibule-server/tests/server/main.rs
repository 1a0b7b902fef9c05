//! The real program: started, asked, stopped and killed.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails where it stands")]

mod acme;
mod backup;
mod backup_store;
mod breached_passwords;
mod command_line;
mod doctor;
mod door;
mod fail2ban;
mod kill;
mod log;
mod mail_signals;
mod meddling_proxy;
mod metrics;
mod move_database;
mod name_server;
mod operator;
mod outbox;
mod pebble;
mod program;
mod proxies;
mod resend;
mod session_cache;
mod smtp;
mod smtp_server;
mod tls;
mod tls_client;
mod traces;
mod two_servers;
mod upgrade;
mod user_link;
