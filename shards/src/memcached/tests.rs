//! What Memcached clients and Redis clients see of the same items, from the bytes one sends to the bytes the
//! other gets.

use tidegate_protocols::data::Data as _;
use tidegate_protocols::memcached::{Decoded, Decoder, Item, Rules};
use tidegate_protocols::table::Verb;
use tidegate_protocols::{Args, Dialect};

use crate::testing::Client;

/// The answers to what a text client sends.
fn send(client: &mut Client, wire: &str) -> String {
    let (mut decoder, mut input, mut told) = (Decoder::default(), wire.as_bytes().to_vec(), Vec::new());
    loop {
        let (mut spans, mut item) = (Vec::new(), Item::NONE);
        match decoder.decode(&mut input, &Rules::default(), &mut spans, &mut item) {
            Decoded::Request { row, dialect, bytes } => {
                assert!(matches!(row.verb, Verb::Memcached(_)), "{wire:?} asks the store");
                let words: Vec<&[u8]> = Args::new(&input, &spans).iter().collect();
                client.dialect = dialect;
                told.extend(client.request(row, &words, &item));
                input.drain(..bytes);
            }
            Decoded::Empty(bytes) => drop(input.drain(..bytes)),
            Decoded::More(_) | Decoded::Close => break,
        }
    }
    client.dialect = Dialect::Resp2;
    String::from_utf8(told).expect("the tests use text").replace("\r\n", "|")
}

/// Sends each line and compares each answer.
fn transcript(client: &mut Client, lines: &[(&str, &str)]) {
    for (wire, expected) in lines {
        assert_eq!(send(client, wire), *expected, "{wire:?}");
    }
}

#[test]
fn an_item_is_stored_read_and_deleted() {
    transcript(
        &mut Client::new(),
        &[
            ("get a\r\n", "END|"),
            ("set a 5 0 3\r\nfoo\r\n", "STORED|"),
            ("get a b a\r\n", "VALUE a 5 3|foo|VALUE a 5 3|foo|END|"),
            ("add a 0 0 1\r\nx\r\n", "NOT_STORED|"),
            ("replace b 0 0 1\r\nx\r\n", "NOT_STORED|"),
            ("append a 9 9 1\r\n!\r\n", "STORED|"),
            ("prepend a 9 9 2\r\n<<\r\n", "STORED|"),
            ("get a\r\n", "VALUE a 5 6|<<foo!|END|"),
            ("append b 0 0 1\r\nx\r\n", "NOT_STORED|"),
            ("delete a\r\n", "DELETED|"),
            ("delete a\r\n", "NOT_FOUND|"),
            ("set a 0 0 1 noreply\r\nx\r\ndelete a noreply\r\nget a\r\n", "END|"),
        ],
    );
}

#[test]
fn a_cas_value_changes_with_every_change_and_with_nothing_else() {
    let client = &mut Client::new();
    let cas = |client: &mut Client| {
        let told = send(client, "gets a\r\n");
        told.split([' ', '|']).nth(4).expect("a CAS value").to_owned()
    };
    send(client, "set a 0 0 1\r\n1\r\n");
    let first = cas(client);
    assert_eq!(cas(client), first, "reading does not change it");
    assert_eq!(send(client, &format!("cas a 0 0 1 {first}\r\n2\r\n")), "STORED|");
    assert_eq!(send(client, &format!("cas a 0 0 1 {first}\r\n3\r\n")), "EXISTS|");
    assert_eq!(send(client, "cas b 0 0 1 1\r\n3\r\n"), "NOT_FOUND|");
    assert_eq!(send(client, "cas a 0 0 1 0\r\n3\r\n"), "EXISTS|", "0 matches nothing");
    for change in ["incr a 1", "append a 0 0 1\r\n1", "set a 0 0 1\r\n1", "ma a"] {
        let before = cas(client);
        send(client, &format!("{change}\r\n"));
        assert_ne!(cas(client), before, "{change}");
    }
    for change in ["SET a 5", "APPEND a 5", "INCR a", "SETRANGE a 0 7", "GETSET a 8"] {
        let before = cas(client);
        client.run(change);
        assert_eq!(send(client, &format!("cas a 0 0 1 {before}\r\n3\r\n")), "EXISTS|", "{change}");
    }
}

#[test]
fn counters_wrap_clamp_and_keep_their_length() {
    transcript(
        &mut Client::new(),
        &[
            ("incr n 1\r\n", "NOT_FOUND|"),
            ("set n 3 0 2\r\n10\r\n", "STORED|"),
            ("decr n 1\r\nget n\r\n", "9|VALUE n 3 2|9 |END|"),
            ("decr n 10\r\nget n\r\n", "0|VALUE n 3 2|0 |END|"),
            ("incr n 100\r\nget n\r\n", "100|VALUE n 3 3|100|END|"),
            ("set n 0 0 20\r\n18446744073709551615\r\n", "STORED|"),
            ("incr n 2\r\n", "1|"),
            ("get n\r\n", "VALUE n 0 20|1                   |END|"),
            (
                "set n 0 0 1\r\nx\r\nincr n 1\r\n",
                "STORED|CLIENT_ERROR cannot increment or decrement non-numeric value|",
            ),
            (
                "set n 0 0 0\r\n\r\nincr n 1\r\n",
                "STORED|CLIENT_ERROR cannot increment or decrement non-numeric value|",
            ),
            ("set n 0 0 25\r\n1                        \r\nincr n 1\r\n", "STORED|2|"),
            ("get n\r\n", "VALUE n 0 25|2                        |END|"),
            ("ma m N0 J13 v\r\nma m v t k O1\r\nma m MD D20 v\r\n", "VA 2|13|VA 2 t-1 km O1|14|VA 1|0|"),
            ("ma none\r\nma none q k\r\n", "NF|NF knone|"),
            ("ma m q\r\nma m T30 t\r\n", "HD t30|"),
        ],
    );
}

#[test]
fn exptime_is_relative_absolute_or_past() {
    let client = &mut Client::new();
    let absolute = client.now_ms / 1000 + 5;
    let wire = "set a 0 5 1\r\n1\r\nset b 0 -1 1\r\n1\r\nset c 0 0 1\r\n1\r\n";
    assert_eq!(send(client, wire), "STORED|STORED|STORED|");
    assert_eq!(send(client, &format!("set d 0 {absolute} 1\r\n1\r\n")), "STORED|");
    assert_eq!(send(client, "mg a t\r\nmg b t\r\nmg c t\r\nmg d t\r\n"), "HD t5|EN|HD t-1|HD t5|");
    client.now_ms += 1;
    assert_eq!(send(client, "mg a t\r\n"), "HD t5|", "begun seconds count");
    client.now_ms += 5000;
    assert_eq!(send(client, "mg a t\r\nmg c t\r\nmg d t\r\n"), "EN|HD t-1|EN|");
    assert_eq!(send(client, "touch c 3\r\ngat 4 c\r\nmg c t\r\n"), "TOUCHED|VALUE c 0 1|1|END|HD t4|");
    assert_eq!(send(client, "mg c t T9\r\nmg c T8 t\r\nmg c T-1\r\nmg c\r\n"), "HD t4|HD t8|HD|EN|");
}

#[test]
fn a_stale_item_lets_one_client_win() {
    let client = &mut Client::new();
    transcript(
        client,
        &[
            ("set a 0 0 1\r\n1\r\n", "STORED|"),
            ("md a I T30 q\r\n", ""),
            ("mg a v t\r\n", "VA 1 t30 X W|1|"),
            ("mg a v\r\n", "VA 1 Z X|1|"),
            ("get a\r\n", "VALUE a 0 1|1|END|"),
            ("ms a 1\r\n2\r\nmg a v\r\n", "HD|VA 1|2|"),
            ("mg b N30 v t\r\nmg b N30 v t\r\n", "VA 0 t30 W||VA 0 t30 Z||"),
            ("set c 0 60 1\r\n1\r\nmg c R30\r\nmg c R90\r\nmg c R90\r\n", "STORED|HD|HD W|HD Z|"),
        ],
    );
    let told = send(client, "mg a c\r\n");
    let cas: u64 = told.trim_start_matches("HD c").trim_end_matches('|').parse().expect("a CAS value");
    transcript(
        client,
        &[
            ("md a I\r\n", "HD|"),
            (&format!("ms a 1 C{cas}\r\n3\r\n"), "EX|"),
            (&format!("ms a 1 C{cas} I\r\n3\r\n"), "HD|"),
            ("mg a v\r\n", "VA 1 X W|3|"),
            (&format!("md a C{cas}\r\n"), "EX|"),
            ("md a k Oabc\r\n", "HD ka Oabc|"),
            ("md a k Oabc q\r\n", "NF ka Oabc|"),
        ],
    );
}

#[test]
fn meta_commands_repeat_and_tell_what_was_asked_for() {
    let client = &mut Client::new();
    assert_eq!(send(client, "ms Zm9v 2 b k O9 F5\r\nab\r\n"), "HD kZm9v b O9|");
    client.now_ms += 3000;
    assert_eq!(send(client, "mg foo s f h l k v\r\n"), "VA 2 s2 f5 h0 l3 kfoo|ab|");
    assert_eq!(send(client, "mg foo h l u\r\nmg Zm9v b k q\r\n"), "HD h1 l0|HD kZm9v b|");
    assert_eq!(send(client, "mg none q k\r\nmg none k O1\r\n"), "EN knone O1|");
    assert_eq!(
        send(client, "ms foo 1 ME k q\r\nx\r\nms foo 1 MA q\r\nx\r\nms foo 1 MP\r\ny\r\n"),
        "NS kfoo|HD|"
    );
    assert_eq!(send(client, "mg foo v\r\nme none\r\n"), "VA 4|yabx|EN|");
    assert!(send(client, "me foo\r\n").starts_with("ME foo exp=-1 la="));
}

#[test]
fn both_families_see_the_same_keys() {
    let client = &mut Client::new();
    send(client, "set a 7 100 3\r\nfoo\r\n");
    assert_eq!(client.run("GET a"), "$3\\r\\nfoo\\r\\n");
    assert_eq!(client.run("TTL a"), ":100\\r\\n");
    client.run("SET b 42");
    assert_eq!(send(client, "get b\r\nincr b 1\r\n"), "VALUE b 0 2|42|END|43|");
    assert_eq!(client.run("INCR b"), ":44\\r\\n");
    assert_eq!(send(client, "set c 0 0 2\r\n07\r\n"), "STORED|");
    assert_eq!(client.run("GET c"), "$2\\r\\n07\\r\\n");
}

#[test]
fn flush_all_removes_what_is_there_when_its_time_comes() {
    let client = &mut Client::new();
    transcript(client, &[("set a 0 0 1\r\n1\r\nflush_all\r\nget a\r\n", "STORED|OK|END|")]);
    transcript(client, &[("set a 0 0 1\r\n1\r\nflush_all 5\r\nget a\r\n", "STORED|OK|VALUE a 0 1|1|END|")]);
    client.now_ms += 6000;
    transcript(client, &[("get a\r\nset a 0 0 1\r\n2\r\nget a\r\n", "END|STORED|VALUE a 0 1|2|END|")]);
    assert_eq!(client.store.figures().lazyfree_pending, 2, "both times nobody waited for the memory");
}

#[test]
fn what_grows_past_the_limit_is_not_stored() {
    let client = &mut Client::new();
    let half = "x".repeat(600_000);
    assert_eq!(
        send(client, &format!("set a 0 0 600000\r\n{half}\r\nappend a 0 0 600000\r\n{half}\r\n")),
        "STORED|NOT_STORED|"
    );
    let over = "x".repeat(1 << 20);
    assert_eq!(
        send(client, &format!("ms a {}\r\n{over}\r\nget a\r\n", 1 << 20)),
        "SERVER_ERROR object too large for cache|END|"
    );
}

#[test]
fn a_dump_shows_as_many_items_as_are_wanted_that_memcached_clients_can_name() {
    let mut client = Client::new();
    for number in 0..500 {
        send(&mut client, &format!("set key:{number} 0 0 1\r\nx\r\n"));
    }
    client.run("SETEX \u{e9} 100 value");
    client.run("SET \x7f value");
    for (limit, shown) in [(1, 1), (7, 7), (250, 250), (0, 501)] {
        let told = send(&mut client, &format!("stats cachedump 1 {limit}\r\n"));
        assert_eq!(told.matches("ITEM ").count(), shown, "{limit}");
        assert!(told.ends_with(" s]|END|"), "{told}");
    }
}
