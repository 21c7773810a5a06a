//! Commands on places: members of sorted sets whose scores say where they are.

use super::family;
use super::row::{Access, Begin, Categories, Find, Flags, KeySpec};

/// The key that `begin` finds.
const fn key(begin: Begin, access: Access) -> KeySpec {
    KeySpec { begin, find: Find::Range { last: 0, step: 1, limit: 0 }, access }
}

const READ: KeySpec = key(Begin::Index(1), Access::RO.and(Access::ACCESS));
const REPLACE: Access = Access::OW.and(Access::UPDATE);

const READ_ONE: &[KeySpec] = &[READ];
const CHANGE: &[KeySpec] = &[key(Begin::Index(1), Access::RW.and(Access::UPDATE))];
const STORE: &[KeySpec] =
    &[key(Begin::Index(1), REPLACE), key(Begin::Index(2), Access::RO.and(Access::ACCESS))];
const MAY_STORE: &[KeySpec] =
    &[READ, key(Begin::Keyword("STORE", 6), REPLACE), key(Begin::Keyword("STOREDIST", 6), REPLACE)];
const MAY_STORE_BY_MEMBER: &[KeySpec] =
    &[READ, key(Begin::Keyword("STORE", 5), REPLACE), key(Begin::Keyword("STOREDIST", 5), REPLACE)];

const WRITES: Flags = Flags::WRITE.and(Flags::DENYOOM);
const READS: Flags = Flags::READONLY;
const GEO: Categories = Categories::GEO;

const SEARCH_COST: &str =
    "O(N+log(M)), N the number of members in the cells around the shape and M of those within it.";

family! {
    /// Commands on places.
    Geo "geo"

    Geoadd = "GEOADD" "key [condition=NX | XX]@6.2.0 [change:CH]@6.2.0 (data=longitude:double latitude:double member) ..."
        .summary("Says where members are and returns how many of them are new.")
        .cost("O(log(N)) a member, N the number of members there are.")
        .keys(CHANGE).flags(WRITES).categories(GEO).since("3.2.0")
        .history(&[("6.2.0", "The options CH, NX and XX.")]);

    Geodist = "GEODIST" "key member1 member2 [unit=M | KM | FT | MI]"
        .summary("Returns how far two members are from each other.")
        .keys(READ_ONE).flags(READS).categories(GEO).since("3.2.0");

    Geohash = "GEOHASH" "key [member [member ...]]"
        .summary("Returns where members are as geohashes, null for those who are none.")
        .cost("O(1) a member.")
        .keys(READ_ONE).flags(READS).categories(GEO).since("3.2.0");

    Geopos = "GEOPOS" "key [member [member ...]]"
        .summary("Returns the longitudes and latitudes of members, null for those who are none.")
        .cost("O(1) a member.")
        .keys(READ_ONE).flags(READS).categories(GEO).since("3.2.0");

    Georadius = "GEORADIUS" "key longitude:double latitude:double radius:double <unit=M | KM | FT | MI> [WITHCOORD] [WITHDIST] [WITHHASH] [count-block=COUNT count [ANY]@6.2.0] [order=ASC | DESC] [store=STORE storekey:key | STOREDIST storedistkey:key]"
        .summary("Returns who is within a distance from a place, or keeps them as another sorted set.")
        .cost(SEARCH_COST)
        .keys(MAY_STORE).flags(WRITES).categories(GEO).since("3.2.0")
        .history(&[("6.2.0", "The option ANY of COUNT."), ("7.0.0", "Units in capitals.")])
        .deprecated("6.2.0", "`GEOSEARCH` and `GEOSEARCHSTORE` with the `BYRADIUS` argument");

    GeoradiusRo = "GEORADIUS_RO" "key longitude:double latitude:double radius:double <unit=M | KM | FT | MI> [WITHCOORD] [WITHDIST] [WITHHASH] [count-block=COUNT count [ANY]@6.2.0] [order=ASC | DESC]"
        .summary("Returns who is within a distance from a place.")
        .cost(SEARCH_COST)
        .keys(READ_ONE).flags(READS).categories(GEO).since("3.2.10")
        .history(&[("6.2.0", "The option ANY of COUNT.")])
        .deprecated("6.2.0", "`GEOSEARCH` with the `BYRADIUS` argument");

    Georadiusbymember = "GEORADIUSBYMEMBER" "key member radius:double <unit=M | KM | FT | MI> [WITHCOORD] [WITHDIST] [WITHHASH] [count-block=COUNT count [ANY]] [order=ASC | DESC] [store=STORE storekey:key | STOREDIST storedistkey:key]"
        .summary("Returns who is within a distance from a member, or keeps them as another sorted set.")
        .cost(SEARCH_COST)
        .keys(MAY_STORE_BY_MEMBER).flags(WRITES).categories(GEO).since("3.2.0")
        .history(&[("7.0.0", "Units in capitals.")])
        .deprecated("6.2.0", "`GEOSEARCH` and `GEOSEARCHSTORE` with the `BYRADIUS` and `FROMMEMBER` arguments");

    GeoradiusbymemberRo = "GEORADIUSBYMEMBER_RO" "key member radius:double <unit=M | KM | FT | MI> [WITHCOORD] [WITHDIST] [WITHHASH] [count-block=COUNT count [ANY]] [order=ASC | DESC]"
        .summary("Returns who is within a distance from a member.")
        .cost(SEARCH_COST)
        .keys(READ_ONE).flags(READS).categories(GEO).since("3.2.10")
        .deprecated("6.2.0", "`GEOSEARCH` with the `BYRADIUS` and `FROMMEMBER` arguments");

    Geosearch = "GEOSEARCH" "key <from=FROMMEMBER member | FROMLONLAT (fromlonlat=longitude:double latitude:double)> <by=(circle=(BYRADIUS radius:double) <unit=M | KM | FT | MI>) | (box=(BYBOX width:double) height:double <unit=M | KM | FT | MI>)> [order=ASC | DESC] [count-block=COUNT count [ANY]] [WITHCOORD] [WITHDIST] [WITHHASH]"
        .summary("Returns who is within a circle or a box around a place or a member.")
        .cost(SEARCH_COST)
        .keys(READ_ONE).flags(READS).categories(GEO).since("6.2.0")
        .history(&[("7.0.0", "Units in capitals.")]);

    Geosearchstore = "GEOSEARCHSTORE" "destination source <from=FROMMEMBER member | FROMLONLAT (fromlonlat=longitude:double latitude:double)> <by=(circle=(BYRADIUS radius:double) <unit=M | KM | FT | MI>) | (box=(BYBOX width:double) height:double <unit=M | KM | FT | MI>)> [order=ASC | DESC] [count-block=COUNT count [ANY]] [STOREDIST]"
        .summary("Keeps who is within a circle or a box around a place or a member as another sorted set.")
        .cost(SEARCH_COST)
        .keys(STORE).flags(WRITES).categories(GEO).since("6.2.0")
        .history(&[("7.0.0", "Units in capitals.")]);
}
