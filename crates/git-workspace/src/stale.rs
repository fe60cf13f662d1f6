//! What killed processes leave behind.

use std::fs;
use std::path::Path;
use std::time::Duration;

/// Nothing temporary is in use for this long.
const STALE: Duration = Duration::from_hours(24);

/// Removes entries of `folder` whose name is `unfinished` and that nobody touched for a day.
///
/// What cannot be removed costs space only, and the next time tries again.
pub(crate) fn remove(folder: &Path, unfinished: impl Fn(&str) -> bool) {
    let Ok(entries) = fs::read_dir(folder) else { return };
    for entry in entries.flatten() {
        let Ok(meta) = entry.metadata() else { continue };
        let age = meta.modified().ok().and_then(|at| at.elapsed().ok());
        let old = age.is_some_and(|age| age > STALE);
        if old && unfinished(&entry.file_name().to_string_lossy()) {
            let removed = if meta.is_dir() {
                fs::remove_dir_all(entry.path())
            } else {
                fs::remove_file(entry.path())
            };
            if let Err(error) = removed {
                tracing::warn!(%error, "an abandoned file could not be removed");
            }
        }
    }
}
