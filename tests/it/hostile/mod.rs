//! Hostile clients and networks: each test is named after its case where there is one.

mod floods;
mod proxy_protocol;
