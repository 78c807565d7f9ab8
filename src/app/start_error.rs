//! Why the program doesn't start, in words and as an exit code.

use crate::store::OpenError;

/// Why the program can't start, or a reload was refused.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{}", .lines.join("\n"))]
pub struct StartError {
    /// One line each.
    pub lines: Vec<String>,
    /// Nothing is wrong with the configuration: another process has what this one needs, and may let it go.
    pub is_busy: bool,
}

impl StartError {
    /// Something is wrong, said in these lines.
    pub fn new(lines: Vec<String>) -> Self {
        Self { lines, is_busy: false }
    }

    pub(super) fn one(line: impl Into<String>) -> Self {
        Self::new(vec![line.into()])
    }
}

impl From<OpenError> for StartError {
    fn from(error: OpenError) -> Self {
        let is_busy = matches!(error, OpenError::InUse(_));
        Self { is_busy, ..Self::one(format!("server.state_dir: {error}")) }
    }
}
