//! What the system says about this process. Read from `/proc`; elsewhere everything is zero.

use std::fs;

/// Clock ticks a second in `/proc/*/stat`: what the kernel shows to programs on every architecture we run on.
const TICKS_PER_S: f64 = 100.0;

/// Processor time in seconds.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct CpuSeconds {
    pub(crate) user: f64,
    pub(crate) system: f64,
    pub(crate) children_user: f64,
    pub(crate) children_system: f64,
}

/// Processor time of the whole process.
pub(crate) fn cpu() -> CpuSeconds {
    times("/proc/self/stat")
}

/// Processor time of the thread that began the process.
pub(crate) fn main_thread_cpu() -> CpuSeconds {
    times(&format!("/proc/self/task/{}/stat", std::process::id()))
}

fn times(path: &str) -> CpuSeconds {
    fs::read_to_string(path).map_or_else(|_| CpuSeconds::default(), |stat| times_of(&stat))
}

/// Fields 14 to 17 of `proc_pid_stat`; the second, the name, ends at the last parenthesis.
fn times_of(stat: &str) -> CpuSeconds {
    let rest = stat.rsplit_once(')').map_or("", |(_, rest)| rest);
    let mut ticks = rest.split_whitespace().skip(11).map(|field| field.parse().unwrap_or(0.0) / TICKS_PER_S);
    let mut next = || ticks.next().unwrap_or(0.0);
    CpuSeconds { user: next(), system: next(), children_user: next(), children_system: next() }
}

/// Bytes of physical memory the process holds.
pub(crate) fn resident_bytes() -> u64 {
    kib_of("/proc/self/status", "VmRSS:") * 1024
}

/// Bytes of physical memory of the machine.
pub(crate) fn machine_bytes() -> u64 {
    kib_of("/proc/meminfo", "MemTotal:") * 1024
}

/// The number on the line of `path` that begins with `field`.
fn kib_of(path: &str, field: &str) -> u64 {
    let text = fs::read_to_string(path).unwrap_or_default();
    let line = text.lines().find_map(|line| line.strip_prefix(field));
    line.and_then(|line| line.split_whitespace().next()?.parse().ok()).unwrap_or(0)
}

/// Name, release and processor of the system, as `uname` says them.
pub(crate) fn system() -> String {
    let read = |name: &str| fs::read_to_string(format!("/proc/sys/kernel/{name}")).unwrap_or_default();
    let (name, release) = (read("ostype"), read("osrelease"));
    let name = if name.is_empty() { std::env::consts::OS } else { name.trim() };
    format!("{name} {} {}", release.trim(), std::env::consts::ARCH)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn processor_times_stand_after_a_name_that_may_hold_anything() {
        let stat = "12 (a) b) S 1 2 3 4 5 6 7 8 9 10 150 25 300 50 20 0";
        let cpu = times_of(stat);
        assert_eq!((cpu.user, cpu.system), (1.5, 0.25));
        assert_eq!((cpu.children_user, cpu.children_system), (3.0, 0.5));
        assert_eq!(times_of("").user.to_bits(), 0);
    }
}
