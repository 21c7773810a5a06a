//! What the tests need from outside, installed where the harness may.
//!
//! Programs come from Debian's package manager when we are root; client libraries go, pinned, into
//! `target/compat-cache`. Where neither may be, the test is skipped by name with the line that would install it;
//! with `CI` set that is a failure.

use std::env;
use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::{Mutex, OnceLock};

use crate::server::workspace;

/// The command that would provide what is missing.
#[derive(Clone, Debug)]
pub struct Missing(String);

impl Missing {
    /// What cannot be installed, but arranged by this command.
    pub fn until(command: &str) -> Self {
        Self(command.to_owned())
    }
}

/// Unwraps what a test needs; without it the test `name` ends here, as a failure in CI and as a skip elsewhere.
pub fn needed<T>(name: &str, found: Result<T, Missing>) -> Option<T> {
    match found {
        Ok(value) => Some(value),
        Err(Missing(line)) => {
            assert!(env::var_os("CI").is_none(), "{name} cannot run; install what it needs: {line}");
            // Not `println!`: a test that passes would keep it to itself.
            let _ = writeln!(std::io::stderr(), "skipped: {name}; to run it: {line}");
            None
        }
    }
}

/// The program `name`, from the Debian package `package` if it is not there.
pub fn program(name: &str, package: &str) -> Result<PathBuf, Missing> {
    static APT: Mutex<()> = Mutex::new(());
    let _one_at_a_time = APT.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
    if let Some(path) = on_path(name) {
        return Ok(path);
    }
    let missing = Missing(format!("apt-get install --yes {package}"));
    if !is_root() || on_path("apt-get").is_none() {
        return Err(missing);
    }
    let install =
        || run(apt().args(["install", "--yes", "--no-install-recommends"]).args(package.split(' ')));
    if !install() {
        run(apt().arg("update"));
        install();
    }
    on_path(name).ok_or(missing)
}

fn apt() -> Command {
    let mut apt = Command::new("apt-get");
    // The service is for our tests to start, not for the system: in run level 1 none is.
    apt.env("DEBIAN_FRONTEND", "noninteractive").env("RUNLEVEL", "1").arg("--quiet=2");
    apt
}

/// A Python that has the packages of `clients/requirements.txt`.
pub fn python() -> Result<PathBuf, Missing> {
    static PYTHON: OnceLock<Result<PathBuf, Missing>> = OnceLock::new();
    PYTHON.get_or_init(install_python).clone()
}

fn install_python() -> Result<PathBuf, Missing> {
    let python = program("python3", "python3 python3-venv")?;
    let requirements = clients().join("requirements.txt");
    let folder = cache("python", &[&requirements]);
    let line = format!(
        "python3 -m venv {0} && {0}/bin/pip install -r {1}",
        folder.display(),
        requirements.display()
    );
    install_once(&folder, Missing(line), || {
        let venv = || run(Command::new(&python).args(["-m", "venv"]).arg(&folder));
        let made = venv() || (program_package("python3-venv") && venv());
        let pip = folder.join("bin/pip");
        let install = || run(Command::new(&pip).args(["install", "--quiet", "-r"]).arg(&requirements));
        // pylibmc is compiled where it has no wheel.
        made && (install() || (program_package("libmemcached-dev zlib1g-dev gcc python3-dev") && install()))
    })?;
    Ok(folder.join("bin/python"))
}

/// Installs packages that bring no program to look for.
fn program_package(packages: &str) -> bool {
    is_root() && run(apt().args(["install", "--yes"]).args(packages.split(' ')))
}

/// Node.js and the folder in which it finds the packages of `clients/package.json`.
pub fn node() -> Result<(PathBuf, PathBuf), Missing> {
    static NODE: OnceLock<Result<(PathBuf, PathBuf), Missing>> = OnceLock::new();
    NODE.get_or_init(install_node).clone()
}

fn install_node() -> Result<(PathBuf, PathBuf), Missing> {
    let node = program("node", "nodejs")?;
    let npm = program("npm", "npm")?;
    let manifests = [clients().join("package.json"), clients().join("package-lock.json")];
    let folder = cache("node", &[&manifests[0], &manifests[1]]);
    let line = format!("npm ci (with {} in {})", manifests[1].display(), folder.display());
    install_once(&folder, Missing(line), || {
        let copied = manifests
            .iter()
            .all(|file| file.file_name().is_some_and(|name| fs::copy(file, folder.join(name)).is_ok()));
        copied
            && run(Command::new(&npm)
                .args(["ci", "--silent", "--no-audit", "--no-fund"])
                .current_dir(&folder))
    })?;
    Ok((node, folder))
}

/// The folder of the client scripts.
pub fn clients() -> PathBuf {
    workspace().join("compat-tests/clients")
}

/// A cache folder for what the given files pin.
fn cache(kind: &str, pins: &[&Path]) -> PathBuf {
    let pinned: Vec<u8> = pins.iter().flat_map(|file| fs::read(file).unwrap_or_default()).collect();
    // FNV-1a: a change of pins is another folder.
    let digest = pinned.iter().fold(0xcbf2_9ce4_8422_2325_u64, |digest, byte| {
        (digest ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3)
    });
    let target = env::var_os("CARGO_TARGET_DIR").map_or_else(|| workspace().join("target"), PathBuf::from);
    target.join("compat-cache").join(format!("{kind}-{digest:016x}"))
}

/// Fills `folder` by `install` unless an earlier run did; a mark says that it was completed.
fn install_once(folder: &Path, missing: Missing, install: impl FnOnce() -> bool) -> Result<(), Missing> {
    let mark = folder.join("complete");
    if mark.exists() {
        return Ok(());
    }
    let begun = fs::create_dir_all(folder).is_ok();
    if begun && install() && fs::write(mark, "").is_ok() { Ok(()) } else { Err(missing) }
}

fn on_path(name: &str) -> Option<PathBuf> {
    env::split_paths(&env::var_os("PATH")?).map(|folder| folder.join(name)).find(|file| file.is_file())
}

/// Whether we are root.
pub(crate) fn is_root() -> bool {
    rustix::process::geteuid().is_root()
}

fn run(command: &mut Command) -> bool {
    command.stdin(Stdio::null()).stdout(Stdio::null()).status().is_ok_and(|status| status.success())
}
