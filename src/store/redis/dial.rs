//! Making a connection: to one server, to a cluster, or to whom the sentinels name.
//!
//! Every step has a limit of its own, so that one dead node can't use up the time of all.

use super::target::Target;
use redis::aio::MultiplexedConnection;
use redis::cluster::ClusterClientBuilder;
use redis::cluster_async::ClusterConnection;
use redis::io::tcp::TcpSettings;
use redis::{
    AsyncConnectionConfig, Client, Cmd, ConnectionAddr, ConnectionInfo, ErrorKind, IntoConnectionInfo,
    RedisConnectionInfo, RedisResult, TlsCertificates, Value,
};
use std::io;
use std::time::Duration;

/// One server has to take a connection within this.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(1);
/// All of it, whatever has to be asked on the way.
const DIAL_TIMEOUT: Duration = Duration::from_secs(4);
/// What was sent and isn't acknowledged after this breaks the connection.
const USER_TIMEOUT: Duration = Duration::from_secs(5);
/// Requests that may wait for the socket at the same time.
const PIPELINE: usize = 1024;

/// Host and port.
pub type Address = (String, u16);

/// An open connection, shared by all tasks.
#[derive(Clone)]
pub enum Link {
    Direct(MultiplexedConnection),
    Cluster(ClusterConnection),
}

impl Link {
    pub async fn send(&self, command: &Cmd) -> RedisResult<Value> {
        match self.clone() {
            Self::Direct(mut connection) => command.query_async(&mut connection).await,
            Self::Cluster(mut connection) => command.query_async(&mut connection).await,
        }
    }
}

/// Connects; behind sentinels with the address that they named. `timeout`: how long a cluster's node may take to answer one
/// request.
pub async fn dial(target: &Target, timeout: Duration) -> RedisResult<(Link, Option<Address>)> {
    let connecting = async {
        match target {
            Target::Single { node, ca } => Ok((direct(node.clone(), ca.as_deref()).await?, None)),
            Target::Cluster { nodes, ca } => Ok((cluster(nodes, ca.as_deref(), timeout).await?, None)),
            Target::Sentinel { nodes, master, login, tls, ca } => {
                let primary = Primary { master, login, tls: *tls, ca: ca.as_deref() };
                primary.find(nodes).await.map(|(link, address)| (link, Some(address)))
            }
        }
    };
    within(DIAL_TIMEOUT, connecting).await
}

/// Whom the sentinels name now; `None` where there are none, or where none of them answers.
pub async fn primary(target: &Target) -> Option<Address> {
    let Target::Sentinel { nodes, master, login, tls, ca } = target else { return None };
    let primary = Primary { master, login, tls: *tls, ca: ca.as_deref() };
    for sentinel in nodes {
        if let Ok(Ok(address)) = tokio::time::timeout(CONNECT_TIMEOUT, primary.address_by(sentinel)).await {
            return Some(address);
        }
    }
    None
}

async fn direct(node: ConnectionInfo, ca: Option<&[u8]>) -> RedisResult<Link> {
    let config = AsyncConnectionConfig::new()
        .set_connection_timeout(Some(CONNECT_TIMEOUT))
        .set_response_timeout(None) // `Connection` has the deadline
        .set_pipeline_buffer_size(PIPELINE);
    let client = client(node.set_tcp_settings(tcp()), ca)?;
    Ok(Link::Direct(client.get_multiplexed_async_connection_with_config(&config).await?))
}

fn client(node: ConnectionInfo, ca: Option<&[u8]>) -> RedisResult<Client> {
    if matches!(node.addr(), ConnectionAddr::TcpTls { .. }) {
        choose_crypto();
    }
    match ca {
        None => Client::open(node),
        Some(ca) => Client::build_with_tls(node, certificates(ca)),
    }
}

/// The driver takes the process's provider, and there may be several to choose from: the first to say wins.
fn choose_crypto() {
    let _already_chosen = rustls::crypto::ring::default_provider().install_default();
}

fn certificates(ca: &[u8]) -> TlsCertificates {
    TlsCertificates { client_tls: None, root_cert: Some(ca.to_vec()) }
}

fn tcp() -> TcpSettings {
    let settings = TcpSettings::default().set_nodelay(true);
    let keepalive = redis::io::tcp::socket2::TcpKeepalive::new().with_time(Duration::from_secs(15));
    let settings = settings.set_keepalive(keepalive.with_interval(Duration::from_secs(5)));
    #[cfg(target_os = "linux")]
    let settings = settings.set_user_timeout(USER_TIMEOUT);
    settings
}

/// The driver follows moves and finds new primaries by itself, within these bounds.
async fn cluster(nodes: &[ConnectionInfo], ca: Option<&[u8]>, timeout: Duration) -> RedisResult<Link> {
    choose_crypto();
    let mut builder = ClusterClientBuilder::new(nodes.to_vec())
        .retries(2)
        .min_retry_wait(20)
        .max_retry_wait(100)
        .connection_timeout(CONNECT_TIMEOUT)
        .response_timeout(timeout)
        .tcp_settings(tcp());
    if let Some(ca) = ca {
        builder = builder.certs(certificates(ca));
    }
    Ok(Link::Cluster(builder.build()?.get_async_connection().await?))
}

/// The primary that sentinels watch over.
struct Primary<'a> {
    master: &'a str,
    login: &'a RedisConnectionInfo,
    tls: bool,
    ca: Option<&'a [u8]>,
}

impl Primary<'_> {
    /// Asks one sentinel after the other, until one names a server that says itself that it is the primary.
    async fn find(&self, sentinels: &[ConnectionInfo]) -> RedisResult<(Link, Address)> {
        let mut last = Err(io::Error::from(io::ErrorKind::NotConnected).into());
        for sentinel in sentinels {
            last = self.named_by(sentinel).await;
            if last.is_ok() {
                break;
            }
        }
        last
    }

    async fn named_by(&self, sentinel: &ConnectionInfo) -> RedisResult<(Link, Address)> {
        let address = self.address_by(sentinel).await?;
        Ok((self.connect(address.clone()).await?, address))
    }

    async fn address_by(&self, sentinel: &ConnectionInfo) -> RedisResult<Address> {
        let sentinel = direct(sentinel.clone(), self.ca).await?;
        let mut question = redis::cmd("SENTINEL");
        question.arg("GET-MASTER-ADDR-BY-NAME").arg(self.master);
        let answer = within(CONNECT_TIMEOUT, sentinel.send(&question)).await?;
        redis::from_redis_value::<Option<Address>>(answer)?
            .ok_or_else(|| (ErrorKind::MasterNameNotFoundBySentinel, "no such master").into())
    }

    async fn connect(&self, (host, port): Address) -> RedisResult<Link> {
        let address = match self.tls {
            false => ConnectionAddr::Tcp(host, port),
            true => ConnectionAddr::TcpTls { host, port, insecure: false, tls_params: None },
        };
        let link = direct(address.into_connection_info()?.set_redis_settings(self.login.clone()), self.ca).await?;
        match within(CONNECT_TIMEOUT, link.send(&redis::cmd("ROLE"))).await? {
            Value::Array(role) if role.first() == Some(&Value::BulkString(b"master".to_vec())) => Ok(link),
            _ => Err(io::Error::from(io::ErrorKind::NotConnected).into()),
        }
    }
}

async fn within<T>(limit: Duration, work: impl Future<Output = RedisResult<T>>) -> RedisResult<T> {
    tokio::time::timeout(limit, work).await.unwrap_or_else(|_| Err(io::Error::from(io::ErrorKind::TimedOut).into()))
}
