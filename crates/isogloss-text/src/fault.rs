//! Faults of a configuration: fields whose values cannot be used, and why.

use std::ops::RangeInclusive;

/// A field of a configuration, and what was expected there and found.
pub(crate) type Fault = (&'static str, String);

/// The fault of a value outside a range, NaN among them.
pub(crate) fn outside(
    field: &'static str,
    value: f64,
    range: RangeInclusive<f64>,
) -> Option<Fault> {
    let reason = || format!("expected [{}, {}], found {value}", range.start(), range.end());
    (!range.contains(&value)).then(|| (field, reason()))
}
