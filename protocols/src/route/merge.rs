//! How the answers of several shards become one. They are whole answers in the dialect of the client, as shards
//! give them.

use super::plan::Part;
use crate::reply::{Dialect, Reply};
use crate::resp::answer::{self, Head};
use crate::table::Gather;

/// Hexadecimal digits of a hash (SHA-1).
const DIGEST_DIGITS: usize = 40;

/// Adds to `reply` what the answers of every shard, in the order of the shards, say together.
///
/// The first error among them is the answer. Where one of several will do, `chance`, a random number, picks it.
///
/// # Errors
/// The shard whose answer is none, or cannot be merged so, by its place among the answers.
pub fn merge(gather: Gather, chance: u64, answers: &[&[u8]], reply: &mut Reply<'_>) -> Result<(), usize> {
    if gather == Gather::AnyDone {
        let one = any_done(answers, reply.dialect()).ok_or(0_usize)?;
        reply.out().extend_from_slice(one);
        return Ok(());
    }
    if let Some(error) = answers.iter().find(|answer| is_error(answer, reply.dialect())) {
        reply.out().extend_from_slice(error);
        return Ok(());
    }
    match (gather, reply.dialect()) {
        (Gather::Sum, _) => sum(answers, reply),
        (Gather::Any, _) => {
            let any = pick(chance, answers).ok_or(0_usize)?;
            reply.out().extend_from_slice(any);
            Ok(())
        }
        (Gather::Digest, _) => digest(answers, reply),
        // A scan asks one shard at a time, see [`super::Leg`].
        (Gather::Most, _) => most(answers, reply),
        (Gather::Running, _) => {
            let one = answers.iter().find(|answer| is_running(answer)).or(answers.first()).ok_or(0_usize)?;
            reply.out().extend_from_slice(one);
            Ok(())
        }
        (Gather::Agree | Gather::One | Gather::Cursor | Gather::AnyDone, _) => {
            let first = answers.first().ok_or(0_usize)?;
            reply.out().extend_from_slice(first);
            Ok(())
        }
        (Gather::Join | Gather::ByKey, Dialect::Resp2 | Dialect::Resp3) => join(answers, reply),
        (Gather::Join | Gather::ByKey, _) => join_lines(answers, reply),
    }
}

/// Adds to `reply` what the answers to the parts of a request say together; `answers` are in the order of `parts`.
///
/// # Errors
/// As [`merge`].
pub fn merge_split(
    gather: Gather,
    parts: &[Part],
    answers: &[&[u8]],
    reply: &mut Reply<'_>,
) -> Result<(), usize> {
    debug_assert_eq!(parts.len(), answers.len());
    if gather != Gather::ByKey || answers.iter().any(|answer| is_error(answer, reply.dialect())) {
        return merge(gather, 0, answers, reply);
    }
    let mut rests = Vec::with_capacity(answers.len());
    for (place, (part, answer)) in parts.iter().zip(answers).enumerate() {
        match answer::head(answer) {
            Some((Head::Array(count), rest)) if count == part.keys.len() => rests.push(rest),
            _ => return Err(place),
        }
    }
    let mut keys: Vec<_> = parts
        .iter()
        .enumerate()
        .flat_map(|(place, part)| part.keys.iter().map(move |&key| (key, place)))
        .collect();
    keys.sort_unstable();
    reply.array(keys.len());
    for (_, place) in keys {
        let bytes = answer::whole(rests[place]).ok_or(place)?;
        let (element, rest) = rests[place].split_at(bytes);
        reply.out().extend_from_slice(element);
        rests[place] = rest;
    }
    Ok(())
}

fn is_error(answer: &[u8], dialect: Dialect) -> bool {
    match dialect {
        Dialect::Resp2 | Dialect::Resp3 => matches!(answer.first(), Some(b'-' | b'!')),
        // Status of a binary answer, in bytes 6 and 7 of its header.
        Dialect::MemcachedBinary => answer.get(6..8).is_some_and(|status| status != [0, 0]),
        Dialect::MemcachedText | Dialect::MemcachedMeta => {
            answer.starts_with(b"SERVER_ERROR")
                || answer.starts_with(b"CLIENT_ERROR")
                || answer.starts_with(b"ERROR")
        }
    }
}

/// One of the answers that are not null, or a null if all are.
fn pick<'a>(chance: u64, answers: &[&'a [u8]]) -> Option<&'a [u8]> {
    let there = |answer: &&&[u8]| !matches!(**answer, b"$-1\r\n" | b"_\r\n");
    let count = answers.iter().filter(there).count() as u64;
    let picked = answers.iter().filter(there).nth(chance.checked_rem(count).unwrap_or(0) as usize);
    picked.or(answers.first()).copied()
}

fn sum(answers: &[&[u8]], reply: &mut Reply<'_>) -> Result<(), usize> {
    let mut sum: i64 = 0;
    for (place, answer) in answers.iter().enumerate() {
        match answer::head(answer) {
            Some((Head::Integer(number), [])) => sum = sum.saturating_add(number),
            _ => return Err(place),
        }
    }
    reply.integer(sum);
    Ok(())
}

/// `+` and the digits of each.
fn digest(answers: &[&[u8]], reply: &mut Reply<'_>) -> Result<(), usize> {
    let mut digits = [0_u8; DIGEST_DIGITS];
    for (place, answer) in answers.iter().enumerate() {
        let theirs = answer.strip_prefix(b"+").and_then(|answer| answer.strip_suffix(b"\r\n"));
        for (digit, their) in
            digits.iter_mut().zip(theirs.filter(|them| them.len() == DIGEST_DIGITS).ok_or(place)?)
        {
            *digit ^= char::from(*their).to_digit(16).ok_or(place)? as u8;
        }
    }
    let digits: String = digits.iter().filter_map(|&digit| char::from_digit(digit.into(), 16)).collect();
    reply.simple(&digits);
    Ok(())
}

/// The answer of one that has done what was asked, if there is one; else of one that had anything to do.
fn any_done<'a>(answers: &[&'a [u8]], dialect: Dialect) -> Option<&'a [u8]> {
    let done = answers.iter().find(|answer| !is_error(answer, dialect));
    let busy = || answers.iter().find(|answer| !answer.starts_with(b"-NOTBUSY"));
    done.or_else(busy).or(answers.first()).copied()
}

/// Whether the first value of a map is not null.
fn is_running(answer: &[u8]) -> bool {
    let value = answer::head(answer).and_then(|(_, rest)| answer::bulk(rest));
    value.is_some_and(|(_, value)| !value.starts_with(b"$-1\r\n") && !value.starts_with(b"_\r\n"))
}

/// Of integers at the same place of several arrays, the greatest.
fn most(answers: &[&[u8]], reply: &mut Reply<'_>) -> Result<(), usize> {
    let mut all: Option<Vec<i64>> = None;
    for (place, answer) in answers.iter().enumerate() {
        let Some((Head::Array(count), mut rest)) = answer::head(answer) else { return Err(place) };
        let most = all.get_or_insert_with(|| vec![i64::MIN; count]);
        if most.len() != count {
            return Err(place);
        }
        for most in most {
            let Some((Head::Integer(number), after)) = answer::head(rest) else { return Err(place) };
            (*most, rest) = (number.max(*most), after);
        }
    }
    let all = all.ok_or(0_usize)?;
    reply.array(all.len());
    for number in all {
        reply.integer(number);
    }
    Ok(())
}

fn join(answers: &[&[u8]], reply: &mut Reply<'_>) -> Result<(), usize> {
    let mut elements = Vec::with_capacity(answers.len());
    for (place, answer) in answers.iter().enumerate() {
        match answer::head(answer) {
            Some((Head::Array(count), rest)) => elements.push((count, rest)),
            _ => return Err(place),
        }
    }
    reply.array(elements.iter().map(|(count, _)| count).sum());
    for (_, rest) in elements {
        reply.out().extend_from_slice(rest);
    }
    Ok(())
}

/// Lines up to the `END` of the last.
fn join_lines(answers: &[&[u8]], reply: &mut Reply<'_>) -> Result<(), usize> {
    const END: &[u8] = b"END\r\n";
    for (place, answer) in answers.iter().enumerate() {
        let lines = answer.strip_suffix(END).ok_or(place)?;
        reply.out().extend_from_slice(lines);
    }
    reply.out().extend_from_slice(END);
    Ok(())
}
