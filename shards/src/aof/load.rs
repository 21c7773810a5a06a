//! Reading an append-only file: what it says is executed.
//!
//! A file may end in the middle of a command, where a machine has stopped: what is not whole is cut off, if
//! `aof-load-truncated` says so. Anything else that is wrong is an error that says where, and nothing is served.
//!
//! Source: Redis 7.2 `aof.c`, `loadAppendOnlyFiles`, `loadSingleAppendOnlyFile`.

use std::fs::{self, File, OpenOptions};
use std::io::{self, BufRead, BufReader, Read as _, Seek as _, SeekFrom};
use std::path::Path;

use tidegate_protocols::data::{Context, Worker as _};
use tidegate_protocols::limits::DATABASES;
use tidegate_protocols::memcached::Item;
use tidegate_protocols::number::integer;
use tidegate_protocols::settings::{Key, Settings};
use tidegate_protocols::table::{Route, Unresolved, resolve};
use tidegate_protocols::{Dialect, Reply, Request, Words};

use super::Place;
use super::manifest::Manifest;
use crate::memcached;
use crate::worker::StoreWorker;

/// Bytes of a line that says how much follows; longer ones are none.
const LINE_BYTES_MAX: u64 = 128;
/// Bytes of a file read at once.
const READ_BYTES: usize = 256 << 10;
/// Words of the longest command. Source: Redis `aof.c`: what an `int` holds, of which a tenth is enough for anybody.
const WORDS_MAX: usize = 1 << 27;

/// What is wrong with a file.
enum Wrong {
    /// It ends too early. The first so many bytes are whole commands.
    Short,
    /// It is none.
    Format,
    /// The RDB file that it begins with.
    Base(String),
    /// A command that is not known here.
    Unknown(String),
    /// It cannot be read.
    Io(io::Error),
}

impl From<io::Error> for Wrong {
    fn from(error: io::Error) -> Self {
        match error.kind() {
            io::ErrorKind::UnexpectedEof => Self::Short,
            _ => Self::Io(error),
        }
    }
}

/// Reads all files at `place`, and executes them with `worker`. Says how many commands there were; `None` if there is no file.
///
/// # Errors
/// What is wrong with which file, and what to do about it.
pub(crate) fn load(
    place: &Place,
    settings: &Settings,
    worker: &mut StoreWorker,
) -> Result<Option<u64>, String> {
    let manifest = place.manifest()?;
    if manifest.is_empty() {
        return Ok(None);
    }
    let last = manifest.parts().last().map(|part| part.name.clone());
    let mut commands = 0;
    for part in manifest.parts() {
        let is_last = Some(&part.name) == last.as_ref();
        let began = std::time::Instant::now();
        let path = place.directory.join(&part.name);
        commands += load_file(&path, is_last, settings, worker)?;
        tracing::info!("loaded {} in {:.3} seconds", part.name, began.elapsed().as_secs_f64());
    }
    forget_history(place, manifest);
    Ok(Some(commands))
}

/// Removes what a rewrite has left behind.
fn forget_history(place: &Place, mut manifest: Manifest) {
    if manifest.history.is_empty() {
        return;
    }
    for part in std::mem::take(&mut manifest.history) {
        let _ = fs::remove_file(place.directory.join(&part.name));
    }
    if let Err(error) = manifest.write(&place.directory, &place.manifest_name()) {
        tracing::warn!("cannot write the manifest without its history: {error}");
    }
}

fn load_file(
    path: &Path,
    is_last: bool,
    settings: &Settings,
    worker: &mut StoreWorker,
) -> Result<u64, String> {
    let name = path.display();
    let file = File::open(path).map_err(|error| {
        format!("Fatal error: can't open the append log file {name} for reading: {error}")
    })?;
    let mut loader = Loader {
        input: BufReader::with_capacity(READ_BYTES, file),
        worker,
        context: Context::default(),
        at: 0,
        whole: 0,
        commands: 0,
        transaction: None,
        reply: Vec::new(),
        value_bytes_max: settings.number(Key::ProtoMaxBulkLen) as u64,
    };
    let read = loader.run();
    let (whole, commands) = (loader.whole, loader.commands);
    match read {
        Ok(()) => Ok(commands),
        Err(Wrong::Short) if !is_last => Err(format!(
            "Fatal error: the truncated file {name} is not the last file: it ends in the middle of a command after {whole} bytes"
        )),
        Err(Wrong::Short) if settings.is_on(Key::AofLoadTruncated) => {
            let bytes = fs::metadata(path).map_or(0, |about| about.len());
            tracing::warn!("!!! Warning: short read while loading the AOF file {name}!!!");
            tracing::warn!(
                "!!! Truncating the AOF {name} at offset {whole} !!! ({} bytes are cut off)",
                bytes - whole
            );
            let cut = OpenOptions::new().write(true).open(path).and_then(|file| {
                file.set_len(whole)?;
                file.sync_all()
            });
            cut.map_err(|error| format!("Error truncating the AOF file {name}: {error}"))?;
            Ok(commands)
        }
        Err(Wrong::Short) => Err(format!(
            "Unexpected end of file reading the append only file {name}. You can: 1) Make a backup of your AOF file, then use \
             redis-check-aof --fix <filename.manifest>. 2) Alternatively you can set the 'aof-load-truncated' configuration \
             option to yes and restart the server."
        )),
        Err(Wrong::Format) => Err(format!(
            "Bad file format reading the append only file {name} after {whole} bytes: make a backup of your AOF file, then use \
             redis-check-aof --fix <filename.manifest>"
        )),
        Err(Wrong::Base(reason)) => Err(format!("Error reading the RDB base file {name}: {reason}")),
        Err(Wrong::Unknown(command)) => Err(format!(
            "Unknown command '{command}' reading the append only file {name} after {whole} bytes"
        )),
        Err(Wrong::Io(error)) => {
            Err(format!("Unrecoverable error reading the append only file {name}: {error}"))
        }
    }
}

/// One file that is being read.
struct Loader<'w> {
    input: BufReader<File>,
    worker: &'w mut StoreWorker,
    context: Context,
    /// How far it is read.
    at: u64,
    /// Up to where it is whole commands and whole transactions.
    whole: u64,
    commands: u64,
    /// The commands of a transaction that has begun.
    transaction: Option<Vec<Words>>,
    reply: Vec<u8>,
    value_bytes_max: u64,
}

impl Loader<'_> {
    fn run(&mut self) -> Result<(), Wrong> {
        self.base()?;
        let mut line = Vec::new();
        while self.line(&mut line)? {
            if line.starts_with(b"#") {
                self.is_whole();
                continue;
            }
            let words = self.command(&line)?;
            self.obey(words)?;
            self.is_whole();
        }
        if self.transaction.is_some() { Err(Wrong::Short) } else { Ok(()) }
    }

    fn is_whole(&mut self) {
        if self.transaction.is_none() {
            self.whole = self.at;
        }
    }

    /// Loads the RDB file that a base is, or begins with.
    fn base(&mut self) -> Result<(), Wrong> {
        if !self.input.fill_buf()?.starts_with(b"REDIS") {
            return Ok(());
        }
        self.input.seek(SeekFrom::Start(0))?;
        let bytes = self.worker.load_base(self.input.get_ref()).map_err(Wrong::Base)?;
        self.input.seek(SeekFrom::Start(bytes))?;
        (self.at, self.whole) = (bytes, bytes);
        Ok(())
    }

    /// The next line, without its end; `false` at the end of the file.
    fn line(&mut self, line: &mut Vec<u8>) -> Result<bool, Wrong> {
        line.clear();
        let read = self.input.by_ref().take(LINE_BYTES_MAX).read_until(b'\n', line)?;
        self.at += read as u64;
        if read == 0 {
            return Ok(false);
        }
        if line.pop() != Some(b'\n') {
            return Err(if read as u64 == LINE_BYTES_MAX { Wrong::Format } else { Wrong::Short });
        }
        if line.last() == Some(&b'\r') {
            line.pop();
        }
        Ok(true)
    }

    fn command(&mut self, head: &[u8]) -> Result<Words, Wrong> {
        let count =
            count(head, b'*').filter(|&words| (1..=WORDS_MAX).contains(&words)).ok_or(Wrong::Format)?;
        let (mut words, mut line) = (Vec::with_capacity(count.min(1024)), Vec::new());
        for _ in 0..count {
            if !self.line(&mut line)? {
                return Err(Wrong::Short);
            }
            let bytes =
                count_of(&line).filter(|&bytes| bytes <= self.value_bytes_max).ok_or(Wrong::Format)?;
            let mut word = Vec::new();
            // No memory is taken for what is not there.
            let read = self.input.by_ref().take(bytes).read_to_end(&mut word)?;
            self.at += read as u64;
            if (read as u64) < bytes {
                return Err(Wrong::Short);
            }
            let mut end = [0; 2];
            self.input.read_exact(&mut end)?;
            self.at += 2;
            words.push(word);
        }
        Ok(Words::new(&words))
    }

    /// Executes a command, or keeps it until its transaction ends.
    fn obey(&mut self, words: Words) -> Result<(), Wrong> {
        let name = words.args().at(0).to_ascii_uppercase();
        match (&*name, &mut self.transaction) {
            (b"MULTI", _) => self.transaction = Some(Vec::new()),
            (b"EXEC", transaction) => {
                for words in transaction.take().unwrap_or_default() {
                    self.execute(&words)?;
                }
            }
            (_, Some(transaction)) => transaction.push(words),
            (_, None) => self.execute(&words)?,
        }
        Ok(())
    }

    fn execute(&mut self, words: &Words) -> Result<(), Wrong> {
        let args = words.args();
        self.commands += 1;
        if args.at(0).eq_ignore_ascii_case(b"select") {
            let database = args.get(1).and_then(integer).and_then(|number| u8::try_from(number).ok());
            self.context.database =
                database.filter(|&number| usize::from(number) < DATABASES).ok_or(Wrong::Format)?;
            return Ok(());
        }
        if args.at(0).eq_ignore_ascii_case(b"echo") {
            if let Some((key, metadata)) = args.get(1).and_then(memcached::read_marks) {
                self.worker.mark_item(self.context.database, key, &metadata);
            }
            return Ok(());
        }
        let row = match resolve(&args) {
            Ok(row) => row,
            Err(Unresolved::Arity(_)) => return Err(Wrong::Format),
            Err(Unresolved::Command | Unresolved::Subcommand(_)) => {
                return Err(Wrong::Unknown(String::from_utf8_lossy(args.at(0)).into_owned()));
            }
        };
        if row.route == Route::Gateway || !row.is_redis() {
            return Ok(());
        }
        self.reply.clear();
        let (dialect, item) = (Dialect::Resp2, &Item::NONE);
        let request = Request { row, dialect, args, item };
        let prepared = self.worker.prepare(row, &args, self.context.database, None);
        let mut reply = Reply::new(&mut self.reply, dialect);
        // What it replies, even an error, was for whoever asked for it then.
        let _ = self.worker.execute(&request, prepared, &self.context, &mut reply);
        Ok(())
    }
}

/// The number behind `sign`.
fn count(line: &[u8], sign: u8) -> Option<usize> {
    let [first, digits @ ..] = line else { return None };
    integer(digits).filter(|_| *first == sign).and_then(|number| usize::try_from(number).ok())
}

fn count_of(line: &[u8]) -> Option<u64> {
    count(line, b'$').map(|bytes| bytes as u64)
}
