//! Kernels and their derivatives on every device, against Burn's own operations under autodiff.

mod cross_entropy;
mod optimizer;

use burn::tensor::activation::softmax;
use burn::tensor::{Device, Int, Tensor};
use isogloss::device::compiled;
use isogloss_kernels::{
    Dropout, attention, dropout, dropout_add_layer_norm, embedding, gelu, kernel_language, linear,
    linear_gelu, sum, sum_of_squares, sum_rows,
};
use isogloss_tests::gradients::{assert_gradient, f64_values};
use isogloss_tests::{assert_close, devices, tensor, values, waves};

/// Relative tolerance in f32; the math functions of GPUs are a little less precise.
fn tolerance(device: &str) -> f32 {
    if device == "vulkan" { 2e-5 } else { 5e-6 }
}

/// The output and the gradients of all inputs, for a loss with a different weight for every output.
fn run<const N: usize>(
    inputs: &[(Vec<f32>, Vec<usize>); N],
    device: &Device,
    f: impl Fn(&[Tensor<1>; N]) -> Tensor<1>,
) -> Vec<Vec<f32>> {
    let device = device.clone().autodiff();
    let leaves: [Tensor<1>; N] = std::array::from_fn(|i| {
        let (data, _) = &inputs[i];
        tensor(data.clone(), [data.len()], &device).require_grad()
    });
    let output = f(&leaves);
    let weights = tensor(waves(output.dims()[0], 0.3), output.dims(), &device);
    // No sum before it, so that kernels without shared memory can be tested alone.
    let grads = (output.clone() * weights).backward();
    let mut all = vec![values(output)];
    all.extend(leaves.iter().map(|leaf| values(leaf.grad(&grads).unwrap())));
    all
}

fn compare<const N: usize>(
    name: &str,
    inputs: [(Vec<f32>, Vec<usize>); N],
    kernel: impl Fn(&[Tensor<1>; N]) -> Tensor<1>,
    reference: impl Fn(&[Tensor<1>; N]) -> Tensor<1>,
) {
    for (device_name, device) in devices() {
        let expected = run(&inputs, &Device::flex(), &reference);
        let found = run(&inputs, &device, &kernel);
        for (index, (found, expected)) in found.iter().zip(&expected).enumerate() {
            let what = if index == 0 { "output".to_owned() } else { format!("gradient {index}") };
            let what = format!("{name} on {device_name}, {what}");
            assert_close(&what, found, expected, tolerance(device_name));
        }
    }
}

fn input(dims: &[usize], phase: f32) -> (Vec<f32>, Vec<usize>) {
    (waves(dims.iter().product(), phase), dims.to_vec())
}

fn flat<const D: usize>(x: Tensor<D>) -> Tensor<1> {
    let n = x.shape().num_elements();
    x.reshape([n])
}

#[test]
fn kernels_of_gpus_are_in_the_language_of_the_build() {
    // With the feature `metal`, those of a Mac are Metal's own; the tests run without `vulkan`.
    let is_metal = cfg!(target_os = "macos") && compiled().contains(&"metal");
    let language = if is_metal { "msl" } else { "wgsl" };
    for (name, device) in devices() {
        assert_eq!(kernel_language(&device), (name == "vulkan").then_some(language), "{name}");
    }
}

#[test]
fn linear_matches_a_matrix_product_and_a_sum() {
    compare(
        "linear",
        [input(&[2, 5, 24], 0.1), input(&[40, 24], 0.2), input(&[40], 0.3)],
        |[x, w, b]| {
            let x = x.clone().reshape([2, 5, 24]);
            flat(linear(x, w.clone().reshape([40, 24]), b.clone()))
        },
        |[x, w, b]| {
            let w = w.clone().reshape([40, 24]).transpose();
            flat(x.clone().reshape([10, 24]).matmul(w) + b.clone().reshape([1, 40]))
        },
    );
}

#[test]
fn gelu_matches_burns() {
    let (mut xs, shape) = input(&[1000], 0.5);
    // Far tails are covered too.
    xs.iter_mut().enumerate().for_each(|(i, x)| *x *= (i % 12) as f32);
    compare(
        "gelu",
        [(xs, shape)],
        |[x]| gelu(x.clone()),
        |[x]| burn::tensor::activation::gelu(x.clone()),
    );
}

#[test]
fn linear_layer_with_gelu_matches_a_matrix_product_a_sum_and_gelu() {
    compare(
        "linear layer and GELU",
        [input(&[2, 5, 24], 0.1), input(&[40, 24], 0.2), input(&[40], 0.3)],
        |[x, w, b]| {
            let x = x.clone().reshape([2, 5, 24]);
            flat(linear_gelu(x, w.clone().reshape([40, 24]), b.clone()))
        },
        |[x, w, b]| {
            let w = w.clone().reshape([40, 24]).transpose();
            let sum = x.clone().reshape([10, 24]).matmul(w) + b.clone().reshape([1, 40]);
            flat(burn::tensor::activation::gelu(sum))
        },
    );
}

#[test]
fn layer_norm_of_a_sum_matches_its_definition() {
    let inputs =
        || [input(&[3, 7, 48], 0.1), input(&[3, 7, 48], 2.0), input(&[48], 0.7), input(&[48], 1.1)];
    let kernel = |[x, r, g, b]: &[Tensor<1>; 4]| {
        let (x, r) = (x.clone().reshape([3, 7, 48]), r.clone().reshape([3, 7, 48]));
        flat(dropout_add_layer_norm(x, r, g.clone(), b.clone(), 1e-12, Dropout::OFF))
    };
    let reference = |[x, r, g, b]: &[Tensor<1>; 4]| {
        let sum = (x.clone() + r.clone()).reshape([21, 48]);
        let centered = sum.clone() - sum.mean_dim(1);
        let variance = centered.clone().square().mean_dim(1);
        let normal = centered / (variance + 1e-12).sqrt();
        flat(normal * g.clone().reshape([1, 48]) + b.clone().reshape([1, 48]))
    };
    compare("layer norm", inputs(), kernel, reference);
}

#[test]
fn rows_add_up_by_their_index() {
    let index = [3, 0, 3, 5, 0, 3];
    // Of more columns than one cube of a GPU has.
    let width = 70;
    let rows = waves(index.len() * width, 0.4);
    let mut expected = vec![0.0; 7 * width];
    for (row, sum) in index.iter().enumerate() {
        for column in 0..width {
            expected[*sum as usize * width + column] += rows[row * width + column];
        }
    }
    for (name, device) in devices() {
        let index = Tensor::<1, Int>::from_ints(index, &device);
        let found = sum_rows(tensor(rows.clone(), [6, width], &device), index, 7);
        assert_eq!(found.dims(), [7, width]);
        assert_close(name, &values(found.flatten::<1>(0, 1)), &expected, 1e-6);
    }
}

#[test]
fn embedding_gradients_add_up_by_row() {
    // A matrix with rows that no id names, and one that all name; widths of less than a tile and of
    // several.
    for (n_rows, width) in [(9, 5), (1, 70), (40, 96)] {
        let ids: Vec<i32> = (0..2 * 31).map(|place| place * place % 17 % n_rows as i32).collect();
        compare(
            &format!("embedding of {n_rows} rows of {width}"),
            [input(&[n_rows, width], 0.4)],
            |[weight]| {
                let ids = Tensor::<1, Int>::from_ints(ids.as_slice(), &weight.device());
                let weight = weight.clone().reshape([n_rows, width]);
                flat(embedding(weight, ids.reshape([2, 31])))
            },
            |[weight]| {
                let one_hot = ids.iter().flat_map(|id| {
                    (0..n_rows as i32).map(move |row| if row == *id { 1.0 } else { 0.0 })
                });
                let one_hot: Vec<f32> = one_hot.collect();
                let one_hot = tensor(one_hot, [ids.len(), n_rows], &weight.device());
                flat(one_hot.matmul(weight.clone().reshape([n_rows, width])))
            },
        );
    }
}

fn bias(device: &Device) -> Tensor<2> {
    let mask: Vec<f32> =
        (0..3 * 9).map(|i| if i / 9 == 1 && i % 9 > 4 { -1e9 } else { 0.0 }).collect();
    tensor(mask, [3, 9], device)
}

fn reference_attention([q, k, v]: &[Tensor<1>; 3]) -> Tensor<1> {
    let heads = |x: &Tensor<1>| x.clone().reshape([3, 9, 4, 6]).swap_dims(1, 2);
    let scores = heads(q).matmul(heads(k).swap_dims(2, 3)) / 6f64.sqrt();
    let scores = scores + bias(&q.device()).reshape([3, 1, 1, 9]);
    flat(softmax(scores, 3).matmul(heads(v)).swap_dims(1, 2))
}

#[test]
fn attention_matches_its_definition() {
    let x = |phase| input(&[3, 9, 24], phase);
    let kernel = |[q, k, v]: &[Tensor<1>; 3]| {
        let x = |t: &Tensor<1>| t.clone().reshape([3, 9, 24]);
        flat(attention(x(q), x(k), x(v), bias(&q.device()), 4, Dropout::OFF))
    };
    compare("attention", [x(0.1), x(0.9), x(1.7)], kernel, reference_attention);
}

#[test]
fn dropout_keeps_the_mask_in_the_backward_pass_and_scales_what_it_keeps() {
    let drop = Dropout { rate: 0.3, seed: 11 };
    for (name, device) in devices() {
        let device = device.autodiff();
        let x = Tensor::<2>::ones([64, 50], &device).require_grad();
        let y = dropout(x.clone(), drop);
        let grads = y.clone().sum().backward();
        let (y, grad) = (values(y), values(x.grad(&grads).unwrap()));
        assert_eq!(y, grad, "{name}");
        let n_kept = y.iter().filter(|y| **y != 0.0).count();
        assert!((2100..2380).contains(&n_kept), "{name}: {n_kept} of 3200 kept");
        assert!(y.iter().all(|y| *y == 0.0 || (y - 1.0 / 0.7).abs() < 1e-6), "{name}");
        let other = dropout(x, Dropout { seed: 12, ..drop });
        assert_ne!(values(other), y, "{name}: another seed drops other elements");
    }
}

#[test]
fn all_devices_drop_the_same_elements() {
    let drop = Dropout { rate: 0.2, seed: 5 };
    let compare = |what: &str, f: &dyn Fn(&Device) -> Vec<f32>| {
        let expected = f(&Device::flex());
        for (name, device) in devices() {
            assert_close(&format!("{what} on {name}"), &f(&device), &expected, tolerance(name));
        }
    };
    compare("layer norm", &|device| {
        let x = tensor(waves(6 * 40, 0.1), [2, 3, 40], device);
        let ones = Tensor::ones([40], device);
        let zeros = Tensor::zeros([40], device);
        values(dropout_add_layer_norm(x.clone(), x, ones, zeros, 1e-6, drop))
    });
    compare("attention", &|device| {
        let x = tensor(waves(3 * 9 * 24, 0.4), [3, 9, 24], device);
        values(attention(x.clone(), x.clone(), x, bias(device), 4, drop))
    });
    // A tensor that is not contiguous in memory.
    compare("transposed", &|device| {
        let x = tensor(waves(70 * 300, 0.2), [70, 300], device);
        values(dropout(x.transpose(), drop))
    });
}

/// Kernels of other devices against those of the CPU, which the tests above check against their
/// definitions; with the same dropout masks on all.
fn compare_with_cpu<const N: usize>(
    name: &str,
    inputs: [(Vec<f32>, Vec<usize>); N],
    kernel: impl Fn(&[Tensor<1>; N]) -> Tensor<1>,
) {
    compare(name, inputs, &kernel, &kernel);
}

#[test]
fn attention_takes_heads_of_any_width_and_sequences_of_any_length() {
    // Heads of one, two and three parts of a unit; less than a tile, one and many of them.
    for (width, seq) in [(4, 3), (32, 16), (64, 70), (36, 33), (128, 65)] {
        let [batch, n_heads] = [2, 3];
        let hidden = n_heads * width;
        let x = |phase| input(&[batch, seq, hidden], phase);
        for rate in [0.0, 0.3] {
            compare_with_cpu(
                &format!("attention of {seq} tokens, width {width}, dropout {rate}"),
                [x(0.1), x(0.9), x(1.7)],
                |[q, k, v]| {
                    let device = q.device();
                    let x = |t: &Tensor<1>| t.clone().reshape([batch, seq, hidden]);
                    let is_padding = |i: usize| i / seq == 1 && i % seq > seq / 2;
                    let mask = (0..batch * seq).map(|i| if is_padding(i) { -1e9 } else { 0.0 });
                    let bias = tensor(mask.collect::<Vec<f32>>(), [batch, seq], &device);
                    let dropout = Dropout { rate, seed: 7 };
                    flat(attention(x(q), x(k), x(v), bias, n_heads, dropout))
                },
            );
        }
    }
}

#[test]
fn layer_norm_takes_rows_of_any_width_and_number() {
    for (n_rows, width) in [(1, 1), (5, 40), (37, 130), (20, 384)] {
        for rate in [0.0, 0.3] {
            let x = |phase| input(&[n_rows, width], phase);
            compare_with_cpu(
                &format!("layer norm of {n_rows} rows of {width}, dropout {rate}"),
                [x(0.1), x(2.0), input(&[width], 0.7), input(&[width], 1.1)],
                |[x, r, g, b]| {
                    let rows = |t: &Tensor<1>| t.clone().reshape([n_rows, width]);
                    let dropout = Dropout { rate, seed: 9 };
                    let (x, r) = (rows(x), rows(r));
                    flat(dropout_add_layer_norm(x, r, g.clone(), b.clone(), 1e-5, dropout))
                },
            );
        }
    }
}

/// Gradients under dropout, against finite differences with the same mask, in f64.
#[test]
fn gradients_with_dropout_meet_finite_differences() {
    use burn::tensor::{DType, TensorData};
    let device = Device::flex().autodiff();
    let drop = Dropout { rate: 0.25, seed: 3 };
    let data: Vec<f64> = waves(2 * 5 * 8, 0.2).iter().map(|x| f64::from(*x)).collect();
    let make = |data: &[f64]| {
        Tensor::<3>::from_data(TensorData::new(data.to_vec(), [2, 5, 8]), (&device, DType::F64))
    };
    let loss = |x: Tensor<3>| {
        let bias = Tensor::<2>::zeros([2, 5], (&device, DType::F64));
        let attended = attention(x.clone(), x.clone() * 0.5, x.clone() * 2.0, bias, 2, drop);
        let gamma = make(&data).reshape([80]).narrow(0, 0, 8);
        let y = dropout_add_layer_norm(gelu(attended), x, gamma.clone(), gamma, 1e-5, drop);
        (y.clone() * y).sum() + dropout(make(&data), drop).sum()
    };
    let x = make(&data).require_grad();
    let grads = loss(x.clone()).backward();
    let gradient = f64_values(x.grad(&grads).unwrap());
    assert_gradient("element", &gradient, 7, 1.0, |index, h| {
        let mut data = data.clone();
        data[index] += h;
        loss(make(&data)).into_scalar::<f64>()
    });
}

#[test]
fn squares_add_up() {
    for (name, device) in devices() {
        let x = waves(100_003, 0.2);
        let expected: f64 = x.iter().map(|x| f64::from(*x).powi(2)).sum();
        let found = values(sum_of_squares(tensor(x, [100_003], &device)));
        assert_close(name, &found, &[expected as f32], 1e-5);
    }
}

#[test]
fn sums_have_the_gradient_of_burns() {
    // More elements than one cube of a GPU adds.
    compare(
        "sum",
        [input(&[3, 7, 1013], 0.2)],
        |[x]| sum(x.clone().reshape([3, 7, 1013]).square()),
        |[x]| x.clone().square().sum(),
    );
}
