//! Precision of matrix products: single or half, with single-precision accumulation.

use std::fmt;
use std::str::FromStr;
use std::sync::atomic::{AtomicU8, Ordering};

use burn::backend::Backend;
use burn::backend::TensorMetadata;
use burn::backend::tensor::FloatTensor;
use burn::tensor::{DType, FloatDType, Shape};

/// Precision of the operands of matrix products in linear layers (mixed precision, Micikevicius et
/// al. 2018).
///
/// Weights, gradients, moments and all other operations stay in `f32`, and products accumulate in
/// `f32`; PyTorch's autocast also rounds the results.
///
/// # Source
/// Micikevicius et al. 2018, arXiv:1710.03740, §3.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Precision {
    /// Single precision.
    #[default]
    F32,
    /// Half precision with 11 significant bits. Gradients are divided by their largest absolute
    /// value before they are rounded, because many are too small for it; loss scaling (Micikevicius
    /// et al. 2018, §3.2) is not needed then.
    F16,
    /// Half precision with the range of `f32` and 8 significant bits.
    Bf16,
}

impl fmt::Display for Precision {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::F32 => "f32",
            Self::F16 => "f16",
            Self::Bf16 => "bf16",
        })
    }
}

/// Error: text that names no precision.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ParsePrecisionError;

impl fmt::Display for ParsePrecisionError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("expected f32, f16 or bf16")
    }
}

impl std::error::Error for ParsePrecisionError {}

impl FromStr for Precision {
    type Err = ParsePrecisionError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let named = Self::ALL.into_iter().find(|precision| precision.to_string() == text);
        named.ok_or(ParsePrecisionError)
    }
}

/// Precision of the process, as the place of a variant.
static PRECISION: AtomicU8 = AtomicU8::new(0);

/// Sets the precision of all matrix products of linear layers in this process, as PyTorch's
/// `set_float32_matmul_precision`. It is single at first.
///
/// CubeCL backends compute with half-precision operands, so their device must support them; other
/// backends round the operands and compute in `f32`, which is slower than no rounding.
pub fn set_matmul_precision(precision: Precision) {
    PRECISION.store(precision as u8, Ordering::Relaxed);
}

/// The precision set by [`set_matmul_precision`].
pub fn matmul_precision() -> Precision {
    Precision::ALL[usize::from(PRECISION.load(Ordering::Relaxed))]
}

impl Precision {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::F32, Self::F16, Self::Bf16];

    /// Precision of a product of `x`; tensors of other types than `f32` are not rounded.
    pub(crate) fn for_product<B: Backend>(x: &FloatTensor<B>) -> Self {
        if x.dtype() == DType::F32 { matmul_precision() } else { Self::F32 }
    }

    /// The type of operands in half precision; `None` in single precision.
    pub(crate) fn half(self) -> Option<FloatDType> {
        match self {
            Self::F32 => None,
            Self::F16 => Some(FloatDType::F16),
            Self::Bf16 => Some(FloatDType::BF16),
        }
    }
}

/// A gradient as the operand of products, divided by its largest absolute value where `f16` needs
/// it.
pub(crate) struct ScaledGradient<B: Backend> {
    pub(crate) values: FloatTensor<B>,
    /// What they were divided by, `[1]`.
    pub(crate) scale: Option<FloatTensor<B>>,
}

impl<B: Backend> ScaledGradient<B> {
    pub(crate) fn new(gradient: FloatTensor<B>, precision: Precision) -> Self {
        if precision != Precision::F16 {
            return Self { values: gradient, scale: None };
        }
        let scale = B::float_max_abs(gradient.clone());
        let scale = B::float_clamp_min(scale, f64::from(f32::MIN_POSITIVE).into());
        let values = B::float_div(gradient.clone(), one_element::<B>(scale.clone(), &gradient));
        Self { values, scale: Some(scale) }
    }
}

/// Multiplies a product with a gradient by what the gradient was divided by.
pub(crate) fn unscaled<B: Backend>(
    product: FloatTensor<B>,
    scale: Option<FloatTensor<B>>,
) -> FloatTensor<B> {
    match scale {
        Some(scale) => {
            let scale = one_element::<B>(scale, &product);
            B::float_mul(product, scale)
        }
        None => product,
    }
}

/// Reshapes a tensor of one element for broadcasting to `like`.
fn one_element<B: Backend>(x: FloatTensor<B>, like: &FloatTensor<B>) -> FloatTensor<B> {
    B::float_reshape(x, Shape::from(vec![1; like.shape().num_dims()]))
}
