//! Figures of the machine, for operators.

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use async_trait::async_trait;
use directory::metadata::{Machine, MachineFigures};
use sysinfo::{Disks, MemoryRefreshKind, Pid, ProcessRefreshKind, ProcessesToUpdate, System};

/// Looking through the data folder ends after this long.
const PATIENCE: Duration = Duration::from_secs(2);

/// Measures this machine, as far as it can.
#[derive(Clone, Debug)]
pub(super) struct Measured {
    pub(super) data_dir: PathBuf,
    pub(super) started: Instant,
}

#[async_trait]
impl Machine for Measured {
    async fn figures(&self) -> MachineFigures {
        let this = self.clone();
        let measured = tokio::task::spawn_blocking(move || this.measure()).await;
        measured.unwrap_or_else(|error| {
            tracing::warn!(%error, "the machine could not be measured");
            MachineFigures::default()
        })
    }
}

impl Measured {
    fn measure(&self) -> MachineFigures {
        let cpus = std::thread::available_parallelism().ok();
        let (disk_total_bytes, disk_available_bytes) = disk_of(&self.data_dir).unzip();
        let figures = MachineFigures {
            data_dir_bytes: bytes_in(&self.data_dir, Instant::now() + PATIENCE),
            process_seconds: Some(self.started.elapsed().as_secs_f64()),
            cpu_count: cpus.and_then(|count| u32::try_from(count.get()).ok()),
            load_1m: System::load_average().ok().map(|load| load.one),
            disk_total_bytes,
            disk_available_bytes,
            ..MachineFigures::default()
        };
        match System::new() {
            Ok(system) => of_system(system, figures),
            Err(_) => figures,
        }
    }
}

fn of_system(mut system: System, figures: MachineFigures) -> MachineFigures {
    system.refresh_memory_specifics(MemoryRefreshKind::nothing().with_ram());
    let pid = Pid::from_u32(std::process::id());
    let kind = ProcessRefreshKind::nothing().with_cpu().with_memory();
    system.refresh_processes_specifics(ProcessesToUpdate::Some(&[pid]), false, kind);
    let process = system.process(pid);
    let used = |process: &sysinfo::Process| {
        Duration::from_millis(process.accumulated_cpu_time()).as_secs_f64()
    };
    MachineFigures {
        process_cpu_seconds: process.map(used),
        process_memory_bytes: process.map(sysinfo::Process::memory),
        memory_total_bytes: Some(system.total_memory()).filter(|bytes| *bytes > 0),
        memory_available_bytes: Some(system.available_memory()).filter(|bytes| *bytes > 0),
        ..figures
    }
}

/// Total and free bytes of the disk that holds a folder: the one mounted deepest above it.
fn disk_of(folder: &Path) -> Option<(u64, u64)> {
    let folder = folder.canonicalize().ok()?;
    let disks = Disks::new_with_refreshed_list().ok()?;
    let above = disks.iter().filter(|disk| folder.starts_with(disk.mount_point()));
    let disk = above.max_by_key(|disk| disk.mount_point().as_os_str().len())?;
    Some((disk.total_space(), disk.available_space()))
}

/// Bytes of all files below a folder; `None` when there are too many to look at in time.
/// Links are counted as what they are, not followed.
fn bytes_in(folder: &Path, end: Instant) -> Option<u64> {
    let (mut folders, mut bytes) = (vec![folder.to_owned()], 0);
    while let Some(folder) = folders.pop() {
        // What is removed meanwhile is not counted.
        for entry in std::fs::read_dir(folder).into_iter().flatten().flatten() {
            if Instant::now() > end {
                return None;
            }
            match entry.metadata() {
                Ok(kind) if kind.is_dir() => folders.push(entry.path()),
                Ok(file) => bytes += file.len(),
                Err(_) => {}
            }
        }
    }
    Some(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn this_machine_has_figures() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("a"), [0; 100]).unwrap();
        std::fs::create_dir(folder.path().join("b")).unwrap();
        std::fs::write(folder.path().join("b/c"), [0; 23]).unwrap();
        let measured = Measured { data_dir: folder.path().into(), started: Instant::now() };
        let figures = measured.figures().await;
        assert_eq!(figures.data_dir_bytes, Some(123));
        assert!(figures.cpu_count.is_some_and(|count| count > 0));
        assert!(figures.process_memory_bytes.is_some_and(|bytes| bytes > 1_000_000));
        assert!(figures.memory_total_bytes > figures.memory_available_bytes);
        assert!(figures.disk_total_bytes >= figures.disk_available_bytes);
    }
}
