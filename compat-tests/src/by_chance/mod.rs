//! Random requests: the real server and Tidegate, in each of its forms, must give the same replies.
//!
//! The requests of a round come from a number, so a failure is the same at every run. Tests play a few rounds of each
//! family (`SEED=7 ROUNDS=50` tries others), and the program `differ` any number.

pub mod geo;
pub mod hashes;
pub mod hyperloglogs;
pub mod lists;
pub mod scripts;
pub mod sets;
pub mod sorted_sets;
pub mod splits;
pub mod streams;
pub mod strings;
pub mod table;
pub mod transactions;
pub mod users;

mod comparison;

pub use comparison::{Comparison, Disagreement};

use crate::form::Form;
use crate::install::{needed, program};
use crate::server::Server;
use crate::transcript::Family;

/// Requests of one family of commands.
#[derive(Clone, Copy, Debug)]
pub struct Generator {
    /// What people call it.
    pub name: &'static str,
    /// Whose language it speaks.
    pub family: Family,
    /// Where its keys have to be.
    pub keys: Keys,
    /// The rounds of a test.
    pub rounds: u64,
    /// The requests of a round, as the lines of a script.
    pub round: fn(&mut fastrand::Rng, Real) -> String,
}

/// Every family; each is a test as well.
pub const GENERATORS: &[Generator] = &[
    strings::GENERATOR,
    hashes::GENERATOR,
    lists::GENERATOR,
    sets::GENERATOR,
    sorted_sets::GENERATOR,
    geo::GENERATOR,
    streams::GENERATOR,
    hyperloglogs::GENERATOR,
    transactions::TRANSACTIONS,
    users::GENERATOR,
    scripts::GENERATOR,
    table::GENERATOR,
    splits::SPLITS,
    splits::MEMCACHED_SPLITS,
];

/// Where the keys of the requests are when there are several shards.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Keys {
    /// In any of them.
    Anywhere,
    /// In one, as requests on several keys need it.
    InOneShard,
}

/// What is known of the server that is compared with.
#[derive(Clone, Copy, Debug)]
pub struct Real {
    /// Whether it is a redis-server of the version that Tidegate follows: then encodings can be compared as well.
    pub is_7_2: bool,
    /// Whether it is a redis-server of version 8, which knows that fields of hashes expire.
    pub is_8: bool,
}

impl Generator {
    /// The program it is compared with, if no other is named.
    pub fn program(self) -> &'static str {
        match self.family {
            Family::Redis => "redis-server",
            Family::Memcached => "memcached",
        }
    }

    /// Tidegate as this generator needs it.
    ///
    /// # Errors
    /// Why it does not start.
    pub fn tidegate(self, form: Form) -> Result<Server, String> {
        if (form, self.keys) == (Form::ThreeShards, Keys::InOneShard) {
            Server::tidegate_with_keys_in_one_of_three_shards(&[])
        } else {
            Server::tidegate(form, &[])
        }
    }
}

/// Plays some rounds on the installed server and Tidegate in all its forms; panics at the first reply that differs.
pub fn agree(generator: Generator) {
    agree_with(generator, || {
        Form::ALL.map(|form| (form, generator.tidegate(form).expect("Tidegate starts"))).into()
    });
}

/// The same with the servers that `ours` starts.
#[expect(clippy::missing_panics_doc, reason = "that is how tests fail")]
pub fn agree_with(generator: Generator, ours: impl FnOnce() -> Vec<(Form, Server)>) {
    let Some(path) = needed(generator.name, program(generator.program(), generator.program())) else {
        return;
    };
    let comparison = Comparison::start(generator, &path, ours()).expect("the real server starts");
    let seed = number("SEED", 1);
    for seed in (seed..).take(number("ROUNDS", generator.rounds) as usize) {
        if let Err(disagreement) = comparison.play(&comparison.round(seed)) {
            panic!("round of seed {seed}:\n{disagreement}");
        }
    }
}

/// A number out of the environment.
fn number(name: &str, default: u64) -> u64 {
    std::env::var(name).map_or(default, |text| text.parse().expect("a number"))
}

/// One of several words.
pub fn one<'a>(dice: &mut fastrand::Rng, of: &[&'a str]) -> &'a str {
    of[dice.usize(..of.len())]
}

/// An integer, often near the edge of some width.
pub fn integer(dice: &mut fastrand::Rng) -> i64 {
    match dice.u8(..4) {
        0 => dice.i64(-5..5),
        1 => dice.i64(-300..300),
        2 => (1_i64 << dice.u32(..63)) - dice.i64(0..2),
        _ => -(1_i64 << dice.u32(..63)) - dice.i64(0..2),
    }
}
