//! Checks of the optimizer's kernels: AdamW and gradient clipping, over more parameters than one
//! launch takes.

use burn::tensor::{Device, Tensor};
use isogloss_kernels::{
    AdamWParam, AdamWStep, SparseAdamWParam, adamw, clip_by_global_norm, sparse_adamw,
};

use super::comparison::Quantities;
use super::kernels::{normals, values, vector};
use crate::ground::tensors::integers;

/// Numbers of elements of the parameters: less than one block of a kernel, one and more.
const LENGTHS: [usize; 11] = [3, 1, 20_000, 7, 16_384, 5, 33, 2, 1_000, 16_385, 4];

/// Rows and width of an embedding matrix with lazy updates, or with a sparse gradient.
const MATRIX: [usize; 2] = [2_000, 12];

/// AdamW step number `step` of a training run.
pub(super) fn adamw_step(step: u64, lazy_row: Option<usize>) -> AdamWStep {
    AdamWStep {
        learning_rate: 0.01,
        beta_1: 0.9,
        beta_2: 0.999,
        epsilon: 1e-8,
        weight_decay: 0.01,
        step,
        lazy_row,
    }
}

/// Two steps of AdamW with clipping, of all parameters, one of which has a sparse gradient.
pub(super) fn two_steps(device: &Device) -> Result<Quantities, String> {
    let gradients = LENGTHS.iter().zip(10..).map(|(n, seed)| normals(*n, seed));
    two_steps_with(gradients.collect(), None, device)
}

/// Two lazy steps of AdamW of two embedding matrices, one with a sparse gradient; every third row
/// has no gradient.
pub(super) fn two_lazy_steps(device: &Device) -> Result<Quantities, String> {
    let [n_rows, width] = MATRIX;
    let gradient = normals(n_rows * width, 10).into_iter().enumerate();
    let gradient = gradient.map(|(i, x)| if (i / width).is_multiple_of(3) { 0.0 } else { x });
    two_steps_with(vec![gradient.collect()], Some(width), device)
}

fn two_steps_with(
    gradients: Vec<Vec<f32>>,
    lazy_row: Option<usize>,
    device: &Device,
) -> Result<Quantities, String> {
    let start = |gradient: &Vec<f32>| {
        let n = gradient.len();
        [vector(normals(n, 40), device), Tensor::zeros([n], device), Tensor::zeros([n], device)]
    };
    let mut params: Vec<[Tensor<1>; 3]> = gradients.iter().map(start).collect();
    for step in 1..=2 {
        let gradients = gradients.iter().map(|gradient| vector(gradient.clone(), device));
        let gradients: Vec<Tensor<1>> = gradients.collect();
        let clip = clip_by_global_norm(gradients.clone(), Some(1.0));
        let taken = params.into_iter().zip(gradients);
        let taken = taken.map(|([values, moment_1, moment_2], gradient)| AdamWParam {
            values,
            gradient,
            moment_1,
            moment_2,
        });
        params = adamw(taken.collect(), clip, adamw_step(step, lazy_row));
    }
    let sparse = two_sparse_steps(lazy_row, device);
    let mut quantities = Quantities::new();
    for (index, name) in ["parameters", "first moments", "second moments"].into_iter().enumerate() {
        let parts = params.iter().chain([&sparse]).map(|param| values(param[index].clone()));
        quantities.push((name.to_owned(), parts.collect::<Result<Vec<_>, _>>()?.concat()));
    }
    Ok(quantities)
}

/// Two steps of AdamW of an embedding matrix; a third of its rows have no gradient, and another
/// third one of zero.
fn two_sparse_steps(lazy_row: Option<usize>, device: &Device) -> [Tensor<1>; 3] {
    let [n_rows, width] = MATRIX;
    let n = n_rows * width;
    let rows: Vec<i32> = (0..n_rows as i32).filter(|row| row % 3 != 0).collect();
    let gradient = normals(rows.len() * width, 11).into_iter().enumerate();
    let gradient = gradient.map(|(i, x)| if (i / width).is_multiple_of(2) { 0.0 } else { x });
    let gradient = vector(gradient.collect(), device);
    let mut param =
        [vector(normals(n, 41), device), Tensor::zeros([n], device), Tensor::zeros([n], device)];
    for step in 1..=2 {
        let clip = clip_by_global_norm(vec![gradient.clone()], Some(1.0));
        let gradient = gradient.clone().reshape([rows.len(), width]);
        let [values, moment_1, moment_2] = param;
        let rows = integers(rows.clone(), device);
        let taken = SparseAdamWParam { values, gradient, rows, moment_1, moment_2 };
        param = sparse_adamw(taken, clip, adamw_step(step, lazy_row));
    }
    param
}

/// Gradient clipping: the global norm, and the factor.
pub(super) fn clipping(device: &Device) -> Result<Quantities, String> {
    let gradients = LENGTHS.iter().zip(10..).map(|(n, seed)| vector(normals(*n, seed), device));
    let clip = values(clip_by_global_norm(gradients.collect(), Some(2.0)))?;
    let [norm, factor] = clip[..] else { return Err("not a norm and a factor".to_owned()) };
    Ok(vec![("global norm".to_owned(), vec![norm]), ("factor".to_owned(), vec![factor])])
}
