//! `gatekeeper demo`.
use crate::app::StartError;
pub fn run(_listen: std::net::SocketAddr) -> Result<(), StartError> {
    Ok(())
}
