//! Cross-entropy on every device, against the negative log-likelihood of Burn's operations.

use burn::tensor::activation::log_softmax;
use burn::tensor::{Int, Tensor};
use isogloss_kernels::{IGNORE_INDEX, cross_entropy};
use isogloss_tests::{devices, values};

use super::{compare, input};

#[test]
fn cross_entropy_is_the_mean_over_rows_with_a_target() {
    // Fewer labels than a cube has units, about as many, and many more.
    for (n, width) in [(5, 3), (33, 130), (4, 1_000)] {
        let targets: Vec<i32> = (0..n as i32)
            .map(|row| if row % 4 == 2 { IGNORE_INDEX } else { row * 7 % width as i32 })
            .collect();
        let counted: Vec<i32> =
            (0..n as i32).filter(|row| targets[*row as usize] != IGNORE_INDEX).collect();
        let gold: Vec<i32> = counted.iter().map(|row| targets[*row as usize]).collect();
        for smoothing in [0.0, 0.2] {
            compare(
                &format!("cross-entropy of {n} rows of {width}, smoothing {smoothing}"),
                [input(&[n, width], 0.4)],
                |[x]| {
                    let logits = x.clone().reshape([n, width]) * 4.0;
                    let targets = Tensor::<1, Int>::from_ints(targets.as_slice(), &x.device());
                    cross_entropy(logits, targets, smoothing)
                },
                |[x]| {
                    let log_probs = log_softmax(x.clone().reshape([n, width]) * 4.0, 1);
                    let ints = |ints: &[i32]| Tensor::<1, Int>::from_ints(ints, &x.device());
                    let log_probs = log_probs.select(0, ints(&counted));
                    let gold = ints(&gold).reshape([counted.len(), 1]);
                    let likelihood = log_probs.clone().gather(1, gold).mean();
                    -(likelihood * (1.0 - smoothing) + log_probs.mean() * smoothing)
                },
            );
        }
    }
}

#[test]
fn cross_entropy_without_a_target_is_zero_and_has_no_slope() {
    for (name, device) in devices() {
        let device = device.autodiff();
        let logits = Tensor::<2>::ones([3, 5], &device).require_grad();
        let targets = Tensor::<1, Int>::from_ints([IGNORE_INDEX; 3], &device);
        let loss = cross_entropy(logits.clone(), targets, 0.1);
        let grads = loss.backward();
        assert_eq!(values(loss), [0.0], "{name}");
        assert_eq!(values(logits.grad(&grads).unwrap()), [0.0; 15], "{name}");
    }
}
