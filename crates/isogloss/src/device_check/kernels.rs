//! Checks of the kernels of the forward and backward pass: output and the gradient of each input,
//! of sizes that take the different ways through a kernel.

use burn::tensor::{Device, Tensor, TensorData};
use isogloss_kernels::{
    Dropout, IGNORE_INDEX, attention, cross_entropy, dropout, dropout_add_layer_norm, embedding,
    gelu, linear, linear_gelu, normal, split_seed,
};

use super::comparison::Quantities;
use crate::ground::tensors::integers;

/// A kernel as a function of flat tensors.
type Compute = dyn Fn(&[Tensor<1>]) -> Tensor<1>;

/// Inputs by name and what is computed from them.
pub(super) struct KernelCase {
    pub(super) name: String,
    inputs: Vec<(&'static str, Vec<f32>)>,
    compute: Box<Compute>,
}

impl KernelCase {
    fn new(
        name: impl Into<String>,
        inputs: Vec<(&'static str, Vec<f32>)>,
        compute: impl Fn(&[Tensor<1>]) -> Tensor<1> + 'static,
    ) -> Self {
        Self { name: name.into(), inputs, compute: Box::new(compute) }
    }

    /// The output, and the gradients of all inputs for a loss with another weight for each element
    /// of the output.
    pub(super) fn run(&self, device: &Device) -> Result<Quantities, String> {
        let device = device.clone().autodiff();
        let leaf = |(_, data): &(_, Vec<f32>)| vector(data.clone(), &device).require_grad();
        let leaves: Vec<_> = self.inputs.iter().map(leaf).collect();
        let output = (self.compute)(&leaves);
        let weights = vector(normals(output.dims()[0], 99), &device);
        let gradients = (output.clone() * weights).sum().backward();
        let mut quantities = vec![("output".to_owned(), values(output)?)];
        for (leaf, (name, _)) in leaves.iter().zip(&self.inputs) {
            let gradient = leaf.grad(&gradients).ok_or_else(|| format!("no gradient of {name}"))?;
            quantities.push((format!("gradient of {name}"), values(gradient)?));
        }
        Ok(quantities)
    }
}

/// The cases of all kernels.
pub(super) fn kernel_cases() -> Vec<KernelCase> {
    let mut cases = linear_cases();
    // Heads of one, two and three parts of a unit; less than a tile of tokens, one and many.
    let sizes = [(3, 4, 0.0), (16, 32, 0.3), (70, 64, 0.0), (70, 64, 0.3), (33, 36, 0.3)];
    let longer = [(65, 128, 0.3), (300, 64, 0.1)];
    cases.extend(sizes.into_iter().chain(longer).map(attention_case));
    cases.extend([(1, 1, 0.0), (37, 130, 0.3), (300, 384, 0.1)].map(layer_norm_case));
    cases.extend([gelu_case(), linear_gelu_case([200, 384, 1536]), dropout_case()]);
    cases.extend([(64, 4, 0.1), (40, 8_000, 0.0)].map(cross_entropy_case));
    cases.extend([(60, 32, 300), (2_000, 384, 500)].map(embedding_case));
    cases
}

/// The cases of linear layers, whose products can be in half precision.
pub(super) fn linear_cases() -> Vec<KernelCase> {
    vec![linear_case([10, 24, 40]), linear_case([200, 384, 1536])]
}

/// Linear layer of `[rows, inputs, outputs]`.
fn linear_case([n_rows, n_inputs, n_outputs]: [usize; 3]) -> KernelCase {
    let name = format!("linear layer, {n_rows} × {n_inputs} to {n_outputs}");
    KernelCase::new(name, linear_inputs([n_rows, n_inputs, n_outputs]), move |x| {
        let weight = x[1].clone().reshape([n_outputs, n_inputs]);
        flat(linear(x[0].clone().reshape([n_rows, n_inputs]), weight, x[2].clone()))
    })
}

/// Linear layer and GELU of `[rows, inputs, outputs]`.
fn linear_gelu_case([n_rows, n_inputs, n_outputs]: [usize; 3]) -> KernelCase {
    let name = format!("linear layer and GELU, {n_rows} × {n_inputs} to {n_outputs}");
    KernelCase::new(name, linear_inputs([n_rows, n_inputs, n_outputs]), move |x| {
        let weight = x[1].clone().reshape([n_outputs, n_inputs]);
        flat(linear_gelu(x[0].clone().reshape([n_rows, n_inputs]), weight, x[2].clone()))
    })
}

fn linear_inputs([n_rows, n_inputs, n_outputs]: [usize; 3]) -> Vec<(&'static str, Vec<f32>)> {
    vec![
        ("x", normals(n_rows * n_inputs, 1)),
        ("weight", normals(n_outputs * n_inputs, 2)),
        ("bias", normals(n_outputs, 3)),
    ]
}

/// Attention of tokens, by head width and dropout rate; one of two texts is padded.
fn attention_case((seq, width, rate): (usize, usize, f32)) -> KernelCase {
    let [batch, n_heads] = [2, 3];
    let hidden = n_heads * width;
    let n = batch * seq * hidden;
    let inputs = vec![("query", normals(n, 1)), ("key", normals(n, 2)), ("value", normals(n, 3))];
    let name = format!("attention, {seq} tokens, heads of {width}, dropout {rate}");
    KernelCase::new(name, inputs, move |x| {
        let is_padding = |i: usize| i / seq == 1 && i % seq > seq / 2;
        let bias = (0..batch * seq).map(|i| if is_padding(i) { -1e9 } else { 0.0 });
        let bias = vector(bias.collect(), &x[0].device()).reshape([batch, seq]);
        let states = |x: &Tensor<1>| x.clone().reshape([batch, seq, hidden]);
        let dropout = Dropout { rate, seed: 7 };
        flat(attention(states(&x[0]), states(&x[1]), states(&x[2]), bias, n_heads, dropout))
    })
}

/// Layer normalization of rows, by width and dropout rate.
fn layer_norm_case((n_rows, width, rate): (usize, usize, f32)) -> KernelCase {
    let inputs = vec![
        ("x", normals(n_rows * width, 1)),
        ("residual", normals(n_rows * width, 2)),
        ("gamma", normals(width, 3)),
        ("beta", normals(width, 4)),
    ];
    let name = format!("layer normalization, {n_rows} × {width}, dropout {rate}");
    KernelCase::new(name, inputs, move |x| {
        let rows = |x: &Tensor<1>| x.clone().reshape([n_rows, width]);
        let (gamma, beta) = (x[2].clone(), x[3].clone());
        let dropout = Dropout { rate, seed: 9 };
        flat(dropout_add_layer_norm(rows(&x[0]), rows(&x[1]), gamma, beta, 1e-5, dropout))
    })
}

fn gelu_case() -> KernelCase {
    // The far tails are covered too.
    let x = normals(10_000, 1).into_iter().enumerate().map(|(i, x)| x * (i % 12) as f32);
    KernelCase::new("GELU", vec![("x", x.collect())], |x| gelu(x[0].clone()))
}

/// Dropout of a tensor that is not contiguous in memory.
fn dropout_case() -> KernelCase {
    let inputs = vec![("x", normals(70 * 300, 1))];
    KernelCase::new("dropout", inputs, |x| {
        let transposed = x[0].clone().reshape([70, 300]).transpose();
        flat(dropout(transposed, Dropout { rate: 0.3, seed: 11 }))
    })
}

/// Cross-entropy of rows, by number of labels and label smoothing; a tenth of the rows has no
/// target.
fn cross_entropy_case((n_rows, n_labels, smoothing): (usize, usize, f64)) -> KernelCase {
    let inputs = vec![("logits", normals(n_rows * n_labels, 1))];
    KernelCase::new(format!("cross-entropy, {n_rows} × {n_labels}"), inputs, move |x| {
        let target = |row: usize| match row % 10 {
            9 => IGNORE_INDEX,
            _ => index(row, n_labels),
        };
        let targets = integers((0..n_rows).map(target).collect(), &x[0].device());
        cross_entropy(x[0].clone().reshape([n_rows, n_labels]), targets, smoothing)
    })
}

/// Embedding lookup of tokens in a matrix, some of them many times.
fn embedding_case((n_rows, width, n_tokens): (usize, usize, usize)) -> KernelCase {
    let inputs = vec![("matrix", normals(n_rows * width, 1))];
    KernelCase::new(format!("embedding, matrix of {n_rows} × {width}"), inputs, move |x| {
        // Half of the tokens are among a few rows.
        let row = |i: usize| index(i, if i.is_multiple_of(2) { 5 } else { n_rows });
        let ids = integers((0..n_tokens).map(row).collect(), &x[0].device());
        flat(embedding(x[0].clone().reshape([n_rows, width]), ids.reshape([1, n_tokens])))
    })
}

/// Pseudo-random index below `n`.
fn index(i: usize, n: usize) -> i32 {
    (split_seed(5, i as u64) % n as u64) as i32
}

/// Standard normal numbers, the same everywhere.
pub(super) fn normals(n: usize, seed: u64) -> Vec<f32> {
    (0..n as u64).map(|i| normal(seed, i) as f32).collect()
}

pub(super) fn vector(values: Vec<f32>, device: &Device) -> Tensor<1> {
    let shape = [values.len()];
    Tensor::from_data(TensorData::new(values, shape), device)
}

fn flat<const D: usize>(x: Tensor<D>) -> Tensor<1> {
    let n = x.shape().num_elements();
    x.reshape([n])
}

/// Reads a tensor back to the host; an error of the device as text.
pub(super) fn values(tensor: Tensor<1>) -> Result<Vec<f32>, String> {
    let data = tensor.try_into_data().map_err(|error| error.to_string())?;
    data.convert::<f32>().try_into_vec().map_err(|error| format!("{error:?}"))
}
