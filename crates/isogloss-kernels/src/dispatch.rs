//! The operations as traits of a backend, and the choice of an implementation at run time.

// Burn deprecates its ndarray backend; the project offers it all the same.
#![cfg_attr(feature = "ndarray", allow(deprecated))]

use burn::backend::tensor::FloatTensor;
use burn::backend::{Backend, backend_extension};

use crate::Dropout;
use crate::compose;

/// The numbers of one AdamW step of one parameter.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct AdamW {
    /// Learning rate of this step.
    pub learning_rate: f64,
    /// Decay of the first moment.
    pub beta_1: f64,
    /// Decay of the second moment.
    pub beta_2: f64,
    /// Added to the root of the second moment.
    pub epsilon: f64,
    /// Decoupled weight decay, multiplied by the learning rate.
    pub weight_decay: f64,
    /// Number of this step for this parameter, from 1.
    pub step: u64,
    /// Factor of the gradient, for clipping by the global norm.
    pub grad_scale: f64,
    /// Leaves rows of so many elements as they are, with their moments, where all of the gradient is
    /// zero; none treats all elements alike. It divides the number of elements.
    pub lazy_row: Option<usize>,
}

/// The three factors of an AdamW step that are the same for every element.
pub(crate) struct AdamWFactors {
    pub(crate) keep: f64,
    pub(crate) step_size: f64,
    pub(crate) root_correction: f64,
}

impl AdamW {
    pub(crate) fn factors(&self) -> AdamWFactors {
        let step = self.step as f64;
        AdamWFactors {
            keep: 1.0 - self.learning_rate * self.weight_decay,
            step_size: self.learning_rate / (1.0 - self.beta_1.powf(step)),
            root_correction: (1.0 - self.beta_2.powf(step)).sqrt(),
        }
    }
}

/// Differentiable operations, on any device.
#[backend_extension(
    Flex: cfg(feature = "flex"),
    NdArray: cfg(feature = "ndarray"),
    Cube: cfg(any(feature = "wgpu", feature = "cuda")),
    Autodiff
)]
pub(crate) trait Kernels: Backend {
    fn linear(
        x: FloatTensor<Self>,
        weight: FloatTensor<Self>,
        bias: FloatTensor<Self>,
    ) -> FloatTensor<Self>;

    fn gelu(x: FloatTensor<Self>) -> FloatTensor<Self>;

    fn dropout(x: FloatTensor<Self>, dropout: Dropout) -> FloatTensor<Self>;

    fn dropout_add_layer_norm(
        x: FloatTensor<Self>,
        residual: FloatTensor<Self>,
        gamma: FloatTensor<Self>,
        beta: FloatTensor<Self>,
        epsilon: f64,
        dropout: Dropout,
    ) -> FloatTensor<Self>;

    fn attention(
        query: FloatTensor<Self>,
        key: FloatTensor<Self>,
        value: FloatTensor<Self>,
        bias: FloatTensor<Self>,
        n_heads: usize,
        dropout: Dropout,
    ) -> FloatTensor<Self>;
}

/// Operations of the optimizer, which never take part in a graph.
#[backend_extension(
    Flex: cfg(feature = "flex"),
    NdArray: cfg(feature = "ndarray"),
    Cube: cfg(any(feature = "wgpu", feature = "cuda"))
)]
pub(crate) trait Optimize: Backend {
    fn sum_of_squares(x: FloatTensor<Self>) -> FloatTensor<Self> {
        compose::sum_of_squares::<Self>(x)
    }

    fn adamw(
        param: FloatTensor<Self>,
        grad: FloatTensor<Self>,
        moment_1: FloatTensor<Self>,
        moment_2: FloatTensor<Self>,
        config: AdamW,
    ) -> (FloatTensor<Self>, FloatTensor<Self>, FloatTensor<Self>) {
        compose::adamw::<Self>(param, grad, moment_1, moment_2, config)
    }
}

/// What a query, key and value need to be attended with.
pub(crate) struct AttentionInputs<B: Backend> {
    pub(crate) query: FloatTensor<B>,
    pub(crate) key: FloatTensor<B>,
    pub(crate) value: FloatTensor<B>,
    pub(crate) bias: FloatTensor<B>,
    pub(crate) n_heads: usize,
    pub(crate) dropout: Dropout,
}

impl<B: Backend> Clone for AttentionInputs<B> {
    fn clone(&self) -> Self {
        Self {
            query: self.query.clone(),
            key: self.key.clone(),
            value: self.value.clone(),
            bias: self.bias.clone(),
            ..*self
        }
    }
}

impl<B: Backend> core::fmt::Debug for AttentionInputs<B> {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("AttentionInputs")
            .field("n_heads", &self.n_heads)
            .field("dropout", &self.dropout)
            .finish_non_exhaustive()
    }
}

/// Forward and backward of each operation on a backend without autodiff.
///
/// The default bodies are compositions; a backend overrides those it has a kernel for.
pub(crate) trait Compute: Backend {
    fn linear_forward(
        x: FloatTensor<Self>,
        weight: FloatTensor<Self>,
        bias: FloatTensor<Self>,
    ) -> FloatTensor<Self> {
        compose::linear::<Self>(x, weight, bias)
    }

    fn linear_grad_input(grad: FloatTensor<Self>, weight: FloatTensor<Self>) -> FloatTensor<Self> {
        compose::linear_grad_input::<Self>(grad, weight)
    }

    fn linear_grad_weight(grad: FloatTensor<Self>, x: FloatTensor<Self>) -> FloatTensor<Self> {
        compose::linear_grad_weight::<Self>(grad, x)
    }

    /// `x` times the scaled mask.
    fn drop_out(x: FloatTensor<Self>, dropout: Dropout) -> FloatTensor<Self> {
        compose::dropout::<Self>(x, dropout)
    }

    fn gelu_forward(x: FloatTensor<Self>) -> FloatTensor<Self> {
        compose::gelu::<Self>(x)
    }

    fn gelu_grad(x: FloatTensor<Self>, grad: FloatTensor<Self>) -> FloatTensor<Self> {
        compose::gelu_backward::<Self>(x, grad)
    }

    /// Returns the normalized output and the sum that was normalized.
    fn layer_norm_forward(
        x: FloatTensor<Self>,
        residual: FloatTensor<Self>,
        gamma: FloatTensor<Self>,
        beta: FloatTensor<Self>,
        epsilon: f64,
        dropout: Dropout,
    ) -> (FloatTensor<Self>, FloatTensor<Self>) {
        compose::layer_norm::<Self>(x, residual, gamma, beta, epsilon, dropout)
    }

    /// Returns the gradients of the sum, of gamma and of beta.
    fn layer_norm_backward(
        sum: FloatTensor<Self>,
        gamma: FloatTensor<Self>,
        epsilon: f64,
        grad: FloatTensor<Self>,
    ) -> [FloatTensor<Self>; 3] {
        compose::layer_norm_backward::<Self>(sum, gamma, epsilon, grad)
    }

    /// Returns the context, and what the backward pass wants to keep besides the inputs.
    fn attention_forward(
        inputs: AttentionInputs<Self>,
    ) -> (FloatTensor<Self>, Option<FloatTensor<Self>>) {
        (compose::attention::<Self>(inputs), None)
    }

    /// Returns the gradients of query, key and value.
    fn attention_backward(
        inputs: AttentionInputs<Self>,
        _kept: Option<FloatTensor<Self>>,
        grad: FloatTensor<Self>,
    ) -> [FloatTensor<Self>; 3] {
        compose::attention_backward::<Self>(inputs, grad)
    }
}

macro_rules! forward_only {
    ($backend:ty) => {
        impl Kernels for $backend {
            fn linear(
                x: FloatTensor<Self>,
                weight: FloatTensor<Self>,
                bias: FloatTensor<Self>,
            ) -> FloatTensor<Self> {
                Self::linear_forward(x, weight, bias)
            }

            fn gelu(x: FloatTensor<Self>) -> FloatTensor<Self> {
                Self::gelu_forward(x)
            }

            fn dropout(x: FloatTensor<Self>, dropout: Dropout) -> FloatTensor<Self> {
                Self::drop_out(x, dropout)
            }

            fn dropout_add_layer_norm(
                x: FloatTensor<Self>,
                residual: FloatTensor<Self>,
                gamma: FloatTensor<Self>,
                beta: FloatTensor<Self>,
                epsilon: f64,
                dropout: Dropout,
            ) -> FloatTensor<Self> {
                Self::layer_norm_forward(x, residual, gamma, beta, epsilon, dropout).0
            }

            fn attention(
                query: FloatTensor<Self>,
                key: FloatTensor<Self>,
                value: FloatTensor<Self>,
                bias: FloatTensor<Self>,
                n_heads: usize,
                dropout: Dropout,
            ) -> FloatTensor<Self> {
                Self::attention_forward(AttentionInputs {
                    query,
                    key,
                    value,
                    bias,
                    n_heads,
                    dropout,
                })
                .0
            }
        }
    };
}

#[cfg(feature = "flex")]
forward_only!(burn::backend::Flex);

#[cfg(feature = "ndarray")]
forward_only!(burn::backend::NdArray);
#[cfg(feature = "ndarray")]
impl Compute for burn::backend::NdArray {}
#[cfg(feature = "ndarray")]
impl Optimize for burn::backend::NdArray {}

#[cfg(any(feature = "wgpu", feature = "cuda"))]
forward_only!(burn_cubecl::CubeBackend);
#[cfg(any(feature = "wgpu", feature = "cuda"))]
impl Compute for burn_cubecl::CubeBackend {
    fn drop_out(x: FloatTensor<Self>, dropout: Dropout) -> FloatTensor<Self> {
        if dropout.is_off() || x.dtype != burn::tensor::DType::F32 {
            return compose::dropout::<Self>(x, dropout);
        }
        crate::cube::dropout(x, dropout)
    }
}
#[cfg(any(feature = "wgpu", feature = "cuda"))]
impl Optimize for burn_cubecl::CubeBackend {}
