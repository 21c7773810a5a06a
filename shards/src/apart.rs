//! Requests that may take long, executed apart.
//!
//! A script of which it is not known that it is short, a transaction with one, and what goes through more keys than a worker
//! should ([`crate::walk`]), are not executed on the thread of the worker that is asked, where nobody else of that worker would be
//! served meanwhile. They are executed on one of a few threads of their own, each with a worker of the store that nobody
//! else asks. These are started when there is something to do, and end when there has been nothing for a while.
//!
//! What needs something that another holds for long is put off, so that no thread waits with it: the others are executed
//! meanwhile, and it is tried again when a script has ended, and every now and then.
//!
//! The worker that was asked says [`Outcome::Later`], and is handed the answer as if a waiting request had been answered
//! by somebody else ([`crate::waiting`]).

mod transactions;

use std::collections::VecDeque;
use std::sync::atomic::AtomicUsize;
use std::sync::atomic::Ordering::Relaxed;
use std::sync::{Arc, Weak};
use std::thread;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use parking_lot::{Condvar, Mutex};
use tidegate_protocols::data::{Asides, Context, Outcome, Ticket, Worker as _};
use tidegate_protocols::limits::{APART_JOBS_MAX, SCRIPT_THREADS};
use tidegate_protocols::link;
use tidegate_protocols::table::Route;
use tidegate_protocols::transaction::{Requests, Transaction, Watches};
use tidegate_protocols::{Dialect, Reply, Request};

use crate::store::Shared;
use crate::waiting::{Delivery, End, Parked};
use crate::worker::StoreWorker;

/// How long a thread waits for something to do before it ends.
const PATIENCE: Duration = Duration::from_secs(10);
/// How long one rests that needs what another holds.
const REST: Duration = Duration::from_micros(50);
/// How long one tries before it is put off.
const PERSISTENCE: Duration = Duration::from_millis(1);
/// How long what is put off rests, if it is little: one of many does so for longer.
const PUT_OFF: Duration = Duration::from_millis(5);

/// How many threads at most go through all keys: others are there for scripts.
const WALKS_MAX: usize = SCRIPT_THREADS / 2;

/// How long what is about to take long leaves to those who have waited for something like it to end.
const COURTESY: Duration = Duration::from_millis(1);

/// Something that is executed apart.
struct Job {
    /// The worker that was asked, and how it knows the request.
    worker: usize,
    ticket: Ticket,
    context: Context,
    work: Work,
    is_put_off: bool,
}

enum Work {
    /// A request, as a frame, and whether it goes through all keys.
    Request(Vec<u8>, bool),
    /// The requests of a transaction, what must not have changed, and the language of its client.
    Transaction(Vec<u8>, Watches, Dialect),
}

impl Job {
    fn is_walk(&self) -> bool {
        matches!(self.work, Work::Request(_, true))
    }
}

/// What there is to execute, and who does.
pub(crate) struct Apart {
    state: Mutex<State>,
    news: Condvar,
    /// How many jobs are put off.
    put_off: AtomicUsize,
    /// Workers that are no threads of these.
    workers: usize,
}

#[derive(Default)]
struct State {
    /// Scripts, and transactions with scripts.
    jobs: VecDeque<Job>,
    /// What goes through all keys.
    walks: VecDeque<Job>,
    /// How many of these are executed now.
    walking: usize,
    /// What needed something that another held, and when it is tried again.
    put_off: VecDeque<(Instant, Job)>,
    /// The last that was taken had been put off.
    took_put_off: bool,
    /// Threads by number: whether they are there.
    threads: [bool; SCRIPT_THREADS],
    idle: usize,
}

impl State {
    /// How many wait for a thread.
    fn waiting(&self) -> usize {
        self.jobs.len() + self.walks.len() + self.put_off.len()
    }

    /// How many of those that are new could be executed at once, if there were threads.
    fn ready(&self) -> usize {
        self.jobs.len() + self.walks.len().min(WALKS_MAX.saturating_sub(self.walking))
    }

    /// The next job.
    fn take(&mut self, now: Instant) -> Option<Job> {
        let job = self.take_walk().or_else(|| self.take_other(now))?;
        self.walking += usize::from(job.is_walk());
        Some(job)
    }

    /// Who goes through all keys waits for whoever holds some: so not all threads do that.
    fn take_walk(&mut self) -> Option<Job> {
        if self.walking < WALKS_MAX { self.walks.pop_front() } else { None }
    }

    /// What is new and what has been put off take turns, so neither keeps the other waiting.
    fn take_other(&mut self, now: Instant) -> Option<Job> {
        let is_due = self.put_off.front().is_some_and(|(due, _)| *due <= now);
        self.took_put_off = is_due && (self.jobs.is_empty() || !self.took_put_off);
        if self.took_put_off {
            return self.put_off.pop_front().map(|(_, job)| job);
        }
        self.jobs.pop_front()
    }
}

impl Apart {
    pub(crate) fn new(workers: usize) -> Self {
        let (state, news, put_off) = (Mutex::default(), Condvar::new(), AtomicUsize::new(0));
        Self { state, news, put_off, workers: workers.max(1) }
    }

    /// The number of the first worker that is a thread of these.
    pub(crate) fn first_index(&self) -> usize {
        self.workers
    }

    /// Whether more may wait to be executed.
    pub(crate) fn has_room(&self) -> bool {
        self.state.lock().waiting() < APART_JOBS_MAX
    }

    /// Has a request executed. Its answer goes to the worker that was asked.
    fn run(&self, job: Job, shared: &Arc<Shared>, asides: &Asides) {
        let mut state = self.state.lock();
        let queue = if job.is_walk() { &mut state.walks } else { &mut state.jobs };
        queue.push_back(job);
        if state.idle >= state.ready() {
            self.news.notify_one();
            return;
        }
        let Some(number) = state.threads.iter().position(|is_there| !is_there) else { return };
        let (workers, shared, asides) = (self.workers, Arc::downgrade(shared), Arc::clone(asides));
        let name = format!("apart-{number}");
        let started =
            thread::Builder::new().name(name).spawn(move || serve(number, workers, &shared, asides));
        // If there can be no more threads, one of those that are there does it, or the next.
        state.threads[number] = started.is_ok();
    }

    /// The next job; `None` if there has been none for long.
    fn next(&self, number: usize) -> Option<Job> {
        let mut state = self.state.lock();
        let until = Instant::now() + PATIENCE;
        loop {
            let now = Instant::now();
            if let Some(job) = state.take(now) {
                self.put_off.store(state.put_off.len(), Relaxed);
                return Some(job);
            }
            let due = state.put_off.front().map(|(due, _)| *due);
            if due.is_none() && now >= until {
                state.threads[number] = false;
                return None;
            }
            state.idle += 1;
            self.news.wait_until(&mut state, due.unwrap_or(until));
            state.idle -= 1;
        }
    }

    /// A job has been executed, or has to be tried again.
    fn has_tried(&self, job: &Job) {
        if job.is_walk() {
            self.state.lock().walking -= 1;
        }
    }

    /// Has a job tried again later. All of them together are not tried more often than one that does nothing else.
    fn put_off(&self, job: Job) {
        let mut state = self.state.lock();
        let rest = PUT_OFF.max(REST * state.put_off.len() as u32);
        state.put_off.push_back((Instant::now() + rest, Job { is_put_off: true, ..job }));
        self.put_off.store(state.put_off.len(), Relaxed);
    }

    /// Something has been given back: as many of those that are put off as there are threads are tried again at once.
    #[inline]
    pub(crate) fn wake_put_off(&self) {
        if self.put_off.load(Relaxed) > 0 {
            self.hurry();
        }
    }

    #[cold]
    fn hurry(&self) {
        let (mut state, now) = (self.state.lock(), Instant::now());
        for (due, _) in state.put_off.iter_mut().take(SCRIPT_THREADS) {
            *due = now.min(*due);
        }
        self.news.notify_all();
    }
}

impl StoreWorker {
    /// Has a request executed on another thread. `None` if nothing can be, or within a transaction, or if the client may
    /// not be kept waiting.
    #[cold]
    pub(crate) fn execute_apart(&mut self, request: &Request<'_>, context: &Context) -> Option<Outcome> {
        if !context.may_wait || self.held.is_entered() {
            return None;
        }
        let mut frame = Vec::new();
        link::encode(&mut frame, request, &link::Ask::default()).ok()?;
        let is_walk = request.row.route == Route::Every;
        self.hand_over(|| Work::Request(frame, is_walk), context).map(|handed| match handed {
            Ok(ticket) => Outcome::Later(ticket),
            Err(ticket) => Outcome::Full(ticket),
        })
    }

    /// Has something executed on another thread. `None` if nothing can be; the ticket is an error if it has to wait to be
    /// handed over.
    fn hand_over(
        &mut self,
        work: impl FnOnce() -> Work,
        context: &Context,
    ) -> Option<Result<Ticket, Ticket>> {
        let asides = Arc::clone(self.scripts.asides()?);
        let shared = Arc::clone(&self.local.shared);
        if !shared.apart.has_room() {
            return Some(Err(self.park(Parked::Crowded)));
        }
        let ticket = self.waiting.ticket_of_other();
        let (worker, context, work) = (self.local.index, *context, work());
        let job = Job { worker, ticket, context, work, is_put_off: false };
        shared.apart.run(job, &shared, &asides);
        Some(Ok(ticket))
    }
}

/// The life of a thread.
fn serve(number: usize, workers: usize, shared: &Weak<Shared>, asides: Asides) {
    let Some(shared) = shared.upgrade() else { return };
    let mut worker = StoreWorker::new(Arc::clone(&shared), workers + number, workers);
    worker.run_scripts_beside(asides);
    while let Some(job) = shared.apart.next(number) {
        let came = Instant::now();
        while shared.waiting.has_parked() && came.elapsed() < COURTESY {
            thread::sleep(REST);
        }
        let done = execute(&mut worker, &job);
        worker.finish();
        worker.tell_aside();
        shared.apart.has_tried(&job);
        match done {
            Some(done) => shared.waiting.inbox(job.worker).put(job.delivery(done)),
            None => shared.apart.put_off(job),
        }
    }
}

/// What has come of a job: the reply, how it ends, and for how many ns it was executed.
type Done = (Vec<u8>, End, u64);

/// Executes a job. `None` if another holds what it needs, for longer than one should wait for it.
fn execute(worker: &mut StoreWorker, job: &Job) -> Option<Done> {
    let (mut bytes, began) = (Vec::new(), Instant::now());
    loop {
        // Nobody tells this worker which slots the shard has by now.
        worker.local.own = worker.local.shared.own.slots();
        worker.begin(now_ms());
        if let Some(end) = worker.attempt(job, &mut bytes) {
            return Some((bytes, end, began.elapsed().as_nanos() as u64));
        }
        worker.finish();
        if job.is_put_off || began.elapsed() >= PERSISTENCE {
            return None;
        }
        thread::sleep(REST);
    }
}

impl Job {
    /// Its answer, with what it was for people to look at. Of a transaction each request is told where it is executed.
    fn delivery(self, (bytes, end, nanos): Done) -> Delivery {
        let frame = match self.work {
            Work::Request(frame, _) => frame,
            Work::Transaction(..) => Vec::new(),
        };
        Delivery { took: Some(Box::new((nanos, frame))), ..Delivery::new(self.ticket, bytes, end) }
    }
}

impl StoreWorker {
    /// Executes a job, if nobody else holds what it needs.
    fn attempt(&mut self, job: &Job, bytes: &mut Vec<u8>) -> Option<End> {
        let context = Context { may_wait: false, ..job.context };
        match &job.work {
            Work::Request(frame, _) => {
                let mut requests = Requests::new(frame);
                let request = requests.next_request().expect("a job that is no transaction is a request");
                let mut reply = Reply::new(bytes, request.dialect);
                match self.execute(&request, <_>::default(), &context, &mut reply) {
                    Outcome::Done => Some(End::Answered),
                    Outcome::Failed => Some(End::Failed),
                    Outcome::Busy | Outcome::Later(_) | Outcome::Full(_) => None,
                }
            }
            Work::Transaction(requests, watches, dialect) => {
                self.transact(&Transaction { requests, watches, context, dialect: *dialect }, bytes)
            }
        }
    }
}

fn now_ms() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_millis() as u64
}

#[cfg(test)]
mod tests {
    use super::*;

    fn job(number: u32, is_walk: bool) -> Job {
        let (worker, ticket, context) = (0, Ticket(number), Context::default());
        Job { worker, ticket, context, work: Work::Request(Vec::new(), is_walk), is_put_off: false }
    }

    #[test]
    fn a_script_finds_a_thread_however_many_go_through_all_keys() {
        let (apart, now) = (Apart::new(1), Instant::now());
        for number in 0..5 {
            apart.state.lock().walks.push_back(job(number, true));
        }
        apart.state.lock().jobs.push_back(job(5, false));
        let take = || apart.state.lock().take(now).map(|job| job.ticket.0);
        assert_eq!(apart.state.lock().ready(), WALKS_MAX + 1);
        assert_eq!([take(), take(), take(), take()], [Some(0), Some(1), Some(5), None]);
        apart.has_tried(&job(5, false));
        assert_eq!(take(), None);
        apart.has_tried(&job(0, true));
        assert_eq!([take(), take()], [Some(2), None]);
        assert_eq!(apart.state.lock().waiting(), 2);
    }
}
