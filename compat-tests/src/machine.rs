//! For how long the machine itself has stood still: nobody's fault, and nothing that a test may hold against a server.
//!
//! Machines that are shared, or virtual, stop for seconds: all of them, or one processor with whatever runs there. A
//! thread on each processor does nothing but look at the time; when it comes late, so may others have.

use std::sync::OnceLock;
use std::sync::atomic::{AtomicU64, Ordering::SeqCst};
use std::thread;
use std::time::{Duration, Instant};

use crate::load::process::{on, processors};

/// How often the time is looked at.
const EVERY: Duration = Duration::from_millis(10);
/// Who comes this late was stopped, and not merely one of many.
const LATE: Duration = Duration::from_millis(250);

struct Watch {
    began: Instant,
    /// What each processor's thread knows.
    processors: Vec<Processor>,
}

struct Processor {
    /// When it has last looked at the time; never late before the first time.
    looked_us: AtomicU64,
    /// For how long it has stood still.
    stalled_us: AtomicU64,
}

static WATCH: OnceLock<Watch> = OnceLock::new();

/// For how long processors have stood still, all together, since somebody first asked.
pub fn stalled() -> Duration {
    let watch = WATCH.get_or_init(start);
    let now_us = watch.now_us();
    let stalled_us = |processor: &Processor| {
        let since_us = now_us.saturating_sub(processor.looked_us.load(SeqCst));
        let is_late = Duration::from_micros(since_us) >= LATE;
        processor.stalled_us.load(SeqCst) + if is_late { since_us } else { 0 }
    };
    Duration::from_micros(watch.processors.iter().map(stalled_us).sum())
}

/// What is to be waited for, in time that the machine was there: it ends `wait` after `since`, and later by as much as
/// the machine has stood still meanwhile.
#[derive(Clone, Copy, Debug)]
pub struct Deadline {
    at: Instant,
    stalled: Duration,
}

impl Deadline {
    /// After this time.
    pub fn after(wait: Duration) -> Self {
        Self { at: Instant::now() + wait, stalled: stalled() }
    }

    /// What is left; nothing if it is over.
    pub fn left(&self) -> Duration {
        let at = self.at + (stalled().saturating_sub(self.stalled));
        at.saturating_duration_since(Instant::now())
    }
}

impl Watch {
    fn now_us(&self) -> u64 {
        self.began.elapsed().as_micros() as u64
    }
}

fn start() -> Watch {
    let processors = processors().unwrap_or_default();
    for (place, &processor) in processors.iter().enumerate() {
        // Without it nothing is ever excused.
        let _ = thread::Builder::new().name(format!("machine-{processor}")).spawn(move || {
            let watch = WATCH.wait();
            on(&[processor], || look(&watch.processors[place], watch))
        });
    }
    let processor = |_| Processor { looked_us: AtomicU64::new(u64::MAX), stalled_us: AtomicU64::new(0) };
    Watch { began: Instant::now(), processors: processors.iter().map(processor).collect() }
}

/// Looks at the time for ever.
fn look(processor: &Processor, watch: &Watch) {
    processor.looked_us.store(watch.now_us(), SeqCst);
    loop {
        thread::sleep(EVERY);
        let now_us = watch.now_us();
        let since_us = now_us - processor.looked_us.load(SeqCst);
        if Duration::from_micros(since_us) >= LATE {
            processor.stalled_us.fetch_add(since_us, SeqCst);
        }
        processor.looked_us.store(now_us, SeqCst);
    }
}
