//! The command line.

use std::path::{Path, PathBuf};

use clap::builder::PossibleValuesParser;
use clap::{Args, Parser, Subcommand, ValueEnum};

use crate::data::KNOWN;
use crate::definition::Profile;
use crate::gradient::{byte_units, parse_bytes};
use crate::plan::Shard;

use super::clean::CleanArguments;
use super::compare::CompareArguments;
use super::complete;
use super::evaluate::EvaluateArguments;
use super::export::ExportArguments;
use super::figures::FiguresArguments;
use super::job::PlanArguments;
use super::new::NewArguments;
use super::repeat::RepeatArguments;
use super::watch::WatchArguments;

use super::data::fetchable;

/// Exit codes, for the help and the man page.
pub const EXIT_CODES: &str = "Exit codes:
  0    success
  1    a run failed or lacks its data, a definition is invalid, a download
       failed, or `check`, `data verify`, `report --verify`, `repeat`,
       `compare`, `merge` or `doctor` found a fault or a difference
  2    invalid arguments, or a feature that this build lacks
  3    results or figures could not be read or written
  130  stopped by Ctrl-C; the same command resumes the runs";

/// Reproduces, checks and extends ANODE (arXiv 1902.10298) and ANODEV2 (arXiv 1906.04596).
#[derive(Debug, Parser)]
#[command(name = "anode", version, after_help = EXIT_CODES, max_term_width = 100)]
pub struct Cli {
    /// Options of all commands.
    #[command(flatten)]
    pub common: Common,
    /// What to do.
    #[command(subcommand)]
    pub verb: Verb,
}

/// Heading of the options that all commands have.
const GLOBAL: &str = "Options of all commands";

/// The folder of published results.
pub const RESULTS: &str = "results";

/// The folder of published charts.
pub const FIGURES: &str = "figures";

/// Options of all commands.
#[derive(Debug, Args)]
pub struct Common {
    /// Folder of experiment definitions
    #[arg(long, global = true, help_heading = GLOBAL, default_value = "experiments", value_name = "DIR")]
    pub experiments: PathBuf,
    /// Folder of results
    #[arg(long, global = true, help_heading = GLOBAL, default_value = RESULTS, value_name = "DIR")]
    pub results: PathBuf,
    /// Folder of charts [default: figures; with --results DIR, DIR/figures]
    #[arg(long = "figures", global = true, help_heading = GLOBAL, value_name = "DIR")]
    pub figures_given: Option<PathBuf>,
    /// Folder of real data sets [default: ANODE_DATA, else data, else ../shared/data]
    #[arg(long, global = true, help_heading = GLOBAL, value_name = "DIR")]
    pub data: Option<PathBuf>,
    /// Number of threads (does not affect results) [default: all cores]
    #[arg(long, global = true, help_heading = GLOBAL, value_name = "N",
        value_parser = clap::value_parser!(u16).range(1..))]
    pub threads: Option<u16>,
    /// Print errors only
    #[arg(long, short, global = true, help_heading = GLOBAL)]
    pub quiet: bool,
    /// Print the result as JSON on standard output, and an error as JSON on standard error (docs/json.md)
    #[arg(long, global = true, help_heading = GLOBAL)]
    pub json: bool,
}

impl Common {
    /// The folder of charts. Another results folder has its own, because a report removes the charts of results that it
    /// does not contain.
    pub fn figures(&self) -> PathBuf {
        self.figures_given.clone().unwrap_or_else(|| self.default_figures())
    }

    /// The folder of the charts of all results.
    pub fn default_figures(&self) -> PathBuf {
        let absolute = |path: &Path| std::path::absolute(path).unwrap_or_else(|_| path.into());
        let is_published = absolute(&self.results) == absolute(Path::new(RESULTS));
        if is_published { FIGURES.into() } else { self.results.join(FIGURES) }
    }
}

/// The commands.
#[derive(Debug, Subcommand)]
pub enum Verb {
    /// List the experiments with their claims, runs per profile and results
    List {
        /// Ids of experiments; `*` and `?` allowed [default: all]
        #[arg(value_name = "ID", add = complete::ids())]
        ids: Vec<String>,
    },
    /// Show the claim, runs, verdict and measurements of an experiment
    Show {
        /// Ids of experiments
        #[arg(required = true, value_name = "ID", add = complete::ids())]
        ids: Vec<String>,
    },
    /// Write the definitions of all experiments and their schema to DIR/experiments
    Init {
        /// The folder of the project; created if it does not exist
        #[arg(value_name = "DIR")]
        folder: PathBuf,
    },
    /// Create a small definition of an experiment to start from
    New(NewArguments),
    /// Compare two profiles, results folders, experiments or runs: rows side by side with their differences
    Compare(CompareArguments),
    /// List the runs of a profile, or generate a Slurm job script
    Plan(PlanArguments),
    /// Run experiments, without writing the report
    Run {
        /// Ids of experiments; `*` and `?` allowed
        #[arg(required = true, value_name = "ID", add = complete::ids())]
        ids: Vec<String>,
        /// How it is run
        #[command(flatten)]
        how: How,
    },
    /// Run every experiment of a profile, then write tables, charts and the report
    Reproduce {
        /// Ids of experiments; `*` and `?` allowed [default: all]
        #[arg(value_name = "ID", add = complete::ids())]
        ids: Vec<String>,
        /// Only experiments whose id matches, `*` and `?` allowed
        #[arg(long, value_name = "GLOB", add = complete::ids())]
        only: Option<String>,
        /// How it is run
        #[command(flatten)]
        how: How,
    },
    /// Show what another process on the same results folder is computing, and which runs were interrupted
    Status,
    /// Draw loss and accuracy of a training run in the terminal
    Watch(WatchArguments),
    /// Re-run the first steps of an archived run and check that they match the record bit for bit
    Repeat(RepeatArguments),
    /// Merge the records of other results folders into this one
    Merge {
        /// Results folders, as --results names them
        #[arg(required = true, value_name = "DIR")]
        from: Vec<PathBuf>,
    },
    /// Copy unfinished runs to results/inflight, from where they can be committed and continued elsewhere
    Handover {
        /// Ids of experiments; `*` and `?` allowed [default: all]
        #[arg(value_name = "ID", add = complete::ids())]
        ids: Vec<String>,
    },
    /// Draw a checkpoint schedule as text, with the lifetime of each snapshot
    Schedule(ScheduleArguments),
    /// Evaluate a trained network on its test images
    Evaluate(EvaluateArguments),
    /// List, fetch and verify data sets
    Data {
        /// What to do with them
        #[command(subcommand)]
        verb: DataVerb,
    },
    /// Show a network as a table: layers, shapes, parameters, multiply-adds, ODE blocks
    Describe(DescribeArguments),
    /// Test this machine: kernels against double precision, bitwise reproducibility for any number of threads, the GPU
    Doctor,
    /// Measure the memory of one gradient in a process of its own; asked by the memory study on standard input
    #[command(hide = true)]
    MeasureMemory,
    /// Redraw all charts from the records
    Figures(FiguresArguments),
    /// Export results as one table in long format with a dictionary of its columns, as CSV and Parquet
    Export(ExportArguments),
    /// Rewrite tables, charts and the report from the records
    ///
    /// All experiments and profiles with records are written. With --verify, ids choose what is compared. --profile
    /// chooses the printed summary.
    Report {
        /// The selection
        #[command(flatten)]
        selection: Selection,
        /// Write nothing: rebuild every file from the archived records and list the published files that differ
        #[arg(long)]
        verify: bool,
    },
    /// Check definitions, and without ids also the other files next to them and the JSON schema
    Check {
        /// Ids of experiments; `*` and `?` allowed [default: all]
        #[arg(value_name = "ID", add = complete::ids())]
        ids: Vec<String>,
        /// Write the schema instead of comparing it
        #[arg(long, conflicts_with = "ids")]
        write_schema: bool,
    },
    /// Remove the records and unfinished runs of a profile; asks first
    Clean(CleanArguments),
    /// Print shell completions
    Completions {
        /// The shell
        shell: clap_complete::Shell,
    },
    /// Print the JSON schema of what a command prints with --json, or list these schemas
    Schema {
        /// Name of the schema [default: list all]
        #[arg(value_name = "NAME", add = complete::schemas())]
        name: Option<String>,
    },
    /// Print the man page
    Man,
}

/// The commands on data sets.
#[derive(Debug, Subcommand)]
pub enum DataVerb {
    /// List the data sets the program knows, and where they are
    List,
    /// Download data sets into the data folder; an interrupted download resumes
    Fetch {
        /// The data sets
        #[arg(required = true, value_name = "NAME", value_parser = PossibleValuesParser::new(fetchable()))]
        names: Vec<String>,
        /// Folder of another server, to which the file name is appended
        #[arg(long, value_name = "URL")]
        url: Option<String>,
    },
    /// Read the data sets that are present and compare them with their published checksums
    Verify {
        /// Data sets that must be present [default: all that are]
        #[arg(value_name = "NAME", value_parser = PossibleValuesParser::new(KNOWN.iter().map(|known| known.name)))]
        names: Vec<String>,
    },
}

/// Which experiments of which profile.
#[derive(Debug, Args)]
pub struct Selection {
    /// Ids of experiments; `*` and `?` allowed [default: all]
    #[arg(value_name = "ID", add = complete::ids())]
    pub ids: Vec<String>,
    /// Size of the experiments
    #[arg(long, value_enum, default_value_t = ProfileName::Quick)]
    pub profile: ProfileName,
    /// Only experiments whose id matches, `*` and `?` allowed
    #[arg(long, value_name = "GLOB", add = complete::ids())]
    pub only: Option<String>,
}

/// Which schedule is drawn.
#[derive(Debug, Args)]
pub struct ScheduleArguments {
    /// Any gradient method; full, anode, uniform:M, revolve:M and online:M are drawn [default: the schedule that fits
    /// --memory]
    #[arg(value_name = "METHOD", required_unless_present = "memory")]
    pub method: Option<String>,
    /// Steps Nt of each block
    #[arg(long, value_name = "N", default_value_t = 10, value_parser = clap::value_parser!(u32).range(1..=100_000))]
    pub steps: u32,
    /// Budget for snapshots and tapes: 512MiB, 4GB, 100000
    #[arg(long, value_name = "SIZE", conflicts_with = "method")]
    pub memory: Option<Bytes>,
    /// Blocks L
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..=100_000))]
    pub blocks: u32,
    /// Size of one state
    #[arg(long, value_name = "SIZE", default_value = "1MiB")]
    pub state: Bytes,
    /// Size of the tapes of one step
    #[arg(long, value_name = "SIZE", default_value = "2MiB")]
    pub tape: Bytes,
    /// Write the chart to this SVG file
    #[arg(long, value_name = "FILE")]
    pub svg: Option<PathBuf>,
}

/// Which network is shown.
#[derive(Debug, Args)]
pub struct DescribeArguments {
    /// The network: resnet4, resnet10, resnet18, sqnxt or alexnet
    #[arg(value_name = "NET")]
    pub net: String,
    /// Form of the blocks that keep their shape
    #[arg(long, value_enum, default_value_t = FormName::Ode)]
    pub form: FormName,
    /// Channels of its first stage [default: the paper's]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=4096))]
    pub width: Option<u16>,
    /// Classes
    #[arg(long, value_name = "N", default_value_t = 10, value_parser = clap::value_parser!(u16).range(1..=1000))]
    pub classes: u16,
    /// Solver of the ODE blocks
    #[arg(long, value_name = "NAME", default_value = "euler")]
    pub solver: String,
    /// Steps Nt of each ODE block
    #[arg(long, value_name = "N", default_value_t = 2, value_parser = clap::value_parser!(u16).range(1..))]
    pub steps: u16,
}

/// A form of a network on the command line.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum FormName {
    /// ODE blocks
    Ode,
    /// Ordinary residual blocks, the paper's baseline
    Baseline,
}

/// A number of bytes, with or without a unit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Bytes(pub usize);

impl std::str::FromStr for Bytes {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        parse_bytes(text)
            .map(Bytes)
            .ok_or_else(|| format!("`{text}`; allowed: a whole number above 0, then {}", byte_units()))
    }
}

/// How runs are made.
#[derive(Debug, Args)]
pub struct How {
    /// Size of the experiments
    #[arg(long, value_enum, default_value_t = ProfileName::Quick)]
    pub profile: ProfileName,
    /// Compute device
    #[arg(long, value_enum, default_value_t = Device::Cpu)]
    pub device: Device,
    /// Number of concurrent runs (does not affect results) [default: the number of threads; 1 on a GPU]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..))]
    pub jobs: Option<u16>,
    /// Only runs with this setting, or seed=N; NAME=null: runs without it. May be repeated; if a
    /// name is given several values, runs with any of these values are selected. `reproduce` then
    /// writes no report
    #[arg(long = "where", value_name = "NAME=VALUE", add = complete::conditions())]
    pub only_where: Vec<String>,
    /// Write TensorBoard event files next to the steps.csv of training runs, also while they are computed
    #[arg(long)]
    pub tensorboard: bool,
    /// Start runs that take more than 12 hours without asking
    #[arg(long)]
    pub yes: bool,
    /// Only one of n shards of the runs, without writing the report: 2/8
    #[arg(long, value_name = "I/N")]
    pub shard: Option<Shard>,
    /// Refuse to run if the plan has another digest than this one, which `anode plan --slurm` writes
    #[arg(long, value_name = "DIGEST", requires = "shard")]
    pub plan_digest: Option<String>,
}

/// A profile on the command line.
#[derive(Clone, Copy, Debug, ValueEnum)]
pub enum ProfileName {
    /// Minutes on two cores, embedded data
    Quick,
    /// Hours on a CPU, real data
    Standard,
    /// The papers' full settings, for a GPU
    Paper,
}

impl From<ProfileName> for Profile {
    fn from(name: ProfileName) -> Self {
        match name {
            ProfileName::Quick => Profile::Quick,
            ProfileName::Standard => Profile::Standard,
            ProfileName::Paper => Profile::Paper,
        }
    }
}

/// A device.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Device {
    /// The processor
    Cpu,
    /// An NVIDIA GPU, the same as cuda-own
    Cuda,
    /// An NVIDIA GPU; convolutions use the kernels of this program
    CudaOwn,
    /// An NVIDIA GPU; convolutions use cuDNN's deterministic algorithms without TF32
    CudaCudnn,
    /// Like cuda-cudnn, with TF32: faster, less accurate
    CudaTf32,
    /// Like cuda-tf32, but allows nondeterministic algorithms
    CudaFast,
}
