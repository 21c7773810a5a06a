use super::*;
use crate::Words;
use crate::table::resolve;

fn rules(text: &str) -> Result<Rules, String> {
    let words = text.split(' ').filter(|word| !word.is_empty()).map(str::as_bytes);
    Rules::new(false).after(words).map_err(|error| error.to_string())
}

fn told(text: &str) -> String {
    rules(text).map_or_else(|error| error, |rules| String::from_utf8(rules.describe()).unwrap())
}

fn check(text: &str, request: &str) -> Result<(), Denied> {
    let words = Words::new(&request.split(' ').collect::<Vec<_>>());
    let args = words.args();
    rules(text).unwrap().check(resolve(&args).unwrap(), &args)
}

#[test]
fn rules_are_told_as_redis_tells_them() {
    let off = "off sanitize-payload resetchannels";
    for (text, expected) in [
        ("", format!("{off} -@all")),
        ("+get +GET -get +get", format!("{off} -@all +get")),
        ("+config|get +config", format!("{off} -@all +config")),
        ("+config -config|SET +config|get", format!("{off} -@all +config -config|set +config|get")),
        ("+@all -@dangerous +keys", format!("{off} +@all -@dangerous +keys")),
        ("+@Read -@READ +@write", format!("{off} -@all -@read +@write")),
        ("+select|0 +select|1 +select", format!("{off} -@all +select")),
        ("+select|0 -get", format!("{off} -@all +select|0 -get")),
        ("+debug|sleep +script|load -replicaof", format!("{off} -@all +debug|sleep +script|load -replicaof")),
        ("on nopass ~* &* +@all", "on nopass sanitize-payload ~* &* +@all".into()),
        ("allkeys skip-sanitize-payload &a &b &a", "off skip-sanitize-payload ~* resetchannels &a &b -@all".into()),
        ("%R~a %W~a %w~b %rw~c ~a", "off sanitize-payload ~a %W~b ~c resetchannels -@all".into()),
        (
            ">a (+get ~x) (%R~y &z +@all) +ping",
            "off sanitize-payload #ca978112ca1bbdcafac231b39a23dc4da786eff8147c4e72b9807785afee48bb resetchannels \
             -@all +ping (~x resetchannels -@all +get) (%R~y resetchannels &z +@all)"
                .into(),
        ),
    ] {
        assert_eq!(told(text), expected, "{text}");
    }
}

#[test]
fn what_is_no_rule_is_refused_in_the_words_of_redis() {
    for (text, reason) in [
        ("foo", "foo': Syntax error"),
        ("+foo", "+foo': Unknown command or category name in ACL"),
        ("+", "+': Unknown command or category name in ACL"),
        ("+@foo", "+@foo': Unknown command or category name in ACL"),
        ("-get|a", "-get|a': Unknown command or category name in ACL"),
        ("-debug|sleep", "-debug|sleep': Unknown command or category name in ACL"),
        ("+config|foo", "+config|foo': Unknown command or category name in ACL"),
        ("+config|get|a", "+config|get|a': Allowing first-arg of a subcommand is not supported"),
        ("+get|", "+get|': Syntax error"),
        ("%X~a", "%X~a': Syntax error"),
        ("%RR~a", "%RR~a': Syntax error"),
        ("%~a", "%~a': Syntax error"),
        ("~\ta", "~\ta': Syntax error"),
        ("<a", "<a': The password you are trying to remove from the user does not exist"),
        (
            "#a",
            "#a': The password hash must be exactly 64 characters and contain only lowercase hexadecimal characters",
        ),
        ("((+get)", "((+get)': Syntax error"),
    ] {
        assert_eq!(told(text), format!("ERR Error in ACL SETUSER modifier '{reason}"), "{text}");
    }
    assert_eq!(told("on (+get ~a"), "ERR Unmatched parenthesis in acl selector starting at '(+get'.");
    assert!(told("~* ~a").contains("Adding a pattern after the * pattern (or the 'allkeys' flag)"));
    assert!(told("&* &a").contains("Adding a pattern after the * pattern (or the 'allchannels' flag)"));
}

#[test]
fn a_request_needs_one_selector_that_allows_all_of_it() {
    use Denied::{Channel, Command, Key};
    for (text, request, expected) in [
        ("", "get a", Err(Command)),
        ("", "auth a", Ok(())),
        ("+get", "get a", Err(Key(1))),
        ("+@all ~a*", "mget a ab b", Err(Key(3))),
        ("+@all %R~a %W~b", "get a", Ok(())),
        ("+@all %R~a %W~b", "set a 1", Err(Key(1))),
        ("+@all %R~a %W~b", "set b 1", Ok(())),
        ("+@all %R~a %W~b", "set b 1 GET", Err(Key(1))),
        ("+@all %R~a %W~b", "copy a b", Ok(())),
        ("+@all %R~a %W~b", "copy b a", Err(Key(1))),
        ("+@all %R~a %W~b", "strlen b", Ok(())),
        ("+@all %R~a %W~b", "sort a store c", Err(Key(3))),
        ("+@all ~* &a*", "publish ab x", Ok(())),
        ("+@all ~* &a*", "publish b x", Err(Channel(1))),
        ("+@all ~* &a*", "subscribe a b", Err(Channel(2))),
        ("+@all ~* &a*", "psubscribe a*", Ok(())),
        ("+@all ~* &a*", "psubscribe ab", Err(Channel(1))),
        ("+@all ~* &a*", "unsubscribe b", Ok(())),
        ("+@all -config|set", "config set a b", Err(Command)),
        ("+@all -config|set", "config get a", Ok(())),
        ("+select|0 +debug|sleep", "select 0", Ok(())),
        ("+select|0 +debug|sleep", "select 1", Err(Command)),
        ("+select|0 +debug|sleep", "debug SLEEP 0", Ok(())),
        ("+select|0 +debug|sleep", "debug error x", Err(Command)),
        ("+get ~a (+get ~b)", "get b", Ok(())),
        ("+get ~a (+set ~b)", "get b", Err(Key(1))),
        ("+mget ~a (+mget ~b)", "mget a b", Err(Key(2))),
    ] {
        assert_eq!(check(text, request), expected, "{text}: {request}");
    }
}

#[test]
fn what_is_told_means_the_same_when_it_is_read_again() {
    for text in [
        "on >secret #ca978112ca1bbdcafac231b39a23dc4da786eff8147c4e72b9807785afee48bb ~a* %R~b &c +@read -get +config|get",
        "off nopass +@all -@admin (~x +get) (~y &* +@all -set)",
    ] {
        let first = told(text);
        assert_eq!(told(&first), first);
    }
}

#[test]
fn a_password_is_known_by_its_digest_while_the_user_is_on() {
    for (text, password, admitted) in [
        ("on >a >b", "b", true),
        ("on >a", "", false),
        ("off >a", "a", false),
        ("on nopass", "anything", true),
        ("off nopass", "", false),
        ("on", "", false),
        ("on >a nopass >b", "a", false),
        ("on #ca978112ca1bbdcafac231b39a23dc4da786eff8147c4e72b9807785afee48bb", "a", true),
    ] {
        assert_eq!(rules(text).unwrap().admits(password.as_bytes()), admitted, "{text}: {password}");
    }
}

#[test]
fn a_million_rules_end_in_an_error_and_not_in_an_hour() {
    let many: Vec<Vec<u8>> = (0..1_000_000).map(|number| format!("~{number}").into_bytes()).collect();
    let error = Rules::new(false).after(many.iter().map(Vec::as_slice)).unwrap_err().to_string();
    assert_eq!(error, "ERR Error in ACL SETUSER modifier '~4096': One user cannot have so many of these");
    let deep = [vec![b'('; 100_000], vec![b')'; 100_000]].concat();
    assert!(Rules::new(false).after(std::iter::once(&deep[..])).is_err());
}

#[test]
fn who_listens_may_go_on_if_the_new_rules_have_what_the_old_had() {
    for (old, new, within) in [
        ("&a", "&a &b", true),
        ("&a &b", "&a", false),
        ("&*", "&a", false),
        ("&*", "(&*)", true),
        ("&a (&b)", "&b (&a)", true),
        ("", "", true),
    ] {
        assert_eq!(rules(old).unwrap().channels_are_within(&rules(new).unwrap()), within, "{old} {new}");
    }
}
