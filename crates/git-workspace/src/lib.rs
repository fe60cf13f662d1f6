//! git-workspace
