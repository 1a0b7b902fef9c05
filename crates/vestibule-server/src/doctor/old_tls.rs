use std::net::IpAddr;
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use vestibule::ports::{OsRandom, Random};

use super::visit::connect;

const PATIENCE: Duration = Duration::from_secs(5);
/// A record of the kind handshake (RFC 5246, 6.2.1), and in it a server's greeting (7.4).
const HANDSHAKE: u8 = 22;
const SERVER_HELLO: u8 = 2;
const VERSION_1_1: [u8; 2] = [3, 2];
/// Suites that servers of that time have: RSA, DHE and ECDHE with AES and 3DES.
const SUITES: [u16; 9] = [0xc014, 0xc013, 0xc00a, 0xc009, 0x0039, 0x0033, 0x0035, 0x002f, 0x000a];

/// Whether a server still takes TLS 1.1 or 1.0, which no browser does and RFC 8996 forbids. No library speaks them any more,
/// so the greeting is written by hand. `None` where there is no answer to judge by.
pub(super) async fn takes_tls_1_1(address: IpAddr, port: u16, host: &str) -> Option<bool> {
    let asking = async {
        let mut stream = connect(address, port).await.ok()?;
        stream.write_all(&greeting(host)).await.ok()?;
        let mut answer = [0; 6];
        match stream.read_exact(&mut answer).await {
            Ok(_) => {
                Some(answer[0] == HANDSHAKE && answer[5] == SERVER_HELLO && answer[1..3] <= VERSION_1_1[..])
            }
            // Hung up without a word: refused.
            Err(_) => Some(false),
        }
    };
    tokio::time::timeout(PATIENCE, asking).await.ok().flatten()
}

/// The greeting of a client whose highest version is TLS 1.1 (RFC 4346, 7.4.1.2), with the host's name (RFC 6066) where it
/// has one, and the curves that elliptic suites need (RFC 4492).
fn greeting(host: &str) -> Vec<u8> {
    let random: [u8; 32] = (&OsRandom as &dyn Random).bytes();
    let mut extensions = Vec::new();
    if host.parse::<IpAddr>().is_err() {
        let name = [&[0][..], &with_length(host.as_bytes())].concat();
        extensions.extend(extension(0, &with_length(&name)));
    }
    extensions.extend(extension(10, &with_length(&[0, 23, 0, 24])));
    extensions.extend(extension(11, &[1, 0]));
    let suites: Vec<u8> = SUITES.iter().flat_map(|suite| suite.to_be_bytes()).collect();
    let hello =
        [&VERSION_1_1[..], &random, &[0], &with_length(&suites), &[1, 0], &with_length(&extensions)].concat();
    let message = [&[1, 0][..], &with_length(&hello)].concat();
    [&[HANDSHAKE, 3, 1][..], &with_length(&message)].concat()
}

fn extension(kind: u16, data: &[u8]) -> Vec<u8> {
    [&kind.to_be_bytes()[..], &with_length(data)].concat()
}

/// Two bytes of length and the data, which is a few hundred bytes at most.
fn with_length(data: &[u8]) -> Vec<u8> {
    let length = u16::try_from(data.len()).unwrap_or(u16::MAX);
    [&length.to_be_bytes()[..], data].concat()
}

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;

    use tokio::net::TcpListener;

    use super::*;

    /// A server that answers the greeting with some bytes, and gives what it was sent.
    async fn asked_of(answer: &'static [u8]) -> (Option<bool>, Vec<u8>) {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let server = tokio::spawn(async move {
            let (mut stream, _) = listener.accept().await.unwrap();
            let mut sent = vec![0; 1024];
            let length = stream.read(&mut sent).await.unwrap();
            stream.write_all(answer).await.unwrap();
            sent.truncate(length);
            sent
        });
        let takes = takes_tls_1_1(IpAddr::V4(Ipv4Addr::LOCALHOST), port, "example.com").await;
        (takes, server.await.unwrap())
    }

    #[tokio::test]
    async fn a_server_that_greets_in_an_old_version_is_told_from_one_that_refuses() {
        let (takes, sent) = asked_of(&[22, 3, 2, 0, 80, 2]).await;
        assert_eq!(takes, Some(true));
        assert_eq!(
            usize::from(u16::from_be_bytes([sent[3], sent[4]])),
            sent.len() - 5,
            "the record is whole"
        );
        assert_eq!(
            usize::from(u16::from_be_bytes([sent[7], sent[8]])),
            sent.len() - 9,
            "and the message in it"
        );
        assert_eq!(asked_of(&[21, 3, 1, 0, 2, 2, 70]).await.0, Some(false), "an alert");
        assert_eq!(asked_of(&[]).await.0, Some(false), "nothing");
    }
}
