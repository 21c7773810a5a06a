//! What is printed: tables for people, or comma-separated values.

use tidegate_compat_tests::load::Figures;
use tidegate_compat_tests::load::dialect::{Dialect, Operation};

use crate::Options;

/// One measurement that every contender undergoes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Cell {
    pub(crate) dialect: Dialect,
    pub(crate) operation: Operation,
    pub(crate) pipeline: usize,
    pub(crate) value_bytes: usize,
}

/// What a contender's items cost.
#[derive(Clone, Debug)]
pub(crate) struct Footprint {
    pub(crate) name: String,
    pub(crate) items: u64,
    pub(crate) empty_bytes: u64,
    pub(crate) full_bytes: u64,
}

impl Cell {
    /// How `--only` names it.
    pub(crate) fn words(self) -> [String; 4] {
        [
            format!("{:?}", self.dialect).to_lowercase(),
            format!("{:?}", self.operation).to_lowercase(),
            format!("p{}", self.pipeline),
            self.value_bytes.to_string(),
        ]
    }

    /// Which table it belongs to.
    fn table(self) -> (Dialect, usize) {
        (self.dialect, self.value_bytes)
    }
}

impl Footprint {
    fn item_bytes(&self) -> f64 {
        self.full_bytes.saturating_sub(self.empty_bytes) as f64 / self.items as f64
    }
}

/// Prints results as they come.
pub(crate) struct Report {
    csv: bool,
    table: Option<(Dialect, usize)>,
}

impl Report {
    pub(crate) fn new(csv: bool) -> Self {
        Self { csv, table: None }
    }

    pub(crate) fn heading(&mut self, options: &Options, processors: &[usize]) {
        if self.csv {
            println!(
                "dialect,operation,pipeline,value_bytes,server,ops_s,cpu_us,p50_us,p99_us,p999_us,cpu_ratio"
            );
            return;
        }
        println!(
            "{} keys of 16 B, {} connections, {} × {} s a measurement, {} server thread(s), {} processors.",
            options.keys,
            options.connections,
            options.repeat(),
            options.seconds(),
            options.threads,
            processors.len()
        );
        println!("CPU µs/op is the server's, over all its threads; ×CPU is Tidegate's over the peer's.");
    }

    /// What follows is about the hop.
    pub(crate) fn hop(&mut self) {
        self.table = None;
        if !self.csv {
            println!(
                "\nThe hop: a gateway and a shard process beside one process that does both, and twemproxy"
            );
            println!(
                "in front of redis-server; a Unix socket between the two. CPU is that of both processes,"
            );
            println!("×CPU that of gateway and shard over the other's.");
        }
    }

    /// What follows is about what takes long, among so many keys.
    pub(crate) fn long(&mut self, keys: u64, connections: usize, threads: u16) {
        self.table = None;
        if !self.csv {
            println!(
                "\nWhile something takes long: SET by {connections} connections to keys it does not need, {keys} keys;"
            );
            println!("worker threads of each process of Tidegate: {threads}");
            columns();
        }
    }

    /// What follows are commands of all families.
    pub(crate) fn commands(&mut self, value_bytes: usize) {
        self.table = None;
        if !self.csv {
            println!(
                "\nCommands of each family, values of {value_bytes} B. BLPOP: an element from one connection that pushes it"
            );
            println!(
                "to another that waits for it, who then takes its turn; latency and CPU are those of each hand-off."
            );
            columns();
        }
    }

    /// One cell: Tidegate's figures first.
    pub(crate) fn cell(&mut self, cell: Cell, names: &[&str], figures: &[Figures]) {
        if !self.csv && self.table.replace(cell.table()) != Some(cell.table()) {
            println!("\n{:?}, values of {} B", cell.dialect, cell.value_bytes);
            columns();
        }
        self.row(&format!("{:?}", cell.operation).to_uppercase(), cell, names, figures);
    }

    /// The figures of one operation.
    pub(crate) fn row(&self, operation: &str, cell: Cell, names: &[&str], figures: &[Figures]) {
        for (name, one) in names.iter().zip(figures) {
            let ratio = figures[0].cpu_us / one.cpu_us;
            let quantile = |share| one.latency.quantile_us(share);
            let (p50, p99, p999) = (quantile(0.5), quantile(0.99), quantile(0.999));
            let (rate, cpu_us) = (one.rate(), one.cpu_us);
            if self.csv {
                let [dialect, _, pipeline, value_bytes] = cell.words();
                let words = [&dialect, &operation.to_lowercase(), &pipeline, &value_bytes]
                    .map(String::as_str)
                    .join(",");
                println!("{words},{name},{rate:.0},{cpu_us:.4},{p50:.1},{p99:.1},{p999:.1},{ratio:.3}");
                continue;
            }
            let ratio = if *name == names[0] { String::new() } else { format!("{ratio:.2}") };
            println!(
                "{operation:<13} {:>4}  {name:<16} {rate:>10.0} {cpu_us:>9.3} {p50:>8.0} {p99:>8.0} {p999:>8.0} {ratio:>6}{}",
                cell.pipeline,
                misses(one),
            );
        }
    }

    /// The memory table of one family.
    pub(crate) fn memory(&mut self, dialect: Dialect, value_bytes: usize, footprints: &[Footprint]) {
        let Some(ours) = footprints.first().map(Footprint::item_bytes) else { return };
        if !self.csv {
            let items = footprints[0].items;
            println!("\nMemory, {items} items of 16 + {value_bytes} B, stored by {dialect:?}");
            println!("{:<16} {:>9} {:>9} {:>7} {:>6}", "server", "empty MiB", "full MiB", "B/item", "×mem");
        }
        for one in footprints {
            let (item, ratio) = (one.item_bytes(), ours / one.item_bytes());
            let mib = |bytes: u64| bytes as f64 / f64::from(1 << 20);
            if self.csv {
                println!("memory,{dialect:?},{},{value_bytes},{},{item:.1},{ratio:.3}", one.items, one.name);
                continue;
            }
            println!(
                "{:<16} {:>9.1} {:>9.1} {item:>7.1} {ratio:>6.2}",
                one.name,
                mib(one.empty_bytes),
                mib(one.full_bytes)
            );
        }
    }
}

/// The names of the columns.
fn columns() {
    println!(
        "{:<13} {:>4}  {:<16} {:>10} {:>9} {:>8} {:>8} {:>8} {:>6}",
        "", "pipe", "server", "ops/s", "CPU µs/op", "p50 µs", "p99 µs", "p99.9 µs", "×CPU"
    );
}

/// Misses among keys that were all stored: the server has evicted or lost some.
fn misses(figures: &Figures) -> String {
    if figures.misses == 0 { String::new() } else { format!("  {} misses!", figures.misses) }
}
