//! What must be true of the repository as a whole: the layering, a transcript per command, a README that works.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on ends here")]

use std::collections::BTreeSet;
use std::fs;
use std::process::Command;

use serde_json::Value;
use tidegate_compat_tests::server::{tidegate_program, workspace};
use tidegate_compat_tests::transcript::script::Script;
use tidegate_compat_tests::transcript::{Family, scripts};
use tidegate_protocols::table::{self, Argument, Kind, Row};

#[test]
fn every_command_has_a_transcript() {
    let redis = requests(Family::Redis);
    let memcached = requests(Family::Memcached);
    let missing: Vec<&str> = table::rows()
        // What gateways ask of shards no client can ask.
        .filter(|row| !row.container && row.family() != "link")
        .filter(|row| {
            if row.is_redis() { !redis_asks(&redis, row.name) } else { !memcached_asks(&memcached, row.name) }
        })
        .map(|row| row.name)
        .collect();
    assert!(missing.is_empty(), "write compat-tests/scripts/… for {missing:?}");
}

/// `CONFIG|GET` is asked for by a line that begins with the words `config get`.
fn redis_asks(lines: &BTreeSet<String>, name: &str) -> bool {
    let wanted = name.to_lowercase().replace('|', " ");
    lines.range(wanted.clone()..).take_while(|line| line.starts_with(&wanted)).any(|line| asks(line, &wanted))
}

/// Whether the words of `request` begin with those of `name`; both in small letters.
fn asks(request: &str, name: &str) -> bool {
    request.strip_prefix(name).is_some_and(|rest| rest.is_empty() || rest.starts_with(' '))
}

/// Some rows are not commands of their own in any dialect; what leads to them is.
fn memcached_asks(lines: &BTreeSet<String>, name: &str) -> bool {
    let wanted = match name {
        "too-large" => return lines.iter().any(|line| line.contains("object too large for cache")),
        "cachedump" => return lines.iter().any(|line| line.starts_with("stats cachedump ")),
        "answer" => return lines.contains("error"),
        // memcached and Tidegate are told their passwords in different ways: a test of its own.
        "authenticate" => return workspace().join("compat-tests/tests/memcached_authentication.rs").exists(),
        "sasl-mechanisms" => "sasllist",
        "sasl-authenticate" => "saslauth",
        name => name,
    };
    lines.iter().any(|line| line.split(' ').next() == Some(wanted))
}

/// All lines of all scripts of a family, in small letters, requests without what stands before them.
fn requests(family: Family) -> BTreeSet<String> {
    let mut requests = BTreeSet::new();
    for path in scripts(family) {
        for line in Script::read(&path).unwrap().lines {
            let line = line.to_lowercase();
            requests.insert(line.split_once("> ").map_or(&*line, |(_, request)| request).to_owned());
        }
    }
    requests
}

#[test]
fn every_command_has_a_transcript_of_its_errors() {
    let scripts: Vec<Script> =
        scripts(Family::Redis).iter().map(|path| Script::read(path).unwrap()).collect();
    let answers = |row: &Row, wanted: &dyn Fn(&str) -> bool| {
        let name = row.name.to_lowercase().replace('|', " ");
        scripts.iter().flat_map(Script::exchanges).any(|(request, reply)| {
            asks(&request.to_lowercase(), &name) && reply.iter().any(|line| wanted(line))
        })
    };
    // To Redis all of `DEBUG` is one command.
    let of_redis =
        || table::rows().filter(|row| row.is_redis() && !row.container && !row.name.starts_with("DEBUG|"));
    let without = |concerned: &dyn Fn(&Row) -> bool, wanted: &dyn Fn(&str) -> bool| -> Vec<&str> {
        of_redis().filter(|row| concerned(row) && !answers(row, wanted)).map(|row| row.name).collect()
    };
    let arity = without(&|row| !row.takes(1 + usize::from(row.subcommand)) || !row.takes(99), &|line| {
        line.contains("wrong number of arguments for '")
    });
    let types =
        without(&|row| !row.keys.is_empty() && !ANY_TYPE.split(' ').any(|name| name == row.name), &|line| {
            line.starts_with("-WRONGTYPE")
        });
    let numbers = without(&|row| row.arguments().iter().any(is_number), &|line| {
        let about_others =
            ["-WRONGTYPE", "-ERR wrong number of arguments", "-ERR syntax error", "-ERR unknown"];
        line.starts_with('-') && !about_others.iter().any(|other| line.starts_with(other))
    });
    assert!(
        arity.is_empty() && types.is_empty() && numbers.is_empty(),
        "no transcript shows too few or too many arguments of {arity:?}, a key of the wrong type for {types:?}, \
         a number that is none or is out of range for {numbers:?}"
    );
}

/// Commands with keys to which every type is right: they replace a value, are about values of all types, or take names
/// of channels and of what scripts use. `LCS` has words of its own for it.
const ANY_TYPE: &str = "SETNX SETEX PSETEX MGET MSET MSETNX \
    DEL UNLINK EXISTS TOUCH TYPE TTL PTTL EXPIRETIME PEXPIRETIME EXPIRE PEXPIRE EXPIREAT PEXPIREAT PERSIST \
    RENAME RENAMENX COPY MOVE OBJECT|ENCODING OBJECT|FREQ OBJECT|IDLETIME OBJECT|REFCOUNT MEMORY|USAGE \
    DUMP RESTORE RESTORE-ASKING WATCH SPUBLISH SSUBSCRIBE SUNSUBSCRIBE \
    EVALSHA EVAL_RO EVALSHA_RO FCALL FCALL_RO LCS";

/// Whether an argument, or one within it, is a number.
fn is_number(argument: &Argument) -> bool {
    matches!(argument.kind, Kind::Integer | Kind::Double) || argument.kind.members().iter().any(is_number)
}

#[test]
fn crates_depend_in_one_direction() {
    let metadata = metadata(&[]);
    for (name, allowed) in [
        ("tidegate-protocols", &[][..]),
        ("tidegate-gateway", &["tidegate-protocols"]),
        ("tidegate-shards", &["tidegate-protocols"]),
        ("tidegate", &["tidegate-protocols", "tidegate-gateway", "tidegate-shards"]),
        ("tidegate-compat-tests", &["tidegate-protocols"]),
    ] {
        let packages = metadata["packages"].as_array().unwrap();
        let package = packages.iter().find(|package| package["name"] == name).unwrap();
        for dependency in package["dependencies"].as_array().unwrap() {
            let dependency = dependency["name"].as_str().unwrap();
            let ours = dependency.starts_with("tidegate");
            assert!(!ours || allowed.contains(&dependency), "{name} must not depend on {dependency}");
        }
    }
}

#[test]
fn protocols_does_no_io() {
    let tree = cargo(&["tree", "--package", "tidegate-protocols", "--edges", "normal", "--prefix", "none"]);
    for forbidden in ["tokio", "mio", "socket2", "rustix", "libc"] {
        let found = tree.lines().any(|line| line.split(' ').next() == Some(forbidden));
        assert!(!found, "tidegate-protocols reaches {forbidden}:\n{tree}");
    }
}

#[test]
fn every_dependency_has_a_licence_we_allow() {
    let rules = fs::read_to_string(workspace().join("deny.toml")).unwrap();
    let line = rules.lines().find(|line| line.starts_with("allow = [")).unwrap();
    let allowed: BTreeSet<&str> = line.split('"').skip(1).step_by(2).collect();
    for package in metadata(&[])["packages"].as_array().unwrap() {
        let licence = package["license"].as_str().unwrap_or("none");
        // `A OR B` leaves the choice, as the old `A/B` did; every licence of an `AND` binds.
        let choices = licence.replace('/', " OR ").replace(['(', ')'], "");
        let binds = |choice: &str| choice.split(" AND ").all(|part| allowed.contains(part.trim()));
        let free = choices.split(" OR ").any(binds);
        assert!(free, "{} {} is under {licence}", package["name"], package["version"]);
    }
}

#[test]
fn the_readme_names_flags_and_programs_that_exist() {
    let readme = fs::read_to_string(workspace().join("README.md")).unwrap();
    let help = Command::new(tidegate_program().unwrap()).arg("--help").output().unwrap();
    let help = String::from_utf8(help.stdout).unwrap();
    let metadata = metadata(&["--no-deps"]);
    let targets: BTreeSet<&str> = metadata["packages"]
        .as_array()
        .unwrap()
        .iter()
        .flat_map(|package| package["targets"].as_array().unwrap())
        .filter_map(|target| target["name"].as_str())
        .collect();
    let packages: BTreeSet<&str> = metadata["packages"]
        .as_array()
        .unwrap()
        .iter()
        .filter_map(|package| package["name"].as_str())
        .collect();
    for line in shell_lines(&readme) {
        let words: Vec<&str> = line.split_ascii_whitespace().take_while(|word| *word != "#").collect();
        for pair in words.windows(2) {
            match pair {
                ["-p" | "--package", name] if words[0] == "cargo" => {
                    assert!(packages.contains(name), "{line}");
                }
                ["--bin" | "--test", name] => assert!(targets.contains(name), "{line}"),
                _ => {}
            }
        }
        for flag in tidegate_flags(&words) {
            assert!(help.contains(flag), "`{line}`: {flag} is not in --help");
        }
    }
}

/// The lines of the README's shell blocks.
fn shell_lines(text: &str) -> impl Iterator<Item = &str> {
    let mut inside = false;
    text.lines().filter(move |line| {
        if let Some(language) = line.trim_start().strip_prefix("```") {
            inside = !inside && matches!(language, "sh" | "shell" | "bash" | "console");
            return false;
        }
        inside
    })
}

/// The flags a command line gives to Tidegate itself.
fn tidegate_flags<'a>(words: &[&'a str]) -> Vec<&'a str> {
    let start = match words {
        ["cargo", "run", ..] if !words.contains(&"-p") => words.iter().position(|word| *word == "--"),
        [program, second, ..] if program.ends_with("tidegate") && *second != "memcached" => Some(0),
        _ => None,
    };
    let Some(start) = start else { return Vec::new() };
    words[start + 1..]
        .iter()
        .filter(|word| word.starts_with("--"))
        .map(|word| word.split_once('=').map_or(*word, |(name, _)| name))
        .collect()
}

fn metadata(arguments: &[&str]) -> Value {
    let text = cargo(&[&["metadata", "--format-version", "1"], arguments].concat());
    serde_json::from_str(&text).unwrap()
}

fn cargo(arguments: &[&str]) -> String {
    let cargo = std::env::var("CARGO").unwrap_or_else(|_| "cargo".to_owned());
    let output = Command::new(cargo).args(arguments).current_dir(workspace()).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}
