//! The origins of each site: their addresses, their health, and whose turn it is.

use super::names::{Change, Lookups, Names};
use super::tunnel::Tunnel;
use crate::config::{Config, HostPattern, Origin, Site};
use crate::telemetry::metrics::Metrics;
use arc_swap::ArcSwap;
use pingora::lb::health_check::{HealthCheck, HttpHealthCheck, TcpHealthCheck};
use pingora::lb::selection::RoundRobin;
use pingora::lb::{Backend, Backends, LoadBalancer};
use pingora::prelude::HttpPeer;
use pingora::{Error, ErrorType, Result};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::watch;

/// Names are looked up again so often.
const RESOLVE_EVERY_SECONDS: u64 = 10;
/// A connection to an origin that lies idle for longer is closed.
const IDLE: Duration = Duration::from_secs(60);
/// What can't be written for so long is given up.
const WRITE: Duration = Duration::from_secs(30);

/// Looking names up may hold up a reload for so long.
const RESOLVE: Duration = Duration::from_secs(5);

/// Keeps the connections of [`Tunnel`] apart from those that are shared.
const TUNNELS: u64 = 1;

/// One site's origins.
struct Pool {
    site: Site,
    balancer: Arc<LoadBalancer<RoundRobin>>,
    lookups: Arc<Lookups>,
}

/// The pools of a configuration, ready to take requests.
pub struct Prepared(Vec<Arc<Pool>>);

/// The origins of all sites, in the order of the configuration.
pub struct Origins {
    pools: ArcSwap<Vec<Arc<Pool>>>,
    metrics: Arc<Metrics>,
}

impl Origins {
    /// Of a process that begins: nothing is known until [`Origins::keep`] had its first look.
    pub fn new(config: &Config, metrics: Arc<Metrics>) -> Self {
        let pools = config.sites.iter().map(|site| Arc::new(Pool::new(site))).collect();
        Self { pools: ArcSwap::from_pointee(pools), metrics }
    }

    /// Makes what another configuration needs, while requests go on with what there is. Origins that stay keep what is known
    /// of their health; new ones are looked up.
    ///
    /// # Errors
    /// A name can't be looked up; the text says of which site.
    pub async fn prepare(&self, config: &Config) -> std::result::Result<Prepared, String> {
        let current = self.pools.load_full();
        let mut pools = Vec::new();
        for site in &config.sites {
            let same = |pool: &&Arc<Pool>| pool.site.origins == site.origins && pool.site.health == site.health;
            if let Some(known) = current.iter().find(same) {
                let (balancer, lookups) = (Arc::clone(&known.balancer), Arc::clone(&known.lookups));
                pools.push(Arc::new(Pool { site: site.clone(), balancer, lookups }));
                continue;
            }
            let pool = Pool::new(site);
            let found = tokio::time::timeout(RESOLVE, pool.balancer.update()).await;
            let problem = match found {
                Ok(Ok(())) => None,
                Ok(Err(_)) => Some(pool.lookups.complaint()),
                Err(_) => Some(format!("nothing came in {} s", RESOLVE.as_secs())),
            };
            if let Some(problem) = problem {
                return Err(format!("sites[{}].origins: no address can be found: {problem}", site_name(site)));
            }
            pool.balancer.backends().run_health_check(true).await;
            pools.push(Arc::new(pool));
        }
        Ok(Prepared(pools))
    }

    /// Takes over what was prepared.
    pub fn adopt(&self, prepared: Prepared) {
        let old = self.pools.swap(Arc::new(prepared.0));
        for pool in old.iter() {
            for origin in &pool.site.origins {
                self.metrics.forget_origin(&site_name(&pool.site), &origin.to_string());
            }
        }
        self.pools.load().iter().for_each(|pool| self.report(pool));
    }

    /// A healthy origin of a site, as a peer to connect to. A request that began before a reload asks for a site as it was
    /// then: it goes to the same origins, or to those that the site's hosts have now.
    pub fn choose(&self, site: &Site, is_upgrade: bool) -> Result<HttpPeer> {
        let pools = self.pools.load();
        let pool = pools.iter().find(|pool| pool.site.hosts == site.hosts && pool.site.origins == site.origins);
        let pool = pool.or_else(|| pools.iter().find(|pool| pool.site.hosts == site.hosts));
        let pool = pool.ok_or_else(|| Error::new(ErrorType::HTTPStatus(502)))?;
        let mut peer = pool.healthy().ok_or_else(|| Error::new(ErrorType::HTTPStatus(502)))?;
        peer.options.connection_timeout = Some(Duration::from_secs(site.connect_seconds));
        peer.options.total_connection_timeout = Some(Duration::from_secs(site.connect_seconds * 2));
        let read = if is_upgrade { site.upgrade_read_seconds } else { site.read_seconds };
        peer.options.read_timeout = Some(Duration::from_secs(read));
        peer.options.write_timeout = Some(WRITE);
        peer.options.idle_timeout = Some(IDLE);
        if is_upgrade {
            peer.options.custom_l4 = Some(Arc::new(Tunnel { within: Duration::from_secs(site.connect_seconds) }));
            peer.group_key = TUNNELS;
        }
        Ok(peer)
    }

    /// Whether every site has an origin that answers.
    pub fn are_healthy(&self) -> bool {
        self.pools.load().iter().all(|pool| pool.balancer.select(b"", 64).is_some())
    }

    /// Looks names up and checks health until `stop` says so.
    pub async fn keep(&self, mut stop: watch::Receiver<bool>) {
        let mut second = tokio::time::interval(Duration::from_secs(1));
        let mut passed: u64 = 0;
        let mut seen: Vec<Arc<Pool>> = Vec::new();
        loop {
            tokio::select! {
                _ = second.tick() => {}
                _ = async { let _ = stop.wait_for(|stop| *stop).await; } => return,
            }
            let pools = self.pools.load_full();
            for pool in pools.iter() {
                let is_new = !seen.iter().any(|known| Arc::ptr_eq(known, pool));
                if is_new || passed.is_multiple_of(RESOLVE_EVERY_SECONDS) {
                    let _ = pool.balancer.update().await; // its error says less than the look-ups do
                    self.tell(pool);
                }
                if is_new || passed.is_multiple_of(pool.site.health.interval_seconds.max(1)) {
                    pool.balancer.backends().run_health_check(true).await;
                    self.report(pool);
                }
            }
            seen.clone_from(&pools);
            passed += 1;
        }
    }

    /// Says which names were lost, and which are back.
    fn tell(&self, pool: &Pool) {
        let site = site_name(&pool.site);
        for change in pool.lookups.changes() {
            match change {
                Change::Lost { origin, reason } => {
                    tracing::warn!(site, origin, error = reason, "an origin's name can't be looked up");
                    if !pool.balancer.backends().get_backend().iter().any(|backend| name_of(backend) == origin) {
                        self.metrics.origin_up(&site, &origin).set(0);
                    }
                }
                Change::Found { origin } => tracing::info!(site, origin, "an origin's name can be looked up again"),
            }
        }
    }

    fn report(&self, pool: &Pool) {
        let name = site_name(&pool.site);
        for backend in pool.balancer.backends().get_backend().iter() {
            let up = pool.balancer.backends().ready(backend);
            self.metrics.origin_up(&name, &name_of(backend)).set(i64::from(up));
        }
    }
}

/// To be connected to; the name is for TLS alone.
fn peer_of(backend: &Backend) -> HttpPeer {
    let origin = backend.ext.get::<Arc<Origin>>().filter(|origin| origin.tls);
    HttpPeer::new(backend.addr.clone(), origin.is_some(), origin.map_or_else(String::new, |it| it.host.clone()))
}

fn name_of(backend: &Backend) -> String {
    backend.ext.get::<Arc<Origin>>().map_or_else(|| backend.addr.to_string(), ToString::to_string)
}

/// A site's name in the metrics: its first host.
pub fn site_name(site: &Site) -> String {
    match site.hosts.first() {
        Some(HostPattern::Exact(host)) => host.clone(),
        Some(HostPattern::Any) | None => "*".to_owned(),
    }
}

impl Pool {
    /// An origin that is well, the next one in turn. Where there is only one, nothing is selected: that would copy it, and
    /// take note of those that were looked at.
    fn healthy(&self) -> Option<HttpPeer> {
        let backends = self.balancer.backends();
        let all = backends.get_backend();
        match all.first().filter(|_| all.len() == 1) {
            Some(only) => backends.ready(only).then(|| peer_of(only)),
            None => self.balancer.select(b"", 64).map(|backend| peer_of(&backend)),
        }
    }

    fn new(site: &Site) -> Self {
        let (names, lookups) = Names::of(&site.origins);
        let mut backends = Backends::new(Box::new(names));
        backends.set_health_check(health_check(site));
        Self { site: site.clone(), balancer: Arc::new(LoadBalancer::from_backends(backends)), lookups }
    }
}

fn health_check(site: &Site) -> Box<dyn HealthCheck + Send + Sync> {
    let failures = usize::try_from(site.health.failures).unwrap_or(1).max(1);
    let Some(path) = &site.health.path else {
        let mut check = TcpHealthCheck::new();
        check.consecutive_failure = failures;
        return check;
    };
    let host = site.origins.first().map(|origin| origin.host.clone()).unwrap_or_default();
    let is_tls = site.origins.first().is_some_and(|origin| origin.tls);
    let mut check = HttpHealthCheck::new(&host, is_tls);
    check.consecutive_failure = failures;
    check.validator = Some(Box::new(|answer| match answer.status.as_u16() {
        200..=399 => Ok(()),
        status => Error::e_explain(ErrorType::CustomCode("unhealthy", status), "health check"),
    }));
    if let Ok(uri) = path.parse() {
        check.req.set_uri(uri);
    }
    Box::new(check)
}
