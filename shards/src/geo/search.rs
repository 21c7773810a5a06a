//! `GEOSEARCH`, `GEOSEARCHSTORE`, `GEORADIUS`, `GEORADIUSBYMEMBER` and their forms that only read.
//!
//! What is asked for is read, and found wrong, in the order in which Redis does it. Source: Redis 7.2 `geo.c`,
//! `georadiusGeneric`.

use std::borrow::Cow;

use tidegate_protocols::number::{double, integer_argument};
use tidegate_protocols::{Args, Error, Reply, Request};

use super::cell::{Place, signed};
use super::first::sort_first;
use super::shape::{Search, Shape};
use super::{place, tell_distance, tell_place, unit};
use crate::db::Db;
use crate::sorted_sets::range::{Bounds, Score};
use crate::sorted_sets::sorted_set::{Keep, Limits, Order, SortedSet, built};
use crate::sorted_sets::{in_order, name, read, select};

/// Which command it is.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Form {
    /// `GEORADIUS key longitude latitude radius unit`
    Radius { may_store: bool },
    /// `GEORADIUSBYMEMBER key member radius unit`
    ByMember { may_store: bool },
    /// `GEOSEARCH key`, or `GEOSEARCHSTORE destination source`
    Search { is_kept: bool },
}

/// What is kept as the score of a member.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Kept {
    /// Where it is.
    Place,
    /// How far away it is.
    Distance,
}

/// What is asked for.
struct Query {
    middle: Option<Place>,
    /// By which word it was said.
    middle_of: From,
    /// A shape with the metres of its unit.
    shape: Option<(Shape, f64)>,
    /// Which argument says where the result is kept.
    store: Option<(usize, Kept)>,
    order: Option<Order>,
    /// 0 is all.
    count: usize,
    /// Whether those that are found first will do.
    any: bool,
    tell: Tell,
}

/// Which of two words has said where the middle is.
#[derive(Clone, Copy, PartialEq, Eq)]
enum From {
    Nothing,
    Member,
    Place,
}

/// What is told of each member.
#[derive(Clone, Copy, Default)]
struct Tell {
    distance: bool,
    hash: bool,
    place: bool,
}

const NO_MEMBER: Error = Error::Text("ERR could not decode requested zset member");

fn circle([radius, of]: [&[u8]; 2]) -> Result<(Shape, f64), Error> {
    let radius = double(radius).ok_or(Error::Text("ERR need numeric radius"))?;
    if radius < 0.0 {
        return Err(Error::Text("ERR radius cannot be negative"));
    }
    Ok((Shape::Circle { radius }, unit(of)?))
}

fn rectangle([width, height, of]: [&[u8]; 3]) -> Result<(Shape, f64), Error> {
    let width = double(width).ok_or(Error::Text("ERR need numeric width"))?;
    let height = double(height).ok_or(Error::Text("ERR need numeric height"))?;
    if height < 0.0 || width < 0.0 {
        return Err(Error::Text("ERR height or width cannot be negative"));
    }
    Ok((Shape::Box { width, height }, unit(of)?))
}

impl Query {
    fn parse(args: Args<'_>, form: Form, set: Option<SortedSet<'_>>) -> Result<Self, Error> {
        let mut query = Self {
            middle: None,
            middle_of: From::Nothing,
            shape: None,
            store: None,
            order: None,
            count: 0,
            any: false,
            tell: Tell::default(),
        };
        // A member of nothing is somewhere.
        let of_member = |member: &[u8]| match set {
            Some(set) => set.score(member).map(Place::of_score).ok_or(NO_MEMBER),
            None => Ok(Place::default()),
        };
        let mut at = match form {
            Form::Radius { .. } => {
                query.middle = Some(place([args.at(2), args.at(3)])?);
                query.shape = Some(circle([args.at(4), args.at(5)])?);
                6
            }
            Form::ByMember { .. } => {
                query.middle = Some(of_member(args.at(2))?);
                if set.is_some() {
                    query.shape = Some(circle([args.at(3), args.at(4)])?);
                }
                5
            }
            Form::Search { is_kept } => {
                query.store = is_kept.then_some((1, Kept::Place));
                2 + usize::from(is_kept)
            }
        };
        while at < args.len() {
            at += query.option(args, at, form, of_member)?;
        }
        Ok(query)
    }

    /// Reads the option at `at`; returns the number of its words.
    fn option(
        &mut self,
        args: Args<'_>,
        at: usize,
        form: Form,
        of_member: impl Fn(&[u8]) -> Result<Place, Error>,
    ) -> Result<usize, Error> {
        let (words, word) = (args.from(at + 1), args.at(at));
        let is = |name: &str| word.eq_ignore_ascii_case(name.as_bytes());
        let is_search = matches!(form, Form::Search { .. });
        let may_store = matches!(form, Form::Radius { may_store: true } | Form::ByMember { may_store: true });
        // Either form of both may be said again.
        let (has_member, has_place) = (self.middle_of == From::Member, self.middle_of == From::Place);
        let is_circle = matches!(self.shape, Some((Shape::Circle { .. }, _)));
        let is_box = matches!(self.shape, Some((Shape::Box { .. }, _)));
        let mut taken = 1;
        match () {
            () if is("withdist") => self.tell.distance = true,
            () if is("withhash") => self.tell.hash = true,
            () if is("withcoord") => self.tell.place = true,
            () if is("any") => self.any = true,
            () if is("asc") => self.order = Some(Order::Ascending),
            () if is("desc") => self.order = Some(Order::Descending),
            () if is("count") && !words.is_empty() => {
                let count = integer_argument(words.at(0))?;
                let count = usize::try_from(count).ok().filter(|&count| count > 0);
                self.count = count.ok_or(Error::Text("ERR COUNT must be > 0"))?;
                taken = 2;
            }
            () if may_store && is("store") && !words.is_empty() => {
                self.store = Some((at + 1, Kept::Place));
                taken = 2;
            }
            () if may_store && is("storedist") && !words.is_empty() => {
                self.store = Some((at + 1, Kept::Distance));
                taken = 2;
            }
            () if form == (Form::Search { is_kept: true }) && is("storedist") => {
                self.store = Some((1, Kept::Distance));
            }
            () if is_search && is("frommember") && !words.is_empty() && !has_place => {
                (self.middle, self.middle_of) = (Some(of_member(words.at(0))?), From::Member);
                taken = 2;
            }
            () if is_search && is("fromlonlat") && words.len() > 1 && !has_member => {
                (self.middle, self.middle_of) = (Some(place([words.at(0), words.at(1)])?), From::Place);
                taken = 3;
            }
            () if is_search && is("byradius") && words.len() > 1 && !is_box => {
                self.shape = Some(circle([words.at(0), words.at(1)])?);
                taken = 3;
            }
            () if is_search && is("bybox") && words.len() > 2 && !is_circle => {
                self.shape = Some(rectangle([words.at(0), words.at(1), words.at(2)])?);
                taken = 4;
            }
            () => return Err(Error::Syntax),
        }
        Ok(taken)
    }

    /// Checks that everything has been said, and nothing that excludes each other.
    fn check(&self, form: Form, command: &[u8]) -> Result<(), Error> {
        if self.store.is_some() && (self.tell.distance || self.tell.hash || self.tell.place) {
            return Err(Error::Text(if form == (Form::Search { is_kept: true }) {
                "ERR GEOSEARCHSTORE is not compatible with WITHDIST, WITHHASH and WITHCOORD options"
            } else {
                "ERR STORE option in GEORADIUS is not compatible with WITHDIST, WITHHASH and WITHCOORD options"
            }));
        }
        if matches!(form, Form::Search { .. }) {
            if self.middle.is_none() {
                let text = "ERR exactly one of FROMMEMBER or FROMLONLAT can be specified for ";
                return Err(Error::quoting(text, command, ""));
            }
            if self.shape.is_none() {
                let text = "ERR exactly one of BYRADIUS and BYBOX can be specified for ";
                return Err(Error::quoting(text, command, ""));
            }
        }
        if self.any && self.count == 0 {
            return Err(Error::Text("ERR the ANY argument requires COUNT argument"));
        }
        Ok(())
    }
}

/// Who was found.
struct Found<'a> {
    member: Cow<'a, [u8]>,
    score: f64,
    place: Place,
    /// Metres.
    distance: f64,
}

/// Everybody within the shape, as cell after cell has them; `limit` of them will do, unless it is 0.
fn find<'a>(set: SortedSet<'a>, search: &Search, limit: usize) -> Vec<Found<'a>> {
    let mut found = Vec::new();
    for cell in search.cells() {
        let (from, to) = cell.scores();
        let bounds = Bounds::Scores(Score { at: from, is_in: true }, Score { at: to, is_in: false });
        let ranks = set.ranks_within(&bounds, Order::Ascending);
        set.while_each(ranks, |member, score| {
            let place = Place::of_score(score);
            if let Some(distance) = search.distance_within(place) {
                found.push(Found { member: name(member), score, place, distance });
            }
            limit == 0 || found.len() < limit
        });
        if limit > 0 && found.len() >= limit {
            break;
        }
    }
    found
}

pub(super) fn search(
    db: &mut Db<'_>,
    request: &Request<'_>,
    form: Form,
    reply: &mut Reply<'_>,
) -> Result<(), Error> {
    let args = request.args;
    let limits = Limits::of(db.settings());
    let source = if form == (Form::Search { is_kept: true }) { 2 } else { 1 };
    let set = read(db, args.at(source))?;
    let query = Query::parse(args, form, set)?;
    query.check(form, args.at(0))?;
    let found = match (set, query.middle, query.shape) {
        (Some(set), Some(middle), Some((shape, unit))) => query.found(set, &Search { middle, shape, unit }),
        _ => Vec::new(),
    };
    let unit = query.shape.map_or(1.0, |(_, unit)| unit);
    let Some((destination, kept)) = query.store else {
        reply.array(found.len());
        for found in &found {
            query.tell.tell(found, unit, reply);
        }
        return Ok(());
    };
    // Of several keys to store at, the locks are those of the first of each kind.
    if !request.row.keys_of(&args).any(|key| key.index == destination) {
        return Err(Error::Syntax);
    }
    let score = |found: &Found<'_>| match kept {
        Kept::Place => found.score,
        Kept::Distance => found.distance / unit,
    };
    let mut members: Vec<_> = found.into_iter().map(|found| (score(&found), found.member)).collect();
    in_order(&mut members);
    let (count, built) = (members.len(), built(&members, Keep::Packed(limits)));
    select::store(db, args.at(destination), count, built, reply);
    Ok(())
}

impl Query {
    /// Who is told of, in that order.
    fn found<'a>(&self, set: SortedSet<'a>, search: &Search) -> Vec<Found<'a>> {
        let mut found = find(set, search, if self.any { self.count } else { 0 });
        // The nearest are meant, unless any are.
        let order = self.order.or((self.count > 0 && !self.any).then_some(Order::Ascending));
        let by_distance = |a: &Found<'_>, b: &Found<'_>| a.distance.total_cmp(&b.distance);
        let by_order = |a: &Found<'_>, b: &Found<'_>| match order {
            Some(Order::Descending) => by_distance(b, a),
            _ => by_distance(a, b),
        };
        match order {
            Some(_) if (1..found.len()).contains(&self.count) => {
                sort_first(&mut found, self.count, &by_order);
            }
            Some(_) => found.sort_by(by_order),
            None => {}
        }
        if self.count > 0 {
            found.truncate(self.count);
        }
        found
    }
}

impl Tell {
    fn tell(self, found: &Found<'_>, unit: f64, reply: &mut Reply<'_>) {
        let more = usize::from(self.distance) + usize::from(self.hash) + usize::from(self.place);
        if more > 0 {
            reply.array(1 + more);
        }
        reply.bulk(&found.member);
        if self.distance {
            tell_distance(found.distance / unit, reply);
        }
        if self.hash {
            reply.integer(signed(found.score));
        }
        if self.place {
            tell_place(found.place, reply);
        }
    }
}
