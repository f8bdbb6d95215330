//! Quantization of checkpoints to float16 or int8.

use half::f16;
use safetensors::tensor::Dtype;
use serde::{Deserialize, Serialize};

use super::tensor::StoredTensor;
use crate::hf::{Bytes, INT8, SCALE};

/// Storage type of a checkpoint: float32, float16 or int8. Loading converts all to `f32`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Storage {
    /// 32-bit floats, lossless.
    #[default]
    F32,
    /// 16-bit floats (half precision, 11 significant bits).
    F16,
    /// Matrices as 8-bit integers from -127 to 127 with one scale per row (symmetric weight
    /// quantization); all other tensors as 32-bit floats.
    ///
    /// Only isogloss reads this format: the integers of the matrix `name` are `name.int8`, the
    /// scales `name.scale`.
    Int8,
}

impl Storage {
    /// The value of `dtype` in `config.json`.
    pub(super) fn dtype(self) -> &'static str {
        if self == Self::F16 { "float16" } else { "float32" }
    }

    /// Whether a value is in the range of the type.
    pub(super) fn can_hold(self, x: f32) -> bool {
        match self {
            Self::F32 => true,
            Self::F16 => x.abs() <= f16::MAX.to_f32(),
            Self::Int8 => x.is_finite(),
        }
    }
}

/// Quantizes a tensor; returns the tensors to store with their names.
pub(super) fn quantize(tensor: StoredTensor, storage: Storage) -> Vec<(String, Bytes)> {
    let StoredTensor { name, shape, values } = tensor;
    match (storage, shape.as_slice()) {
        (Storage::F16, _) => {
            let bytes = values.iter().flat_map(|x| f16::from_f32(*x).to_le_bytes()).collect();
            vec![(name, Bytes { dtype: Dtype::F16, shape, bytes })]
        }
        (Storage::Int8, &[n_rows, width]) if width > 0 => {
            let (mut numbers, mut scales) = (Vec::with_capacity(values.len()), Vec::new());
            for row in values.chunks_exact(width) {
                let scale = row.iter().fold(0f32, |max, x| max.max(x.abs())) / 127.0;
                let number = |x: &f32| if scale > 0.0 { (x / scale).round() as i8 } else { 0 };
                numbers.extend(row.iter().map(|x| number(x).cast_unsigned()));
                scales.extend_from_slice(&scale.to_le_bytes());
            }
            let scales = Bytes { dtype: Dtype::F32, shape: vec![n_rows], bytes: scales };
            let numbers = Bytes { dtype: Dtype::I8, shape, bytes: numbers };
            vec![(format!("{name}{INT8}"), numbers), (format!("{name}{SCALE}"), scales)]
        }
        (Storage::F32 | Storage::Int8, _) => {
            let bytes = values.iter().flat_map(|x| x.to_le_bytes()).collect();
            vec![(name, Bytes { dtype: Dtype::F32, shape, bytes })]
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tensor(shape: &[usize], values: &[f32]) -> StoredTensor {
        StoredTensor { name: "w".into(), shape: shape.to_vec(), values: values.to_vec() }
    }

    #[test]
    fn each_row_has_a_factor_of_its_own() {
        let stored = tensor(&[3, 2], &[1.27, -0.02, 254.0, 3.0, 0.0, 0.0]);
        let stored = quantize(stored, Storage::Int8);
        let [(name, numbers), (scale_name, scales)] = &stored[..] else { panic!("two tensors") };
        assert_eq!((name.as_str(), scale_name.as_str()), ("w.int8", "w.scale"));
        let numbers: Vec<i8> = numbers.bytes.iter().map(|b| b.cast_signed()).collect();
        // Halves round away from zero: 3.0 is 1.5 times the scale of its row.
        assert_eq!(numbers, [127, -2, 127, 2, 0, 0]);
        let expected: Vec<u8> =
            [1.27f32 / 127.0, 2.0, 0.0].iter().flat_map(|x| x.to_le_bytes()).collect();
        assert_eq!(scales.bytes, expected);
        let vector = quantize(tensor(&[2], &[0.5, -3.0]), Storage::Int8);
        assert_eq!((vector[0].0.as_str(), vector[0].1.dtype), ("w", Dtype::F32));
    }
}
