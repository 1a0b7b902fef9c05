//! A mail server of somebody else's making (Exim), for one test.

use std::net::{TcpListener, TcpStream};
use std::os::unix::fs::PermissionsExt;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use rcgen::{CertifiedKey, generate_simple_self_signed};
use tempfile::TempDir;

const CONFIGURATION: &str = include_str!("mail_server/exim.conf");
const KEEPER: &str = include_str!("mail_server/keeper.sh");
/// Where packages put it.
const PROGRAMS: [&str; 3] = ["/usr/sbin/exim4", "/usr/sbin/exim", "/usr/local/sbin/exim"];
/// As whom it was made to run. As anybody else it opens no port.
const USERS: [&str; 2] = ["Debian-exim", "exim"];

/// The server. It ends when this is dropped, or the test dies.
pub struct MailServer {
    keeper: Child,
    folder: TempDir,
    submission: u16,
    submissions: u16,
}

/// A mail as it lies in the mailbox.
pub struct Received {
    head: String,
    /// The text for people, decoded.
    pub text: String,
    whole: String,
}

impl MailServer {
    /// Starts one on ports of 127.0.0.1, with a certificate of its own making.
    pub async fn start() -> Self {
        let program = PROGRAMS.iter().find(|program| Path::new(program).is_file());
        let program =
            program.expect("Exim is not on this machine; `cargo xtask smtp` installs it or says how");
        let user = USERS.iter().find(|user| id("-u", user).is_some()).expect("Exim comes with its user");
        let folder = tempfile::tempdir().unwrap();
        let [submission, submissions] = [0, 1].map(|_| free_port());
        std::fs::set_permissions(folder.path(), PermissionsExt::from_mode(0o777)).unwrap();
        let names = vec!["localhost".to_owned(), "127.0.0.1".to_owned()];
        let CertifiedKey { cert, signing_key } = generate_simple_self_signed(names).unwrap();
        let configuration = CONFIGURATION
            .replace("{folder}", folder.path().to_str().unwrap())
            .replace("{submissions}", &submissions.to_string())
            .replace("{submission}", &submission.to_string())
            .replace("{user}", user);
        for (name, text) in [
            ("certificate.pem", cert.pem()),
            ("key.pem", signing_key.serialize_pem()),
            ("exim.conf", configuration),
        ] {
            let file = folder.path().join(name);
            std::fs::write(&file, text).unwrap();
            std::fs::set_permissions(&file, PermissionsExt::from_mode(0o644)).unwrap();
        }
        let mut keeper = as_user(user);
        keeper.args(["-c", KEEPER, "keeper", program]).arg(folder.path()).current_dir("/");
        let keeper = keeper.stdin(Stdio::piped()).spawn().unwrap();
        let server = Self { keeper, folder, submission, submissions };
        server.wait_until_it_answers().await;
        server
    }

    async fn wait_until_it_answers(&self) {
        for _ in 0..1200 {
            if [self.submission, self.submissions]
                .iter()
                .all(|port| TcpStream::connect(("127.0.0.1", *port)).is_ok())
            {
                return;
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        let told = std::fs::read_to_string(self.folder.path().join("told")).unwrap_or_default();
        panic!("Exim does not answer: {told}");
    }

    /// `VESTIBULE_MAIL_URL` for a connection that begins in the clear.
    pub fn with_starttls(&self) -> String {
        format!(
            "smtp://site:p%40ss+word@localhost:{}?tls=starttls&ca={}",
            self.submission,
            self.certificate()
        )
    }

    /// `VESTIBULE_MAIL_URL` for one that is encrypted from the first byte.
    pub fn with_tls(&self) -> String {
        format!("smtps://site:p%40ss+word@localhost:{}?ca={}", self.submissions, self.certificate())
    }

    fn certificate(&self) -> String {
        self.folder.path().join("certificate.pem").to_str().unwrap().to_owned()
    }

    /// The mails that went to an address, oldest first.
    pub fn mails_to(&self, address: &str) -> Vec<Received> {
        let files = std::fs::read_dir(self.folder.path().join("mail/new")).into_iter().flatten().flatten();
        let mut files: Vec<PathBuf> = files.map(|entry| entry.path()).collect();
        // Their names begin with the time, and with its fractions of a second behind an `M`.
        files.sort_by_key(|file| {
            let name = file.file_name().unwrap().to_string_lossy().into_owned();
            let (seconds, rest) = name.split_once('.').unwrap();
            let fraction: String = rest
                .chars()
                .skip_while(|c| *c == 'H' || *c == 'M')
                .take_while(char::is_ascii_digit)
                .collect();
            (seconds.to_owned(), fraction.parse::<u64>().unwrap_or_default())
        });
        let mails = files.iter().map(|file| Received::read(&std::fs::read_to_string(file).unwrap()));
        mails.filter(|mail| mail.header("Envelope-to") == address).collect()
    }

    /// What the server wrote down.
    pub fn log(&self) -> String {
        std::fs::read_to_string(self.folder.path().join("log/mainlog")).unwrap_or_default()
    }
}

impl Drop for MailServer {
    fn drop(&mut self) {
        drop(self.keeper.stdin.take());
        let _ = self.keeper.wait();
    }
}

impl Received {
    fn read(mail: &str) -> Self {
        let mail = mail.replace("\r\n", "\n");
        let (head, body) = mail.split_once("\n\n").unwrap();
        // A line that begins with a space goes on with the one before.
        let head = head.replace("\n\t", " ").replace("\n ", " ");
        let part = body.split("text/plain").nth(1).expect("a mail has a text for people");
        let (part_head, text) = part.split_once("\n\n").unwrap();
        let text = text.split("\n--").next().unwrap();
        assert!(!part_head.contains("base64"), "a text that its reader can read without a program");
        let text = if part_head.contains("quoted-printable") {
            text.replace("=\n", "").replace("=3D", "=")
        } else {
            text.to_owned()
        };
        Self { head, text, whole: mail }
    }

    /// A header that is there once.
    pub fn header(&self, name: &str) -> &str {
        let values = self.head.lines().filter_map(|line| {
            let (own, value) = line.split_once(": ")?;
            own.eq_ignore_ascii_case(name).then_some(value)
        });
        let values: Vec<_> = values.collect();
        assert_eq!(values.len(), 1, "{name}: {}", self.head);
        values[0]
    }

    /// Whether there is a header.
    pub fn has(&self, name: &str) -> bool {
        let name = format!("{}:", name.to_lowercase());
        self.head.lines().any(|line| line.to_lowercase().starts_with(&name))
    }

    /// The token of the link.
    pub fn token(&self) -> &str {
        self.link().split_once("?token=").expect("the link has a token").1
    }

    /// The link in the part for programs that show HTML, decoded from quoted-printable.
    pub fn link_in_html(&self) -> String {
        let html = &self.whole[self.whole.find("text/html").expect("there is HTML")..];
        let html = html.replace("=\n", "").replace("=3D", "=");
        let (_, link) = html.split_once("href=\"").expect("the HTML has a link");
        link.split('"').next().expect("an address ends").to_owned()
    }

    /// The link that it is for.
    pub fn link(&self) -> &str {
        self.text.split_whitespace().find(|word| word.contains("?token=")).expect("the mail carries a link")
    }
}

fn free_port() -> u16 {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}

/// A shell of another user. Root may become anybody; who is not root may be allowed to by sudo.
fn as_user(user: &str) -> Command {
    let number = |flag| id(flag, user).expect("the user has a number");
    if id("-u", "").is_some_and(|own| own == 0) {
        let mut shell = Command::new("sh");
        shell.uid(number("-u")).gid(number("-g"));
        return shell;
    }
    let mut shell = Command::new("sudo");
    shell.args(["-n", "-u", user, "sh"]);
    shell
}

fn id(flag: &str, user: &str) -> Option<u32> {
    let mut id = Command::new("id");
    id.arg(flag).stderr(Stdio::null());
    if !user.is_empty() {
        id.arg(user);
    }
    String::from_utf8(id.output().ok()?.stdout).ok()?.trim().parse().ok()
}
