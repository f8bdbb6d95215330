//! Comparison of results of a device with the reference, by their largest relative deviation.

use serde::Serialize;

/// Numbers that a check computes, with a name for each tensor.
pub(super) type Quantities = Vec<(String, Vec<f32>)>;

/// One check: some quantities on the device, compared with the same on the CPU.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Check {
    /// What was computed: `attention, 70 tokens, heads of 64, dropout 0.3`.
    pub name: String,
    /// Whether all deviations are within the limit.
    pub passes: bool,
    /// The largest relative deviation that is allowed.
    pub limit: f64,
    /// The deviation of each quantity.
    pub deviations: Vec<Deviation>,
    /// The error that ended the check; `None` if there was none.
    pub problem: Option<String>,
    /// Time on the device in seconds, with the compilation of kernels.
    pub seconds: f64,
}

/// Deviation of one quantity from the reference.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Deviation {
    /// The quantity: `output`, `gradient of key`.
    pub quantity: String,
    /// Largest absolute difference between two elements, divided by the largest absolute value of
    /// the reference; `None` if an element is not finite or is missing.
    pub relative: Option<f64>,
}

impl Check {
    /// Compares what the device has computed with the reference; an error of either fails.
    pub(super) fn new(
        name: String,
        limit: f64,
        found: Result<Quantities, String>,
        expected: Result<Quantities, String>,
        seconds: f64,
    ) -> Self {
        let expected = expected.map_err(|problem| format!("on the CPU: {problem}"));
        let (deviations, problem) = match found.and_then(|found| Ok((found, expected?))) {
            Ok((found, expected)) => (deviations(&found, &expected), None),
            Err(problem) => (Vec::new(), Some(problem)),
        };
        let is_within = |deviation: &Deviation| deviation.relative.is_some_and(|x| x <= limit);
        let passes = problem.is_none() && deviations.iter().all(is_within);
        Self { name, passes, limit, deviations, problem, seconds }
    }

    /// The largest deviation; one that is not a number is the largest of all.
    pub fn largest(&self) -> Option<&Deviation> {
        let size = |deviation: &Deviation| deviation.relative.unwrap_or(f64::INFINITY);
        self.deviations.iter().max_by(|a, b| size(a).total_cmp(&size(b)))
    }

    /// How much of its limit the largest deviation takes.
    pub(super) fn share_of_limit(&self) -> f64 {
        let relative = self.largest().and_then(|deviation| deviation.relative);
        relative.map_or(f64::INFINITY, |relative| relative / self.limit)
    }
}

/// Deviations of all quantities of the reference.
fn deviations(found: &Quantities, expected: &Quantities) -> Vec<Deviation> {
    let compare = |(name, expected): &(String, Vec<f32>)| {
        let found = found.iter().find(|(other, _)| other == name);
        let relative = found.and_then(|(_, found)| relative_deviation(found, expected));
        Deviation { quantity: name.clone(), relative }
    };
    expected.iter().map(compare).collect()
}

/// Largest absolute difference, divided by the largest absolute value of `expected` (unless that is
/// 0); `None` if the lengths differ or a number is not finite.
fn relative_deviation(found: &[f32], expected: &[f32]) -> Option<f64> {
    if found.len() != expected.len() || !found.iter().chain(expected).all(|x| x.is_finite()) {
        return None;
    }
    let largest = |values: &mut dyn Iterator<Item = f64>| values.fold(0.0, f64::max);
    let differences =
        found.iter().zip(expected).map(|(a, b)| (f64::from(*a) - f64::from(*b)).abs());
    let difference = largest(&mut differences.into_iter());
    let scale = largest(&mut expected.iter().map(|x| f64::from(x.abs())));
    Some(if scale > 0.0 { difference / scale } else { difference })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(found: &[f32], expected: &[f32]) -> Check {
        let quantities = |values: &[f32]| Ok(vec![("output".to_owned(), values.to_vec())]);
        Check::new("product".into(), 1e-3, quantities(found), quantities(expected), 0.0)
    }

    #[test]
    fn a_deviation_is_relative_to_the_largest_value() {
        // 0.002 of 4: half of the limit.
        let check = check(&[4.0, 1.002, -3.0], &[4.0, 1.0, -3.0]);
        assert!(check.passes);
        let largest = check.largest().unwrap();
        assert_eq!(largest.quantity, "output");
        assert!((largest.relative.unwrap() - 5e-4).abs() < 1e-7, "{largest:?}");
        assert!((check.share_of_limit() - 0.5).abs() < 1e-4);
    }

    #[test]
    fn one_wrong_element_fails() {
        let check = check(&[4.0, 1.0, -3.01], &[4.0, 1.0, -3.0]);
        assert!(!check.passes);
        assert!((check.largest().unwrap().relative.unwrap() - 2.5e-3).abs() < 1e-6);
    }

    #[test]
    fn numbers_that_are_not_finite_or_are_missing_fail() {
        for found in [&[4.0, f32::NAN][..], &[4.0, f32::INFINITY], &[4.0], &[]] {
            let check = check(found, &[4.0, 1.0]);
            assert!(!check.passes, "{found:?}");
            assert_eq!(check.largest().unwrap().relative, None, "{found:?}");
            assert_eq!(check.share_of_limit(), f64::INFINITY);
        }
    }

    #[test]
    fn a_quantity_that_the_device_does_not_give_fails() {
        let named = |names: &[&str]| Ok(names.iter().map(|n| (n.to_string(), vec![1.0])).collect());
        let check = Check::new("x".into(), 1e-3, named(&["a"]), named(&["a", "b"]), 0.0);
        assert!(!check.passes);
        assert_eq!(check.largest().unwrap().quantity, "b");
    }

    #[test]
    fn an_error_fails_and_says_whose_it_is() {
        let fine = || Ok(vec![("output".to_owned(), vec![1.0])]);
        let failed = || Err("device lost".to_owned());
        let check = Check::new("x".into(), 1e-3, failed(), fine(), 0.0);
        assert_eq!((check.passes, check.problem.as_deref()), (false, Some("device lost")));
        let check = Check::new("x".into(), 1e-3, fine(), failed(), 0.0);
        assert_eq!(check.problem.as_deref(), Some("on the CPU: device lost"));
    }

    #[test]
    fn zeros_are_compared_absolutely() {
        assert_eq!(relative_deviation(&[0.0, 0.25], &[0.0, 0.0]), Some(0.25));
    }
}
