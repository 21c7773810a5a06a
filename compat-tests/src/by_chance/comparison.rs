//! The real server and Tidegate, asked the same; and the least that has to be asked for them to disagree.

use std::fmt;
use std::path::Path;
use std::time::{Duration, Instant};

use super::{Generator, Real};
use crate::form::Form;
use crate::server::Server;
use crate::transcript::replay::replay;
use crate::transcript::script::Script;
use crate::transcript::{Family, Subject};

/// Servers to compare.
pub struct Comparison {
    generator: Generator,
    real: Server,
    version: Real,
    ours: Vec<(Form, Server)>,
}

/// The first request of a round that is not answered alike.
#[derive(Debug)]
pub struct Disagreement {
    /// Who disagrees: its place among ours.
    which: usize,
    form: Form,
    real: String,
    ours: String,
}

impl fmt::Display for Disagreement {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "the real server\n{}{:?}\n{}", self.real, self.form, self.ours)
    }
}

impl Comparison {
    /// Starts the real server, which is `program`, beside `ours`.
    ///
    /// # Errors
    /// Why it does not start.
    pub fn start(generator: Generator, program: &Path, ours: Vec<(Form, Server)>) -> Result<Self, String> {
        let real = match generator.family {
            Family::Redis => Server::redis_at(&program.to_string_lossy(), &[]),
            Family::Memcached => Server::real_memcached(&["-o", "no_lru_maintainer"].map(str::to_owned)),
        }?;
        let output = std::process::Command::new(program).arg("--version").output();
        let text =
            output.map_or(String::new(), |output| String::from_utf8_lossy(&output.stdout).into_owned());
        let version = Real { is_7_2: text.contains("v=7.2."), is_8: text.contains("v=8.") };
        Ok(Self { generator, real, version, ours })
    }

    /// The requests of the round with this number.
    pub fn round(&self, seed: u64) -> String {
        (self.generator.round)(&mut fastrand::Rng::with_seed(seed), self.version)
    }

    /// Asks all servers, without data at first, for the lines of a script.
    ///
    /// # Errors
    /// What the first of ours that disagrees disagrees about.
    pub fn play(&self, text: &str) -> Result<(), Disagreement> {
        let script = self.script(text);
        let expected = self.expected(&script);
        (0..self.ours.len()).try_for_each(|which| self.compare(which, &script, &expected))
    }

    fn expected(&self, script: &Script) -> Vec<String> {
        answers(script, Subject::Real, &self.real)
    }

    fn compare(&self, which: usize, script: &Script, expected: &[String]) -> Result<(), Disagreement> {
        let (form, server) = &self.ours[which];
        let got = answers(script, Subject::Tidegate(*form), server);
        let mut pairs = (0..expected.len().max(got.len())).map(|index| (expected.get(index), got.get(index)));
        let Some((real, ours)) = pairs.find(|(real, ours)| real != ours) else { return Ok(()) };
        let told = |answer: Option<&String>| answer.cloned().unwrap_or_else(|| "(no answer)\n".to_owned());
        Err(Disagreement { which, form: *form, real: told(real), ours: told(ours) })
    }

    fn script(&self, text: &str) -> Script {
        let flush = match self.generator.family {
            Family::Redis => "> FLUSHALL\n",
            Family::Memcached => "> flush_all\n",
        };
        let path = Path::new(self.generator.name);
        Script::parse(path, self.generator.family, &(flush.to_owned() + text)).expect("a script")
    }

    /// As few of the lines of `text` as still lead to a disagreement with the same of ours, and that. Parts are left out,
    /// from halves down to single requests, as long as it stays. Source: Zeller, Hildebrandt, "Simplifying and isolating
    /// failure-inducing input" (2002).
    ///
    /// After `time` whatever is left is taken.
    pub fn shrink(&self, text: &str, found: Disagreement, time: Duration) -> (String, Disagreement) {
        let start = Instant::now();
        let (mut steps, mut found) = (steps(text), found);
        let mut size = steps.len().div_ceil(2);
        loop {
            let (mut at, before) = (0, steps.len());
            while at < steps.len() && start.elapsed() < time {
                let rest = [&steps[..at], &steps[(at + size).min(steps.len())..]].concat();
                let script = self.script(&rest.concat());
                match self.compare(found.which, &script, &self.expected(&script)) {
                    Err(still) => (steps, found) = (rest, still),
                    Ok(()) => at += size,
                }
            }
            if size == 1 && steps.len() == before || start.elapsed() >= time {
                return (steps.concat(), found);
            }
            size = size.div_ceil(2);
        }
    }
}

/// Requests, each with the lines that belong to it.
fn steps(text: &str) -> Vec<String> {
    let mut steps: Vec<String> = Vec::new();
    for line in text.split_inclusive('\n') {
        match steps.last_mut().filter(|_| line.starts_with("| ")) {
            Some(step) => step.push_str(line),
            None => steps.push(line.to_owned()),
        }
    }
    steps
}

/// Each request with its reply. The script expects no replies at all, so every one is told of.
fn answers(script: &Script, subject: Subject, server: &Server) -> Vec<String> {
    let address = match script.family {
        Family::Redis => server.redis(),
        Family::Memcached => server.memcached(),
    };
    replay(script, subject, address).iter().map(ToString::to_string).collect()
}
