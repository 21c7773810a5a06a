//! From settings to a running server and to its end.

use std::fs;
use std::future;
use std::io::{self, Write as _};
use std::net::{SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::process;
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use rustix::mm::{MlockAllFlags, mlockall};
use tidegate_gateway::{
    Config, ConfigFile, Gateway, Remote, Running, Seat, StartError, Taken, UnixPlace, open_files,
};
use tidegate_protocols::settings::{Key, Settings};
use tidegate_shards::Store;
use tokio::runtime::Builder;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::oneshot;

use crate::banner::{self, Addresses};
use crate::front::{self, Front, Shards};
use crate::listen;
use crate::options::{Manner, Start};
use crate::supervised::Lifeline;
use crate::{admin, background, log, notify, redis, rewrite, supervised, user, users};

/// How long clients may take to receive what is still theirs when the server ends.
const DRAIN_MAX: Duration = Duration::from_secs(10);

/// What a process that was told twice to end exits with. Source: shells give 128 + the signal's number.
const EXIT_INTERRUPTED: i32 = 130;

/// Runs a server until it is told to end.
///
/// # Errors
/// Why it cannot start, for people.
pub(crate) fn run(start: &Start) -> Result<(), String> {
    if start.settings.is_on(Key::Daemonize) && !background::has_arrived() {
        return background::go();
    }
    log::init(&start.settings)?;
    let lifeline = if start.is_supervised { Some(supervised::hold_on()?) } else { None };
    settle(start)?;
    let runtime = Builder::new_current_thread().enable_all().build();
    let runtime = runtime.map_err(|error| format!("cannot make a runtime: {error}"))?;
    runtime.block_on(serve(start, lifeline))
}

/// Makes the settings say what will be: threads, clients, an absolute directory.
fn settle(start: &Start) -> Result<(), String> {
    let settings = &start.settings;
    if settings.number(Key::Threads) == 0 {
        let processors = thread::available_parallelism().map_or(1, usize::from).min(256);
        settings.set(Key::Threads, &processors.to_string())?;
    }
    if let Some(warning) = open_files::make_room(settings, front::shards_at_start(start)) {
        tracing::warn!("{warning}");
    }
    for note in &start.notes {
        tracing::info!("{note}");
    }
    // A shard keeps its file in a directory of its own, made when there is something to keep.
    let directory = settings.text(Key::Dir);
    let absolute = fs::canonicalize(&*directory)
        .and_then(|path| if path.is_dir() { Ok(path) } else { Err(io::ErrorKind::NotADirectory.into()) })
        .map_err(|error| format!("--data-dir {directory}: {error}"))?;
    let own =
        start.membership.as_ref().map_or(absolute.clone(), |membership| absolute.join(&membership.name));
    settings.set(Key::Dir, &own.to_string_lossy())?;
    if let Some(user) = &start.user {
        user::become_one(user)?;
    }
    if start.lock_memory {
        mlockall(MlockAllFlags::CURRENT | MlockAllFlags::FUTURE)
            .map_err(|error| format!("cannot lock memory (raise `ulimit -l` or LimitMEMLOCK=): {error}"))?;
    }
    Ok(())
}

/// Starts everything, waits for the end to be asked for, and ends everything.
async fn serve(start: &Start, lifeline: Option<Lifeline>) -> Result<(), String> {
    let settings = &start.settings;
    let mut config = config(start)?;
    let mut stop = Stop::new(lifeline).map_err(|error| format!("cannot listen for signals: {error}"))?;
    let admin = listen_admin(settings)?;
    let front = tokio::select! {
        front = Front::start(start) => front?,
        () = stop.signal() => return Ok(()),
    };
    config.seat = front.as_ref().map(Front::seat);
    let (failed, mut failure) = oneshot::channel();
    let (running, shards, store) = start_gateway(start, &config, front.as_ref(), failed)?;
    if let Some(path) = &start.config_file {
        remember(&running, path, start.manner);
    }
    if let Some(shards) = &shards {
        shards.reached().await;
    }
    let addresses = Addresses {
        redis: running.redis().to_vec(),
        memcached: running.memcached().to_vec(),
        links: running.links().to_vec(),
        admin: admin.as_ref().and_then(|listener| listener.local_addr().ok()),
    };
    if let Some(listener) = admin {
        tokio::spawn(admin::serve(listener, Arc::clone(running.shared()), shards));
    }
    let pid_file = settings.text(Key::Pidfile);
    let _pid_file = if pid_file.is_empty() { None } else { PidFile::write(Path::new(&*pid_file)) };
    announce(start, &addresses, config.seat.as_ref());
    loop {
        tokio::select! {
            () = stop.asked(start, &running, front.as_ref()) => {}
            reason = &mut failure, if !failure.is_terminated() => match reason {
                Ok(reason) => return Err(reason),
                // Everything is loaded.
                Err(_) => continue,
            },
        }
        match save_before_the_end(&running, store.as_ref(), &mut stop).await {
            Saved::Fine => break,
            Saved::Failed => tracing::warn!("goes on, as what has changed would be lost"),
            Saved::Interrupted => return interrupted(store.as_ref()),
        }
    }
    notify::stopping();
    if end(running, front, store.as_ref(), &mut stop).await.is_none() {
        return interrupted(store.as_ref());
    }
    Ok(())
}

/// Ends at once.
fn interrupted(store: Option<&Arc<Store>>) -> Result<(), String> {
    // What has been dropped has cleaned up by now.
    store.inspect(|store| store.forget_draft());
    log::finish();
    process::exit(EXIT_INTERRUPTED);
}

/// What has become of saving before the end.
enum Saved {
    /// It is saved, or need not be.
    Fine,
    Failed,
    /// Somebody does not want to wait for it.
    Interrupted,
}

/// Saves everything, if it is to be, while clients are still served: if that fails, nothing has ended.
async fn save_before_the_end(running: &Running, store: Option<&Arc<Store>>, stop: &mut Stop) -> Saved {
    let Some(store) = store.filter(|store| store.wants_saving()) else { return Saved::Fine };
    if running.shared().saves_at_end().is_some() {
        // The client who has asked for the end has been told.
        return Saved::Fine;
    }
    let store = Arc::clone(store);
    tokio::select! {
        saved = tokio::task::spawn_blocking(move || store.save_now()) => match saved {
            Ok(Ok(())) => Saved::Fine,
            _ => Saved::Failed,
        },
        () = stop.signal() => Saved::Interrupted,
    }
}

/// What serves clients, what there is to be seen of shards, and the data if it is in this process.
type Started = (Running, Option<Shards>, Option<Arc<Store>>);

/// Starts what serves clients: in front of shards, or with the data in this process.
fn start_gateway(
    start: &Start,
    config: &Config,
    front: Option<&Front>,
    failed: oneshot::Sender<String>,
) -> Result<Started, String> {
    let settings = &start.settings;
    let started = if let (Some(front), Some(seat)) = (front, &config.seat) {
        let remote = Arc::new(Remote::new(seat, Arc::clone(settings)));
        let running = Gateway::start(config, Arc::clone(&remote), Arc::clone(settings));
        running.map(|running| (running, Some(front.shards(remote)), None))
    } else {
        let store = Arc::new(Store::new(Arc::clone(settings), config.workers));
        if settings.is_on(Key::AppendOnly) {
            // It tells more than the other file.
            store.open_append_only()?;
        } else if start.manner != Manner::Memcached {
            let holding =
                start.membership.as_ref().map(|membership| membership.holding.borrow().slots.clone());
            store.load(holding, |reason| {
                // If nobody listens any more, it is the end anyway.
                let _ = failed.send(reason);
            });
        }
        let running = Gateway::start(config, Arc::clone(&store), Arc::clone(settings));
        running.map(|running| (running, None, Some(store)))
    };
    started.map_err(|error| refusal(start, error))
}

/// Lets `CONFIG REWRITE` find the file, wherever the process goes.
fn remember(running: &Running, path: &Path, manner: Manner) {
    let path = fs::canonicalize(path).unwrap_or_else(|_| path.to_owned());
    let of = path.clone();
    let rewrite = Box::new(move |settings: &Settings| match manner {
        Manner::Redis => redis::rewrite(&of, settings),
        Manner::Own | Manner::Memcached => rewrite::rewrite(&of, settings),
    });
    running.shared().config_file.get_or_init(|| ConfigFile { path, rewrite });
}

fn config(start: &Start) -> Result<Config, String> {
    let settings = &start.settings;
    let redis = listen::addresses(settings, Key::Port)?;
    let memcached = memcached_addresses(start)?;
    let (redis_socket, memcached_socket) = (redis_socket(start), start.memcached_socket.clone());
    let has_socket = redis_socket.is_some() || memcached_socket.is_some();
    let serves_clients = !redis.is_empty() || !memcached.is_empty() || has_socket;
    if !serves_clients && start.membership.is_none() {
        let reason = match start.manner {
            Manner::Own => "--redis-port and --memcached-port are both 0",
            Manner::Memcached => "-p is 0",
            Manner::Redis => "port is 0, and there is no unixsocket",
        };
        return Err(format!("nothing to serve: {reason}"));
    }
    distinct(settings)?;
    let workers = settings.number(Key::Threads) as usize;
    let (users, membership) = (start.users.clone(), start.membership.clone());
    Ok(Config { redis, memcached, redis_socket, memcached_socket, membership, seat: None, workers, users })
}

/// The socket of this machine for Redis clients.
fn redis_socket(start: &Start) -> Option<UnixPlace> {
    let settings = &start.settings;
    let path = settings.text(Key::UnixSocket);
    let mode = u32::from_str_radix(&settings.text(Key::UnixSocketPerm), 8).ok().filter(|mode| *mode != 0);
    let is_wanted = !path.is_empty() && start.membership.is_none();
    is_wanted.then(|| UnixPlace { path: PathBuf::from(&*path), mode })
}

/// Where Memcached clients are listened to: as `bind` says, or memcached's `-l`, which may name ports too.
fn memcached_addresses(start: &Start) -> Result<Vec<SocketAddr>, String> {
    let settings = &start.settings;
    let port = settings.number(Key::MemcachedPort) as u16;
    if port == 0 || start.listen.is_empty() {
        return listen::addresses(settings, Key::MemcachedPort);
    }
    let places = start.listen.iter().map(|place| (&*place.address, place.port.unwrap_or(port)));
    listen::all(places).map_err(|reason| format!("-l: {reason}"))
}

/// Refuses one port for two purposes, which would look as if another program had taken it.
fn distinct(settings: &Settings) -> Result<(), String> {
    let flags = [
        (Key::Port, "--redis-port"),
        (Key::MemcachedPort, "--memcached-port"),
        (Key::AdminPort, "--admin-port"),
    ];
    for (place, (key, flag)) in flags.iter().enumerate() {
        let port = settings.number(*key);
        if let Some((_, other)) =
            flags[..place].iter().find(|(key, _)| port != 0 && settings.number(*key) == port)
        {
            return Err(format!("{other} and {flag} are both {port}: choose another for one of them"));
        }
    }
    Ok(())
}

/// The admin port's listener, on the first address of `bind`.
fn listen_admin(settings: &Settings) -> Result<Option<TcpListener>, String> {
    let address = listen::addresses(settings, Key::AdminPort)?.into_iter().next();
    let listener = address.map(|address| {
        let port_flag = "--admin-port";
        TcpListener::bind(address)
            .map_err(|error| Taken { address, port_flag, address_flag: "--bind", error }.to_string())
    });
    listener.transpose()
}

fn refusal(start: &Start, error: StartError) -> String {
    match error {
        StartError::Listen(taken) if start.manner == Manner::Memcached => {
            Taken { port_flag: "-p", address_flag: "-l", ..taken }.to_string()
        }
        _ => error.to_string(),
    }
}

/// Tells people, or machines, that it runs.
fn announce(start: &Start, addresses: &Addresses, seat: Option<&Seat>) {
    let settings = &start.settings;
    if start.is_supervised {
        supervised::say_ready();
        return;
    }
    if start.manner == Manner::Redis {
        redis::announce(settings, addresses);
    } else if settings.show(Key::LogFormat) == "json" {
        tracing::info!(
            redis = banner::list(&addresses.redis),
            memcached = banner::list(&addresses.memcached),
            links = banner::list(&addresses.links),
            admin = banner::list(addresses.admin.as_slice()),
            threads = settings.number(Key::Threads),
            shard_processes = settings.number(Key::ShardProcesses),
            "serving"
        );
    } else {
        // Nobody may be there to read it; that is no reason not to serve.
        let _ = io::stdout().write_all(banner::text(start, addresses, seat).as_bytes());
    }
    notify::ready();
    if let Some(warning) = banner::warning(start, addresses) {
        tracing::warn!("{warning}");
    }
}

/// Drains the gateway, then ends the shards that are ours; `None` if somebody asks a second time, and does not want to
/// wait for it.
async fn end(
    running: Running,
    front: Option<Front>,
    store: Option<&Arc<Store>>,
    stop: &mut Stop,
) -> Option<()> {
    tracing::info!("ending: no new connections; what has arrived is answered");
    let asked = running.shared().saves_at_end();
    let ended = async {
        match tokio::task::spawn_blocking(|| running.shutdown(DRAIN_MAX)).await {
            Ok(0) => tracing::info!("ended"),
            Ok(clients) => tracing::warn!(clients, "ended; clients that took too long were cut off"),
            Err(error) => tracing::error!(%error, "ended with an error"),
        }
        if let Some(store) = store {
            save_the_rest(store, asked).await;
        }
        if let Some(front) = front {
            front.end().await;
        }
    };
    tokio::select! {
        () = ended => Some(()),
        () = stop.signal() => None,
    }
}

/// Saves what has changed while the last clients were answered, if it is to be saved.
async fn save_the_rest(store: &Arc<Store>, asked: Option<bool>) {
    let own = Arc::clone(store);
    if asked.unwrap_or_else(|| store.wants_saving()) && store.has_unsaved() {
        // It has been told of in the log.
        let _ = tokio::task::spawn_blocking(move || own.save_now()).await;
    }
    store.forget_draft();
}

/// What asks for the end: signals, as a rule. SIGHUP is listened to and does not end it; SIGPIPE is ignored by
/// Rust's runtime.
struct Stop {
    terminate: Signal,
    interrupt: Signal,
    hangup: Signal,
    /// Listened to, so that a file that may not grow any more is an error of who writes it, and no end.
    _file_size: Signal,
    /// Ends what another Tidegate has started, and signals do not.
    lifeline: Option<Lifeline>,
}

impl Stop {
    fn new(lifeline: Option<Lifeline>) -> io::Result<Self> {
        Ok(Self {
            lifeline,
            terminate: signal(SignalKind::terminate())?,
            interrupt: signal(SignalKind::interrupt())?,
            hangup: signal(SignalKind::hangup())?,
            _file_size: signal(SignalKind::from_raw(rustix::process::Signal::XFSZ.as_raw()))?,
        })
    }

    async fn signal(&mut self) {
        if self.lifeline.is_some() {
            return future::pending().await;
        }
        tokio::select! {
            _ = self.terminate.recv() => {}
            _ = self.interrupt.recv() => {}
        }
    }

    /// Waits for a signal, or for a client's `SHUTDOWN`.
    async fn asked(&mut self, start: &Start, running: &Running, front: Option<&Front>) {
        if let Some(lifeline) = &mut self.lifeline {
            // Nothing is ever said through it.
            let _ = lifeline.await;
            return;
        }
        let mut client = running.shutdown_requested();
        loop {
            tokio::select! {
                _ = self.terminate.recv() => return,
                _ = self.interrupt.recv() => return,
                _ = client.wait_for(|asked| *asked) => return,
                _ = self.hangup.recv() => {
                    read_users(start, running);
                    front.inspect(|front| front.read_again(&start.settings));
                    start.shard_file.as_ref().inspect(|file| file.read_again());
                }
            }
        }
    }
}

/// Reads the file of users again, if there is one; a mistake in it changes nothing.
fn read_users(start: &Start, running: &Running) {
    let Some(path) = &start.users_file else { return };
    match users::read(path) {
        Ok(users) => {
            running.shared().set_users(users);
            tracing::info!("read the users of {} again", path.display());
        }
        Err(reason) => tracing::warn!("the users stay as they are; {}: {reason}", path.display()),
    }
}

/// The file with the process's number, removed in the end.
struct PidFile(PathBuf);

impl PidFile {
    /// Writes it whole before it has its name: whoever waits for it finds the number in it. As for memcached, a
    /// file that cannot be written is no reason not to serve.
    fn write(path: &Path) -> Option<Self> {
        let draft = path.with_added_extension("tmp");
        match fs::write(&draft, format!("{}\n", process::id())).and_then(|()| fs::rename(&draft, path)) {
            Ok(()) => Some(Self(path.to_path_buf())),
            Err(error) => {
                tracing::warn!("cannot write the pid file {}: {error}", path.display());
                None
            }
        }
    }
}

impl Drop for PidFile {
    fn drop(&mut self) {
        // It may have been removed by whoever reads it.
        let _ = fs::remove_file(&self.0);
    }
}
