use std::collections::BTreeMap;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::{OwnedSemaphorePermit, Semaphore, watch};
use vestibule::models::Client;
use vestibule_web::TrustedProxies;

/// The part of all connections that one address may have: a fourth.
const SHARE_OF_ONE_ADDRESS: usize = 4;

/// How many connections are held at once.
#[derive(Debug, Clone)]
pub(crate) struct Limits {
    /// All together.
    pub connections: usize,
    /// From one address, or one /64 of IPv6.
    pub of_one_address: usize,
    /// Who may have all: everybody comes through them.
    pub exempt: TrustedProxies,
}

impl Limits {
    /// So many in all.
    pub(crate) fn new(connections: usize, exempt: TrustedProxies) -> Self {
        Self { connections, of_one_address: (connections / SHARE_OF_ONE_ADDRESS).max(1), exempt }
    }
}

/// The places that there are. When all are taken, the next connection waits in the system's queue, and whoever is idle is
/// asked to leave: a browser opens another connection when it needs one, and who only holds on gets nowhere.
pub(crate) struct Places {
    free: Arc<Semaphore>,
    shared: Arc<Shared>,
    is_crowded: watch::Sender<bool>,
}

struct Shared {
    limits: Limits,
    by_address: Mutex<BTreeMap<String, usize>>,
}

/// A place that is taken until it is dropped.
pub(super) struct Place {
    shared: Arc<Shared>,
    network: Option<String>,
    crowd: watch::Receiver<bool>,
    _permit: OwnedSemaphorePermit,
}

impl Places {
    pub(crate) fn new(limits: Limits) -> Self {
        let free = Arc::new(Semaphore::new(limits.connections));
        let shared = Shared { limits, by_address: Mutex::default() };
        Self { free, shared: Arc::new(shared), is_crowded: watch::Sender::new(false) }
    }

    /// Waits for a place.
    pub(super) async fn take(&self) -> Place {
        let permit = if let Ok(permit) = Arc::clone(&self.free).try_acquire_owned() {
            self.is_crowded.send_if_modified(std::mem::take);
            permit
        } else {
            self.tell_that_it_is_crowded();
            let permit = Arc::clone(&self.free).acquire_owned().await;
            permit.expect("the semaphore lives as long as the door and is never closed")
        };
        Place {
            shared: Arc::clone(&self.shared),
            network: None,
            crowd: self.is_crowded.subscribe(),
            _permit: permit,
        }
    }

    /// Whether nobody has a place.
    #[cfg(test)]
    pub(super) fn is_empty(&self) -> bool {
        let nobody = self.shared.by_address.lock().unwrap_or_else(PoisonError::into_inner).is_empty();
        nobody && self.free.available_permits() == self.shared.limits.connections
    }

    /// Asks those who are idle to leave.
    pub(super) fn tell_that_it_is_crowded(&self) {
        let was_crowded = self.is_crowded.send_replace(true);
        if !was_crowded {
            let connections = self.shared.limits.connections;
            tracing::warn!(connections, "as many connections as there may be: more wait");
        }
    }
}

impl Place {
    /// Counts it for an address; `None` where that has as many as it may.
    pub(super) fn for_address(mut self, ip: IpAddr) -> Option<Self> {
        if self.shared.limits.exempt.contains(ip) {
            return Some(self);
        }
        let network = Client::new(Some(ip), None).network()?;
        {
            let mut by_address = self.shared.by_address.lock().unwrap_or_else(PoisonError::into_inner);
            let count = by_address.entry(network.clone()).or_default();
            if *count >= self.shared.limits.of_one_address {
                return None;
            }
            *count += 1;
        }
        self.network = Some(network);
        Some(self)
    }

    /// Whether others wait for a place.
    pub(super) fn crowd(&self) -> watch::Receiver<bool> {
        self.crowd.clone()
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let Some(network) = self.network.take() else { return };
        let mut by_address = self.shared.by_address.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(count) = by_address.get_mut(&network) {
            *count -= 1;
            if *count == 0 {
                by_address.remove(&network);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn places(connections: usize) -> Places {
        Places::new(Limits::new(connections, "10.0.0.0/8".parse().unwrap()))
    }

    #[tokio::test]
    async fn one_address_gets_a_fourth_and_a_trusted_proxy_all() {
        let places = places(8);
        let ip = |text: &str| text.parse::<IpAddr>().unwrap();
        let taken: Vec<_> = [places.take().await, places.take().await]
            .map(|place| place.for_address(ip("2001:db8::1")).unwrap())
            .into();
        assert!(places.take().await.for_address(ip("2001:db8::ffff:2")).is_none(), "the same household");
        let other = places.take().await.for_address(ip("192.0.2.7"));
        assert!(other.is_some());
        drop(taken);
        assert!(places.take().await.for_address(ip("2001:db8::3")).is_some());
        drop(other);
        let mut of_proxy = Vec::new();
        for _ in 0..8 {
            of_proxy.push(places.take().await.for_address(ip("::ffff:10.0.0.1")).unwrap());
        }
        assert_eq!(of_proxy.len(), 8);
    }

    #[tokio::test]
    async fn a_refused_or_left_place_is_free_for_the_next_and_nothing_is_kept_of_it() {
        let places = places(4);
        for _ in 0..100 {
            let first = places.take().await.for_address("192.0.2.7".parse().unwrap());
            assert!(first.is_some());
            assert!(places.take().await.for_address("192.0.2.7".parse().unwrap()).is_none());
        }
        assert!(places.is_empty());
    }

    #[tokio::test]
    async fn who_waits_gets_the_next_place_and_the_others_hear_of_it() {
        let places = places(1);
        let only = places.take().await;
        let crowd = only.crowd();
        let waiting = places.take();
        let mut waiting = std::pin::pin!(waiting);
        assert!(tokio::time::timeout(std::time::Duration::from_millis(20), waiting.as_mut()).await.is_err());
        assert!(*crowd.borrow());
        drop(only);
        drop(waiting.await);
        drop(places.take().await);
        assert!(!*crowd.borrow());
    }
}
