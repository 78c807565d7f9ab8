//! What becomes of a request: pass, wait or refuse.

pub mod kind;
