//! Tidegate, memcached and redis-server side by side on this machine, loaded by the same generator in turn.
//!
//! `cargo run --release -p tidegate-compat-tests --bin peers -- --quick`

mod commands;
mod contender;
mod contest;
mod long;
mod report;

use std::process::ExitCode;

use clap::Parser;
use clap::builder::styling::Styles;

/// Tidegate, memcached and redis-server side by side on this machine.
///
/// The servers run pinned to the first processor, the generator on the last. Every measurement of a
/// server is followed at once by the same of its peers; the figures are medians of the repetitions.
/// Trust the processor time per operation and the ratios: throughput and tails suffer from neighbours.
#[derive(Debug, Parser)]
#[command(name = "peers", styles = Styles::plain(), after_help = EXAMPLES)]
struct Options {
    /// One short repetition of each measurement, 64 B values, memory with 1 M items; other options win over it
    #[arg(long)]
    quick: bool,
    /// Only cells with these words, one of each kind: resp text meta binary, get set, p1 p16 p64, 64 1024, memory, hop,
    /// commands; or the name of a command
    #[arg(long, value_name = "WORD,…", value_delimiter = ',')]
    only: Vec<String>,
    /// Server threads; above 1 Tidegate also runs with one, and nobody is pinned apart from that one
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u16).range(1..=256))]
    threads: u16,
    /// Connections of the generator
    #[arg(long, default_value_t = 50, value_name = "N", value_parser = clap::value_parser!(u16).range(1..))]
    connections: u16,
    /// Keys, all stored before anything is measured
    #[arg(long, default_value_t = 1_000_000, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    keys: u64,
    /// Seconds of one measurement [default: 2; --quick: 0.7]
    #[arg(long, value_name = "S", value_parser = seconds)]
    seconds: Option<f64>,
    /// Repetitions of each measurement [default: 3; --quick: 1]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    repeat: Option<u32>,
    /// Items stored for the memory table, 16-byte keys, 32-byte values [default: 5000000; --quick: 1000000]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    items: Option<u64>,
    /// Comma-separated values instead of tables
    #[arg(long)]
    csv: bool,
    /// Tidegate's binary, or `none`; without this it is built (release) and found beside this program
    #[arg(long, value_name = "PATH")]
    tidegate: Option<String>,
    /// The Redis to compare with; `none` leaves it out
    #[arg(long, default_value = "redis-server", value_name = "PATH")]
    redis_server: String,
    /// The proxy before that Redis, for the hop; `none` leaves it out
    #[arg(long, default_value = "nutcracker", value_name = "PATH")]
    twemproxy: String,
    /// The Memcached to compare with; `none` leaves it out
    #[arg(long, default_value = "memcached", value_name = "PATH")]
    memcached: String,
}

const EXAMPLES: &str = "\
Examples:
  peers                               everything, about half an hour
  peers --quick                       the same in about a minute
  peers --only resp,get,p16,64        one cell
  peers --only text,binary --quick    two dialects
  peers --only memory                 resident bytes per item
  peers --only commands               commands of each family, and the hand-off to one that waits (blpop)
  peers --only zadd,hgetall           two of them
  peers --only long                   how long others wait while something takes long
  peers --only hop                    what it costs to pass requests on to another process
  peers --threads 2                   two server threads on two processors, beside one
  peers --redis-server valkey-server  another peer

Needs redis-server, memcached and nutcracker, which is twemproxy, on the PATH
(Debian: apt-get install redis-server memcached nutcracker).";

fn main() -> ExitCode {
    let options = Options::parse();
    if cfg!(debug_assertions) {
        eprintln!(
            "peers: this generator is a debug build and will be the bottleneck; use cargo run --release"
        );
    }
    match contest::run(&options) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("peers: {error}");
            ExitCode::FAILURE
        }
    }
}

impl Options {
    /// Whether a cell described by `words` was asked for: of each kind of word, none was given or this one.
    fn wants(&self, words: &[&str]) -> bool {
        const KINDS: [&[&str]; 4] =
            [&["resp", "text", "meta", "binary"], &["get", "set"], &["p1", "p16", "p64"], &["64", "1024"]];
        let given = |word: &str| self.only.iter().any(|only| only.eq_ignore_ascii_case(word));
        if self.quick && words.contains(&"1024") && !given("1024") {
            return false;
        }
        words.iter().all(|word| {
            let kind = KINDS.iter().find(|kind| kind.contains(word));
            kind.is_none_or(|kind| given(word) || !kind.iter().any(|other| given(other)))
        })
    }

    /// Whether the memory table was asked for, or nothing in particular.
    fn wants_memory(&self) -> bool {
        self.only.is_empty() || self.names("memory")
    }

    /// Whether the table of the hop was asked for, or nothing in particular.
    fn wants_hop(&self) -> bool {
        self.only.is_empty() || self.names("hop")
    }

    /// Whether the tables of the dialects were: what else is named beside `hop` is about that.
    fn wants_cells(&self) -> bool {
        let is_about_cells = |only: &String| {
            !["memory", "commands", "long"].contains(&only.as_str()) && !commands::is_row(only)
        };
        self.only.is_empty() || !self.names("hop") && self.only.iter().any(is_about_cells)
    }

    /// Whether the table of commands was, or a row of it.
    fn wants_commands(&self) -> bool {
        self.only.is_empty() || self.names("commands") || self.only.iter().any(|only| commands::is_row(only))
    }

    /// Whether the table of what takes long was asked for.
    fn wants_long(&self) -> bool {
        self.only.is_empty() || self.names("long")
    }

    /// Whether this row of it was: none is named, or this one.
    fn wants_command(&self, name: &str) -> bool {
        let named = |word: &String| word.eq_ignore_ascii_case(name);
        self.only.iter().any(named) || !self.only.iter().any(|only| commands::is_row(only))
    }

    fn names(&self, word: &str) -> bool {
        self.only.iter().any(|only| only == word)
    }

    fn seconds(&self) -> f64 {
        self.seconds.unwrap_or(if self.quick { 0.7 } else { 2.0 })
    }

    fn repeat(&self) -> u32 {
        self.repeat.unwrap_or(if self.quick { 1 } else { 3 })
    }

    fn items(&self) -> u64 {
        self.items.unwrap_or(if self.quick { 1_000_000 } else { 5_000_000 })
    }
}

/// A time that can be measured in.
fn seconds(text: &str) -> Result<f64, String> {
    match text.parse() {
        Ok(seconds) if (0.05..=3600.0).contains(&seconds) => Ok(seconds),
        _ => Err("0.05 to 3600 seconds are expected".into()),
    }
}
