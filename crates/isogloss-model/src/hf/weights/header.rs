//! Header of a safetensors file: parsing and validation.

use std::collections::BTreeMap;

use safetensors::tensor::TensorInfo;
use serde::Deserialize as _;
use serde_json::Value;

use crate::SafetensorsError;

/// Parses the header of a safetensors file; returns the tensors and their total size in bytes.
///
/// Validates the offsets as the format requires: the tensors leave no gaps and do not overlap, and
/// the byte length of each matches its shape and dtype.
pub(super) fn read_header(
    header: &[u8],
) -> Result<(BTreeMap<String, TensorInfo>, usize), SafetensorsError> {
    let mut fields: BTreeMap<String, Value> =
        serde_json::from_slice(header).map_err(SafetensorsError::Header)?;
    fields.remove("__metadata__");
    let tensors = fields.into_iter().map(|(name, info)| match TensorInfo::deserialize(info) {
        Ok(info) => Ok((name, info)),
        Err(source) => Err(SafetensorsError::Entry { tensor: name, source }),
    });
    let tensors = tensors.collect::<Result<BTreeMap<_, _>, _>>()?;

    let mut in_order: Vec<_> = tensors.iter().collect();
    in_order.sort_by_key(|(_, info)| info.data_offsets);
    let mut data_len = 0;
    for (name, info) in in_order {
        let (start, end) = info.data_offsets;
        if start != data_len {
            let (tensor, expected) = (name.clone(), data_len);
            return Err(SafetensorsError::Gap { tensor, expected, found: start });
        }
        let n_bits = n_elements(&info.shape).and_then(|n| n.checked_mul(info.dtype.bitsize()));
        let len = end.checked_sub(start).and_then(|len| len.checked_mul(8));
        if len.is_none() || n_bits != len {
            return Err(SafetensorsError::TensorLength { tensor: name.clone() });
        }
        data_len = end;
    }
    Ok((tensors, data_len))
}

/// Number of elements of a shape; `None` on overflow.
pub(super) fn n_elements(shape: &[usize]) -> Option<usize> {
    shape.iter().try_fold(1usize, |n, dim| n.checked_mul(*dim))
}
