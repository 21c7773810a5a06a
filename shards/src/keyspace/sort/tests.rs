use super::super::tests::replay;
use crate::testing::Client;

#[test]
fn what_is_sorted_is_chosen_by_the_limit_as_redis_chooses_it() {
    replay(
        &mut Client::new(),
        "RPUSH l 3 1 2 -> :3
         SORT l -> *3|$1|1|$1|2|$1|3
         SORT l LIMIT -5 2 -> *2|$1|1|$1|2
         SORT l LIMIT 1 -1 -> *2|$1|2|$1|3
         SORT l LIMIT 3 1 -> *0
         SORT l LIMIT 0 0 -> *0
         SORT l LIMIT 9223372036854775807 9223372036854775807 -> *0
         SORT l BY x LIMIT 1 2 DESC -> *2|$1|1|$1|3
         SORT l BY x LIMIT 0 1 -> *1|$1|3
         SORT l BY x DESC -> *3|$1|2|$1|1|$1|3",
    );
}

#[test]
fn one_large_value_that_every_element_leads_to_is_told_and_stored_up_to_a_limit() {
    let mut client = Client::new();
    client.run(&format!("RPUSH l {}", "1 ".repeat(100)));
    client.run(&format!("SET k1 {}", "x".repeat(50)));
    client.worker.limit_replies(4000);
    let refused = "-ERR the reply would be longer than a reply may be\\r\\n";
    for options in ["GET k*", "GET k* STORE d", "BY k* ALPHA"] {
        assert_eq!(client.run(&format!("SORT l {options}")), refused, "{options}");
    }
    assert_eq!(client.run("EXISTS d"), ":0\\r\\n");
}
