//! What a fuzzer's process does before its first input.

use std::panic::PanicHookInfo;
use std::path::PathBuf;

/// Names a folder that [`prepare`] fills with the target's seeds.
const SEEDS_VARIABLE: &str = "ELOHIM_FUZZ_SEEDS";

/// Sources of a library whose panics the product catches on purpose.
const CAUGHT: [&str; 2] = ["/cel-", "/antlr4rust-"];

/// Writes the seeds where the environment says, and ends the process at the first panic,
/// also of a task or thread that would otherwise end alone. Panics that the product catches
/// are let through to where they are caught.
pub fn prepare(name: &str) {
    let shown = std::panic::take_hook();
    std::panic::set_hook(Box::new(move |panic| {
        if !is_caught(panic) {
            shown(panic);
            std::process::abort();
        }
    }));
    let (Some(folder), Some(target)) = (std::env::var_os(SEEDS_VARIABLE), crate::target(name))
    else {
        return;
    };
    let folder = PathBuf::from(folder);
    for (at, seed) in (target.seeds)().iter().enumerate() {
        let file = folder.join(format!("seed-{at:04}"));
        assert!(std::fs::write(&file, seed).is_ok(), "cannot write {}", file.display());
    }
}

fn is_caught(panic: &PanicHookInfo<'_>) -> bool {
    let place = panic.location().map_or("", |location| location.file());
    CAUGHT.iter().any(|source| place.contains(source))
}
