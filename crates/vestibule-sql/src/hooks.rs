use std::sync::Arc;

use async_trait::async_trait;
use vestibule::models::{User, UserId};
use vestibule::repository::{Refusal, StoreError, StoreFailure};

use crate::database::{Connection, Id};
use crate::users::UserRow;

/// Something that happened to an account.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum AccountEvent {
    /// There is a new user, by whichever way: a sign-up, an invitation, the command line.
    Created(User),
    /// The address that a user has now is known to be theirs: confirmed by its link, by a reset of the password, as it took the place of
    /// another, or known from the start. So it may come again for a user, with another address.
    Confirmed(User),
    /// A user is gone, by themselves, an admin or the command line. This is how they were.
    Deleted(User),
}

impl AccountEvent {
    /// Whom it is about.
    pub fn user(&self) -> &User {
        match self {
            Self::Created(user) | Self::Confirmed(user) | Self::Deleted(user) => user,
        }
    }
}

/// What an application does when something happens to an account. Each method does nothing unless it is written.
///
/// `created`, `confirmed` and `deleted` run **in the transaction** that makes the change hold: what they write with the connection is
/// there together with the change or not at all, and an error undoes both. They should be quick, for others wait for the transaction
/// (with SQLite all who write), and should do nothing that cannot be undone, such as sending a mail.
///
/// They write by the connection that they are given and no other: another would wait for the transaction that waits for it.
///
/// [`after_commit`](Self::after_commit) runs once the change holds.
///
/// ```
/// use vestibule_sql::{AccountHooks, Connection, HookError, Id, async_trait};
/// use vestibule::models::User;
///
/// struct Profiles;
///
/// #[async_trait]
/// impl AccountHooks for Profiles {
///     async fn created(&self, user: &User, connection: &mut Connection) -> Result<(), HookError> {
///         if !user.email.as_str().ends_with("@example.com") {
///             return Err(HookError::refuse("Sign up with your address at example.com.").about("email"));
///         }
///         connection.write("INSERT INTO profiles (user_id) VALUES ($1)").bind(Id(user.id.as_uuid())).execute().await?;
///         Ok(())
///     }
/// }
/// ```
#[async_trait]
pub trait AccountHooks: Send + Sync + 'static {
    /// A user is being made. Their row is there already, so rows of the application may refer to it.
    async fn created(&self, _user: &User, _connection: &mut Connection) -> Result<(), HookError> {
        Ok(())
    }

    /// The address of a user becomes known to be theirs. Comes right after `created` where it was known before.
    async fn confirmed(&self, _user: &User, _connection: &mut Connection) -> Result<(), HookError> {
        Ok(())
    }

    /// A user is being deleted. Their row and what refers to it are still there, to be read.
    async fn deleted(&self, _user: &User, _connection: &mut Connection) -> Result<(), HookError> {
        Ok(())
    }

    /// A change holds. It is told at most once, and not at all where the process ends in between: for what must not be lost, write a row
    /// of an outbox in the methods above, and work it off. Who asked for the change waits until this returns, so start a task for what
    /// takes long. It cannot refuse any more, and a panic here is noted and undoes nothing.
    async fn after_commit(&self, _event: &AccountEvent) {}
}

/// Why a hook does not let a change happen.
#[derive(Debug)]
pub struct HookError(Kind);

#[derive(Debug)]
enum Kind {
    Refused(Refusal),
    Failed(Box<dyn std::error::Error + Send + Sync>),
}

impl HookError {
    /// The application does not want it, for a reason that is told to who asked: a sentence for people.
    pub fn refuse(message: impl Into<String>) -> Self {
        Self(Kind::Refused(Refusal { message: message.into(), field: None }))
    }

    /// Says which field of the form the refusal is about, such as `email` or `name`: the reason is shown beside it.
    #[must_use]
    pub fn about(self, field: &'static str) -> Self {
        match self.0 {
            Kind::Refused(refusal) => Self(Kind::Refused(Refusal { field: Some(field), ..refusal })),
            failed @ Kind::Failed(_) => Self(failed),
        }
    }
}

/// Everything else is a failure: it is logged, and who asked is told that something went wrong.
impl<E: std::error::Error + Send + Sync + 'static> From<E> for HookError {
    fn from(error: E) -> Self {
        Self(Kind::Failed(Box::new(error)))
    }
}

impl From<HookError> for StoreError {
    fn from(error: HookError) -> Self {
        match error.0 {
            Kind::Refused(refusal) => Self::refused(refusal),
            Kind::Failed(source) => {
                let is_unavailable = source.downcast_ref::<Self>().is_some_and(Self::is_unavailable);
                // Never a conflict: that is what a service takes for an address that somebody has.
                let failure = if is_unavailable { StoreFailure::Unavailable } else { StoreFailure::Broken };
                Self::of(failure, "a hook of the application failed", source)
            }
        }
    }
}

/// The hooks of an application.
pub(crate) type Hooks = Arc<[Arc<dyn AccountHooks>]>;

/// A change that hooks are to be told of was asked for where nothing could be undone.
#[derive(Debug, thiserror::Error)]
#[error("hooks run in a transaction, and this connection has none: begin one")]
struct NoTransaction;

/// A transaction was to be committed in which a hook did not let a change happen.
#[derive(Debug, thiserror::Error)]
#[error("a hook of the application did not let a change of this transaction happen")]
pub(crate) struct RefusedByHook;

/// The statement of `lock_user`. SQLite has one writer at a time and no such clause.
macro_rules! lock_user {
    ($lock:literal) => {
        concat!(
            "SELECT
                id AS user_id, email, name, is_email_verified, role, is_disabled,
                created_at AS user_created_at, updated_at AS user_updated_at
            FROM users
            WHERE id = $1 AND ($2 IS NULL OR password_hash = $2) ",
            $lock
        )
    };
}

impl Connection {
    /// Whether hooks are to be told of changes. An error where there are some and no transaction: nothing was changed yet.
    pub(crate) fn tells_hooks(&self) -> Result<bool, StoreError> {
        match (self.hooks().is_some(), self.is_transaction()) {
            (true, false) => {
                Err(StoreError::new("the hooks of the application cannot be told", NoTransaction))
            }
            (has_hooks, _) => Ok(has_hooks),
        }
    }

    /// A user as they are before a change, for hooks to be told of it; nobody else changes them until the transaction ends. Asks
    /// nothing where there are no hooks.
    pub(crate) async fn lock_for_hooks(
        &mut self,
        user: UserId,
        password_hash: Option<&str>,
    ) -> Result<Option<User>, StoreError> {
        if !self.tells_hooks()? {
            return Ok(None);
        }
        let sql = if self.has_row_locks() { lock_user!("FOR UPDATE") } else { lock_user!("") };
        let statement = self.write(sql).bind(Id(user.as_uuid())).bind(password_hash.map(str::to_owned));
        let row: Option<UserRow> = statement.optional().await?;
        Ok(row.map(User::try_from).transpose()?)
    }

    /// Runs the hooks of the transaction, and notes the event for when it is committed.
    pub(crate) async fn tell_hooks(&mut self, event: AccountEvent) -> Result<(), StoreError> {
        if !self.tells_hooks()? {
            return Ok(());
        }
        // What a hook changes of accounts by this connection is its own doing, and told to none.
        let Some(hooks) = self.take_hooks() else { return Ok(()) };
        let mut outcome = Ok(());
        for hook in hooks.iter() {
            outcome = match &event {
                AccountEvent::Created(user) => hook.created(user, self).await,
                AccountEvent::Confirmed(user) => hook.confirmed(user, self).await,
                AccountEvent::Deleted(user) => hook.deleted(user, self).await,
            };
            if outcome.is_err() {
                break;
            }
        }
        match outcome {
            Ok(()) => self.note_event(hooks, event),
            Err(_) => self.refuse_commit(),
        }
        Ok(outcome?)
    }
}

/// Tells that changes hold. In a task of its own, which comes to its end also where the request is given up meanwhile.
pub(crate) async fn tell_committed(hooks: Hooks, events: Vec<AccountEvent>) {
    let told = tokio::spawn(async move {
        for event in &events {
            for hook in hooks.iter() {
                hook.after_commit(event).await;
            }
        }
    });
    if told.await.is_err() {
        tracing::error!(
            "a hook of the application panicked after a commit, and those after it were not told"
        );
    }
}
