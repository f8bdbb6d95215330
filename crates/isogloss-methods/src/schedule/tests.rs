//! Tests of unfreezing steps, for models of three depths and both timings.

use super::*;

const K: u64 = 50;

fn gradual(order: UnfreezeOrder, timing: UnfreezeTiming, n_layers: usize) -> Vec<u64> {
    let config = GradualUnfreezeConfig { every_steps: K, order, timing, embeddings: false };
    let unfreezing = config.init(n_layers, &UnfreezeScope::Layers, 3);
    unfreezing.unfreeze_steps().unwrap().iter().map(|step| step.unwrap()).collect()
}

#[test]
fn top_down_opens_the_top_first() {
    use UnfreezeOrder::TopDown;
    // By layer, from the first: the paper's text has 11@0, 10@50, 9@100, …, 0@550.
    let paper = [550, 500, 450, 400, 350, 300, 250, 200, 150, 100, 50, 0];
    assert_eq!(gradual(TopDown, UnfreezeTiming::Paper, 12), paper);
    // The authors' code unfreezes the top layer a second time at 49: 11@0, 10@99, 9@149, …,
    // 0@599.
    let code = [599, 549, 499, 449, 399, 349, 299, 249, 199, 149, 99, 0];
    assert_eq!(gradual(TopDown, UnfreezeTiming::AuthorsCode, 12), code);
    for n_layers in [6, 24] {
        let n = n_layers as u64;
        let paper = gradual(TopDown, UnfreezeTiming::Paper, n_layers);
        assert_eq!((paper[n_layers - 1], paper[n_layers - 2], paper[0]), (0, 50, (n - 1) * K));
        let code = gradual(TopDown, UnfreezeTiming::AuthorsCode, n_layers);
        assert_eq!((code[n_layers - 1], code[n_layers - 2], code[0]), (0, 99, n * K - 1));
    }
}

#[test]
fn bottom_up_opens_the_first_layer_first() {
    use UnfreezeOrder::BottomUp;
    assert_eq!(gradual(BottomUp, UnfreezeTiming::Paper, 6), [0, 50, 100, 150, 200, 250]);
    // In the authors' code the top layer is unfrozen from the start in this order too.
    assert_eq!(gradual(BottomUp, UnfreezeTiming::AuthorsCode, 6), [49, 99, 149, 199, 249, 0]);
    for n_layers in [12, 24] {
        let n = n_layers as u64;
        let paper = gradual(BottomUp, UnfreezeTiming::Paper, n_layers);
        assert_eq!((paper[0], paper[n_layers - 1]), (0, (n - 1) * K));
        let code = gradual(BottomUp, UnfreezeTiming::AuthorsCode, n_layers);
        assert_eq!((code[0], code[n_layers - 2], code[n_layers - 1]), (49, (n - 1) * K - 1, 0));
    }
}

#[test]
fn a_random_order_opens_each_layer_once() {
    use UnfreezeOrder::Random;
    for n_layers in [6, 12, 24] {
        let n = n_layers as u64;
        let mut paper = gradual(Random, UnfreezeTiming::Paper, n_layers);
        let mut code = gradual(Random, UnfreezeTiming::AuthorsCode, n_layers);
        assert_eq!(code[n_layers - 1], 0);
        assert!(!paper.is_sorted() && !paper.iter().rev().is_sorted(), "{paper:?}");
        paper.sort_unstable();
        code.sort_unstable();
        assert!(paper.into_iter().eq((0..n).map(|i| i * K)));
        assert!(code.into_iter().eq((0..n).map(|i| (i * K).saturating_sub(1))));
    }
}

#[test]
fn linear_probing_opens_all_layers_at_once() {
    for (timing, step) in [(UnfreezeTiming::Paper, 50), (UnfreezeTiming::AuthorsCode, 49)] {
        for n_layers in [6, 12, 24] {
            let config = LpftConfig { steps: K, timing, embeddings: false };
            let unfreezing = config.init(n_layers, &UnfreezeScope::Layers);
            assert_eq!(unfreezing.unfreeze_steps().unwrap(), vec![Some(step); n_layers]);
        }
    }
}

#[test]
fn fun_opens_the_frozen_layer_with_the_largest_trace() {
    // By Fisher information, layer 3 is first, then 1, 5, 0, 4, 2.
    let traces = [4.0, 8.0, 1.0, 9.0, 2.0, 5.0];
    for (timing, expected) in [
        (UnfreezeTiming::Paper, [150, 50, 250, 0, 200, 100]),
        (UnfreezeTiming::AuthorsCode, [149, 99, 249, 49, 199, 0]),
    ] {
        let config =
            FunConfig { every_steps: K, n_batches: 1, timing, estimator: FunEstimator::Sampled };
        let mut fun = config.init(6, &UnfreezeScope::Layers);
        for step in 0..400 {
            if fun.is_due(step) {
                assert!(fun.unfreeze(&traces, step).is_some());
                assert!(!fun.is_due(step), "one layer at a time");
            }
            // A resumed run continues with the same steps.
            let unfreeze_steps = fun.unfreeze_steps().unwrap().to_vec();
            fun = config.init(6, &UnfreezeScope::Layers);
            fun.resume(unfreeze_steps);
        }
        assert_eq!(fun.unfreeze_steps().unwrap(), expected.map(Some));
        assert_eq!(fun.unfreeze(&traces, 400), None);
    }
}

#[test]
fn fun_has_the_same_steps_for_any_number_of_layers() {
    for n_layers in [6, 12, 24] {
        for (timing, offset) in [(UnfreezeTiming::Paper, 0), (UnfreezeTiming::AuthorsCode, 1)] {
            let config = FunConfig {
                every_steps: K,
                n_batches: 1,
                timing,
                estimator: FunEstimator::Sampled,
            };
            let mut fun = config.init(n_layers, &UnfreezeScope::Layers);
            // Equal traces: from the top down.
            let due: Vec<_> = (0..2000)
                .filter(|step| {
                    fun.is_due(*step).then(|| fun.unfreeze(&vec![1.0; n_layers], *step)).is_some()
                })
                .collect();
            let first = offset as u64;
            assert!(due.iter().copied().eq((first..n_layers as u64).map(|n| n * K - first)));
            assert!(fun.unfreeze_steps().unwrap().iter().rev().is_sorted());
        }
    }
}

#[test]
fn only_what_is_in_scope_opens() {
    let moment = |step| Moment { step, total_steps: 1000 };
    let of_adapter = UnfreezeScope::Adapter("task".into());
    let (order, timing) = (UnfreezeOrder::TopDown, UnfreezeTiming::Paper);
    let config = GradualUnfreezeConfig { every_steps: K, order, timing, embeddings: false };
    let adapters = config.init(2, &of_adapter, 0);
    let layers = config.init(2, &UnfreezeScope::Layers, 0);
    for (path, of_adapters, of_layers) in [
        ("head.classifier.weight", [true, true], [true, true]),
        ("encoder.embeddings.token.weight", [false, false], [false, false]),
        ("encoder.invertible_adapters.task.f.up.bias", [false, true], [false, false]),
        ("encoder.invertible_adapters.en.f.up.bias", [false, false], [false, false]),
        ("lm_head.bias", [false, false], [true, true]),
        ("projections.0.0.weight", [true, true], [true, true]),
        ("encoder.layers.1.attention.query.weight", [false, false], [true, true]),
        ("encoder.layers.0.attention.query.weight", [false, false], [false, true]),
        ("encoder.layers.1.adapters.task.feed_forward.up.bias", [true, true], [true, true]),
        ("encoder.layers.0.adapters.task.feed_forward.up.bias", [false, true], [false, true]),
        ("encoder.layers.1.adapters.en.feed_forward.up.bias", [false, false], [true, true]),
        ("encoder.layers.0.attention.query.lora.task.a", [false, true], [false, true]),
    ] {
        assert_eq!(
            [0, 50].map(|step| adapters.trainable(path, moment(step))),
            of_adapters,
            "{path}"
        );
        assert_eq!([0, 50].map(|step| layers.trainable(path, moment(step))), of_layers, "{path}");
    }
    let fixed =
        FixedLayersConfig { layers: vec![0], embeddings: false }.init(2, &UnfreezeScope::Layers);
    assert_eq!(fixed.unfreeze_steps().unwrap(), [Some(0), None]);
}

#[test]
fn embeddings_open_at_last_where_a_schedule_says_so() {
    let path = "encoder.embeddings.token.weight";
    let opens = |rule: &Unfreezing, step| {
        let at = |step| rule.trainable(path, Moment { step, total_steps: 1000 });
        rule.embeddings_step() == Some(step) && !(step > 0 && at(step - 1)) && at(step)
    };
    let gradual = |timing, order| {
        let config = GradualUnfreezeConfig { every_steps: K, order, timing, embeddings: true };
        config.init(6, &UnfreezeScope::Layers, 3)
    };
    // One interval after the last of six layers, at 250, 299 and 249.
    use UnfreezeOrder::{BottomUp, TopDown};
    assert!(opens(&gradual(UnfreezeTiming::Paper, TopDown), 300));
    assert!(opens(&gradual(UnfreezeTiming::Paper, BottomUp), 300));
    assert!(opens(&gradual(UnfreezeTiming::AuthorsCode, TopDown), 349));
    assert!(opens(&gradual(UnfreezeTiming::AuthorsCode, BottomUp), 299));
    let lpft = LpftConfig { steps: K, timing: UnfreezeTiming::Paper, embeddings: true };
    assert!(opens(&lpft.init(6, &UnfreezeScope::Layers), 50));
    let fixed = FixedLayersConfig { layers: vec![5], embeddings: true };
    assert!(opens(&fixed.init(6, &UnfreezeScope::Layers), 0));
    // With adapters, the pretrained embeddings stay frozen.
    let of_adapter = lpft.init(6, &UnfreezeScope::Adapter("task".into()));
    assert!(!of_adapter.trainable(path, Moment { step: 900, total_steps: 1000 }));
    let config = ScheduleConfig { lpft: Some(lpft), ..ScheduleConfig::default() };
    assert_eq!(config.unfreezes_embeddings(), Some("lpft"));
}
