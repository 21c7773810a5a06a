//! What gateways ask of shards for themselves, read from the arguments of a request.

use super::{Decoded, Malformed, decode};
use crate::memcached::Item;
use crate::request::{Args, Span};
use crate::table::link::Link;

/// A request of [`crate::table::link`].
#[derive(Clone, Copy, Debug)]
pub enum Errand<'a> {
    /// Executes requests as one, unless a watched key has changed.
    Transact {
        /// Whose transaction it is.
        client: u64,
        /// How many keys the client watches here.
        watched: u32,
        /// The requests, each a whole frame.
        frames: &'a [u8],
    },
    /// Watches keys.
    Watch {
        /// For whom.
        client: u64,
        /// The keys.
        keys: Args<'a>,
    },
    /// Watches nothing more.
    Unwatch {
        /// For whom.
        client: u64,
    },
    /// Tells the figures of the store.
    Figures,
    /// Sets figures that count events back to zero.
    ResetFigures,
    /// Gives memory back.
    Purge,
    /// Changes settings.
    Configure {
        /// Names and values in turn.
        pairs: Args<'a>,
    },
}

impl<'a> Errand<'a> {
    /// Reads the arguments; the row has taken as many. The requests of a transaction are not looked at.
    ///
    /// # Errors
    /// [`Malformed::Arguments`] if they are not what the row says.
    pub fn of(verb: Link, args: &Args<'a>) -> Result<Self, Malformed> {
        let malformed = Malformed::Arguments(verb.row().name);
        let client = || args.at(1).try_into().map(u64::from_le_bytes).map_err(|_| malformed);
        Ok(match verb {
            Link::Transact => Self::Transact {
                client: client()?,
                watched: args.at(2).try_into().map(u32::from_le_bytes).map_err(|_| malformed)?,
                frames: args.at(3),
            },
            Link::Watch => Self::Watch { client: client()?, keys: args.from(2) },
            Link::Unwatch => Self::Unwatch { client: client()? },
            Link::Figures => Self::Figures,
            Link::ResetFigures => Self::ResetFigures,
            Link::Purge => Self::Purge,
            Link::Configure if args.len().is_multiple_of(2) => return Err(malformed),
            Link::Configure => Self::Configure { pairs: args.from(1) },
        })
    }

    /// Looks at all there is, the requests of a transaction too: those that follow each other may be gone through
    /// then with [`crate::transaction::Requests`], and a shard answers all of them.
    ///
    /// # Errors
    /// What is wrong with the first that is none.
    pub fn check(verb: Link, args: &Args<'a>) -> Result<(), Malformed> {
        match Self::of(verb, args)? {
            Self::Transact { frames, .. } => check_frames(frames),
            _ => Ok(()),
        }
    }
}

fn check_frames(mut frames: &[u8]) -> Result<(), Malformed> {
    let (mut spans, mut item): (Vec<Span>, _) = (Vec::new(), Item::NONE);
    while !frames.is_empty() {
        spans.clear();
        let Decoded::Request(outline) = decode(frames, frames.len() as u64, &mut spans, &mut item)? else {
            return Err(Malformed::TooShort(frames.len() as u32));
        };
        outline.check_for_transaction()?;
        frames = &frames[outline.bytes..];
    }
    Ok(())
}
