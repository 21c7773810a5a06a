//! The course of a contest: who runs, which cells are measured, in which order.

use std::net::SocketAddr;
use std::time::Duration;

use tidegate_compat_tests::load::dialect::{Dialect, Operation};
use tidegate_compat_tests::load::histogram::Histogram;
use tidegate_compat_tests::load::process;
use tidegate_compat_tests::load::{self, Extent, Figures, Load};

use crate::Options;
use crate::commands;
use crate::contender::{Contender, Maker};
use crate::long;
use crate::report::{Cell, Footprint, Report};
use tidegate_compat_tests::server::{Server, tidegate_program};

const PIPELINES: [usize; 3] = [1, 16, 64];
const VALUE_BYTES: [usize; 2] = [64, 1024];
const OPERATIONS: [Operation; 2] = [Operation::Get, Operation::Set];
/// The dialects by the family whose items they share.
const FAMILIES: [(Maker, &[Dialect]); 2] =
    [(Maker::Redis, &[Dialect::Resp]), (Maker::Memcached, &[Dialect::Text, Dialect::Meta, Dialect::Binary])];

/// Bytes of a value in the table of the hop.
const HOP_VALUE_BYTES: usize = 64;

/// Bytes of a value in the memory table.
const FOOTPRINT_VALUE_BYTES: usize = 32;

/// Time before a measurement in which requests are not counted.
pub(crate) const WARM: Duration = Duration::from_millis(200);

/// Runs everything that `options` asks for and prints it as it comes.
pub(crate) fn run(options: &Options) -> Result<(), String> {
    let processors = process::processors().map_err(|error| error.to_string())?;
    let generator =
        if options.threads == 1 { vec![processors[processors.len() - 1]] } else { processors.clone() };
    let mut report = Report::new(options.csv);
    report.heading(options, &processors);
    let ours = contenders(options, &processors)?;
    process::on(&generator, || -> Result<(), String> {
        for (family, dialects) in FAMILIES {
            let entrants: Vec<_> = ours.iter().filter(|one| one.speaks(family)).collect();
            if options.wants_cells() {
                for value_bytes in VALUE_BYTES {
                    measure_family(options, &entrants, dialects, value_bytes, &mut report)?;
                }
            }
            if options.wants_memory() {
                measure_memory(options, &entrants, dialects[0], &mut report)?;
            }
        }
        if options.wants_commands() {
            let entrants: Vec<_> = ours.iter().filter(|one| one.speaks(Maker::Redis)).collect();
            commands::measure(options, &entrants, &mut report)?;
        }
        if options.wants_long() {
            let is_entrant = |one: &Contender| one.speaks(Maker::Redis) && one.threads == options.threads;
            let mut entrants: Vec<_> =
                contenders(options, &processors)?.into_iter().filter(is_entrant).collect();
            let gateway = hop(options, &processors)?.into_iter().find(|one| one.maker == Maker::Gateway);
            if let Some(gateway) = gateway.filter(|one| one.program != "none") {
                entrants.insert(1, gateway);
            }
            // What takes long has threads of its own, which need a processor, too.
            for one in &mut entrants {
                one.processors = home(options.threads + 1, &processors);
            }
            long::measure(options, &entrants.iter().collect::<Vec<_>>(), &mut report)?;
        }
        if options.wants_hop() {
            let entrants = hop(options, &processors)?;
            report.hop();
            let entrants: Vec<_> = entrants.iter().collect();
            measure_family(options, &entrants, &[Dialect::Resp], HOP_VALUE_BYTES, &mut report)?;
        }
        Ok(())
    })
    .map_err(|error| error.to_string())?
}

/// Tidegate's binary.
fn tidegate(options: &Options) -> Result<String, String> {
    options.tidegate.clone().map_or_else(tidegate_program, Ok)
}

/// The processors of a server of so many threads.
fn home(threads: u16, processors: &[usize]) -> Vec<usize> {
    processors[..usize::from(threads).min(processors.len())].to_vec()
}

/// Who is compared for what it costs that requests are passed on to another process: ours first.
fn hop(options: &Options, processors: &[usize]) -> Result<Vec<Contender>, String> {
    let entrant = |name: &str, maker, program: &str| Contender {
        name: name.to_owned(),
        maker,
        program: program.to_owned(),
        redis_server: options.redis_server.clone(),
        threads: options.threads,
        processors: home(options.threads, processors),
    };
    let tidegate = tidegate(options)?;
    let mut all = vec![
        entrant("gateway + shard", Maker::Gateway, &tidegate),
        entrant("all in one", Maker::Tidegate, &tidegate),
    ];
    if options.twemproxy != "none" && options.redis_server != "none" {
        all.push(entrant("twemproxy+redis", Maker::Twemproxy, &options.twemproxy));
    }
    Ok(all)
}

/// Tidegate first, then those it is compared with.
fn contenders(options: &Options, processors: &[usize]) -> Result<Vec<Contender>, String> {
    let tidegate = tidegate(options)?;
    let entrant = |maker, program: &str, threads: u16| Contender {
        name: name(program, threads, options),
        maker,
        program: program.to_owned(),
        redis_server: String::new(),
        threads,
        processors: home(threads, processors),
    };
    let mut all = vec![entrant(Maker::Tidegate, &tidegate, options.threads)];
    if options.threads > 1 {
        all.push(entrant(Maker::Tidegate, &tidegate, 1));
    }
    all.push(entrant(Maker::Redis, &options.redis_server, options.threads));
    all.push(entrant(Maker::Memcached, &options.memcached, options.threads));
    all.retain(|one| one.program != "none");
    Ok(all)
}

/// What the tables call a program.
fn name(program: &str, threads: u16, options: &Options) -> String {
    let file = program.rsplit('/').next().unwrap_or(program);
    if options.threads == 1 { file.to_owned() } else { format!("{file} ×{threads}") }
}

/// All cells of one family and value size, every contender filled once.
fn measure_family(
    options: &Options,
    entrants: &[&Contender],
    dialects: &[Dialect],
    value_bytes: usize,
    report: &mut Report,
) -> Result<(), String> {
    let mut cells = Vec::new();
    for &dialect in dialects {
        for pipeline in PIPELINES {
            for operation in OPERATIONS {
                let cell = Cell { dialect, operation, pipeline, value_bytes };
                if options.wants(&cell.words().each_ref().map(String::as_str)) {
                    cells.push(cell);
                }
            }
        }
    }
    if cells.is_empty() {
        return Ok(());
    }
    let servers = entrants.iter().map(|one| one.start()).collect::<Result<Vec<_>, String>>()?;
    for server in &servers {
        fill(options, server, dialects[0], options.keys, value_bytes)?;
    }
    for cell in cells {
        let mut runs = vec![Vec::new(); servers.len()];
        for _ in 0..options.repeat() {
            for (server, runs) in servers.iter().zip(&mut runs) {
                runs.push(measure(options, server, cell)?);
            }
        }
        let medians: Vec<_> = runs.iter().map(|runs| median(runs)).collect();
        let names: Vec<_> = entrants.iter().map(|one| one.name.as_str()).collect();
        report.cell(cell, &names, &medians);
    }
    Ok(())
}

fn measure(options: &Options, server: &Server, cell: Cell) -> Result<Figures, String> {
    let load = Load {
        address: address(server, cell.dialect),
        dialect: cell.dialect,
        operation: cell.operation,
        connections: options.connections.into(),
        pipeline: cell.pipeline,
        keys: options.keys,
        value_bytes: cell.value_bytes,
        extent: Extent::Random { warm: WARM, counted: Duration::from_secs_f64(options.seconds()) },
    };
    run_load(&load, server)
}

/// Resident bytes per item of every contender, each alone on the machine.
fn measure_memory(
    options: &Options,
    entrants: &[&Contender],
    dialect: Dialect,
    report: &mut Report,
) -> Result<(), String> {
    let mut footprints = Vec::new();
    for contender in entrants {
        let server = contender.start()?;
        let empty_bytes = resident_bytes(&server)?;
        fill(options, &server, dialect, options.items(), FOOTPRINT_VALUE_BYTES)?;
        let full_bytes = resident_bytes(&server)?;
        let items = options.items();
        footprints.push(Footprint { name: contender.name.clone(), items, empty_bytes, full_bytes });
    }
    report.memory(dialect, FOOTPRINT_VALUE_BYTES, &footprints);
    Ok(())
}

/// Stores `keys` items.
pub(crate) fn fill(
    options: &Options,
    server: &Server,
    dialect: Dialect,
    keys: u64,
    value_bytes: usize,
) -> Result<(), String> {
    let load = Load {
        address: address(server, dialect),
        dialect,
        operation: Operation::Set,
        connections: options.connections.into(),
        pipeline: 64,
        keys,
        value_bytes,
        extent: Extent::EachKeyOnce,
    };
    run_load(&load, server).map(drop)
}

/// Where `server` speaks `dialect`.
fn address(server: &Server, dialect: Dialect) -> SocketAddr {
    if dialect == Dialect::Resp { server.redis() } else { server.memcached() }
}

pub(crate) fn run_load(load: &Load, server: &Server) -> Result<Figures, String> {
    load::run(load, &server.processes()).map_err(|error| format!("{error}\n{}", server.log()))
}

fn resident_bytes(server: &Server) -> Result<u64, String> {
    server.process().resident_bytes().map_err(|error| format!("{error}\n{}", server.log()))
}

/// The run with the median processor time, with the latencies of all.
pub(crate) fn median(runs: &[Figures]) -> Figures {
    let mut order: Vec<_> = runs.iter().collect();
    order.sort_by(|a, b| a.cpu_us.total_cmp(&b.cpu_us));
    let mut latency = Histogram::default();
    for run in runs {
        latency.merge(&run.latency);
    }
    Figures { latency, ..order[order.len() / 2].clone() }
}
