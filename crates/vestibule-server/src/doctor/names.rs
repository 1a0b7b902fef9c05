use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use hickory_resolver::TokioResolver;
use hickory_resolver::config::{ConnectionConfig, NameServerConfig, ResolveHosts, ResolverConfig};
use hickory_resolver::net::NetError;
use hickory_resolver::net::runtime::TokioRuntimeProvider;
use hickory_resolver::proto::rr::{RData, RecordType};

/// How long one question may take.
const PATIENCE: Duration = Duration::from_secs(5);
/// How often it is asked.
const ATTEMPTS: usize = 2;

/// Asks name servers, as the world does: the `hosts` file of this machine is not looked at.
pub(crate) struct Names(Result<TokioResolver, String>);

/// A CAA record (RFC 8659).
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct CaaRecord {
    pub tag: String,
    pub value: String,
}

impl Names {
    /// Asks the given name server, or those of the system.
    pub(crate) fn open(server: Option<SocketAddr>) -> Self {
        let resolver = resolver(server).map_err(|error| {
            format!(
                "no name server can be asked ({error}): mend /etc/resolv.conf, or name one with --dns-server IP:PORT"
            )
        });
        Self(resolver)
    }

    /// The addresses of a name, those of IPv4 first; none where it has none.
    ///
    /// # Errors
    /// In words, where the name servers do not answer.
    pub(crate) async fn addresses(&self, name: &str) -> Result<Vec<IpAddr>, String> {
        let mut addresses = self.ask(name, RecordType::A).await?;
        addresses.extend(self.ask(name, RecordType::AAAA).await?);
        let ip = |data: RData| match data {
            RData::A(address) => Some(IpAddr::V4(address.0)),
            RData::AAAA(address) => Some(IpAddr::V6(address.0)),
            _ => None,
        };
        Ok(addresses.into_iter().filter_map(ip).collect())
    }

    /// The texts of a name, each put together from its parts; none where it has none.
    ///
    /// # Errors
    /// In words, where the name servers do not answer.
    pub(crate) async fn texts(&self, name: &str) -> Result<Vec<String>, String> {
        let text = |data: RData| match data {
            RData::TXT(text) => Some(String::from_utf8_lossy(&text.txt_data.concat()).into_owned()),
            _ => None,
        };
        Ok(self.ask(name, RecordType::TXT).await?.into_iter().filter_map(text).collect())
    }

    /// The CAA records of a name itself; none where it has none.
    ///
    /// # Errors
    /// In words, where the name servers do not answer.
    pub(crate) async fn caa(&self, name: &str) -> Result<Vec<CaaRecord>, String> {
        let record = |data: RData| match data {
            RData::CAA(caa) => {
                let value = String::from_utf8_lossy(&caa.value).into_owned();
                Some(CaaRecord { tag: caa.tag.to_ascii_lowercase(), value })
            }
            _ => None,
        };
        Ok(self.ask(name, RecordType::CAA).await?.into_iter().filter_map(record).collect())
    }

    async fn ask(&self, name: &str, kind: RecordType) -> Result<Vec<RData>, String> {
        // With the last dot it is the whole name, and no domain of this machine is tried after it.
        let whole = format!("{}.", name.trim_end_matches('.'));
        let resolver = self.0.as_ref().map_err(Clone::clone)?;
        match resolver.lookup(whole, kind).await {
            Ok(found) => Ok(found.answers().iter().map(|record| record.data.clone()).collect()),
            Err(error) if error.is_no_records_found() => Ok(Vec::new()),
            Err(error) => Err(format!("the name servers do not tell the {kind} record of {name}: {error}")),
        }
    }
}

fn resolver(server: Option<SocketAddr>) -> Result<TokioResolver, NetError> {
    let mut builder = match server {
        None => TokioResolver::builder_tokio()?,
        Some(server) => {
            let connections = [ConnectionConfig::udp(), ConnectionConfig::tcp()].map(|mut connection| {
                connection.port = server.port();
                connection
            });
            let server = NameServerConfig::new(server.ip(), true, connections.into());
            let config = ResolverConfig::from_name_servers(vec![server]);
            TokioResolver::builder_with_config(config, TokioRuntimeProvider::default())
        }
    };
    let options = builder.options_mut();
    options.use_hosts_file = ResolveHosts::Never;
    options.timeout = PATIENCE;
    options.attempts = ATTEMPTS;
    builder.build()
}
