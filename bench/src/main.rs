//! Measures Coffer beside its references in one run: see the README beside this crate.
#![expect(clippy::print_stdout, clippy::print_stderr, reason = "what it finds out is for a terminal")]

mod case;
mod client;
mod http;
mod load;
mod measure;
mod options;
mod payload;
mod plan;
mod report;
mod servers;
mod sign;
mod stats;
mod workspace;

use std::process::ExitCode;
use std::time::{Duration, SystemTime};

use anyhow::{Context, Result, ensure};
use clap::Parser;

use case::Case;
use measure::{Machine, Primitive};
use options::Options;
use plan::Plan;
use report::{PrimitiveRow, Report};
use servers::{Certificate, Peer, Started, Target};
use workspace::Workspace;

/// How long each primitive is measured, each time.
const PRIMITIVE_TIME: Duration = Duration::from_millis(300);

fn main() -> ExitCode {
    match run(&Options::parse()) {
        Ok(code) => code,
        Err(error) => {
            eprintln!("coffer-bench: {error:#}");
            ExitCode::FAILURE
        }
    }
}

/// Measures what `options` ask for; fails when a server answers wrong, and at once when something cannot be started.
fn run(options: &Options) -> Result<ExitCode> {
    let cases = Case::selected(&options.cases)?;
    let workspace = Workspace::claim()?;
    let machine = Machine::this();
    println!("{}, {} cores, Linux {}, source {}", machine.processor, machine.cores, machine.kernel, machine.commit);
    if machine.load > 0.5 {
        println!("Load is {:.1} before the start: rates and latencies are those of a busy machine.", machine.load);
    }

    let customer_headers = servers::customer_headers();
    let (started, targets) = start(options, &workspace, &customer_headers)?;
    let targets: Vec<&Target> = started.iter().map(|started| &started.target).chain(&targets).collect();
    ensure!(!targets.is_empty(), "there is no server to measure");

    let mut report = Report {
        started: workspace::file_time(SystemTime::now()),
        machine,
        seconds: options.time().as_secs_f64(),
        primitives: primitives(options.round_count(), &workspace)?,
        rows: Vec::new(),
        failures: Vec::new(),
    };
    println!("\n{}", report::table_head());
    let mut plan = Plan::new(options, targets, workspace.data())?;
    for case in &cases {
        let (mut rows, failures) = plan.measure(case);
        report::compare(case, &mut rows, &report.primitives);
        rows.iter().for_each(|row| println!("{}", report::table_line(row)));
        failures.iter().for_each(|failure| println!("{failure}"));
        report.rows.append(&mut rows);
        report.failures.extend(failures);
    }
    println!("\nwritten to {}", workspace.save(&report)?.display());
    Ok(if report.failures.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// Starts the servers that the bench starts, and finds the others.
fn start(
    options: &Options,
    workspace: &Workspace,
    customer_headers: &[(&'static str, String); 3],
) -> Result<(Vec<Started>, Vec<Target>)> {
    let certificate = Certificate::make(workspace.data())?;
    let mut started = Vec::new();
    if options.wants("coffer") {
        let program = match &options.coffer {
            Some(program) => program.clone(),
            None => servers::build(workspace.target())?,
        };
        started.push(servers::start_coffer(&program, workspace.data(), &certificate, customer_headers.clone())?);
    }
    if options.wants(servers::REFERENCE) {
        match servers::start_nginx(workspace.data(), &certificate, customer_headers.clone())? {
            Some(nginx) => started.push(nginx),
            None => eprintln!("nginx is not installed, so there is nothing to compare with: apt install nginx-light"),
        }
    }
    let mut peers = Vec::new();
    for peer in &options.peers {
        let peer: Peer = peer.parse().context("--server")?;
        peers.push(peer.target(options.ca.as_deref(), customer_headers.clone())?);
    }
    peers.retain(|peer| options.wants(&peer.name));
    Ok((started, peers))
}

/// Measures and prints what the machine does without a server.
fn primitives(round_count: u32, workspace: &Workspace) -> Result<Vec<PrimitiveRow>> {
    let mut rows = Vec::new();
    println!();
    for primitive in Primitive::ALL {
        let rates = (0..round_count).map(|_| primitive.measure(PRIMITIVE_TIME, workspace.data()));
        let row = PrimitiveRow::new(primitive, &rates.collect::<Result<Vec<f64>>>()?);
        println!("{:<17} {:>25}", row.name, report::rate_text(row.rate, row.unit));
        rows.push(row);
    }
    Ok(rows)
}
