//! Asks the real server and Tidegate for the same random things until they answer differently.
//!
//! ```text
//! differ                                          every family for a minute each
//! differ --family lists --for 1h                  one of them for an hour
//! differ --family lists --seed 4711 --rounds 1    a round that is known
//! differ --real /where/redis-7.2/is/redis-server  one of the version Tidegate follows: encodings and DUMPs too
//! ```
//!
//! Rounds have numbers, one after the other. When a round disagrees, as few of its requests as do so are printed as a
//! transcript, and the program ends with 1.

use std::path::PathBuf;
use std::process::ExitCode;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use clap::{Parser, ValueEnum};
use tidegate_compat_tests::by_chance::{Comparison, GENERATORS, Generator};
use tidegate_compat_tests::form::Form;
use tidegate_compat_tests::transcript::Family;

/// How long the least is looked for.
const SHRINK_TIME: Duration = Duration::from_mins(2);

/// Asks the real server and Tidegate for the same random things until they answer differently.
#[derive(Parser)]
struct Options {
    /// Families of requests; all unless some are named.
    #[arg(long = "family", value_parser = family)]
    families: Vec<Generator>,
    /// Number of the first round; another at every start unless it is said.
    #[arg(long)]
    seed: Option<u64>,
    /// How long each family is asked about: `90s`, `10m`, `2h`.
    #[arg(long = "for", value_parser = duration, default_value = "1m")]
    time: Duration,
    /// Rounds of each family at the most.
    #[arg(long, default_value_t = u64::MAX)]
    rounds: u64,
    /// Where Tidegate keeps its data; all there are unless some are named.
    #[arg(long = "form")]
    forms: Vec<FormName>,
    /// The redis-server to compare with.
    #[arg(long, default_value = "redis-server")]
    real: PathBuf,
}

#[derive(Clone, Copy, ValueEnum)]
enum FormName {
    AllInOne,
    OneShard,
    ThreeShards,
}

impl From<FormName> for Form {
    fn from(name: FormName) -> Self {
        match name {
            FormName::AllInOne => Self::InProcess,
            FormName::OneShard => Self::OneShard,
            FormName::ThreeShards => Self::ThreeShards,
        }
    }
}

fn main() -> ExitCode {
    let mut options = Options::parse();
    if options.families.is_empty() {
        options.families = GENERATORS.to_vec();
    }
    for generator in &options.families {
        match ask(*generator, &options) {
            Ok(rounds) => println!("{}: {rounds} rounds agree", generator.name),
            Err(problem) => {
                eprintln!("{problem}");
                return ExitCode::FAILURE;
            }
        }
    }
    ExitCode::SUCCESS
}

/// How many rounds have agreed, or what has not.
fn ask(generator: Generator, options: &Options) -> Result<u64, String> {
    let forms = match &options.forms[..] {
        [] => Form::ALL.to_vec(),
        some => some.iter().copied().map(Form::from).collect(),
    };
    let ours: Result<Vec<_>, String> =
        forms.into_iter().map(|form| Ok((form, generator.tidegate(form)?))).collect();
    let program = match generator.family {
        Family::Redis => options.real.clone(),
        Family::Memcached => PathBuf::from(generator.program()),
    };
    let comparison = Comparison::start(generator, &program, ours?)?;
    let start = Instant::now();
    let first = options.seed.unwrap_or_else(now);
    let mut rounds = 0;
    while rounds < options.rounds && start.elapsed() < options.time {
        let seed = first.wrapping_add(rounds);
        let text = comparison.round(seed);
        if let Err(found) = comparison.play(&text) {
            println!("{}: the round with --seed {seed} disagrees: {found}", generator.name);
            let Err(found) = comparison.play(&text) else {
                return Err(
                    "it agrees when it is asked for again: it depends on the time, or on what came before"
                        .into(),
                );
            };
            println!("looking for the least of it");
            let (least, found) = comparison.shrink(&text, found, SHRINK_TIME);
            return Err(format!("{least}\n{found}"));
        }
        rounds += 1;
    }
    Ok(rounds)
}

/// A number that is another at every start: Unix milliseconds.
fn now() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |time| time.as_millis() as u64)
}

fn family(name: &str) -> Result<Generator, String> {
    let names = || GENERATORS.iter().map(|generator| generator.name).collect::<Vec<_>>().join(", ");
    GENERATORS
        .iter()
        .copied()
        .find(|generator| generator.name == name)
        .ok_or_else(|| format!("there are {}", names()))
}

fn duration(text: &str) -> Result<Duration, String> {
    let (digits, unit) = text.split_at(text.len().saturating_sub(1));
    let seconds = match unit {
        "s" => 1,
        "m" => 60,
        "h" => 3600,
        _ => return Err("a number with s, m or h behind it".to_owned()),
    };
    let number: u64 = digits.parse().map_err(|_| "a number with s, m or h behind it".to_owned())?;
    Ok(Duration::from_secs(number.saturating_mul(seconds)))
}
