//! The program: one file per command, and errors with exit codes.

mod arguments;
mod check;
mod clean;
mod compare;
mod complete;
mod completions;
mod cost;
mod data;
mod describe;
mod doctor;
mod done;
mod error;
mod evaluate;
mod export;
mod figures;
mod handover;
mod init;
mod inputs;
mod job;
pub mod json;
mod list;
mod man;
mod measure;
mod merge;
mod new;
mod output;
mod plan;
mod plot;
mod repeat;
mod report;
mod reproduce;
mod run;
mod schedule;
mod schema;
mod select;
mod show;
mod signal;
mod slurm;
mod status;
mod subject;
mod watch;

use std::process::ExitCode;

use clap::{CommandFactory, Parser};
use clap_complete::CompleteEnv;

pub use arguments::{Cli, Common, EXIT_CODES, Verb};
pub use error::CliError;

/// Runs the program with the arguments of the process.
pub fn main() -> ExitCode {
    // Ends the program if the shell asks for completions.
    CompleteEnv::with_factory(Cli::command).complete();
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(error) => return error::refused(error),
    };
    crate::study::this_is_the_program();
    ignore_file_size_signal();
    match dispatch(&cli).and_then(|()| output::flush()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => error::reported(&error, cli.common.json),
    }
}

/// Lets a write beyond the limit on the size of files (`ulimit -f`) fail as on a full disk, instead of ending the
/// program.
fn ignore_file_size_signal() {
    #[cfg(unix)]
    // SAFETY: ignoring a signal runs no code; nothing else in the program handles this one.
    unsafe {
        libc::signal(libc::SIGXFSZ, libc::SIG_IGN);
    }
}

/// The number that an option asks for, at most that of the machine's processors; says so where it asks for more.
fn clamp(common: &Common, option: &str, asked: u16) -> usize {
    let here = std::thread::available_parallelism().map_or(usize::MAX, usize::from);
    let asked = usize::from(asked);
    if asked > here && !common.quiet {
        output::warn(&format!("anode: {option} {asked}: this machine has {here} processors, so {here} are used"));
    }
    asked.min(here)
}

/// Starts the threads that compute: as many as `--threads` or rayon's `RAYON_NUM_THREADS` asks for, at most one per
/// processor.
///
/// # Errors
/// The system refuses them.
fn start_threads(common: &Common) -> Result<(), CliError> {
    const VARIABLE: &str = "RAYON_NUM_THREADS";
    let from_environment = || std::env::var(VARIABLE).ok()?.parse::<u64>().ok().filter(|count| *count > 0);
    let threads = match (common.threads, from_environment()) {
        (Some(asked), _) => clamp(common, "--threads", asked),
        (None, Some(asked)) => clamp(common, VARIABLE, u16::try_from(asked).unwrap_or(u16::MAX)),
        (None, None) => std::thread::available_parallelism().map_or(1, usize::from),
    };
    rayon::ThreadPoolBuilder::new().num_threads(threads).build_global().map_err(|error| {
        CliError::Usage(format!(
            "the system refuses {threads} threads ({error}); name fewer with --threads, or raise the limit on \
             processes (`ulimit -u`, or that of the container)"
        ))
    })
}

fn dispatch(cli: &Cli) -> Result<(), CliError> {
    let common = &cli.common;
    select::refuse_file(&common.results)?;
    start_threads(common)?;
    match &cli.verb {
        Verb::List { ids } => list::list(common, ids),
        Verb::Show { ids } => show::show(common, ids),
        Verb::Init { folder } => init::init(common, folder),
        Verb::New(arguments) => new::new(common, arguments),
        Verb::Compare(arguments) => compare::compare(common, arguments),
        Verb::Plan(arguments) => plan::show_plan(common, arguments),
        Verb::Merge { from } => merge::merge(common, from),
        Verb::Handover { ids } => handover::handover(common, ids),
        Verb::Run { ids, how } => run::run(common, ids, how),
        Verb::Status => status::status(common),
        Verb::Watch(arguments) => watch::watch(common, arguments),
        Verb::Repeat(arguments) => repeat::repeat(common, arguments),
        Verb::Reproduce { ids, only, how } => reproduce::reproduce(common, ids, only.as_deref(), how),
        Verb::Schedule(arguments) => schedule::schedule(common, arguments),
        Verb::Evaluate(arguments) => evaluate::evaluate(common, arguments),
        Verb::Data { verb } => data::data(common, verb),
        Verb::Describe(arguments) => describe::describe(common, arguments),
        Verb::Doctor => doctor::doctor(common),
        Verb::MeasureMemory => measure::measure_memory(),
        Verb::Figures(arguments) => figures::figures(common, arguments),
        Verb::Export(arguments) => export::export(common, arguments),
        Verb::Report { selection, verify } => report::report(common, selection, *verify),
        Verb::Check { ids, write_schema } => check::check(common, ids, *write_schema),
        Verb::Clean(arguments) => clean::clean(common, arguments),
        Verb::Completions { shell } => completions::completions(*shell),
        Verb::Schema { name } => schema::schema(common, name.as_deref()),
        Verb::Man => man::man(),
    }
}
