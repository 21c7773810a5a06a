//! What a process costs, as the kernel counts it, and on which processors this one runs.

use std::fs;
use std::io;
use std::time::Duration;

use rustix::thread::{CpuSet, sched_getaffinity, sched_setaffinity};

/// A process that is watched from outside.
#[derive(Clone, Copy, Debug)]
pub struct Process {
    /// Its number.
    pub pid: u32,
}

impl Process {
    /// Processor time that all its living threads have used.
    ///
    /// # Errors
    /// The process is gone, or this is not Linux.
    pub fn cpu(&self) -> io::Result<Duration> {
        let mut nanos = 0;
        for thread in fs::read_dir(format!("/proc/{}/task", self.pid))? {
            // A thread may end between being listed and being read.
            let Ok(schedstat) = fs::read_to_string(thread?.path().join("schedstat")) else { continue };
            nanos += schedstat.split(' ').next().and_then(|field| field.parse().ok()).unwrap_or(0);
        }
        Ok(Duration::from_nanos(nanos))
    }

    /// The processes it has started that are still there.
    pub fn children(&self) -> Vec<Self> {
        let parent = |pid: u32| -> Option<u32> {
            let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
            // After the name, which may be anything: the state and the parent.
            stat.rsplit_once(") ")?.1.split(' ').nth(1)?.parse().ok()
        };
        let Ok(all) = fs::read_dir("/proc") else { return Vec::new() };
        all.filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok())
            .filter(|&pid| parent(pid) == Some(self.pid))
            .map(|pid| Self { pid })
            .collect()
    }

    /// Bytes of physical memory it holds.
    ///
    /// # Errors
    /// The process is gone, or this is not Linux.
    pub fn resident_bytes(&self) -> io::Result<u64> {
        let status = fs::read_to_string(format!("/proc/{}/status", self.pid))?;
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
        let kib = line.and_then(|line| line.trim().trim_end_matches(" kB").parse::<u64>().ok());
        kib.map(|kib| kib * 1024).ok_or_else(|| io::Error::other("no VmRSS in the status of the process"))
    }
}

/// The processors this thread may run on.
///
/// # Errors
/// What the kernel says.
pub fn processors() -> io::Result<Vec<usize>> {
    let set = sched_getaffinity(None)?;
    Ok((0..CpuSet::MAX_CPU).filter(|&processor| set.is_set(processor)).collect())
}

/// Runs `task` with this thread, and what it starts meanwhile, on `processors` only.
///
/// # Errors
/// What the kernel says.
pub fn on<T>(processors: &[usize], task: impl FnOnce() -> T) -> io::Result<T> {
    let before = sched_getaffinity(None)?;
    let mut set = CpuSet::new();
    for &processor in processors {
        set.set(processor);
    }
    sched_setaffinity(None, &set)?;
    let result = task();
    sched_setaffinity(None, &before)?;
    Ok(result)
}
