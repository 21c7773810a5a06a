//! Tidegate, memcached and redis-server side by side on this machine, loaded by the same generator in turn.
//!
//! `cargo run --release -p tidegate-compat-tests --bin peers -- --quick`

mod contender;
mod contest;
mod report;

use std::process::ExitCode;
use std::time::Duration;

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
    /// One short repetition at 64 B only, and memory with 1 M items
    #[arg(long)]
    quick: bool,
    /// Only cells with these words, one of each kind: resp text meta binary, get set, p1 p16 p64, 64 1024, memory
    #[arg(long, value_name = "WORD,…", value_delimiter = ',')]
    only: Vec<String>,
    /// Server threads; above 1 Tidegate also runs with one, and nobody is pinned apart from that one
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u16).range(1..=256))]
    threads: u16,
    /// Connections of the generator
    #[arg(long, default_value_t = 50, value_name = "N")]
    connections: usize,
    /// Keys, all stored before anything is measured
    #[arg(long, default_value_t = 1_000_000, value_name = "N")]
    keys: u64,
    /// Seconds of one measurement
    #[arg(long, default_value_t = 2.0, value_name = "S")]
    seconds: f64,
    /// Repetitions of each measurement
    #[arg(long, default_value_t = 3, value_name = "N")]
    repeat: usize,
    /// Items stored for the memory table (16-byte keys, 32-byte values)
    #[arg(long, default_value_t = 5_000_000, value_name = "N")]
    items: u64,
    /// Comma-separated values instead of tables
    #[arg(long)]
    csv: bool,
    /// Tidegate's binary, or `none`; without this it is built (release) and found beside this program
    #[arg(long, value_name = "PATH")]
    tidegate: Option<String>,
    /// The Redis to compare with; `none` leaves it out
    #[arg(long, default_value = "redis-server", value_name = "PATH")]
    redis_server: String,
    /// The Memcached to compare with; `none` leaves it out
    #[arg(long, default_value = "memcached", value_name = "PATH")]
    memcached: String,
}

const EXAMPLES: &str = "\
Examples:
  peers                               everything, about half an hour
  peers --quick                       64 B values, one short repetition
  peers --only resp,get,p16,64        one cell
  peers --only text,binary --quick    two dialects
  peers --only memory                 resident bytes per item
  peers --threads 2                   two server threads on two processors, beside one
  peers --redis-server valkey-server  another peer

Needs redis-server and memcached on the PATH (Debian: apt-get install redis-server memcached).";

fn main() -> ExitCode {
    let mut options = Options::parse();
    if options.quick {
        options.seconds = options.seconds.min(0.7);
        options.repeat = 1;
        options.items = options.items.min(1_000_000);
    }
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
        words.iter().all(|word| {
            let kind = KINDS.iter().find(|kind| kind.contains(word));
            kind.is_none_or(|kind| given(word) || !kind.iter().any(|other| given(other)))
        })
    }

    /// Whether only the memory table was asked for, or it was not.
    fn wants_memory(&self) -> bool {
        self.only.is_empty() || self.only.iter().any(|only| only == "memory")
    }

    fn wants_only_memory(&self) -> bool {
        self.only.len() == 1 && self.wants_memory()
    }

    fn measured(&self) -> Duration {
        Duration::from_secs_f64(self.seconds)
    }
}
