//! Burn backends that the operations run on; only this file names them and their features.
//!
//! Each operation is a trait that backends implement. [`on_every_backend`] registers it with Burn's
//! dispatch, which chooses the implementation by the tensor's device at run time. A backend without
//! a kernel for an operation gets the trait's default, a composition of Burn's operations, by an
//! empty implementation from [`composed_on`]. Operations on lists of tensors, which Burn's dispatch
//! does not take, go through [`on_backend_of`].

use burn::backend::tensor::FloatTensor;
use burn::backend::{
    Backend, BackendTensor, DispatchAutodiffContext, DispatchTensor, DispatchTensorKind,
};

/// Registers an operation's trait with Burn's dispatch: `differentiable` for traits that `Autodiff`
/// also implements, `outside_graphs` for operations without gradients.
macro_rules! on_every_backend {
    (differentiable $($item:tt)*) => {
        #[burn::backend::backend_extension(
            Flex: cfg(feature = "flex"),
            NdArray: cfg(feature = "ndarray"),
            Cube: cfg(any(feature = "wgpu", feature = "cuda")),
            Autodiff
        )]
        $($item)*
    };
    (outside_graphs $($item:tt)*) => {
        #[burn::backend::backend_extension(
            Flex: cfg(feature = "flex"),
            NdArray: cfg(feature = "ndarray"),
            Cube: cfg(any(feature = "wgpu", feature = "cuda"))
        )]
        $($item)*
    };
}

/// Implements a kernel trait for backends by its default methods, the composition of Burn's
/// operations.
macro_rules! composed_on {
    ($kernel:ident: $($backend:ident),*) => {
        $(composed_on!(@$backend $kernel);)*
    };
    (@ndarray $kernel:ident) => {
        #[cfg(feature = "ndarray")]
        impl $kernel for burn::backend::NdArray {}
    };
    (@cube $kernel:ident) => {
        #[cfg(any(feature = "wgpu", feature = "cuda"))]
        impl $kernel for burn_cubecl::CubeBackend {}
    };
}

/// Runs an operation on lists of `f32` tensors, by the backend of their tensors: the expression is
/// compiled for each backend, with `$lists` as lists of its tensors, and returns such lists. The
/// tensors have no graph.
macro_rules! on_backend_of {
    ($lists:ident, $backend:ident => $call:expr) => {{
        match $lists.iter().flatten().next().map(|tensor| &tensor.kind) {
            #[cfg(feature = "flex")]
            Some(burn::backend::DispatchTensorKind::Flex(_)) => on_backend_of!(@run burn::backend::Flex, $lists, $backend, $call),
            #[cfg(feature = "ndarray")]
            Some(burn::backend::DispatchTensorKind::NdArray(_)) => {
                on_backend_of!(@run burn::backend::NdArray, $lists, $backend, $call)
            }
            #[cfg(any(feature = "wgpu", feature = "cuda"))]
            Some(burn::backend::DispatchTensorKind::Cube(_)) => {
                on_backend_of!(@run burn_cubecl::CubeBackend, $lists, $backend, $call)
            }
            _ => $crate::backends::without_backend(),
        }
    }};
    (@run $on:ty, $lists:ident, $backend:ident, $call:expr) => {{
        type $backend = $on;
        let $lists = $lists.map($crate::backends::unwrapped::<$backend>);
        $call.map($crate::backends::wrapped::<$backend>)
    }};
}

/// Backend whose tensors Burn's dispatch wraps.
pub(crate) trait Wrapped: Backend {
    fn wrap(tensor: BackendTensor<Self>) -> DispatchTensorKind;
    fn unwrap(kind: DispatchTensorKind) -> Option<BackendTensor<Self>>;
}

#[allow(unused_macros, reason = "a build may have no backend")]
macro_rules! wrapped_in {
    ($variant:ident: $backend:ty) => {
        impl Wrapped for $backend {
            fn wrap(tensor: BackendTensor<Self>) -> DispatchTensorKind {
                DispatchTensorKind::$variant(tensor)
            }

            fn unwrap(kind: DispatchTensorKind) -> Option<BackendTensor<Self>> {
                #[allow(unreachable_patterns, reason = "there may be one backend alone")]
                match kind {
                    DispatchTensorKind::$variant(tensor) => Some(tensor),
                    _ => None,
                }
            }
        }
    };
}

#[cfg(feature = "flex")]
wrapped_in!(Flex: burn::backend::Flex);
#[cfg(feature = "ndarray")]
wrapped_in!(NdArray: burn::backend::NdArray);
#[cfg(any(feature = "wgpu", feature = "cuda"))]
wrapped_in!(Cube: burn_cubecl::CubeBackend);

/// Fails for tensors that no backend of this build has, and for those in a graph.
pub(crate) fn without_backend<const N: usize>() -> [Vec<DispatchTensor>; N] {
    panic!("the tensors are on a backend with kernels, outside of graphs")
}

/// Tensors of a backend.
///
/// # Panics
/// If they are on another.
pub(crate) fn unwrapped<B: Wrapped>(tensors: Vec<DispatchTensor>) -> Vec<FloatTensor<B>> {
    let unwrap = |tensor: DispatchTensor| {
        B::unwrap(tensor.kind).expect("all tensors are on one backend").float()
    };
    tensors.into_iter().map(unwrap).collect()
}

pub(crate) fn wrapped<B: Wrapped>(tensors: Vec<FloatTensor<B>>) -> Vec<DispatchTensor> {
    let wrap = |tensor| DispatchTensor {
        kind: B::wrap(BackendTensor::Float(tensor)),
        autodiff: DispatchAutodiffContext::Disabled,
    };
    tensors.into_iter().map(wrap).collect()
}

pub(crate) use {composed_on, on_backend_of, on_every_backend};
