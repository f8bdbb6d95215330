//! Outputs of a model, read back to the host: scores and vectors, all of them finite.

use burn::tensor::Tensor;
use isogloss_kernels::{Precision, matmul_precision};

use super::device::read;
use crate::Error;

/// Reads the outputs of a model back to the host, row by row; `whose` names the text of a row.
///
/// # Errors
/// [`Error::OutputNotFinite`] with that name for a value that is not finite (NaN or infinity),
/// [`Error::Device`] if the device was lost.
pub(crate) async fn read_outputs(
    outputs: Tensor<2>,
    whose: impl FnOnce(usize) -> String,
) -> Result<Vec<f32>, Error> {
    let width = outputs.dims()[1].max(1);
    let values: Vec<f32> = read(outputs).await?;
    check_finite(&values, |at| whose(at / width))?;
    Ok(values)
}

/// Fails for the first value that is not finite; `whose` names the text of the value at an index.
///
/// # Errors
/// [`Error::OutputNotFinite`] if there is one.
pub(crate) fn check_finite(
    values: &[f32],
    whose: impl FnOnce(usize) -> String,
) -> Result<(), Error> {
    match values.iter().position(|value| !value.is_finite()) {
        None => Ok(()),
        Some(at) => {
            let (text, value, cause) = (whose(at), values[at], overflow_hint());
            Err(Error::OutputNotFinite { text, value, cause })
        }
    }
}

/// A number that sums up outputs or gradients, if it is finite; `whose` names the texts.
///
/// # Errors
/// [`Error::OutputNotFinite`] if it is not.
pub(crate) fn finite(value: f64, whose: impl FnOnce() -> String) -> Result<f64, Error> {
    match value.is_finite() {
        true => Ok(value),
        false => check_finite(&[value as f32], |_| whose()).map(|()| value),
    }
}

/// Argmax: the index of the highest of a row of logits or probabilities, the first of equal ones.
pub(crate) fn argmax(row: &[f32]) -> usize {
    let is_higher = |best: usize, (at, value): (usize, &f32)| match *value > row[best] {
        true => at,
        false => best,
    };
    row.iter().enumerate().fold(0, is_higher)
}

/// Why numbers may not be finite in the precision of this process, as the end of a message.
pub(crate) fn overflow_hint() -> &'static str {
    match matmul_precision() {
        Precision::F16 => {
            "; with --precision f16 an operand of a matrix product overflows above 65504: take bf16 \
             or f32"
        }
        Precision::F32 | Precision::Bf16 => "",
    }
}

/// The beginning of a text, in quotes, to name it in a message.
pub(crate) fn quoted_beginning(text: &str) -> String {
    const N_CHARS: usize = 60;
    let beginning: String = text.chars().take(N_CHARS).collect();
    let rest = if beginning.len() < text.len() { "…" } else { "" };
    format!("{:?}", beginning + rest)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_value_that_is_not_finite_is_named() {
        let whose = |at: usize| format!("text {at}");
        assert!(check_finite(&[1.0, f32::MIN], whose).is_ok());
        let error = check_finite(&[1.0, f32::NEG_INFINITY, f32::NAN], whose).unwrap_err();
        assert_eq!(error.to_string(), "text 1: the model computes -inf, which is no finite number");
    }

    #[test]
    fn a_long_text_is_cut() {
        assert_eq!(quoted_beginning("licht\tan"), r#""licht\tan""#);
        let long = quoted_beginning(&"ü".repeat(100));
        assert_eq!(long, format!("\"{}…\"", "ü".repeat(60)));
    }
}
