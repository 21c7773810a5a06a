//! One client's connection: its reading task, and the writing of its output.

use std::cell::{Cell, RefCell};
use std::future::{Future as _, poll_fn};
use std::pin::pin;
use std::rc::Rc;
use std::sync::atomic::Ordering::Relaxed;
use std::task::{Poll, Waker};
use std::time::Duration;

use socket2::SockRef;
use tidegate_protocols::Dialect;
use tidegate_protocols::data::Ticket;
use tokio::time::{sleep, timeout};

use crate::backlog::Backlog;
use crate::counters::Protocol;
use crate::decoder::Family;
use crate::greeting::welcome;
use crate::inbox::{Inbox, Reading};
use crate::intake::Intake;
use crate::limits::{HANG_UP_LOOK, READ_BYTES};
use crate::pipeline::Pipeline;
use crate::seldom::{CLOSED_LINKS, warn_seldom};
use crate::session::{Attention, Session};
use crate::shared::now_ms;
use crate::stream::{Reader, Writer};
use crate::wake::Wake;

/// A connection, as its worker's tasks share it.
pub(crate) struct Connection {
    pub(crate) session: Session,
    pub(crate) intake: Rc<Intake>,
    pub(crate) family: Family,
    writer: Writer,
    /// What could not be written or executed yet; none in the ordinary case.
    pub(crate) backlog: RefCell<Option<Box<Backlog>>>,
    /// Replies that are still to come, and those behind them.
    pub(crate) pipeline: RefCell<Pipeline>,
    /// Whether the tick has something to send from the pipeline.
    pub(crate) is_touched: Cell<bool>,
    /// What was published, while it is put together to be sent.
    pub(crate) messages: Cell<Vec<u8>>,
    /// Whether requests wait because the pipeline was full.
    pub(crate) waits_for_room: Cell<bool>,
    /// What its last request is given, if that waits for keys.
    pub(crate) blocked: Cell<Option<Ticket>>,
    /// Bytes that may not be sent yet, as they tell of what the log has to keep first.
    pub(crate) gated_bytes: Cell<usize>,
    /// Nothing more will be read from it.
    pub(crate) has_hung_up: Cell<bool>,
    /// Tells the task that works the backlog off that requests need not wait for answers any more.
    cleared: Wake,
    /// The reading task, while it waits for the backlog to go.
    waiting: Cell<Option<Waker>>,
    /// Tells the task that works the backlog off that this has ended.
    ended: Wake,
}

impl Connection {
    pub(crate) fn new(session: Session, intake: Rc<Intake>, family: Family, writer: Writer) -> Self {
        intake.counters().protocols[protocol(family, session.dialect()) as usize].connections.add(1);
        Self {
            session,
            intake,
            family,
            writer,
            backlog: RefCell::new(None),
            pipeline: RefCell::default(),
            is_touched: Cell::new(false),
            messages: Cell::default(),
            waits_for_room: Cell::new(false),
            blocked: Cell::new(None),
            gated_bytes: Cell::new(0),
            has_hung_up: Cell::new(false),
            cleared: Wake::default(),
            waiting: Cell::new(None),
            ended: Wake::default(),
        }
    }

    /// Takes note of the dialect of a request; the first one of a Memcached client decides its protocol.
    #[inline]
    pub(crate) fn speaks(&self, dialect: Dialect) {
        let [before, after] =
            [self.session.dialect(), dialect].map(|dialect| Protocol::from(dialect) as usize);
        if before != after {
            let protocols = &self.intake.counters().protocols;
            protocols[before].connections.sub(1);
            protocols[after].connections.add(1);
        }
        self.session.set_dialect(dialect);
    }

    /// The dialect in which a client's request that was `decoded` as this one is answered: in Redis that of the session.
    #[inline(always)]
    pub(crate) fn dialect_of(&self, decoded: Dialect) -> Dialect {
        if self.family == Family::Redis {
            return self.session.dialect();
        }
        self.speaks(decoded);
        decoded
    }

    /// What bytes of it are counted as.
    fn protocol(&self) -> Protocol {
        protocol(self.family, self.session.dialect())
    }

    pub(crate) fn socket(&self) -> &Writer {
        &self.writer
    }

    /// Writes what the socket takes of `output`. Returns how much that was; `None` if the connection is
    /// broken.
    pub(crate) fn write(&self, output: &[u8]) -> Option<usize> {
        match self.writer.try_write(output) {
            Ok(bytes) => {
                let counters = self.intake.counters();
                counters.writes.add(1);
                counters.protocols[self.protocol() as usize].bytes_out.add(bytes as u64);
                Some(bytes)
            }
            Err(error) if error.kind() == std::io::ErrorKind::WouldBlock => Some(0),
            Err(_) => None,
        }
    }

    /// Counts what was read, after a look at it: the first byte decides what a Memcached client speaks.
    fn count_read(&self, bytes: usize, inbox: &Inbox) {
        let protocol = if inbox.is_binary() { Protocol::MemcachedBinary } else { self.protocol() };
        let counters = self.intake.counters();
        counters.reads.add(1);
        counters.protocols[protocol as usize].bytes_in.add(bytes as u64);
    }

    /// Ends the connection: nothing more is executed for it, its reading task finds the end.
    pub(crate) fn end(&self) {
        self.session.put(Attention::Closing, true);
        self.call_off();
        *self.backlog.borrow_mut() = None;
        self.pipeline.borrow_mut().abandon();
        self.shut(std::net::Shutdown::Both);
        self.relieved();
        self.ended.wake();
    }

    /// Whether replies are still to come or to be sent: what is said has to go behind them.
    pub(crate) fn has_replies_before(&self) -> bool {
        self.is_touched.get() || !self.pipeline.borrow().is_empty()
    }

    /// Closes the connection once the reply with this number, and all before it, are on their way.
    pub(crate) fn end_after(&self, number: u32) {
        self.pipeline.borrow_mut().end_after(number);
        self.session.put(Attention::Closing, true);
    }

    /// Requests wait until there is room in the pipeline.
    pub(crate) fn wait_for_room(&self) {
        if !self.session.has(Attention::Waits) {
            self.waits_for_room.set(true);
            self.session.put(Attention::Waits, true);
        }
    }

    /// Requests need not wait for answers any more.
    pub(crate) fn clear(&self) {
        if self.session.has(Attention::Waits) {
            self.session.put(Attention::Waits, false);
            self.cleared.wake();
        }
    }

    /// Waits until requests need not wait for answers any more. `false` if the connection is ended meanwhile.
    pub(crate) async fn is_clear(&self) -> bool {
        while self.session.has(Attention::Waits) {
            tokio::select! {
                biased;
                () = self.cleared.woken() => {}
                () = self.ended.woken() => return false,
                // While it waits for keys nothing is read that would tell.
                () = sleep(HANG_UP_LOOK), if self.blocked.get().is_some() => {
                    if self.sees_hang_up().await {
                        return false;
                    }
                }
            }
        }
        true
    }

    /// Waits for `time`. `false`, and at once, if the connection is ended meanwhile.
    pub(crate) async fn stays_for(&self, time: Duration) -> bool {
        timeout(time, self.ended.woken()).await.is_err()
    }

    /// Whether nothing more comes from the client; it may still read.
    pub(crate) async fn sees_hang_up(&self) -> bool {
        let mut ready = pin!(self.socket().readable());
        let ready = poll_fn(|context| Poll::Ready(ready.as_mut().poll(context))).await;
        matches!(ready, Poll::Ready(Ok(ready)) if ready.is_read_closed())
    }

    /// Has the reading task find the end of its input after what has arrived.
    pub(crate) fn end_input(&self) {
        self.shut(std::net::Shutdown::Read);
    }

    fn shut(&self, how: std::net::Shutdown) {
        // An error means that the other end was faster.
        let _ = SockRef::from(self.socket()).shutdown(how);
    }

    /// The backlog is gone: the reading task may go on.
    pub(crate) fn relieved(&self) {
        if let Some(waker) = self.waiting.take() {
            waker.wake();
        }
    }

    /// Waits until nothing that is waiting to be written or executed holds this client up.
    async fn without_backlog(&self) {
        poll_fn(|context| {
            if !self.is_held_up() {
                return Poll::Ready(());
            }
            self.waiting.set(Some(context.waker().clone()));
            Poll::Pending
        })
        .await;
    }
}

/// What bytes of a connection are counted as.
fn protocol(family: Family, dialect: Dialect) -> Protocol {
    if family == Family::Link { Protocol::Link } else { dialect.into() }
}

impl Drop for Connection {
    fn drop(&mut self) {
        let counters = self.intake.counters();
        counters.protocols[self.protocol() as usize].connections.sub(1);
        self.intake.shared.load[self.intake.index].fetch_sub(1, Relaxed);
        self.intake.shared.registry.remove(self.session.client.id);
        self.intake.unsubscribe_from_all(&self.session);
        self.intake.untrack(&self.session);
        self.intake.bury(self.session.client.id, self.session.watches.take());
        let Some(link) = self.session.made_by_gateway() else { return };
        for (client, watches) in link.watches.take() {
            self.intake.abandon(client, watches);
        }
        if let Some(process) = link.process.get() {
            self.intake.shared.generations.leave(process, self.session.client.id);
        }
    }
}

/// Reads and decodes until the client or the gateway ends it.
pub(crate) async fn serve(connection: Rc<Connection>, mut reader: Reader) {
    let intake = Rc::clone(&connection.intake);
    if let (Family::Link, Some(membership)) = (connection.family, &intake.shared.membership)
        && let Err(reason) = welcome(&connection, &mut reader, membership).await
    {
        warn_seldom!(CLOSED_LINKS, "closed a link: {reason}");
        return;
    }
    let mut inbox = Inbox::new(connection.family);
    loop {
        connection.without_backlog().await;
        if connection.session.has(Attention::Closing) {
            break;
        }
        let large = inbox.is_large();
        let read = if large {
            intake.has_room().await;
            inbox.read_large(&mut reader).await
        } else {
            poll_fn(|context| inbox.poll_read(context, &mut reader, &intake)).await
        };
        let bytes = match read {
            Ok(0) | Err(_) => break,
            Ok(_) if connection.session.has(Attention::Closing) => break,
            Ok(bytes) => bytes,
        };
        let mut reading = if large {
            connection.session.client.is_active(now_ms());
            intake.has_room().await;
            inbox.decode_large(&connection)
        } else {
            inbox.decode(&connection, bytes)
        };
        if large || inbox.is_large() {
            connection.session.client.set_unread_bytes(inbox.rest_bytes());
        }
        connection.count_read(bytes, &inbox);
        intake.work.wake();
        while reading == Reading::Rests {
            tokio::task::yield_now().await;
            connection.without_backlog().await;
            if !intake.is_busy_with(&connection) {
                intake.has_room().await;
                reading = if inbox.is_large() {
                    inbox.decode_large(&connection)
                } else {
                    inbox.decode(&connection, 0)
                };
                intake.work.wake();
            }
        }
        if reading == Reading::Ends {
            break;
        }
        if bytes >= READ_BYTES {
            // There may be more: let the others read first.
            tokio::task::yield_now().await;
        }
    }
    connection.hung_up();
}
