//! Burn backends that the operations run on; only this file names them and their features.
//!
//! Each operation is a trait that backends implement. [`on_every_backend`] registers it with Burn's
//! dispatch, which chooses the implementation by the tensor's device at run time. A backend without
//! a kernel for an operation gets the trait's default, a composition of Burn's operations, by an
//! empty implementation from [`composed_on`].

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

pub(crate) use {composed_on, on_every_backend};
