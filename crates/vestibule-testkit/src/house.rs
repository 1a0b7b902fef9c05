use std::net::Ipv4Addr;
use std::num::NonZeroUsize;
use std::sync::Arc;

use time::Duration;
use vestibule::models::{
    AuditEvent, AuditEventKind, Client, CsrfProof, EmailAddress, MailKind, OutgoingMail, PublicUrl, Quota,
    RateLimits, Role, SecretKey, SecretKeys, User,
};
use vestibule::ports::{
    Argon2Parameters, BreachedPasswords, HashingPlan, HashingSlots, OsRandom, PasswordHasher, PersonalData,
};
use vestibule::repository::Store;
use vestibule::services::{
    Asked, CurrentSession, LogIn, LogInError, LoggedIn, MailSent, PresentedSession, ShownValues, SignUp,
};
use vestibule::{Accounts, OpenError, Policy, Ports, SessionCache};
use vestibule_sql::{AccountHooks, Database, DatabaseUrl, SqlStore};

use crate::{DatabaseKind, FakeClock, Post, TestDatabase};

/// A password that is good enough.
pub const PASSWORD: &str = "copper window thursday";

/// Accounts over a database of a test's own, on a clock that is moved.
pub struct House {
    /// The accounts.
    pub accounts: Arc<Accounts>,
    /// Their clock, which all servers of the house share.
    pub clock: FakeClock,
    /// Their connections.
    pub database: Database,
    /// What the server remembers of sessions.
    pub session_cache: Arc<SessionCache>,
    /// Where its mails arrive.
    pub post: Post,
    policy: fn(Policy) -> Policy,
    remembered_sessions: usize,
    test_database: TestDatabase,
    secret: SecretKeys,
}

/// Who follows what other servers change, until it is dropped.
pub struct Following(tokio::task::JoinHandle<()>);

impl Drop for Following {
    fn drop(&mut self) {
        self.0.abort();
    }
}

/// What a test may want to be otherwise.
#[derive(Clone)]
pub struct HouseOptions {
    /// The public URL.
    pub public_url: String,
    /// The cost of a password hash.
    pub hash_parameters: Argon2Parameters,
    /// Another hasher altogether.
    pub hasher: Option<Arc<dyn PasswordHasher>>,
    /// Who knows of leaked passwords.
    pub breached_passwords: Vec<Arc<dyn BreachedPasswords>>,
    /// The server's secret, or several.
    pub secret: SecretKeys,
    /// The clock.
    pub clock: FakeClock,
    /// What the owner of the site decides, given the defaults.
    pub policy: fn(Policy) -> Policy,
    /// How many tokens the server remembers the sessions of: none, unless a test wants it, so that each check reads the database.
    pub remembered_sessions: usize,
    /// What the application keeps of a user.
    pub personal_data: fn(&Database) -> Vec<Arc<dyn PersonalData>>,
    /// What the application does when something happens to an account.
    pub hooks: Vec<Arc<dyn AccountHooks>>,
}

impl Default for HouseOptions {
    fn default() -> Self {
        Self {
            public_url: "http://localhost:3000".into(),
            hash_parameters: Argon2Parameters::FLOOR,
            hasher: None,
            breached_passwords: Vec::new(),
            secret: secret_key().into(),
            clock: FakeClock::default(),
            policy: |policy| policy,
            remembered_sessions: 0,
            personal_data: |_| Vec::new(),
            hooks: Vec::new(),
        }
    }
}

/// Where tests come from, unless they say otherwise.
pub fn client() -> Client {
    Client::new(Some(Ipv4Addr::new(192, 0, 2, 1).into()), None)
}

/// Quotas that no test uses up, for those that repeat what they measure. They are taken from all the same.
pub fn generous(policy: Policy) -> Policy {
    let quota = Quota::new(1_000_000, Duration::MILLISECOND);
    let rate_limits = RateLimits {
        passwords_by_address: quota,
        passwords_by_account: quota,
        passwords_by_pair: quota,
        passwords_by_device: quota,
        sign_ups_by_address: quota,
        links_by_address: quota,
        mails_by_address: quota,
        resets_by_mailbox: quota,
        confirmations_by_mailbox: quota,
        sign_ups_by_mailbox: quota,
        new_addresses_by_mailbox: quota,
        new_addresses_by_account: quota,
        changes_by_account: quota,
        exports_by_account: quota,
        judgements_by_address: quota,
    };
    Policy { rate_limits: Some(rate_limits), ..policy }
}

/// A secret key of chance.
pub fn secret_key() -> SecretKey {
    SecretKey::generate(&OsRandom)
}

impl House {
    /// A house over a fresh database.
    pub async fn open(kind: DatabaseKind) -> Self {
        Self::open_on(&TestDatabase::create(kind).await, HouseOptions::default())
            .await
            .expect("accounts can be opened over a fresh database")
    }

    /// A house over a given database, as one more server of an installation would be.
    pub async fn open_on(test_database: &TestDatabase, options: HouseOptions) -> Result<Self, OpenError> {
        let database = test_database.connect().await;
        let random = Arc::new(OsRandom);
        let hasher = options.hasher.unwrap_or_else(|| {
            // Tests let many race on a machine that may be slow: none is to be sent away for that.
            let plan = HashingPlan {
                max_wait: std::time::Duration::from_mins(1),
                ..HashingPlan::new(options.hash_parameters, NonZeroUsize::MIN)
            };
            Arc::new(HashingSlots::start(plan, random.clone()))
        });
        let session_cache = Arc::new(SessionCache::new(options.remembered_sessions));
        let ports = Ports {
            store: Arc::new(
                SqlStore::telling(database.clone(), session_cache.clone()).with_hooks(options.hooks),
            ),
            session_cache: session_cache.clone(),
            clock: Arc::new(options.clock.clone()),
            random,
            hasher,
            breached_passwords: options.breached_passwords,
            personal_data: (options.personal_data)(&database),
        };
        let public_url = PublicUrl::parse(&options.public_url).expect("a test's public URL is one");
        let policy = (options.policy)(Policy::new("Test site", public_url));
        let accounts = Accounts::open(ports, &options.secret, policy).await?;
        Ok(Self {
            accounts: Arc::new(accounts),
            clock: options.clock,
            database,
            session_cache,
            remembered_sessions: options.remembered_sessions,
            post: Post::default(),
            policy: options.policy,
            test_database: test_database.clone(),
            secret: options.secret,
        })
    }

    /// A second server: the same database, secret and clock, connections and keys in memory of its own.
    pub async fn second_server(&self) -> Self {
        let options = HouseOptions {
            secret: self.secret.clone(),
            clock: self.clock.clone(),
            policy: self.policy,
            remembered_sessions: self.remembered_sessions,
            ..HouseOptions::default()
        };
        Self::open_on(&self.test_database, options).await.expect("a second server opens as the first did")
    }

    /// Follows what other servers change, as a server does, until it is dropped. What is asked right after is not trusted yet.
    pub fn follow(&self) -> Following {
        self.follow_at(self.test_database.url())
    }

    /// The same, listening at another address of the same database.
    pub fn follow_at(&self, listen_at: DatabaseUrl) -> Following {
        let (database, cache) = (self.database.clone(), Arc::clone(&self.session_cache));
        Following(tokio::spawn(async move { database.follow_changes(&listen_at, &cache, |_| ()).await }))
    }

    /// Says that no change was missed until now, as who follows does. For one server alone that is so.
    pub fn missed_nothing(&self) {
        self.session_cache.knows_all_until(self.session_cache.moment());
    }

    /// The database, for more servers.
    pub fn test_database(&self) -> &TestDatabase {
        &self.test_database
    }

    /// The server's secret, for more servers.
    pub fn secret(&self) -> &SecretKeys {
        &self.secret
    }

    /// Somebody who has signed up as `NAME@example.com` with [`PASSWORD`].
    pub async fn signed_up(&self, name: &str) -> LoggedIn {
        let email = format!("{name}@example.com");
        let typed = SignUp { name, email: &email, password: PASSWORD, devices: &[] };
        let signed_up = self.accounts.sign_up(typed, &client()).await;
        self.let_a_moment_pass();
        signed_up.expect("a good sign-up succeeds")
    }

    /// Logs in.
    pub async fn log_in(&self, email: &str, password: &str) -> Result<LoggedIn, LogInError> {
        let logged_in = self.accounts.log_in(LogIn { email, password, devices: &[] }, &client()).await;
        self.let_a_moment_pass();
        logged_in
    }

    /// Ids are ordered by the millisecond, so what comes after a moment is listed after what came before it.
    fn let_a_moment_pass(&self) {
        self.clock.advance(Duration::milliseconds(1));
    }

    /// Sends all mails whose turn it is, as a worker does, and says what became of each.
    pub async fn deliver(&self) -> Vec<MailSent> {
        let mut sent = Vec::new();
        while let Some(claimed) = self.accounts.claim_mail().await.expect("the outbox can be read") {
            let became = self.accounts.send_mail(&claimed, &self.post).await;
            sent.push(became.expect("what became of a mail can be noted"));
            self.let_a_moment_pass();
        }
        sent
    }

    /// The token of the link that was last mailed to somebody, after all mails whose turn it is were sent.
    pub async fn mailed_token(&self, email: &str) -> String {
        self.deliver().await;
        self.post.token_for(email)
    }

    /// The current session of somebody who is logged in, as a passed check gives it.
    pub async fn current(&self, logged_in: &LoggedIn) -> CurrentSession {
        let checked = self.accounts.check_session(&writing(logged_in), Asked::ACCOUNT).await;
        checked.expect("who is logged in passes the check")
    }

    /// A user as they are stored.
    pub async fn user(&self, email: &str) -> Option<User> {
        let email = EmailAddress::parse(email).expect("a test's address is one");
        let store = SqlStore::new(self.database.clone());
        let found = store.alone().find_credentials_by_email(&email, None).await;
        found.expect("users can be read").map(|found| found.credentials.user)
    }

    /// Every row of every table as text, as somebody would read them who has stolen the database.
    pub async fn dump(&self) -> String {
        self.test_database.dump().await
    }

    /// The mails that wait.
    pub async fn outbox(&self) -> Vec<OutgoingMail> {
        let store = SqlStore::new(self.database.clone());
        store.alone().list_outgoing_mails(1000).await.expect("the outbox can be read")
    }

    /// What the waiting mails tell, oldest first.
    pub async fn outbox_kinds(&self) -> Vec<MailKind> {
        self.outbox().await.into_iter().map(|mail| mail.kind).collect()
    }

    /// What happened, newest first.
    pub async fn audit_trail(&self) -> Vec<AuditEvent> {
        let store = SqlStore::new(self.database.clone());
        store.alone().list_audit_events(1000).await.expect("the audit trail can be read")
    }

    /// What kinds of things happened, oldest first.
    pub async fn audit_kinds(&self) -> Vec<AuditEventKind> {
        self.audit_trail().await.into_iter().rev().map(|event| event.kind).collect()
    }

    /// Changes a user as an operator would.
    pub async fn set_disabled(&self, email: &str, is_disabled: bool) {
        let changed = self
            .database
            .alone()
            .write("UPDATE users SET is_disabled = $2 WHERE email = $1")
            .bind(email.to_owned())
            .bind(is_disabled)
            .execute()
            .await
            .expect("a user can be changed");
        assert_eq!(changed, 1, "there is a user {email}");
    }

    /// Gives a user another role, as an operator would.
    pub async fn set_role(&self, email: &str, role: Role) {
        let changed = self
            .database
            .alone()
            .write("UPDATE users SET role = $2 WHERE email = $1")
            .bind(email.to_owned())
            .bind(role.as_str())
            .execute()
            .await
            .expect("a user can be changed");
        assert_eq!(changed, 1, "there is a user {email}");
    }

    /// How many sessions are stored.
    pub async fn count_sessions(&self) -> usize {
        self.count("SELECT COUNT(*) AS count FROM sessions").await
    }

    /// The answer of a `SELECT COUNT(*) AS count`.
    pub async fn count(&self, sql: &'static str) -> usize {
        #[derive(sqlx::FromRow)]
        struct Count {
            count: i64,
        }
        let count: Option<Count> =
            self.database.alone().read(sql).optional().await.expect("rows can be counted");
        usize::try_from(count.map_or(0, |row| row.count)).expect("a count is not negative")
    }
}

/// A good sign-up of somebody.
pub fn signing_up<'a>(email: &'a str, name: &'a str) -> SignUp<'a> {
    SignUp { name, email, password: PASSWORD, devices: &[] }
}

/// Values of cookies, as they are shown.
pub fn values<'a>(shown: &[&'a str]) -> ShownValues<'a> {
    shown.iter().copied().collect()
}

/// What a browser with this session's cookies shows.
pub fn presented<'a>(logged_in: &'a LoggedIn, csrf: CsrfProof<'a>) -> PresentedSession<'a> {
    PresentedSession {
        access: values(&[&logged_in.tokens.access]),
        refresh: values(&[&logged_in.tokens.refresh]),
        csrf_cookies: values(&[logged_in.tokens.csrf.as_str()]),
        csrf,
        received_at: None,
        devices: logged_in.tokens.device.as_deref().into_iter().collect(),
    }
}

/// The same, with a request that only reads.
pub fn reading(logged_in: &LoggedIn) -> PresentedSession<'_> {
    presented(logged_in, CsrfProof::NotNeeded)
}

/// The same, with a request of our own page that changes something.
pub fn writing(logged_in: &LoggedIn) -> PresentedSession<'_> {
    presented(logged_in, CsrfProof::Sent(Some(logged_in.tokens.csrf.as_str())))
}
