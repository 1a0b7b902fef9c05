/// One setting: what the reference page, the help and the messages say of it.
#[derive(Debug, Clone, Copy)]
pub struct Key {
    /// The name without `VESTIBULE_`. In the file it is the same in lower case.
    pub name: &'static str,
    /// What holds where nothing is set; empty where that depends.
    pub default: &'static str,
    /// The default in words, where it depends.
    pub default_in_words: &'static str,
    /// What it is.
    pub about: &'static str,
    /// What to do when it is wrong.
    pub way_out: &'static str,
    /// Whether its value is never shown.
    pub is_secret: bool,
}

/// All settings.
pub const KEYS: &[Key] = &[
    Key {
        name: "LISTEN",
        default_in_words: "`127.0.0.1:3000`; with `VESTIBULE_TLS` `[::]:443`, all networks",
        about: "The address to serve on.",
        way_out: "Set an address and a port, such as 127.0.0.1:3000, or [::]:3000 for all networks.",
        ..Key::EMPTY
    },
    Key {
        name: "PUBLIC_URL",
        default_in_words: "`http://localhost` with the port of `VESTIBULE_LISTEN`",
        about: "The address under which people reach the site. Links, cookies and the issuer of access tokens are made from it; the `Host` header never is.",
        way_out: "Set the address under which people reach the site, such as https://example.com.",
        ..Key::EMPTY
    },
    Key {
        name: "TLS",
        default: "off",
        about: "Who speaks https: `off` (a proxy before the server, or nobody), `files` (the server, with the certificate in `VESTIBULE_TLS_CERTIFICATE`), `acme` (the server, with a certificate that it orders from Let's Encrypt or another authority and renews; who sets this agrees to that authority's terms). See [https](https.md).",
        way_out: "Set `off`, `files` or `acme` (docs/https.md).",
        ..Key::EMPTY
    },
    Key {
        name: "LISTEN_HTTP",
        default_in_words: "with `VESTIBULE_TLS` `[::]:80`, else off",
        about: "With TLS, the address that answers plain http: it leads to https, answers the challenges of certificate authorities, and nothing else. `off`: none.",
        way_out: "Set an address and a port, such as [::]:80, or `off`.",
        ..Key::EMPTY
    },
    Key {
        name: "TLS_CERTIFICATE",
        default_in_words: "none; required with `VESTIBULE_TLS=files`",
        about: "The file with the certificate and its chain (PEM), certbot's `fullchain.pem`. It is read again when it changes, without a restart.",
        way_out: "Set the path of a PEM file that the server may read, such as /etc/letsencrypt/live/example.com/fullchain.pem.",
        ..Key::EMPTY
    },
    Key {
        name: "TLS_KEY",
        default_in_words: "none; required with `VESTIBULE_TLS=files`",
        about: "The file with the certificate's private key (PEM), certbot's `privkey.pem`. It must not be readable by everybody.",
        way_out: "Set the path of a PEM file that the server alone may read, such as /etc/letsencrypt/live/example.com/privkey.pem.",
        ..Key::EMPTY
    },
    Key {
        name: "TLS_DOMAINS",
        default_in_words: "none",
        about: "With `VESTIBULE_TLS=acme`, the names in the certificate beside the host of the public URL, separated by commas: `www.example.com`. All must lead to this server.",
        way_out: "Set names such as www.example.com, separated by commas, or leave it away.",
        ..Key::EMPTY
    },
    Key {
        name: "ACME_DIRECTORY",
        default: "https://acme-v02.api.letsencrypt.org/directory",
        about: "The certificate authority, by the address of its ACME directory. `https://acme-staging-v02.api.letsencrypt.org/directory` is Let's Encrypt's for trying things out; browsers do not trust what it gives.",
        way_out: "Set the https address of an ACME directory, or leave it away for Let's Encrypt.",
        ..Key::EMPTY
    },
    Key {
        name: "ACME_CONTACT",
        default_in_words: "none",
        about: "The email address that the certificate authority may write to. It is told when the account is made.",
        way_out: "Set an email address, or leave it away.",
        ..Key::EMPTY
    },
    Key {
        name: "ACME_ROOT",
        default_in_words: "the system's certificates",
        about: "A file (PEM) with the certificates that the certificate authority's own server is trusted by, for an authority within a company.",
        way_out: "Set the path of a PEM file, or leave it away.",
        ..Key::EMPTY
    },
    Key {
        name: "ACME_WEBROOT",
        default_in_words: "none",
        about: "With `VESTIBULE_TLS=files`, the folder that certbot is given as `--webroot-path`: its answers below `.well-known/acme-challenge` are served over plain http.",
        way_out: "Set the path of a folder, or leave it away.",
        ..Key::EMPTY
    },
    Key {
        name: "TRUSTED_NETWORK",
        default: "off",
        about: "Whether plain http may be spoken beyond this machine. Without it the start is refused where the public URL is http and not this machine's, or is this machine's while `VESTIBULE_LISTEN` is not. `on` is for a container whose port is published on this machine alone, and for networks whose every machine is trusted. It also lets PostgreSQL be spoken to elsewhere without `sslmode=verify-full`. It opens `/dev/mailbox` to nobody: that answers this machine alone.",
        way_out: "Set `on` or `off`.",
        ..Key::EMPTY
    },
    Key {
        name: "TRUSTED_PROXIES",
        default_in_words: "none",
        about: "The reverse proxies before the server, as networks or addresses separated by commas: `127.0.0.1,::1`. Their `X-Forwarded-For` (or `Forwarded`, where there is none) says where a request comes from. From everybody else it changes nothing.",
        way_out: "Set the addresses of your proxies, such as 127.0.0.1,::1 or 10.0.0.0/8, or leave it away.",
        ..Key::EMPTY
    },
    Key {
        name: "MAX_CONNECTIONS",
        default_in_words: "half of the files that the system lets the program open, 4096 at most",
        about: "How many connections are held at the same time; more wait until one is free. One address gets a quarter of them, trusted proxies get all.",
        way_out: "Set a number from 16, below what `ulimit -n` says.",
        ..Key::EMPTY
    },
    Key {
        name: "DATABASE_URL",
        default: "sqlite://data/vestibule.db",
        about: "Where accounts are kept: `sqlite://FILE` or `postgres://USER:PASSWORD@HOST/DATABASE`. `DATABASE_URL` is taken too. A host beyond this machine and private networks must prove who it is: `?sslmode=verify-full`.",
        way_out: "Set sqlite://data/vestibule.db, or postgres://user:password@host/database.",
        // It may hold a password. What is shown of it is made from its parts.
        is_secret: true,
        ..Key::EMPTY
    },
    Key {
        name: "DATABASE_LISTEN_URL",
        default_in_words: "VESTIBULE_DATABASE_URL",
        about: "Where PostgreSQL is listened to for what other servers change: the same database past a PgBouncer in transaction mode. Without it such a PgBouncer passes nothing on, and ends connections that notifications arrive at: requests fail now and then. Where nothing arrives, each check reads the database.",
        way_out: "Set postgres://user:password@host/database, with the host and the port of PostgreSQL itself.",
        is_secret: true,
        ..Key::EMPTY
    },
    Key {
        name: "SECRET_KEY",
        default_in_words: "in development made and kept beside the embedded database; required on https",
        about: "At least 32 random bytes in base64. Whoever has it can forge sessions. Several, newest first and separated by commas or one a line, while it is given a successor.",
        way_out: "Make one with `head -c 32 /dev/urandom | base64` and keep it where only the server can read it.",
        is_secret: true,
        ..Key::EMPTY
    },
    Key {
        name: "SITE_NAME",
        default_in_words: "the application's own",
        about: "The site's name, as people know it.",
        way_out: "Set a name.",
        ..Key::EMPTY
    },
    Key {
        name: "LOG_FORMAT",
        default_in_words: "`pretty` on a terminal, else `json`",
        about: "The form of the log on standard error. `RUST_LOG` sets what is logged.",
        way_out: "Set `pretty` or `json`.",
        ..Key::EMPTY
    },
    Key {
        name: "ACCESS_TTL",
        default: "5m",
        about: "How long an access token is good before the session must be refreshed.",
        way_out: "Set a duration such as 5m.",
        ..Key::EMPTY
    },
    Key {
        name: "SESSION_IDLE_TTL",
        default: "7d",
        about: "How long a session lives without being used.",
        way_out: "Set a duration such as 7d.",
        ..Key::EMPTY
    },
    Key {
        name: "SESSION_ABSOLUTE_TTL",
        default: "30d",
        about: "How long a session lives in all.",
        way_out: "Set a duration such as 30d, no shorter than VESTIBULE_SESSION_IDLE_TTL.",
        ..Key::EMPTY
    },
    Key {
        name: "SIGN_UP",
        default: "open",
        about: "How people come by accounts: `open` (at once, the address is confirmed later), `confirm_first` (the account is made when the address is confirmed, and nothing tells strangers who has one), `invite` (with a link of `user invite` or `/admin/invitations`), `closed` (with `user add` alone).",
        way_out: "Set `open`, `confirm_first`, `invite` or `closed`.",
        ..Key::EMPTY
    },
    Key {
        name: "CONFIRM_TTL",
        default: "24h",
        about: "How long a link is good that confirms an address.",
        way_out: "Set a duration such as 24h.",
        ..Key::EMPTY
    },
    Key {
        name: "RESET_TTL",
        default: "30m",
        about: "How long a link is good that resets a password.",
        way_out: "Set a duration such as 30m, 24h at most.",
        ..Key::EMPTY
    },
    Key {
        name: "REQUIRE_CONFIRMED_EMAIL",
        default: "off",
        about: "Whether who has not confirmed their address may use no more than their account: protected routes answer `403` `email_not_verified`, and pages lead to one that sends the mail again.",
        way_out: "Set `on` or `off`.",
        ..Key::EMPTY
    },
    Key {
        name: "ROLES",
        default_in_words: "none",
        about: "The roles that the site has beside `user` and `admin`, separated by commas: `editor,moderator`. What each may do is said by the routes that ask for it.",
        way_out: "Set names of small letters, digits, - and _, separated by commas, such as editor,moderator.",
        ..Key::EMPTY
    },
    Key {
        name: "RATE_LIMIT",
        default: "on",
        about: "Whether passwords, links, sign-ups and mails are counted and refused when there are too many. `off` is for tests on one's own machine, and is refused when the public URL is https.",
        way_out: "Set `on`.",
        ..Key::EMPTY
    },
    Key {
        name: "AUDIT_RETENTION",
        default: "365d",
        about: "How long it is kept who did what, when and from where.",
        way_out: "Set a duration such as 365d.",
        ..Key::EMPTY
    },
    Key {
        name: "MAIL_URL",
        default_in_words: "on localhost the development mailbox, `/dev/mailbox`; elsewhere none, and mails wait",
        about: "How mails are sent: `smtp://USER:PASSWORD@HOST:PORT` (STARTTLS is required unless the host is this machine; the port is 587, on this machine 25), `smtps://USER:PASSWORD@HOST:PORT` (465), or `resend://API_KEY@api.resend.com` over HTTPS where a host blocks mail ports. `?tls=` (`starttls`, `implicit`, `none`) says otherwise, `?ca=FILE` names the certificate of an authority of your own.",
        way_out: "Set smtp://user:password@mail.example.com:587, smtps://user:password@mail.example.com:465, or resend://API_KEY@api.resend.com.",
        // It holds a password. What is shown of it is made from its parts.
        is_secret: true,
        ..Key::EMPTY
    },
    Key {
        name: "MAIL_FROM",
        default_in_words: "`no-reply@localhost`; on a public host `no-reply@` that host",
        about: "The sender of mails: `no-reply@example.com` or `Example <no-reply@example.com>`.",
        way_out: "Set an address that your mail server may send from, such as no-reply@example.com.",
        ..Key::EMPTY
    },
    Key {
        name: "MAIL_DAILY_LIMIT",
        default_in_words: "none",
        about: "How many mails a day (UTC) the provider takes. A fifth is kept for password resets, which go first, and for notices to owners; the rest waits for the next day.",
        way_out: "Set a number from 1, or leave it away.",
        ..Key::EMPTY
    },
    Key {
        name: "MAIL_TEMPLATES",
        default_in_words: "none",
        about: "A folder whose files take the place of the built-in texts of mails of the same names.",
        way_out: "Set a folder with templates such as confirm_email.txt, or leave it away.",
        ..Key::EMPTY
    },
    Key {
        name: "METRICS_LISTEN",
        default_in_words: "off",
        about: "The address to serve `/metrics` on, for Prometheus. It should not be reachable from outside.",
        way_out: "Set an address and a port, such as 127.0.0.1:9090, or leave it away.",
        ..Key::EMPTY
    },
    Key {
        name: "OTLP_ENDPOINT",
        default_in_words: "off",
        about: "An OpenTelemetry collector that traces of requests and statements are sent to, by HTTP (OTLP). `/v1/traces` is added.",
        way_out: "Set an address such as http://127.0.0.1:4318, or leave it away.",
        ..Key::EMPTY
    },
    Key {
        name: "OTLP_SAMPLE",
        default: "1",
        about: "The share of requests that is traced, from 0 to 1.",
        way_out: "Set a number such as 0.05.",
        ..Key::EMPTY
    },
    Key {
        name: "MIGRATE",
        default: "on",
        about: "Whether the start brings the database's schema up to date. With `off` the start refuses when the schema is not the expected one.",
        way_out: "Set `on` or `off`.",
        ..Key::EMPTY
    },
    Key {
        name: "BREACHED_PASSWORDS",
        default_in_words: "none",
        about: "A file of leaked passwords, made by `passwords build`, whose passwords nobody may choose. It is read once, at the start, and takes as much memory as it has bytes.",
        way_out: "Make one with `passwords build LIST FILE` of this release (docs/looking-after-the-site.md), or leave it away.",
        ..Key::EMPTY
    },
    Key {
        name: "BREACHED_PASSWORDS_API",
        default: "off",
        about: "Whether Have I Been Pwned is asked about each new password, or a mirror of its range API at this URL. The first five digits of the password's SHA-1 leave the machine, and nothing else of it. Where nobody answers, passwords are taken without.",
        way_out: "Set `on`, `off`, or the URL of a mirror such as https://leaks.example.com.",
        ..Key::EMPTY
    },
    Key {
        name: "HASH_MEMORY_KIB",
        default: "19456",
        about: "Memory of one password hash (Argon2id) in KiB. 19456 (19 MiB) is the least.",
        way_out: "Set a number from 19456 to 1048576.",
        ..Key::EMPTY
    },
    Key {
        name: "HASH_PASSES",
        default: "2",
        about: "Passes of one password hash over its memory. 2 is the least.",
        way_out: "Set a number from 2 to 100.",
        ..Key::EMPTY
    },
    Key {
        name: "HASH_SLOTS",
        default_in_words: "one a core, as far as memory allows",
        about: "How many passwords are hashed at the same time. Each takes the memory of one hash, and all together at most half of the memory that the server may use.",
        way_out: "Set a lower number, or leave it away; or lower VESTIBULE_HASH_MEMORY_KIB.",
        ..Key::EMPTY
    },
    Key {
        name: "HASH_MAX_WAIT",
        default: "1s",
        about: "How long somebody may wait until their password is looked at. Who would wait longer is told at once when to come back (`503` with `Retry-After`).",
        way_out: "Set a duration from 100ms to 30s.",
        ..Key::EMPTY
    },
    Key {
        name: "SESSION_CACHE",
        default: "10000",
        about: "How many sessions are remembered, each by what a browser or a program shows of it and in about two kilobytes, so that most checks need no statement. What is ended on another server is refused here within some milliseconds, and in no case later than a second. `0`: each check reads the database.",
        way_out: "Set a number up to 10000000, or 0.",
        ..Key::EMPTY
    },
    Key {
        name: "BACKUP_RECIPIENT",
        default_in_words: "none",
        about: "Who can read backups: the public key (`age1…`) of an age identity, or several separated by commas. `backup` encrypts for them, by the program `age`, and `restore` asks for the identity.",
        way_out: "Make an identity with `age-keygen -o backup.key`, keep it elsewhere, and set the public key that it prints.",
        ..Key::EMPTY
    },
    Key {
        name: "BACKUP_S3_ENDPOINT",
        default_in_words: "that of Amazon in the region",
        about: "The address of the S3-compatible store that `s3://BUCKET/PREFIX` leads to.",
        way_out: "Set the https address that your provider tells, without the bucket, such as https://s3.example.com.",
        ..Key::EMPTY
    },
    Key {
        name: "BACKUP_S3_REGION",
        default: "us-east-1",
        about: "Its region, as requests are signed for it.",
        way_out: "Set the region that your provider tells, such as eu-central-1.",
        ..Key::EMPTY
    },
    Key {
        name: "BACKUP_S3_KEY_ID",
        default_in_words: "none",
        about: "The id of the access key for the store.",
        way_out: "Set the id of a key that may read, write, list and delete below the prefix.",
        ..Key::EMPTY
    },
    Key {
        name: "BACKUP_S3_SECRET",
        default_in_words: "none",
        about: "The secret of that key.",
        way_out: "Set the secret that belongs to VESTIBULE_BACKUP_S3_KEY_ID.",
        is_secret: true,
        ..Key::EMPTY
    },
];

impl Key {
    const EMPTY: Self =
        Self { name: "", default: "", default_in_words: "", about: "", way_out: "", is_secret: false };

    /// The environment variable.
    pub fn variable(&self) -> String {
        format!("VESTIBULE_{}", self.name)
    }

    /// The key in the file.
    pub fn file_key(&self) -> String {
        self.name.to_ascii_lowercase()
    }

    /// The default, as the reference page tells it.
    pub fn default_told(&self) -> String {
        if self.default.is_empty() { self.default_in_words.to_owned() } else { format!("`{}`", self.default) }
    }

    pub(super) fn named(name: &str) -> &'static Self {
        KEYS.iter().find(|key| key.name == name).expect("settings are read by the names of the table")
    }
}
