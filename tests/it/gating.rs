//! The gate on the way to the origin.
