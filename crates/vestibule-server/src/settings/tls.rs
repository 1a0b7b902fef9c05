use std::net::{IpAddr, Ipv6Addr, SocketAddr};
use std::path::PathBuf;

use url::{Host, Url};
use vestibule::models::PublicUrl;

use super::{Key, SettingError, Sources};

/// Where to serve unless set: without TLS what only this machine reaches, with it where browsers ask.
const LISTEN: SocketAddr = SocketAddr::new(IpAddr::V4(std::net::Ipv4Addr::LOCALHOST), 3000);
const LISTEN_TLS: SocketAddr = SocketAddr::new(IpAddr::V6(Ipv6Addr::UNSPECIFIED), 443);
const LISTEN_HTTP: SocketAddr = SocketAddr::new(IpAddr::V6(Ipv6Addr::UNSPECIFIED), 80);
/// Let's Encrypt puts as many names into one certificate.
const MAX_DOMAINS: usize = 100;

/// Who speaks TLS, and with which certificate.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum TlsSetting {
    /// A proxy, or nobody.
    Off,
    /// This server, with a certificate that somebody else renews.
    Files(CertificateFiles),
    /// This server, with a certificate that it orders itself.
    Acme(AcmeSetting),
}

/// A certificate in files.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CertificateFiles {
    /// The chain, the server's own certificate first, in PEM.
    pub certificate: PathBuf,
    /// Its private key, in PEM.
    pub key: PathBuf,
    /// The folder into which a program such as certbot puts its answers to HTTP-01.
    pub webroot: Option<PathBuf>,
}

/// How certificates are ordered (RFC 8555).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AcmeSetting {
    /// The directory of the certificate authority.
    pub directory: Url,
    /// Whom the authority may write to.
    pub contact: Option<String>,
    /// Whom to trust as the authority's own server, where that is none of the system's certificates.
    pub root: Option<PathBuf>,
    /// The names in the certificate, that of the public URL first.
    pub domains: Vec<String>,
}

/// The address to serve on.
pub(super) fn listen(sources: &Sources) -> Result<SocketAddr, SettingError> {
    let set = sources
        .optional_with("LISTEN", |text| text.parse::<SocketAddr>().map_err(|error| error.to_string()))?;
    Ok(set.unwrap_or(if is_on(sources) { LISTEN_TLS } else { LISTEN }))
}

/// The address to answer plain http on, with a redirect; none without TLS, or where it is `off`.
pub(super) fn listen_http(sources: &Sources) -> Result<Option<SocketAddr>, SettingError> {
    let set = sources.optional_with("LISTEN_HTTP", |text| match text {
        "off" => Ok(None),
        _ => text.parse().map(Some).map_err(|_| "it is no address with a port, nor `off`".to_owned()),
    })?;
    Ok(if is_on(sources) { set.unwrap_or(Some(LISTEN_HTTP)) } else { None })
}

fn is_on(sources: &Sources) -> bool {
    sources.value("TLS").is_some_and(|value| value.text.as_str() != "off")
}

/// Reads the settings of TLS. `warnings` gets those that change nothing.
pub(super) fn tls(
    sources: &Sources,
    public_url: &PublicUrl,
    warnings: &mut Vec<String>,
) -> Result<TlsSetting, SettingError> {
    const OF_FILES: [&str; 3] = ["TLS_CERTIFICATE", "TLS_KEY", "ACME_WEBROOT"];
    const OF_ACME: [&str; 4] = ["TLS_DOMAINS", "ACME_DIRECTORY", "ACME_CONTACT", "ACME_ROOT"];
    let kind = sources.parse_with("TLS", |text| match text {
        "off" | "files" | "acme" => Ok(text.to_owned()),
        _ => Err("it must be `off`, `files` or `acme`".to_owned()),
    })?;
    let unused = match kind.as_str() {
        "files" => OF_ACME.to_vec(),
        "acme" => OF_FILES.to_vec(),
        _ => [&OF_FILES[..], &OF_ACME, &["LISTEN_HTTP"]].concat(),
    };
    for name in unused.into_iter().filter(|name| sources.value(name).is_some()) {
        warnings.push(format!("VESTIBULE_{name} changes nothing while VESTIBULE_TLS is {kind}"));
    }
    if kind == "off" {
        return Ok(TlsSetting::Off);
    }
    if !public_url.is_https() {
        let problem = format!("it is {public_url}, and with VESTIBULE_TLS={kind} the site is on https");
        return Err(sources.error("PUBLIC_URL", &problem));
    }
    if kind == "files" {
        return Ok(TlsSetting::Files(CertificateFiles {
            certificate: path_of_pem(sources, "TLS_CERTIFICATE")?,
            key: path_of_pem(sources, "TLS_KEY")?,
            webroot: sources.optional_with("ACME_WEBROOT", super::folder)?,
        }));
    }
    Ok(TlsSetting::Acme(AcmeSetting {
        directory: sources.parse_with("ACME_DIRECTORY", directory)?,
        contact: sources.optional_with("ACME_CONTACT", contact)?,
        root: sources.optional_with("ACME_ROOT", super::file)?,
        domains: domains(sources, public_url)?,
    }))
}

/// A path. Whoever sets the PEM itself, or has it read with `_FILE`, is told so without it being shown.
fn path_of_pem(sources: &Sources, name: &str) -> Result<PathBuf, SettingError> {
    let Some(value) = sources.value(name) else {
        return Err(sources.error(name, "it is required, because VESTIBULE_TLS is files"));
    };
    if value.text.contains("-----BEGIN") {
        let key = Key::named(name);
        return Err(SettingError {
            key: key.variable(),
            source_name: Some(value.source.clone()),
            problem: "it holds PEM, and must be the path of the file with it".to_owned(),
            way_out: key.way_out.to_owned(),
        });
    }
    super::file(&value.text).map_err(|problem| sources.error(name, &problem))
}

fn directory(text: &str) -> Result<Url, String> {
    let url = Url::parse(text).map_err(|error| format!("it is no URL ({error})"))?;
    if url.scheme() == "https" { Ok(url) } else { Err("its scheme must be https".to_owned()) }
}

fn contact(text: &str) -> Result<String, String> {
    let address = text.strip_prefix("mailto:").unwrap_or(text);
    let is_one = address.contains('@') && !address.contains([',', '?', ' ']);
    if is_one { Ok(format!("mailto:{address}")) } else { Err("it is no email address".to_owned()) }
}

fn domains(sources: &Sources, public_url: &PublicUrl) -> Result<Vec<String>, SettingError> {
    let first = domain(public_url.host()).map_err(|problem| {
        let problem =
            format!("no certificate can be ordered for its host with VESTIBULE_TLS=acme: {problem}");
        sources.error("PUBLIC_URL", &problem)
    })?;
    let mut domains = vec![first];
    let more = sources.optional_with("TLS_DOMAINS", |text| {
        text.split(',').map(|name| domain(name.trim())).collect::<Result<Vec<_>, _>>()
    })?;
    for name in more.unwrap_or_default() {
        if !domains.contains(&name) {
            domains.push(name);
        }
    }
    if domains.len() > MAX_DOMAINS {
        return Err(sources.error("TLS_DOMAINS", &format!("they are more than {MAX_DOMAINS}")));
    }
    Ok(domains)
}

fn domain(text: &str) -> Result<String, String> {
    if text.contains('*') {
        return Err("a name with * takes a challenge over DNS, which this server does not speak".to_owned());
    }
    match Host::parse(text) {
        Ok(Host::Domain(name)) if name.contains('.') && !name.ends_with(".localhost") => {
            Ok(name.trim_end_matches('.').to_owned())
        }
        Ok(_) => Err(format!("{text} is no name that others find over DNS")),
        Err(error) => Err(format!("{text:?} is no name ({error})")),
    }
}
