//! Commands on places: members of sorted sets whose scores say where they are.

mod cell;
mod first;
mod search;
mod shape;

use std::io::Write as _;

use tidegate_protocols::number::double;
use tidegate_protocols::table::geo::Geo;
use tidegate_protocols::{Args, Dialect, Error, Reply, Request};

use crate::db::Db;
use crate::diary;
use crate::sorted_sets::add::{Options, add};
use crate::sorted_sets::read;
use cell::Place;
use search::Form;

/// Answers a command of this family.
pub(crate) fn execute(
    verb: Geo,
    request: &Request<'_>,
    db: &mut Db<'_>,
    reply: &mut Reply<'_>,
) -> Result<(), Error> {
    let args = request.args;
    match verb {
        Geo::Geoadd => geoadd(db, args, reply),
        Geo::Geodist => geodist(db, args, reply),
        Geo::Geohash => geohash(db, args, reply),
        Geo::Geopos => geopos(db, args, reply),
        Geo::Georadius => search::search(db, request, Form::Radius { may_store: true }, reply),
        Geo::GeoradiusRo => search::search(db, request, Form::Radius { may_store: false }, reply),
        Geo::Georadiusbymember => search::search(db, request, Form::ByMember { may_store: true }, reply),
        Geo::GeoradiusbymemberRo => search::search(db, request, Form::ByMember { may_store: false }, reply),
        Geo::Geosearch => search::search(db, request, Form::Search { is_kept: false }, reply),
        Geo::Geosearchstore => search::search(db, request, Form::Search { is_kept: true }, reply),
    }
}

/// A place on the map.
fn place([longitude, latitude]: [&[u8]; 2]) -> Result<Place, Error> {
    let longitude = double(longitude).ok_or(Error::NotFloat)?;
    let latitude = double(latitude).ok_or(Error::NotFloat)?;
    let place = Place { longitude, latitude };
    if !place.is_on_map() {
        let text = format!("ERR invalid longitude,latitude pair {longitude:.6},{latitude:.6}");
        return Err(Error::Composed(text.into_bytes().into()));
    }
    Ok(place)
}

/// Metres of a unit.
fn unit(word: &[u8]) -> Result<f64, Error> {
    match () {
        () if word.eq_ignore_ascii_case(b"m") => Ok(1.0),
        () if word.eq_ignore_ascii_case(b"km") => Ok(1000.0),
        () if word.eq_ignore_ascii_case(b"ft") => Ok(0.3048),
        () if word.eq_ignore_ascii_case(b"mi") => Ok(1609.34),
        () => Err(Error::Text("ERR unsupported unit provided. please use M, KM, FT, MI")),
    }
}

/// Writes a distance with four decimals. Source: Redis 7.2 `util.c`, `fixedpoint_d2string`.
fn tell_distance(distance: f64, reply: &mut Reply<'_>) {
    let scaled = cell::signed((distance * 10_000.0).round_ties_even());
    let mut text = [0; 32];
    let mut free = &mut text[..];
    let sign = if scaled < 0 { "-" } else { "" };
    let scaled = scaled.unsigned_abs();
    write!(free, "{sign}{}.{:04}", scaled / 10_000, scaled % 10_000).expect("it is long enough");
    let used = 32 - free.len();
    reply.bulk(&text[..used]);
}

/// Writes a longitude and a latitude.
fn tell_place(place: Place, reply: &mut Reply<'_>) {
    reply.array(2);
    for degrees in [place.longitude, place.latitude] {
        let text = format!("{degrees:.17}");
        let text = text.trim_end_matches('0').trim_end_matches('.');
        let text = if text == "-0" { "0" } else { text };
        if reply.dialect() == Dialect::Resp3 {
            reply.out().extend_from_slice(format!(",{text}\r\n").as_bytes());
        } else {
            reply.bulk(text.as_bytes());
        }
    }
}

/// `GEOADD key [NX | XX] [CH] longitude latitude member ...`
fn geoadd(db: &mut Db<'_>, args: Args<'_>, reply: &mut Reply<'_>) -> Result<(), Error> {
    let (options, count) = Options::parse(args.from(2), &["nx", "xx", "ch"]);
    let members = args.from(2 + count);
    if !members.len().is_multiple_of(3) || options.exclude_each_other() {
        return Err(Error::Syntax);
    }
    let at =
        |at: usize| Ok((place([members.at(at), members.at(at + 1)])?.score() as f64, members.at(at + 2)));
    let pairs = (0..members.len()).step_by(3).map(at);
    add(db, args.at(1), options, pairs, reply)?;
    if db.effects().is_on() && diary::has_changed() {
        let scores: Vec<_> = (0..members.len())
            .step_by(3)
            .filter_map(|at| place([members.at(at), members.at(at + 1)]).ok())
            .map(|place| place.score().to_string())
            .collect();
        let pairs = scores.iter().zip((2..members.len()).step_by(3));
        let options = args.range(1..=1 + count);
        let mut words: Vec<&[u8]> = [&b"zadd"[..]].into_iter().chain(options.iter()).collect();
        words.extend(pairs.flat_map(|(score, at)| [score.as_bytes(), members.at(at)]));
        db.effects().says(&words);
    }
    Ok(())
}

/// `GEODIST key member1 member2 [M | KM | FT | MI]`
fn geodist(db: &mut Db<'_>, args: Args<'_>, reply: &mut Reply<'_>) -> Result<(), Error> {
    let unit = match args.get(4) {
        Some(_) if args.len() > 5 => return Err(Error::Syntax),
        Some(word) => unit(word)?,
        None => 1.0,
    };
    let set = read(db, args.at(1))?;
    let place = |member| set?.score(member).map(Place::of_score);
    match place(args.at(2)).zip(place(args.at(3))) {
        Some((one, other)) => tell_distance(shape::distance(one, other) / unit, reply),
        None => reply.null(),
    }
    Ok(())
}

fn geohash(db: &mut Db<'_>, args: Args<'_>, reply: &mut Reply<'_>) -> Result<(), Error> {
    let (set, members) = (read(db, args.at(1))?, args.from(2));
    reply.array(members.len());
    for member in members.iter() {
        match set.and_then(|set| set.score(member)) {
            Some(score) => reply.bulk(&cell::geohash(Place::of_score(score))),
            None => reply.null(),
        }
    }
    Ok(())
}

fn geopos(db: &mut Db<'_>, args: Args<'_>, reply: &mut Reply<'_>) -> Result<(), Error> {
    let (set, members) = (read(db, args.at(1))?, args.from(2));
    reply.array(members.len());
    for member in members.iter() {
        match set.and_then(|set| set.score(member)) {
            Some(score) => tell_place(Place::of_score(score), reply),
            None => reply.null_array(),
        }
    }
    Ok(())
}
