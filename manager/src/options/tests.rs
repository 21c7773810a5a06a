use super::*;

fn parse(line: &str) -> Result<Start, NoStart> {
    Start::parse(line.split_whitespace().map(OsString::from))
}

#[test]
fn the_definition_of_the_flags_is_sound() {
    command().debug_assert();
}

#[test]
fn every_setting_is_a_flag_under_its_own_name_and_redis_s() {
    for key in Key::all() {
        let default = key.row().default;
        for name in [name(key), key.row().name] {
            let start = Start::parse(["tidegate".into(), format!("--{name}={default}").into()]).unwrap();
            assert_eq!(start.settings.show(key), default, "--{name}");
        }
    }
}

#[test]
fn flags_are_read_in_the_units_of_redis() {
    let start = parse("tidegate --memory 1gb --maxclients 7 --requirepass s --slowlog-max-len 5").unwrap();
    assert_eq!(start.settings.number(Key::MaxMemory), 1 << 30);
    assert_eq!(start.settings.number(Key::MaxClients), 7);
    assert_eq!(start.settings.number(Key::SlowlogMaxLen), 5);
    assert_eq!(&*start.settings.text(Key::RequirePass), "s");
}

#[test]
fn set_gives_any_setting_and_flags_win_over_it() {
    let start = parse("tidegate --set hz=20 --set redis-port=1 --set memory=2kb --redis-port 2").unwrap();
    assert_eq!(start.settings.number(Key::Hz), 20);
    assert_eq!(start.settings.number(Key::MaxMemory), 2048);
    assert_eq!(start.settings.number(Key::Port), 2);
}

#[test]
fn only_a_memcached_only_start_without_a_policy_evicts() {
    let policy = |line| parse(line).unwrap().settings.show(Key::MaxMemoryPolicy);
    assert_eq!(policy("tidegate"), "noeviction");
    assert_eq!(policy("tidegate --memcached-port 0"), "noeviction");
    assert_eq!(policy("tidegate --redis-port 0"), "allkeys-lru");
    assert_eq!(policy("tidegate --redis-port 0 --maxmemory-policy noeviction"), "noeviction");
    assert_eq!(policy("tidegate --maxmemory-policy volatile-ttl"), "volatile-ttl");
}

#[test]
fn a_value_out_of_range_is_refused_with_the_flag_and_the_reason() {
    let error = parse("tidegate --redis-port 70000").unwrap_err().to_string();
    assert!(error.contains("invalid value '70000' for '--redis-port'"), "{error}");
    assert!(error.contains("between 0 and 65535"), "{error}");
    for line in [
        "--threads many",
        "--set threads=many",
        "--set threads",
        "--set no-such-setting=1",
        // Clients are paused by CLIENT PAUSE alone.
        "--set paused-until-ms=1",
        "--paused-until-ms 1",
    ] {
        assert!(parse(&format!("tidegate {line}")).is_err(), "{line}");
    }
    assert!(parse("tidegate --no-such-flag").is_err());
}

#[test]
fn a_shard_says_what_it_holds_and_where_it_is_reached() {
    let start = parse(
        "tidegate shard --id s1 --slots 0-5460,7000 --epoch 4 --listen unix:/s --listen 127.0.0.1:7 --memory 1gb",
    );
    let start = start.unwrap();
    let membership = start.membership.unwrap();
    let places: Vec<_> = membership.links.iter().map(ToString::to_string).collect();
    let holding = membership.holding.borrow();
    assert_eq!((membership.name.as_str(), holding.epoch), ("s1", 4));
    assert_eq!(
        (holding.slots.to_string().as_str(), places),
        ("0-5460,7000", vec!["unix:/s".into(), "127.0.0.1:7".into()])
    );
    let ports = [Key::Port, Key::MemcachedPort, Key::AdminPort].map(|key| start.settings.number(key));
    assert_eq!((ports, start.settings.number(Key::MaxMemory)), ([0; 3], 1 << 30));
    assert_eq!(start.settings.show(Key::MaxMemoryPolicy), "noeviction");
    for wrong in [
        "",
        "--id s1",
        "--listen unix:/s",
        "--id s1 --listen s",
        "--id s1 --listen unix:/s --slots 16384",
        "--id s1 --listen unix:/s --redis-port 1",
        "--id s1 --topology t --slots 0",
        "--id s1 --topology /nowhere/t.toml",
    ] {
        assert!(parse(&format!("tidegate shard {wrong}")).is_err(), "{wrong}");
    }
}

#[test]
fn a_gateway_says_where_its_topology_is_and_leaves_the_store_to_its_shards() {
    let start = parse("tidegate gateway --topology t.toml --name g2 --redis-port 7002").unwrap();
    assert_eq!(start.settings.number(Key::Port), 7002);
    assert_eq!(start.settings.number(Key::MemcachedPort), 11211);
    assert_eq!(start.place, Some(GatewayPlace { topology: "t.toml".into(), name: Some("g2".into()) }));
    for wrong in
        ["", "--topology t --memory 1gb", "--topology t --shard-processes 2", "--topology t --name a\tb"]
    {
        let words =
            ["tidegate", "gateway"].into_iter().chain(wrong.split(' ').filter(|word| !word.is_empty()));
        assert!(Start::parse(words.map(OsString::from)).is_err(), "{wrong}");
    }
    for flag in ["--memory 1gb", "--set maxmemory=1gb"] {
        let error = parse(&format!("tidegate gateway --topology t {flag}")).unwrap_err().to_string();
        assert!(error.contains("memory concerns the data: give it to the shards"), "{error}");
    }
}

#[test]
fn the_subcommand_memcached_reads_memcached_s_flags() {
    let start = parse("tidegate memcached -p 12345 -m 100").unwrap();
    assert_eq!(start.settings.number(Key::MemcachedPort), 12345);
    assert_eq!(start.settings.number(Key::MaxMemory), 100 << 20);
    assert_eq!(start.settings.number(Key::Port), 0);
}
