//! Scripts in front of shards.
//!
//! A shard knows the scripts that were run there or loaded everywhere (`SCRIPT LOAD`). A client of several shards that has
//! run a script on keys of one will name it (`EVALSHA`) for keys of another. So a gateway keeps the texts of the
//! scripts it has seen lately, and has a shard learn one, over the same link, before it is asked to run it for the
//! first time. A shard that has forgotten it says `NOSCRIPT`, and is told again the next time.

use std::collections::HashMap;
use std::sync::Arc;

use parking_lot::Mutex;
use tidegate_protocols::script::is_reader;
use tidegate_protocols::table::link::Link as Verbs;
use tidegate_protocols::table::scripting::Scripting;
use tidegate_protocols::transaction::Requests;
use tidegate_protocols::{Request, Sha, Verb};

use super::worker::RemoteWorker;
use crate::limits::{SCRIPT_SEEN_BYTES_MAX, SCRIPTS_SEEN_BYTES_MAX, SCRIPTS_SEEN_MAX};

/// The texts of scripts that clients have sent lately.
#[derive(Default)]
pub(super) struct Seen(Mutex<Texts>);

#[derive(Default)]
struct Texts {
    by_name: HashMap<Sha, Text>,
    bytes: usize,
    uses: u64,
}

struct Text {
    text: Arc<[u8]>,
    used: u64,
}

impl Seen {
    fn keep(&self, text: &[u8]) -> Sha {
        let name = Sha::of(text);
        let texts = &mut *self.0.lock();
        texts.uses += 1;
        let used = texts.uses;
        if let Some(known) = texts.by_name.get_mut(&name) {
            known.used = used;
        } else if text.len() <= SCRIPT_SEEN_BYTES_MAX {
            texts.by_name.insert(name, Text { text: text.into(), used });
            texts.bytes += text.len();
            while texts.by_name.len() > SCRIPTS_SEEN_MAX || texts.bytes > SCRIPTS_SEEN_BYTES_MAX {
                let oldest = texts.by_name.iter().min_by_key(|(_, text)| text.used).map(|(name, _)| *name);
                let Some(gone) = oldest.and_then(|name| texts.by_name.remove(&name)) else { break };
                texts.bytes -= gone.text.len();
            }
        }
        name
    }

    fn get(&self, name: &Sha) -> Option<Arc<[u8]>> {
        let texts = &mut *self.0.lock();
        texts.uses += 1;
        let known = texts.by_name.get_mut(name)?;
        known.used = texts.uses;
        Some(Arc::clone(&known.text))
    }

    fn forget(&self) {
        *self.0.lock() = Texts::default();
    }
}

impl RemoteWorker {
    /// A request is about scripts; if it goes to one shard only, to that of this place.
    #[cold]
    pub(super) fn see_script(&mut self, request: &Request<'_>, place: Option<usize>) {
        let Verb::Scripting(verb) = request.row.verb else { return };
        let (seen, args) = (&self.common.scripts, &request.args);
        match verb {
            Scripting::Eval | Scripting::EvalRo => {
                let name = seen.keep(args.at(1));
                if let Some(place) = place {
                    self.links[place].learns(name);
                }
            }
            Scripting::ScriptLoad => {
                seen.keep(args.at(2));
            }
            Scripting::ScriptFlush => seen.forget(),
            Scripting::Evalsha | Scripting::EvalshaRo => {
                if let (Some(name), Some(place)) = (Sha::parse(args.at(1)), place) {
                    self.teach(place, name);
                }
            }
            Scripting::FunctionLoad
            | Scripting::FunctionDelete
            | Scripting::FunctionFlush
            | Scripting::FunctionRestore => self.libraries.ask = true,
            _ => {}
        }
    }

    /// The same for what is in a transaction that goes to one shard.
    pub(super) fn see_scripts(&mut self, frames: &[u8], place: usize) {
        let mut requests = Requests::new(frames);
        while let Some(request) = requests.next_request() {
            self.see_script(&request, Some(place));
        }
    }

    /// Whether a request may write, as far as this gateway has seen scripts. Functions are known to shards alone.
    pub(super) fn may_write(&self, request: &Request<'_>) -> bool {
        let text = request.args.get(1).unwrap_or_default();
        match request.row.verb {
            Verb::Scripting(Scripting::Eval) => !is_reader(text),
            Verb::Scripting(Scripting::Evalsha) => {
                let known = Sha::parse(text).and_then(|name| self.common.scripts.get(&name));
                known.is_none_or(|text| !is_reader(&text))
            }
            _ => request.row.may_write(),
        }
    }

    fn teach(&mut self, place: usize, name: Sha) {
        if let Some(text) = self.common.scripts.get(&name)
            && self.links[place].learns(name)
        {
            self.tell_words(Verbs::Learn, place, &[Verbs::Learn.row().name.as_bytes(), &text]);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_texts_seen_last_are_kept_within_their_bounds() {
        let seen = Seen::default();
        let first = seen.keep(b"return 'first'");
        let second = seen.keep(b"return 'second'");
        for number in 2..SCRIPTS_SEEN_MAX {
            seen.keep(format!("return {number}").as_bytes());
        }
        assert!(seen.get(&first).is_some());
        seen.keep(b"one more");
        assert!(seen.get(&first).is_some() && seen.get(&second).is_none());
        assert!(seen.get(&seen.keep(&vec![b' '; SCRIPT_SEEN_BYTES_MAX + 1])).is_none());
        let large = (0..=SCRIPTS_SEEN_BYTES_MAX / SCRIPT_SEEN_BYTES_MAX)
            .map(|number| seen.keep(&vec![number as u8; SCRIPT_SEEN_BYTES_MAX]))
            .collect::<Vec<_>>();
        assert!(seen.get(&large[0]).is_none() && seen.get(&large[1]).is_some());
        assert!(seen.0.lock().bytes <= SCRIPTS_SEEN_BYTES_MAX);
        seen.forget();
        let texts = seen.0.lock();
        assert_eq!((texts.bytes, texts.by_name.len()), (0, 0));
    }
}
