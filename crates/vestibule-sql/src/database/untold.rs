use std::sync::Arc;

use vestibule::{Changed, SessionCache};

use super::Engine;

/// Changes that the cache is still to be told of.
///
/// Dropped before that, the request was given up (somebody closed the page) while the database was at it, which goes on all the same.
pub(super) struct Untold {
    pub(super) cache: Option<Arc<SessionCache>>,
    pub(super) changed: Vec<Changed>,
    pub(super) engine: Engine,
}

impl Untold {
    /// The database has answered, or failed: then too, as the answer may have been lost and not the change.
    pub(super) fn tell(mut self) {
        self.tell_all();
    }

    fn tell_all(&mut self) {
        if let Some(cache) = &self.cache {
            for changed in self.changed.drain(..) {
                cache.forget(changed);
            }
        }
    }
}

impl Drop for Untold {
    fn drop(&mut self) {
        if self.changed.is_empty() {
            return;
        }
        match (self.engine, &self.cache) {
            // Nobody tells of it when it holds, and a check could read what was before until then. So nothing is remembered until
            // the one writing connection answers again, which is after that.
            (Engine::Sqlite, Some(cache)) => cache.lost_track(),
            // A trigger tells of it.
            (Engine::Postgres, _) => self.tell_all(),
            (Engine::Sqlite, None) => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn where_a_change_was_given_up_nothing_is_trusted_unless_somebody_tells_of_it() {
        let cache = Arc::new(SessionCache::new(10));
        let trust = || cache.knows_all_until(cache.moment());
        let untold = |engine| Untold {
            cache: Some(Arc::clone(&cache)),
            changed: vec![Changed::Session([7; 32].into())],
            engine,
        };
        trust();
        untold(Engine::Sqlite).tell();
        assert!(cache.state().is_trusted, "it was told");
        drop(untold(Engine::Postgres));
        assert!(cache.state().is_trusted, "a trigger tells of it");
        drop(untold(Engine::Sqlite));
        assert!(!cache.state().is_trusted);
    }
}
