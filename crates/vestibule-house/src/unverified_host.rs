use vestibule::models::PublicUrl;
use vestibule_sql::DatabaseUrl;

/// The host of a database that is beyond this machine and private networks and need not prove who it is.
pub fn unverified_host_elsewhere(url: &DatabaseUrl) -> Option<&str> {
    let host = url.unverified_host()?;
    let bare =
        if host.contains(':') && !host.starts_with('[') { format!("[{host}]") } else { host.to_owned() };
    // The same hosts as those to which plain http could go.
    PublicUrl::parse(&format!("http://{bare}")).is_err().then_some(host)
}
