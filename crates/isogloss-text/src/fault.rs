//! Configuration validation: fields with invalid values, and the reasons.

use std::ops::RangeInclusive;

/// Validation error of a configuration: the field, and its expected and found value.
pub(crate) type Fault = (&'static str, String);

/// Range check: the error of a value that is outside a range or NaN.
pub(crate) fn outside(
    field: &'static str,
    value: f64,
    range: RangeInclusive<f64>,
) -> Option<Fault> {
    let reason = || format!("expected [{}, {}], found {value}", range.start(), range.end());
    (!range.contains(&value)).then(|| (field, reason()))
}

/// Range check: the error of a value that is not positive and finite.
pub(crate) fn not_positive(field: &'static str, value: f64) -> Option<Fault> {
    let valid = value.is_finite() && value > 0.0;
    (!valid).then(|| (field, format!("expected a positive number, found {value}")))
}
