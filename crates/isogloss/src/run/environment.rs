//! Run environment: versions, device and machine, written to `environment.json`.

use isogloss_kernels::{Precision, matmul_precision};
use serde::{Deserialize, Serialize};

use super::folder::{ENVIRONMENT, RunFolder, RunStatus};
use crate::error::{RunError, io, json};
use crate::ground::device::DeviceInfo;
use crate::{Error, Recipe};

/// Version of Burn, which the workspace pins.
pub(crate) const BURN_VERSION: &str = "0.22.1";

/// Run environment: versions, machine, device, seed, model and start time.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Environment<'a> {
    isogloss: &'static str,
    burn: &'static str,
    os: &'static str,
    arch: &'static str,
    device: &'a DeviceInfo,
    /// Precision of matrix products.
    precision: String,
    /// Whether kernels are tuned, so that another process can give other last digits.
    tunes_kernels: bool,
    seed: u64,
    model: &'a str,
    n_parameters: usize,
    n_trainable: usize,
    started: String,
}

impl<'a> Environment<'a> {
    pub(crate) fn new(
        device: &'a DeviceInfo,
        recipe: &'a Recipe,
        [n_parameters, n_trainable]: [usize; 2],
    ) -> Self {
        Self {
            isogloss: env!("CARGO_PKG_VERSION"),
            burn: BURN_VERSION,
            os: std::env::consts::OS,
            arch: std::env::consts::ARCH,
            device,
            precision: matmul_precision().to_string(),
            tunes_kernels: device.tunes_kernels(),
            seed: recipe.seed,
            model: &recipe.model.source,
            n_parameters,
            n_trainable,
            started: now(),
        }
    }
}

/// What a run is resumed with has to be what it began with.
#[derive(Deserialize)]
struct Recorded {
    /// Precision of matrix products; absent in records of versions that had only `f32`.
    precision: Option<String>,
}

/// Precision check: fails if a run, finished or not, began with another precision of matrix products
/// than that of this process.
pub(super) fn check_precision(run: &RunFolder) -> Result<(), Error> {
    let path = run.path().join(ENVIRONMENT);
    if run.status()? == RunStatus::New || !path.exists() {
        return Ok(());
    }
    let bytes = std::fs::read(&path).map_err(io(&path))?;
    let recorded: Recorded = serde_json::from_slice(&bytes).map_err(json(&path))?;
    let began = recorded.precision.unwrap_or_else(|| Precision::F32.to_string());
    let asked = matmul_precision();
    if began != asked.to_string() {
        return Err(RunError::OtherPrecision { path, began, asked }.into());
    }
    Ok(())
}

/// The current UTC time in ISO 8601, `2026-01-31T23:59:59Z`.
pub(crate) fn now() -> String {
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
    let seconds = since.map(|duration| duration.as_secs()).unwrap_or_default();
    let (days, second) = (seconds / 86_400, seconds % 86_400);
    let (year, month, day) = civil(days as i64);
    let (hour, minute, second) = (second / 3600, second / 60 % 60, second % 60);
    format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}Z")
}

/// The date of a day counted from 1970-01-01, by the proleptic Gregorian calendar.
fn civil(days: i64) -> (i64, i64, i64) {
    // Years begin in March here, so that the leap day comes last; eras have 400 years.
    let shifted = days + 719_468;
    let (era, day_of_era) = (shifted.div_euclid(146_097), shifted.rem_euclid(146_097));
    let year_of_era =
        (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month_from_march = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * month_from_march + 2) / 5 + 1;
    let month = if month_from_march < 10 { month_from_march + 3 } else { month_from_march - 9 };
    (year_of_era + era * 400 + i64::from(month <= 2), month, day)
}

#[cfg(test)]
mod tests {
    use super::civil;

    #[test]
    fn days_become_dates() {
        assert_eq!(civil(0), (1970, 1, 1));
        assert_eq!(civil(19_782), (2024, 2, 29));
        assert_eq!(civil(20_778), (2026, 11, 21));
    }
}
