//! CLI arguments of the commands that train.

use std::path::PathBuf;
use std::str::FromStr;

use clap::ValueHint;
use isogloss::Recipe;

use super::model::{DeviceArgs, HubArgs};

#[derive(Debug, clap::Args)]
pub(crate) struct FinetuneArgs {
    /// The recipe file
    #[arg(value_hint = ValueHint::FilePath)]
    pub(crate) recipe: PathBuf,
    /// Start from this model instead of the recipe's: a folder, or owner/name[@revision] on the hub
    #[arg(long, value_name = "MODEL")]
    pub(crate) model: Option<String>,
    /// Use this seed instead of the recipe's
    #[arg(long, value_name = "SEED", value_parser = clap::value_parser!(u64).range(..Recipe::MAX_SEED))]
    pub(crate) seed: Option<u64>,
    /// Train with this many seeds, counting up
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u64).range(1..Recipe::MAX_SEED))]
    pub(crate) seeds: u64,
    /// Start anew instead of resuming an earlier run
    #[arg(long)]
    pub(crate) fresh: bool,
    #[command(flatten)]
    pub(crate) run: RunArgs,
}

#[derive(Debug, clap::Args)]
pub(crate) struct RunArgs {
    /// The folder of all runs; each has its own under <recipe>/seed-<seed>
    #[arg(long, default_value = "runs", value_name = "FOLDER", value_hint = ValueHint::DirPath)]
    pub(crate) out: PathBuf,
    /// Print JSON Lines instead of text
    #[arg(long)]
    pub(crate) json: bool,
    /// Let the machine go to sleep while it trains
    #[arg(long)]
    pub(crate) allow_sleep: bool,
    #[command(flatten)]
    pub(crate) device: DeviceArgs,
    #[command(flatten)]
    pub(crate) hub: HubArgs,
}

#[derive(Debug, clap::Args)]
pub(crate) struct SweepArgs {
    /// The recipe files
    #[arg(required = true, value_hint = ValueHint::FilePath)]
    pub(crate) recipes: Vec<PathBuf>,
    /// Train each recipe with this many seeds, counting up from its own
    #[arg(long, value_name = "N", default_value_t = 3, value_parser = clap::value_parser!(u64).range(1..Recipe::MAX_SEED))]
    pub(crate) seeds: u64,
    /// Run only shard I of N of the jobs, for a cluster
    #[arg(long, value_name = "I/N", default_value = "1/1")]
    pub(crate) shard: Shard,
    #[command(flatten)]
    pub(crate) run: RunArgs,
}

/// Shard of a sweep's jobs: number `index` of `count`, from 1.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Shard {
    pub(crate) index: usize,
    pub(crate) count: usize,
}

impl Shard {
    /// Whether job number `n`, from 0, belongs to this shard.
    pub(crate) fn has(self, n: usize) -> bool {
        n % self.count == self.index - 1
    }
}

impl FromStr for Shard {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let parts =
            text.split_once('/').and_then(|(i, n)| Some((i.parse().ok()?, n.parse().ok()?)));
        match parts {
            Some((index, count)) if (1..=count).contains(&index) => Ok(Self { index, count }),
            _ => Err("expected I/N with I from 1 to N, such as 2/8".to_owned()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shards_share_the_work_without_rest() {
        let shards: Vec<Shard> = ["1/3", "2/3", "3/3"].map(|s| s.parse().unwrap()).to_vec();
        for n in 0..10 {
            assert_eq!(shards.iter().filter(|shard| shard.has(n)).count(), 1);
        }
        for wrong in ["0/3", "4/3", "1", "a/b", "1/0"] {
            assert!(wrong.parse::<Shard>().is_err(), "{wrong}");
        }
    }
}
