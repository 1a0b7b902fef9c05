//! Pebble, a certificate authority for tests that really looks (RFC 8555), with a name server in which every name is this
//! machine.

use std::process::{Child, Command, Stdio};

use time::Duration;

use crate::program::free_port;
use crate::tls_client::{Authority, TlsClient, write_private};

const MISSING: &str = "Pebble is not on this machine, and this test orders certificates from it. Debian, Ubuntu: \
                       sudo apt-get install pebble certbot. `cargo xtask test` does it where it may";

/// Where Pebble asks, and what it gives.
#[derive(Clone, Copy)]
pub struct Plan {
    /// The port at which it asks over TLS-ALPN-01.
    pub tls_port: u16,
    /// The port at which it asks over HTTP-01.
    pub http_port: u16,
    /// How long its certificates are good.
    pub lifetime: Duration,
}

/// A Pebble that runs, until it is dropped.
pub struct Pebble {
    _programs: Vec<Killed>,
    management_port: u16,
    own: String,
}

/// The address of a Pebble, which it keeps when it is started again.
pub struct Place {
    folder: tempfile::TempDir,
    authority: Authority,
    port: u16,
}

struct Killed(Child);

impl Drop for Killed {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

impl Place {
    pub fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let authority = Authority::new();
        let (chain, key) = authority.issue("localhost", Duration::days(1));
        std::fs::write(folder.path().join("chain.pem"), chain).unwrap();
        write_private(&folder.path().join("key.pem"), &key);
        std::fs::write(folder.path().join("root.pem"), authority.pem()).unwrap();
        Self { folder, authority, port: free_port() }
    }

    pub fn directory(&self) -> String {
        format!("https://localhost:{}/dir", self.port)
    }

    /// The file with whom to trust as Pebble.
    pub fn root(&self) -> String {
        self.folder.path().join("root.pem").to_str().unwrap().to_owned()
    }

    /// Starts a Pebble that knows nothing of those before it.
    pub async fn open(&self, plan: Plan) -> Pebble {
        let (dns_port, management_port) = (free_port(), free_port());
        let file = |name: &str| self.folder.path().join(name).to_str().unwrap().to_owned();
        let config = serde_json::json!({ "pebble": {
            "listenAddress": format!("127.0.0.1:{}", self.port),
            "managementListenAddress": format!("127.0.0.1:{management_port}"),
            "certificate": file("chain.pem"),
            "privateKey": file("key.pem"),
            "httpPort": plan.http_port,
            "tlsPort": plan.tls_port,
            "ocspResponderURL": "",
            "externalAccountBindingRequired": false,
            "certificateValidityPeriod": plan.lifetime.whole_seconds(),
        }});
        let config_file = file("config.json");
        std::fs::write(&config_file, config.to_string()).unwrap();
        let log = |name: &str| std::fs::File::create(self.folder.path().join(name)).unwrap();
        let mut names = Command::new("pebble-challtestsrv");
        names
            .args(["-dns01", &format!("127.0.0.1:{dns_port}"), "-defaultIPv4", "127.0.0.1"])
            .args(["-defaultIPv6", "", "-http01", "", "-https01", "", "-tlsalpn01", ""])
            .args(["-management", &format!("127.0.0.1:{}", free_port())])
            .stdout(log("names.log"))
            .stderr(Stdio::null());
        let mut pebble = Command::new("pebble");
        pebble
            .args(["-strict", "-config", &config_file, "-dnsserver", &format!("127.0.0.1:{dns_port}")])
            // Each name is looked at anew, and at once. One nonce in twenty is refused as it always does.
            .envs([("PEBBLE_VA_NOSLEEP", "1"), ("PEBBLE_AUTHZREUSE", "0")])
            .stdout(log("pebble.log"))
            .stderr(Stdio::null());
        let programs = [names, pebble].map(|mut program| Killed(program.spawn().expect(MISSING)));
        let pebble = Pebble { _programs: programs.into(), management_port, own: self.authority.pem() };
        for _ in 0..100 {
            if TlsClient::new(&pebble.own, self.port, "localhost").get("/dir").await.is_ok() {
                return pebble;
            }
            tokio::time::sleep(std::time::Duration::from_millis(100)).await;
        }
        panic!("Pebble does not answer: {}", std::fs::read_to_string(file("pebble.log")).unwrap());
    }

    pub fn log(&self) -> String {
        std::fs::read_to_string(self.folder.path().join("pebble.log")).unwrap()
    }
}

impl Pebble {
    /// Whom browsers would trust, had Pebble a place in them. It makes another one at each start.
    pub async fn root(&self) -> String {
        let client = TlsClient::new(&self.own, self.management_port, "localhost");
        let answer = client.get("/roots/0").await.unwrap();
        let begin = answer.text.find("-----BEGIN").expect("a certificate");
        answer.text[begin..].to_owned()
    }
}
