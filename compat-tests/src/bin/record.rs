//! Fills the replies of the real redis-server or memcached into transcripts.

use std::path::Path;
use std::process::ExitCode;

use tidegate_compat_tests::server::Server;
use tidegate_compat_tests::transcript::record::record;
use tidegate_compat_tests::transcript::script::Script;
use tidegate_compat_tests::transcript::{Family, Subject};

fn main() -> ExitCode {
    let files: Vec<String> = std::env::args().skip(1).collect();
    if files.is_empty() {
        eprintln!(
            "usage: record FILE…   (compat-tests/scripts/redis/**.txt, compat-tests/scripts/memcached/**.txt)"
        );
        return ExitCode::FAILURE;
    }
    let mut failed = false;
    for file in files {
        match fill(Path::new(&file)) {
            Ok(changed) => println!("{file}: {}", if changed { "recorded" } else { "unchanged" }),
            Err(error) => {
                failed = true;
                eprintln!("{error}");
            }
        }
    }
    if failed { ExitCode::FAILURE } else { ExitCode::SUCCESS }
}

/// Whether the file changed.
fn fill(path: &Path) -> Result<bool, String> {
    let script = Script::read(path)?;
    let server = Server::for_script(&script, Subject::Real)?;
    let address = match script.family {
        Family::Redis => server.redis(),
        Family::Memcached => server.memcached(),
    };
    let text = record(&script, address)?;
    let changed = text != script.lines.join("\n") + "\n";
    if changed {
        std::fs::write(path, text).map_err(|error| format!("{}: {error}", path.display()))?;
    }
    Ok(changed)
}
