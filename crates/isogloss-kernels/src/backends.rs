//! The backends that operations run on: the one place that names them and their features.
//!
//! An operation is a trait of a backend, which [`on_every_backend`] gives to Burn's dispatch, so that a
//! tensor's device chooses the implementation at run time.
//! A backend without a kernel of its own for an operation takes the composition of Burn's operations,
//! by an empty implementation from [`composed_on`].

/// Gives a trait to Burn's dispatch: `differentiable`, with an implementation for `Autodiff` beside it, or
/// `outside_graphs`.
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

/// Gives a trait's default bodies to backends.
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
