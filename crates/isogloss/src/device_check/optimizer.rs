//! Checks of the optimizer's kernels: AdamW and gradient clipping, over more parameters than one
//! launch takes.

use burn::tensor::{Device, Tensor};
use isogloss_kernels::{AdamWParam, AdamWStep, adamw, clip_by_global_norm};

use super::comparison::Quantities;
use super::kernels::{normals, values, vector};

/// Numbers of elements of the parameters: less than one block of a kernel, one and more.
const LENGTHS: [usize; 11] = [3, 1, 20_000, 7, 16_384, 5, 33, 2, 1_000, 16_385, 4];

/// Rows and width of an embedding matrix with lazy updates.
const LAZY: [usize; 2] = [2_000, 12];

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

/// Two steps of AdamW with clipping, of all parameters.
pub(super) fn two_steps(device: &Device) -> Result<Quantities, String> {
    let gradients = LENGTHS.iter().zip(10..).map(|(n, seed)| normals(*n, seed));
    two_steps_with(gradients.collect(), None, device)
}

/// Two lazy steps of AdamW of an embedding matrix, of which every third row has no gradient.
pub(super) fn two_lazy_steps(device: &Device) -> Result<Quantities, String> {
    let [n_rows, width] = LAZY;
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
    let mut quantities = Quantities::new();
    for (index, name) in ["parameters", "first moments", "second moments"].into_iter().enumerate() {
        let parts = params.iter().map(|param| values(param[index].clone()));
        quantities.push((name.to_owned(), parts.collect::<Result<Vec<_>, _>>()?.concat()));
    }
    Ok(quantities)
}

/// Gradient clipping: the global norm, and the factor.
pub(super) fn clipping(device: &Device) -> Result<Quantities, String> {
    let gradients = LENGTHS.iter().zip(10..).map(|(n, seed)| vector(normals(*n, seed), device));
    let clip = values(clip_by_global_norm(gradients.collect(), Some(2.0)))?;
    let [norm, factor] = clip[..] else { return Err("not a norm and a factor".to_owned()) };
    Ok(vec![("global norm".to_owned(), vec![norm]), ("factor".to_owned(), vec![factor])])
}
