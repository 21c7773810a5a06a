//! What a gateway says to a shard, frame by frame, said by a test.

use tidegate_gateway::{Config, Holding, LinkPlace, Membership};
use tidegate_protocols::link::{Ask, Greeting, Tail, encode};
use tidegate_protocols::memcached::Item;
use tidegate_protocols::table::lookup;
use tidegate_protocols::{Dialect, Request, Row, Words};

use super::{Client, Server, next_answer};

/// The epoch of the topology.
pub const EPOCH: u32 = 3;

/// The shard `shard-1` with these slots.
pub fn shard(slots: &str, links: Vec<LinkPlace>) -> Server {
    let (name, slots) = ("shard-1".to_owned(), slots.parse().unwrap());
    let membership = Some(Membership::fixed(&name, Holding { epoch: EPOCH, slots }, links));
    Server::start_as(&Config { membership, ..Config::default() }, &[])
}

/// The same, reached by TCP.
pub fn on_loopback(slots: &str) -> Server {
    shard(slots, vec!["127.0.0.1:0".parse().unwrap()])
}

/// A gateway that has greeted and been greeted.
pub fn gateway(server: &Server) -> Client {
    let mut client = greets(server, 0, 0);
    client.expect(&greeting(&Greeting::new("shard-1", EPOCH)));
    client
}

/// A gateway's process that has greeted on a link of some generation.
pub fn greets(server: &Server, process: u64, generation: u32) -> Client {
    let mut client = Client::connect(server.running.links()[0]);
    client.send(&greeting(&Greeting::new("gateway-1", 0).of(process, generation)));
    client
}

/// A greeting as it is sent.
pub fn greeting(greeting: &Greeting) -> Vec<u8> {
    let mut bytes = Vec::new();
    greeting.encode(&mut bytes);
    bytes
}

/// A request of a client that speaks RESP2.
pub fn frame(id: u32, words: &[&[u8]]) -> Vec<u8> {
    of_epoch(EPOCH, id, words)
}

/// The same at an epoch.
pub fn of_epoch(epoch: u32, id: u32, words: &[&[u8]]) -> Vec<u8> {
    framed(lookup(words[0]).unwrap(), words, &Ask { id, epoch, ..Ask::default() })
}

/// A request as it is sent.
pub fn framed(row: &'static Row, words: &[&[u8]], ask: &Ask) -> Vec<u8> {
    let words = Words::new(words);
    let args = words.args();
    let request = Request { row, dialect: Dialect::Resp2, args, item: &Item::NONE };
    let mut frame = Vec::new();
    encode(&mut frame, &request, ask).unwrap();
    frame
}

/// Sends one request and tells how it was answered.
#[track_caller]
pub fn ask(client: &mut Client, frame: &[u8]) -> (Tail, String) {
    client.send(frame);
    let (_, tail, bytes) = next_answer(client);
    (tail, String::from_utf8(bytes).unwrap())
}

/// An answer that is whole.
pub fn done(text: &str) -> (Tail, String) {
    (Tail::Done, text.to_owned())
}

/// Stores what [`GET`] asks for.
pub const SET: &[&[u8]] = &[b"SET", b"k", b"v"];
pub const GET: &[&[u8]] = &[b"GET", b"k"];
