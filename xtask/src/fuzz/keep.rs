//! Which inputs become part of the project.
//!
//! **Invariant:** few and small ones: the tests try them all, and everybody clones them.

use std::fs;
use std::path::PathBuf;

use anyhow::{Result, bail};

use super::Places;
use super::run::{fresh, list, logged, program};

/// Inputs of one target, and bytes of each and of all.
const INPUTS: usize = 150;
const BYTES: u64 = 4096;
const ALL_BYTES: u64 = 96 * 1024;

/// Replaces the kept inputs by the fewest that reach what all known ones reach.
pub(super) fn keeps(places: &Places, target: &str) -> Result<()> {
    let kept = places.kept(target);
    let merged = places.work.join("merged").join(target);
    fresh(&merged)?;
    let log = places.log(&format!("{target}-keep"));
    let mut command = program(places, target);
    // Which edges are reached counts, not how often: that would keep ten times as many.
    command.args(["-set_cover_merge=1", "-use_counters=0"]).arg(format!("-max_len={BYTES}"));
    command.arg(&merged).args([
        places.found(target),
        kept.clone(),
        places.work.join("seeds").join(target),
    ]);
    if !logged(&mut command, &log)?.success() {
        bail!("{target}: the inputs cannot be merged, see {}", log.display());
    }
    let mut files = Vec::new();
    for file in list(&merged)? {
        files.push((fs::metadata(&file)?.len(), file));
    }
    fresh(&kept)?;
    let chosen = chosen(files);
    for file in &chosen {
        if let Some(name) = file.file_name() {
            fs::copy(file, kept.join(name))?;
        }
    }
    eprintln!("{target}: {} inputs are kept", chosen.len());
    Ok(())
}

/// The smallest first, within the limits.
fn chosen(mut files: Vec<(u64, PathBuf)>) -> Vec<PathBuf> {
    files.sort();
    let mut left = ALL_BYTES;
    let fits = |(bytes, _): &(u64, PathBuf)| {
        let fits = *bytes <= left.min(BYTES);
        left -= if fits { *bytes } else { 0 };
        fits
    };
    files.into_iter().filter(fits).take(INPUTS).map(|(_, file)| file).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn few_and_small_inputs_are_chosen() {
        let files =
            |sizes: &[u64]| sizes.iter().map(|n| (*n, PathBuf::from(n.to_string()))).collect();
        assert_eq!(chosen(files(&[BYTES + 1, 5, 3])), [PathBuf::from("3"), PathBuf::from("5")]);
        let many: Vec<u64> = (1..=1_000).collect();
        assert_eq!(chosen(files(&many)).len(), INPUTS);
        let large = vec![BYTES; 1_000];
        assert_eq!(chosen(files(&large)).len(), usize::try_from(ALL_BYTES / BYTES).unwrap());
    }
}
