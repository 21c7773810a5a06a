//! Commands on HyperLogLogs: strings that say about how many different elements there have been.

use tidegate_protocols::settings::{Key, Settings};
use tidegate_protocols::table::hyperloglog::Hyperloglog;
use tidegate_protocols::{Args, Error, Reply, Request};

use crate::db::{Db, Encoding, Look};
use crate::entry_mut::EntryMut;
use crate::structures::hyperloglog::{
    Corrupt, EMPTY, HyperLogLog, HyperLogLogMut, REGISTERS, Registers, estimate, register_of,
};

/// Elements of the self-test.
const TESTED: u64 = 100_000;

const NOT_ONE: Error = Error::Text("WRONGTYPE Key is not a valid HyperLogLog string value.");

impl From<Corrupt> for Error {
    fn from(_: Corrupt) -> Self {
        Self::Text("INVALIDOBJ Corrupted HLL object detected")
    }
}

/// Answers a command of this family.
pub(crate) fn execute(
    verb: Hyperloglog,
    request: &Request<'_>,
    db: &mut Db<'_>,
    reply: &mut Reply<'_>,
) -> Result<(), Error> {
    let args = request.args;
    match verb {
        Hyperloglog::Pfadd => pfadd(db, args, reply),
        Hyperloglog::Pfcount if args.len() == 2 => count_one(db, args.fixed(), reply),
        Hyperloglog::Pfcount => count_union(db, args, reply),
        Hyperloglog::Pfmerge => pfmerge(db, args, reply),
        Hyperloglog::Pfdebug => pfdebug(db, args.fixed(), reply),
        Hyperloglog::Pfselftest => pfselftest(db.settings(), reply),
    }
}

fn sparse_bytes_max(settings: &Settings) -> usize {
    settings.number(Key::HllSparseMaxBytes) as usize
}

/// Whether there is one.
///
/// # Errors
/// [`Error::WrongType`] for what is no string, and another for a string that is none.
fn check(entry: &EntryMut<'_>) -> Result<bool, Error> {
    match entry.text()? {
        Some(mut text) => HyperLogLog::of(text.bytes()).map(|_| true).ok_or(NOT_ONE),
        None => Ok(false),
    }
}

/// Changes the one that is there. What it has become is a new value for all who watch the key if `change` says so.
fn change<T>(
    entry: &mut EntryMut<'_>,
    sparse_bytes_max: usize,
    change: impl FnOnce(&mut HyperLogLogMut<'_, crate::entry_mut::Packed<'_, '_>>) -> (T, bool),
) -> Result<T, Error> {
    let (result, has_changed) = {
        let mut packed = entry.packed_mut();
        change(&mut HyperLogLogMut::new(&mut packed, sparse_bytes_max))
    };
    if has_changed {
        entry.string_mut(0)?;
    }
    Ok(result)
}

fn pfadd(db: &mut Db<'_>, args: Args<'_>, reply: &mut Reply<'_>) -> Result<(), Error> {
    let sparse_bytes_max = sparse_bytes_max(db.settings());
    let mut entry = db.change(args.at(1));
    let is_new = !check(&entry)?;
    if is_new {
        entry.create(Encoding::Raw, &EMPTY);
    }
    let result = change(&mut entry, sparse_bytes_max, |counted| {
        let mut is_changed = is_new;
        let result = args.from(2).iter().try_for_each(|element| {
            let (index, value) = register_of(element);
            is_changed |= counted.raise(index, value)?;
            Ok::<_, Corrupt>(())
        });
        if is_new {
            counted.forget_count();
        }
        (result.map(|()| is_changed), is_changed)
    })?;
    reply.integer(result?.into());
    Ok(())
}

/// `PFCOUNT key`: what it finds out is remembered.
fn count_one(db: &mut Db<'_>, [key]: [&[u8]; 1], reply: &mut Reply<'_>) -> Result<(), Error> {
    let mut entry = db.open(key, Look::Read);
    if !check(&entry)? {
        reply.integer(0);
        return Ok(());
    }
    let count = change(&mut entry, 0, |counted| {
        if let Some(count) = counted.view().cached() {
            return (Ok(count), false);
        }
        let count = counted.view().count();
        if let Ok(count) = count {
            counted.remember_count(count);
        }
        (count, count.is_ok())
    })?;
    reply.integer(count? as i64);
    Ok(())
}

/// All that is in any of `keys`, and whether any of these is dense.
fn union<'k>(db: &mut Db<'_>, keys: impl Iterator<Item = &'k [u8]>) -> Result<(Box<Registers>, bool), Error> {
    let (mut registers, mut any_is_dense) = (Box::new([0; REGISTERS]), false);
    for key in keys {
        let Some(mut text) = db.string(key)? else { continue };
        let counted = HyperLogLog::of(text.bytes()).ok_or(NOT_ONE)?;
        counted.merge_into(&mut registers)?;
        any_is_dense |= !counted.is_sparse();
    }
    Ok((registers, any_is_dense))
}

/// `PFCOUNT key key [key ...]`
fn count_union(db: &mut Db<'_>, args: Args<'_>, reply: &mut Reply<'_>) -> Result<(), Error> {
    let (registers, _) = union(db, args.from(1).iter())?;
    let mut times = [0; 64];
    registers.iter().for_each(|&value| times[usize::from(value)] += 1);
    reply.integer(estimate(&times) as i64);
    Ok(())
}

fn pfmerge(db: &mut Db<'_>, args: Args<'_>, reply: &mut Reply<'_>) -> Result<(), Error> {
    let sparse_bytes_max = sparse_bytes_max(db.settings());
    let (registers, any_is_dense) = union(db, args.from(1).iter())?;
    let mut entry = db.change(args.at(1));
    if !entry.is_there() {
        entry.create(Encoding::Raw, &EMPTY);
    }
    let result = change(&mut entry, sparse_bytes_max, |merged| {
        let result = merge(merged, &registers, any_is_dense);
        (result, true)
    })?;
    result?;
    reply.ok();
    Ok(())
}

fn merge<B: crate::structures::buffer::Buffer>(
    merged: &mut HyperLogLogMut<'_, B>,
    registers: &Registers,
    is_dense: bool,
) -> Result<(), Corrupt> {
    if is_dense {
        merged.make_dense()?;
    }
    for (index, &value) in registers.iter().enumerate().filter(|(_, value)| **value > 0) {
        merged.raise(index, value)?;
    }
    merged.forget_count();
    Ok(())
}

/// `PFDEBUG GETREG | DECODE | ENCODING | TODENSE key`
fn pfdebug(db: &mut Db<'_>, [what, key]: [&[u8]; 2], reply: &mut Reply<'_>) -> Result<(), Error> {
    let mut entry = db.change(key);
    if !check(&entry)? {
        return Err(Error::Text("ERR The specified key does not exist"));
    }
    let mut packed = entry.packed_mut();
    let mut counted = HyperLogLogMut::new(&mut packed, 0);
    let was_sparse = counted.view().is_sparse();
    match what.to_ascii_lowercase().as_slice() {
        b"getreg" => {
            counted.make_dense()?;
            let mut registers = Box::new([0; REGISTERS]);
            counted.view().merge_into(&mut registers)?;
            reply.array(REGISTERS);
            registers.iter().for_each(|&value| reply.integer(value.into()));
        }
        b"decode" if !counted.view().is_sparse() => {
            return Err(Error::Text("ERR HLL encoding is not sparse"));
        }
        b"decode" => {
            let runs: Vec<_> = counted.view().runs().map(|run| run.to_string()).collect();
            reply.bulk(runs.join(" ").as_bytes());
        }
        b"encoding" => reply.simple(if counted.view().is_sparse() { "sparse" } else { "dense" }),
        b"todense" => reply.integer(counted.make_dense()?.into()),
        _ => return Err(Error::quoting("ERR Unknown PFDEBUG subcommand '", what, "'")),
    }
    if was_sparse && !counted.view().is_sparse() {
        entry.has_changed();
    }
    Ok(())
}

/// Counts elements sparse and dense: both have to say the same, and about what is right.
fn pfselftest(settings: &Settings, reply: &mut Reply<'_>) -> Result<(), Error> {
    let (mut sparse, mut dense) = (EMPTY.to_vec(), EMPTY.to_vec());
    HyperLogLogMut::new(&mut dense, 0).make_dense()?;
    let (seed, mut checkpoint) = (fastrand::u64(..), 1);
    for number in 1..=TESTED {
        let (index, value) = register_of(&(number ^ seed).to_ne_bytes());
        HyperLogLogMut::new(&mut sparse, sparse_bytes_max(settings)).raise(index, value)?;
        HyperLogLogMut::new(&mut dense, 0).raise(index, value)?;
        if number != checkpoint {
            continue;
        }
        let [one, other] = [&sparse, &dense].map(|bytes| HyperLogLog::of(bytes).map(HyperLogLog::count));
        if one != other {
            return Err(Error::Text("ERR TESTFAILED dense/sparse disagree"));
        }
        let count = one.ok_or(NOT_ONE)??;
        // Six times the error that is expected, but for so few that chance weighs more.
        let error = (number as f64 * 6.0 * 1.04 / (REGISTERS as f64).sqrt()).ceil().max(2.0);
        if count.abs_diff(number) as f64 > error {
            return Err(Error::Text("ERR TESTFAILED Too big error."));
        }
        checkpoint *= 10;
    }
    reply.ok();
    Ok(())
}

#[cfg(test)]
mod tests {
    use tidegate_protocols::settings::Key;

    use crate::testing::Client;

    #[test]
    fn a_count_is_remembered_until_something_new_comes() {
        let mut client = Client::new();
        assert_eq!(client.run("PFADD k a b c"), ":1\\r\\n");
        let before = client.run("GET k");
        assert_eq!(client.run("PFCOUNT k"), ":3\\r\\n");
        let after = client.run("GET k");
        assert_ne!(before, after);
        assert_eq!(client.run("PFADD k a"), ":0\\r\\n");
        assert_eq!(client.run("GET k"), after);
        assert_eq!(client.run("PFADD k d"), ":1\\r\\n");
        assert_eq!(client.run("PFCOUNT k"), ":4\\r\\n");
        assert_eq!(client.run("PFCOUNT k none"), ":4\\r\\n");
    }

    #[test]
    fn flags_and_expiry_stay_when_elements_come() {
        let mut client = Client::new();
        client.run("PFADD k a");
        client.run("EXPIRE k 100");
        for number in 0..3000 {
            client.run(&format!("PFADD k {number}"));
        }
        assert_eq!(client.run("TTL k"), ":100\\r\\n");
        assert_eq!(client.run("STRLEN k"), ":12304\\r\\n");
        assert_eq!(client.run("OBJECT ENCODING k"), "$3\\r\\nraw\\r\\n");
    }

    #[test]
    fn the_setting_says_when_one_is_dense() {
        let mut client = Client::new();
        client.settings.set(Key::HllSparseMaxBytes, "0").unwrap();
        client.run("PFADD k a");
        assert_eq!(client.run("PFDEBUG ENCODING k"), "+dense\\r\\n");
        client.run("PFMERGE m k");
        assert_eq!(client.run("PFDEBUG ENCODING m"), "+dense\\r\\n");
    }

    #[test]
    fn it_passes_its_own_test() {
        assert_eq!(Client::new().run("PFSELFTEST"), "+OK\\r\\n");
    }
}
