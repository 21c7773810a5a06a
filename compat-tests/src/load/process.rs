//! What a process costs, as the kernel counts it, and on which processors this one runs.

use std::fs;
use std::io;
use std::path::Path;
use std::time::Duration;

use rustix::thread::{CpuSet, sched_getaffinity, sched_setaffinity};

/// The state of a socket that listens in the kernel's tables.
const LISTENING: &str = "0A";

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

    /// Whether it, and not another, listens at this TCP port; true where the system does not tell.
    pub fn listens_at(&self, port: u16) -> bool {
        if !Path::new("/proc/net/tcp").exists() {
            return true;
        }
        let sockets: Vec<_> =
            ["/proc/net/tcp", "/proc/net/tcp6"].into_iter().flat_map(|file| listeners(file, port)).collect();
        let Ok(open) = fs::read_dir(format!("/proc/{}/fd", self.pid)) else { return false };
        open.flatten()
            .filter_map(|file| fs::read_link(file.path()).ok())
            .any(|link| sockets.iter().any(|socket| link.as_os_str() == socket.as_str()))
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

/// The sockets that listen at `port` by this table of the kernel's, as links to them are shown.
fn listeners(table: &str, port: u16) -> Vec<String> {
    let listens_there = |fields: &[&str]| {
        let at = fields.get(1).and_then(|address| address.rsplit(':').next());
        at.and_then(|digits| u16::from_str_radix(digits, 16).ok()) == Some(port)
            && fields.get(3) == Some(&LISTENING)
    };
    let table = fs::read_to_string(table).unwrap_or_default();
    let lines = table.lines().skip(1).map(|line| line.split_ascii_whitespace().collect::<Vec<_>>());
    lines.filter(|fields| listens_there(fields)).map(|fields| format!("socket:[{}]", fields[9])).collect()
}

/// Processor time that all of `processes` have used.
///
/// # Errors
/// As [`Process::cpu`].
pub fn cpu(processes: &[Process]) -> io::Result<Duration> {
    processes.iter().map(Process::cpu).sum()
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

#[cfg(test)]
mod tests {
    use std::net::TcpListener;

    use super::Process;
    use crate::port::free_port;

    #[test]
    fn a_process_listens_where_it_does_and_where_another_does_it_does_not() {
        let port = free_port();
        let own = Process { pid: std::process::id() };
        assert!(!own.listens_at(port));
        let _listener = TcpListener::bind(("127.0.0.1", port)).expect("it is free");
        assert!(own.listens_at(port));
        assert!(!Process { pid: 1 }.listens_at(port));
    }
}
