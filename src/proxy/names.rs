//! The names of origins, looked up without blocking anybody, and what is said of those that can't be.
//!
//! A name that can't be looked up has no addresses: its origin gets no requests, as long as another one has some. Where none
//! has, pingora goes on with the addresses that it knew. Each name is told once when it is lost and once when it is back.

use crate::config::Origin;
use async_trait::async_trait;
use pingora::lb::Backend;
use pingora::lb::discovery::ServiceDiscovery;
use pingora::{Error, ErrorType, Result};
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// Of one site.
pub struct Names {
    /// Shared: a backend is copied for each request.
    origins: Vec<Arc<Origin>>,
    lookups: Arc<Lookups>,
}

/// How the last look-ups ended. Nothing is held across an await.
#[derive(Debug, Default)]
pub struct Lookups(Mutex<Known>);

#[derive(Debug, Default)]
struct Known {
    /// Origins without an address, and why.
    lost: BTreeMap<String, String>,
    /// Those of them that were told.
    told: BTreeSet<String>,
}

/// What is to be told of an origin.
#[derive(Debug, PartialEq, Eq)]
pub enum Change {
    Lost { origin: String, reason: String },
    Found { origin: String },
}

impl Names {
    pub fn of(origins: &[Origin]) -> (Self, Arc<Lookups>) {
        let lookups = Arc::<Lookups>::default();
        let origins = origins.iter().cloned().map(Arc::new).collect();
        (Self { origins, lookups: Arc::clone(&lookups) }, lookups)
    }
}

#[async_trait]
impl ServiceDiscovery for Names {
    async fn discover(&self) -> Result<(BTreeSet<Backend>, HashMap<u64, bool>)> {
        let (mut found, mut lost) = (BTreeSet::new(), BTreeMap::new());
        for origin in &self.origins {
            let host = origin.host.trim_start_matches('[').trim_end_matches(']');
            let addresses = match tokio::net::lookup_host((host, origin.port)).await {
                Ok(addresses) => addresses,
                Err(error) => {
                    lost.insert(origin.to_string(), error.to_string());
                    continue;
                }
            };
            for address in addresses {
                let mut backend = Backend::new(&address.to_string())?;
                backend.ext.insert(Arc::clone(origin));
                found.insert(backend);
            }
        }
        self.lookups.ended(lost);
        if found.is_empty() {
            return Error::e_explain(ErrorType::InternalError, "no address");
        }
        Ok((found, HashMap::new()))
    }
}

impl Lookups {
    /// What is different since this was asked last.
    pub fn changes(&self) -> Vec<Change> {
        let mut known = self.lock();
        let Known { lost, told } = &mut *known;
        let back: Vec<String> = told.iter().filter(|origin| !lost.contains_key(*origin)).cloned().collect();
        told.retain(|origin| lost.contains_key(origin));
        let new = lost.iter().filter(|(origin, _)| told.insert((*origin).clone()));
        let new = new.map(|(origin, reason)| Change::Lost { origin: origin.clone(), reason: reason.clone() });
        new.chain(back.into_iter().map(|origin| Change::Found { origin })).collect()
    }

    /// Every origin without an address, and why: `shop.test:80: …; other.test:80: …`.
    pub fn complaint(&self) -> String {
        let known = self.lock();
        known.lost.iter().map(|(origin, reason)| format!("{origin}: {reason}")).collect::<Vec<_>>().join("; ")
    }

    fn ended(&self, lost: BTreeMap<String, String>) {
        self.lock().lost = lost;
    }

    fn lock(&self) -> MutexGuard<'_, Known> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_told_once_when_it_is_lost_and_once_when_it_is_back() {
        let lookups = Lookups::default();
        let after = |lost: &[(&str, &str)]| {
            lookups.ended(lost.iter().map(|(origin, why)| ((*origin).to_owned(), (*why).to_owned())).collect());
            lookups.changes()
        };
        let lost = |origin: &str, reason: &str| Change::Lost { origin: origin.into(), reason: reason.into() };
        let found = |origin: &str| Change::Found { origin: origin.into() };
        assert_eq!(after(&[]), []);
        assert_eq!(after(&[("a:80", "unknown")]), [lost("a:80", "unknown")]);
        assert_eq!(after(&[("a:80", "unknown")]), []);
        assert_eq!(after(&[("a:80", "try again")]), [], "still lost");
        assert_eq!(after(&[("a:80", "unknown"), ("b:80", "unknown")]), [lost("b:80", "unknown")]);
        assert_eq!(lookups.complaint(), "a:80: unknown; b:80: unknown");
        assert_eq!(after(&[("b:80", "unknown")]), [found("a:80")]);
        assert_eq!(after(&[("a:80", "unknown")]), [lost("a:80", "unknown"), found("b:80")]);
    }

    #[tokio::test]
    async fn a_name_without_an_address_is_known_beside_one_that_has_some() {
        let origins = ["127.0.0.1:9000", "http://no-such-site.invalid:9000"].map(|text| Origin::parse(text).unwrap());
        let (names, lookups) = Names::of(&origins);
        let (found, _) = names.discover().await.unwrap();
        assert_eq!(found.len(), 1);
        let [Change::Lost { origin, reason }] = &lookups.changes()[..] else { panic!("one is lost") };
        assert!(origin == "no-such-site.invalid:9000" && !reason.is_empty(), "{reason}");
        let (names, lookups) = Names::of(&origins[1..]);
        assert!(names.discover().await.is_err() && lookups.complaint().starts_with("no-such-site.invalid:9000: "));
    }
}
