//! `SPOP key [count]` and `SRANDMEMBER key [count]`: members by chance.

use tidegate_protocols::number::count_argument;
use tidegate_protocols::{Args, Error, Reply};

use super::set::{Home, Limits, Set, SetMut, no_integers, no_members};
use super::{read, tell};
use crate::by_chance::{Wanted, tell_any};
use crate::db::{Db, Look};
use crate::log::effects::Effects;
use crate::structures::listpack::Element;

/// If fewer than one in so many members stay, they are what is looked for. Source: Redis `t_set.c`,
/// `SPOP_MOVE_STRATEGY_MUL`.
const FEW_STAY: usize = 5;

/// Members that the log takes out in one command. Source: Redis `t_set.c`, `spopWithCountCommand`.
const LOGGED_TOGETHER: usize = 1024;

pub(super) fn spop(db: &mut Db<'_>, args: Args<'_>, reply: &mut Reply<'_>) -> Result<(), Error> {
    let count = match args.len() {
        2 => None,
        3 => Some(count_argument(args.at(2))?),
        _ => return Err(Error::Syntax),
    };
    let mut random = fastrand::Rng::with_seed(db.local.random.u64(..));
    let (key, limits) = (args.at(1), Limits::of(db.settings()));
    let mut taken = Taken { effects: db.effects(), members: Vec::new() };
    let mut entry = db.open(key, Look::Change);
    let mut set = SetMut::new(&mut entry, limits)?;
    let members = set.len();
    let Some(count) = count else {
        if members == 0 {
            reply.null();
        } else {
            take_one(&mut set, &mut random, |member| taken.tell(member, reply));
            set.has_shrunk();
            taken.log(key);
        }
        return Ok(());
    };
    reply.set(count.min(members));
    if count == 0 || members == 0 {
        return Ok(());
    }
    if count >= members {
        set.view().expect("it has members").for_each(|member| tell(member, reply));
        entry.remove();
        taken.effects.says(&[b"UNLINK", key]);
    } else {
        take(&mut set, members, count, &mut random, |member| taken.tell(member, reply));
        set.has_changed();
        taken.log(key);
    }
    Ok(())
}

/// Members that are taken out.
struct Taken {
    effects: Effects,
    /// They, if somebody wants to know.
    members: Vec<Vec<u8>>,
}

impl Taken {
    fn tell(&mut self, member: Element<'_>, reply: &mut Reply<'_>) {
        tell(member, reply);
        if self.effects.is_on() {
            self.members.push(member.text(&mut itoa::Buffer::new()).to_vec());
        }
    }

    fn log(&self, key: &[u8]) {
        for members in self.members.chunks(LOGGED_TOGETHER) {
            let words: Vec<&[u8]> =
                [b"SREM", key].into_iter().chain(members.iter().map(|it| &**it)).collect();
            self.effects.says(&words);
        }
    }
}

/// Takes out one member and shows it.
fn take_one<H: Home>(set: &mut SetMut<'_, H>, random: &mut fastrand::Rng, mut each: impl FnMut(Element<'_>)) {
    let text;
    let member = match set.view().expect("it has members").random(random) {
        Element::Int(number) => Element::Int(number),
        Element::Text(bytes) => {
            text = bytes.to_vec();
            Element::Text(&text)
        }
    };
    each(member);
    set.remove(member);
}

/// Takes out `count` of the `members` and shows them.
fn take<H: Home>(
    set: &mut SetMut<'_, H>,
    members: usize,
    count: usize,
    random: &mut fastrand::Rng,
    mut each: impl FnMut(Element<'_>),
) {
    let view = set.view().expect("it has members");
    let few_stay = (members - count) * FEW_STAY <= count;
    if !few_stay && !matches!(view, Set::Packed(_)) {
        (0..count).for_each(|_| take_one(set, random, &mut each));
        return;
    }
    // Each of those that are left is taken with the chance that as many of them are wanted as are. Who stays is packed
    // again, even if a table was needed for all.
    let mut rest = if matches!(view, Set::Integers(_)) { no_integers() } else { no_members() };
    let (mut left, mut wanted) = (members, count);
    let mut staying = set.beside(&mut rest);
    view.for_each(|member| {
        if random.usize(..left) < wanted {
            wanted -= 1;
            each(member);
        } else {
            staying.add_new(member);
        }
        left -= 1;
    });
    set.leave(rest);
}

pub(super) fn srandmember(db: &mut Db<'_>, args: Args<'_>, reply: &mut Reply<'_>) -> Result<(), Error> {
    let mut random = fastrand::Rng::with_seed(db.local.random.u64(..));
    let key = args.at(1);
    let wanted = match args.len() {
        2 => {
            match read(db, key)? {
                Some(set) => tell(set.random(&mut random), reply),
                None => reply.null(),
            }
            return Ok(());
        }
        3 => Wanted::parse(args.at(2))?,
        _ => return Err(Error::Syntax),
    };
    let reply_bytes_max = db.local.reply_bytes_max;
    let Some(set) = read(db, key)?.filter(|_| !wanted.is_none()) else {
        reply.array(0);
        return Ok(());
    };
    let count = match wanted {
        Wanted::Different(count) => count,
        Wanted::Any(count) => {
            let open = |reply: &mut Reply<'_>| reply.array(count);
            return tell_any(count, reply_bytes_max, reply, open, |reply| {
                tell(set.random(&mut random), reply);
            });
        }
    };
    let mut wanted = set.len().min(count);
    reply.array(wanted);
    if let Set::Table(members) = set {
        members.sample(wanted, &mut random, |member, _| reply.bulk(member));
        return Ok(());
    }
    let mut left = set.len();
    set.while_each(|member| {
        if random.usize(..left) < wanted {
            wanted -= 1;
            tell(member, reply);
        }
        left -= 1;
        wanted > 0
    });
    Ok(())
}
