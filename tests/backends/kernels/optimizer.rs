//! AdamW and gradient clipping on every device.

use burn::tensor::{Device, Int, Tensor};
use isogloss_kernels::{
    AdamWParam, AdamWStep, SparseAdamWParam, adamw, clip_by_global_norm, sparse_adamw,
};
use isogloss_tests::{assert_close, devices, tensor, values, waves};

/// Hyperparameters of the tests of AdamW, at a step.
fn adamw_step(step: u64) -> AdamWStep {
    AdamWStep {
        learning_rate: 0.1,
        beta_1: 0.9,
        beta_2: 0.99,
        epsilon: 1e-3,
        weight_decay: 0.5,
        step,
        lazy_row: None,
    }
}

fn adamw_param(
    [values, gradient, moment_1, moment_2]: [Vec<f32>; 4],
    device: &Device,
) -> AdamWParam {
    let n = values.len();
    let [values, gradient, moment_1, moment_2] =
        [values, gradient, moment_1, moment_2].map(|x| tensor(x, [n], device));
    AdamWParam { values, gradient, moment_1, moment_2 }
}

/// A global norm, and a factor that halves gradients.
fn halved(device: &Device) -> Tensor<1> {
    tensor(vec![2.0, 0.5], [2], device)
}

#[test]
fn adamw_takes_the_step_of_its_definition() {
    // More parameters than one launch takes, with more elements than one block.
    let lengths = [3, 1, 20_000, 7, 16_384, 5, 33, 2, 1_000, 16_385, 4];
    for (name, device) in devices() {
        let param =
            |n: &usize| adamw_param([2.0, 0.8, 0.1, 0.04].map(|value| vec![value; *n]), &device);
        let params = lengths.iter().map(param).collect();
        let stepped = adamw(params, halved(&device), adamw_step(2));
        let (m_expected, v_expected) = (0.9 * 0.1 + 0.1 * 0.4, 0.99 * 0.04 + 0.01 * 0.16);
        let step = (m_expected / 0.19f32) / ((v_expected / 0.0199f32).sqrt() + 1e-3);
        assert_eq!(stepped.len(), lengths.len());
        for ([p, m, v], n) in stepped.into_iter().zip(lengths) {
            assert_close(name, &values(p), &vec![2.0 * 0.95 - 0.1 * step; n], 1e-6);
            assert_close(name, &values(m), &vec![m_expected; n], 1e-6);
            assert_close(name, &values(v), &vec![v_expected; n], 1e-6);
        }
    }
}

#[test]
fn adamw_leaves_all_as_it_is_if_the_norm_is_not_finite() {
    for (name, device) in devices() {
        for bad in [f32::NAN, f32::INFINITY] {
            let gradients = [vec![1.0, bad, 1.0], vec![1.0]].map(|x| {
                let n = x.len();
                tensor(x, [n], &device)
            });
            let clip = clip_by_global_norm(gradients.to_vec(), Some(1.0));
            assert!(!values(clip.clone())[0].is_finite(), "{name}: {bad}");
            let start = [vec![1.0, 2.0, 3.0], vec![1.0, bad, 1.0], vec![0.5; 3], vec![0.25; 3]];
            let lazy = AdamWStep { lazy_row: Some(3), ..adamw_step(2) };
            for config in [adamw_step(2), lazy] {
                let stepped =
                    adamw(vec![adamw_param(start.clone(), &device)], clip.clone(), config);
                let [p, m, v] = stepped.into_iter().next().unwrap().map(values);
                assert_eq!([p, m, v], [start[0].clone(), start[2].clone(), start[3].clone()]);
            }
        }
    }
}

#[test]
fn lazy_adamw_leaves_rows_without_gradient() {
    let dense = adamw_step(3);
    // More rows than one CPU task takes; every third row has no gradient.
    let (n_rows, width) = (2_000, 12);
    let n = n_rows * width;
    let has_gradient = |at: usize| !(at / width).is_multiple_of(3);
    let gradient: Vec<f32> = waves(n, 1e-20)
        .into_iter()
        .enumerate()
        .map(|(at, x)| if has_gradient(at) { x } else { 0.0 })
        .collect();
    let squares: Vec<f32> = waves(n, 0.3).iter().map(|x| x * x).collect();
    let start = [waves(n, 2.0), gradient, waves(n, 0.1), squares];
    for (name, device) in devices() {
        let step = |config: AdamWStep| {
            let param = adamw_param(start.clone(), &device);
            adamw(vec![param], halved(&device), config).pop().unwrap().map(values)
        };
        let (dense, lazy) = (step(dense), step(AdamWStep { lazy_row: Some(width), ..dense }));
        let start = [&start[0], &start[2], &start[3]];
        for ((dense, lazy), start) in dense.iter().zip(&lazy).zip(start) {
            for at in 0..n {
                let expected = if has_gradient(at) { dense[at] } else { start[at] };
                assert_eq!(lazy[at], expected, "{name}, element {at}");
            }
        }
    }
}

#[test]
fn a_sparse_gradient_takes_the_step_of_a_dense_one() {
    // More rows than one CPU task takes, the first and the last among those with a gradient; some of
    // them have one of zero.
    let (n_rows, width) = (2_000, 12);
    let n = n_rows * width;
    let rows: Vec<usize> = (0..n_rows).filter(|row| row % 7 == 0 || row % 3 == 1).collect();
    let is_zero = |row: usize| row.is_multiple_of(5);
    let of_row = |row: usize| {
        let values = waves(width, row as f32);
        if is_zero(row) { vec![0.0; width] } else { values }
    };
    let sparse: Vec<f32> = rows.iter().flat_map(|row| of_row(*row)).collect();
    let mut dense = vec![0.0; n];
    for row in &rows {
        dense[row * width..(row + 1) * width].copy_from_slice(&of_row(*row));
    }
    let squares: Vec<f32> = waves(n, 0.3).iter().map(|x| x * x).collect();
    let start = [waves(n, 2.0), waves(n, 0.1), squares];
    for (name, device) in devices() {
        for lazy_row in [None, Some(width)] {
            for factor in [0.5, -1.0] {
                let clip: Tensor<1> = tensor(vec![2.0, factor], [2], &device);
                let config = AdamWStep { lazy_row, ..adamw_step(3) };
                let [values_1, moment_1, moment_2] = start.clone();
                let param = adamw_param([values_1, dense.clone(), moment_1, moment_2], &device);
                let expected = adamw(vec![param], clip.clone(), config).pop().unwrap().map(values);
                let ids: Vec<i32> = rows.iter().map(|row| *row as i32).collect();
                let [values_1, moment_1, moment_2] = start.clone().map(|x| tensor(x, [n], &device));
                let param = SparseAdamWParam {
                    values: values_1,
                    gradient: tensor(sparse.clone(), [rows.len(), width], &device),
                    rows: Tensor::<1, Int>::from_ints(ids.as_slice(), &device),
                    moment_1,
                    moment_2,
                };
                let found = sparse_adamw(param, clip, config).map(values);
                let what = format!("{name}, lazy {lazy_row:?}, factor {factor}");
                for (found, expected) in found.iter().zip(&expected) {
                    assert_close(&what, found, expected, 1e-6);
                }
                if name == "flex" {
                    assert_eq!(found, expected, "{what}");
                }
            }
        }
    }
}

#[test]
fn clipping_is_that_of_pytorch() {
    // Gradients of more elements than one block has, and more of them than one launch takes.
    let lengths = [100_003, 1, 17, 16_384, 5, 2, 3, 40_000, 9, 10];
    let gradients: Vec<Vec<f32>> = lengths.iter().map(|n| waves(*n, 0.2)).collect();
    let squares: f64 = gradients.iter().flatten().map(|x| f64::from(*x).powi(2)).sum();
    let norm = squares.sqrt();
    for (name, device) in devices() {
        let clip = |max: Option<f64>| {
            let tensors = gradients.iter().map(|x| tensor(x.clone(), [x.len()], &device));
            values(clip_by_global_norm(tensors.collect(), max))
        };
        assert_close(name, &clip(None), &[norm as f32, 1.0], 1e-5);
        assert_close(name, &clip(Some(2.0)), &[norm as f32, (2.0 / (norm + 1e-6)) as f32], 1e-5);
        assert_close(name, &clip(Some(1e6)), &[norm as f32, 1.0], 1e-5);
    }
}
