//! The options of `anode plan`: a shard, or a Slurm job.

use clap::Args;

use crate::plan::Shard;

use super::arguments::Selection;
use super::complete;

/// Which plan, and how it is shown.
#[derive(Debug, Args)]
pub struct PlanArguments {
    /// The selection
    #[command(flatten)]
    pub selection: Selection,
    /// Only runs with this setting, or seed=N. May be repeated; if a name is given several values,
    /// runs with any of these values are selected
    #[arg(long = "where", value_name = "NAME=VALUE", add = complete::conditions(), conflicts_with = "slurm")]
    pub only_where: Vec<String>,
    /// Only one of n shards, which are alike in cost: 2/8
    #[arg(long, value_name = "I/N", conflicts_with = "slurm")]
    pub shard: Option<Shard>,
    /// Write a job script to standard output; submit it with bash
    #[arg(long)]
    pub slurm: bool,
    /// How the job is cut and what it asks for
    #[command(flatten)]
    pub job: Job,
}

/// A Slurm job.
#[derive(Debug, Args)]
pub struct Job {
    /// Tasks of the job array
    #[arg(long, value_name = "N", default_value_t = 8, requires = "slurm",
        value_parser = clap::value_parser!(u32).range(1..=Shard::MOST as i64))]
    pub shards: u32,
    /// Time limit of a task; one that reaches it is queued again and goes on
    #[arg(long, value_name = "TIME", default_value = "04:00:00", requires = "slurm", value_parser = slurm_time)]
    pub time: String,
    /// Memory of a task
    #[arg(long, value_name = "SIZE", default_value = "4G", requires = "slurm", value_parser = slurm_memory)]
    pub mem: String,
    /// Processors of a task
    #[arg(long, value_name = "N", default_value_t = 2, requires = "slurm",
        value_parser = clap::value_parser!(u16).range(1..))]
    pub cpus: u16,
    /// Any other option of sbatch, such as --sbatch=--partition=short; may come several times
    #[arg(long, value_name = "OPTION", requires = "slurm", allow_hyphen_values = true)]
    pub sbatch: Vec<String>,
}

/// A time limit as Slurm reads it.
fn slurm_time(text: &str) -> Result<String, String> {
    let (days, rest) = text.split_once('-').map_or((None, text), |(days, rest)| (Some(days), rest));
    let number = |part: &str| !part.is_empty() && part.bytes().all(|b| b.is_ascii_digit());
    let parts: Vec<&str> = rest.split(':').collect();
    if days.is_none_or(number) && parts.len() <= 3 && parts.iter().all(|p| number(p)) {
        Ok(text.to_owned())
    } else {
        Err("allowed: minutes, hours:minutes:seconds or days-hours:minutes:seconds".into())
    }
}

/// A size of memory as Slurm reads it.
fn slurm_memory(text: &str) -> Result<String, String> {
    let digits = text.strip_suffix(['K', 'M', 'G', 'T']).unwrap_or(text);
    let sound = !digits.is_empty() && digits.bytes().all(|b| b.is_ascii_digit());
    if sound { Ok(text.to_owned()) } else { Err("allowed: a whole number, then K, M (as without), G or T".into()) }
}
