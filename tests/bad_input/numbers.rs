//! Losses that become NaN or infinite.

use isogloss_model::WeightFiles;

use crate::assert_refused;
use crate::job::Job;

/// Writes a NaN into the first value of a tensor of the initial model.
fn plant_nan(job: &Job, tensor: &str) {
    let path = job.path("model/model.safetensors");
    let mut bytes = std::fs::read(&path).unwrap();
    let header = 8 + u64::from_le_bytes(*bytes.first_chunk().unwrap()) as usize;
    let json: serde_json::Value = serde_json::from_slice(&bytes[8..header]).unwrap();
    let at = header + json[tensor]["data_offsets"][0].as_u64().unwrap() as usize;
    bytes[at..at + 4].copy_from_slice(&f32::NAN.to_le_bytes());
    std::fs::write(path, bytes).unwrap();
}

#[test]
fn a_nan_in_the_model_is_met_at_the_first_step() {
    let job = Job::new();
    plant_nan(&job, "roberta.encoder.layer.1.output.LayerNorm.bias");
    let (outcome, told) = job.run();
    assert_refused("NaN", outcome, &["step 1: loss is NaN (objective cross_entropy)"]);
    assert!(told.losses.is_empty() && told.checkpoints.is_empty());
}

#[test]
fn a_learning_rate_beyond_reason_ends_the_run_and_leaves_its_checkpoints() {
    for (rate, accumulate) in [("1e30", 1), ("1e30", 2), ("1e38", 1)] {
        let mut job = Job::new();
        job.edit_recipe("learning_rate = 1e-3", &format!("learning_rate = {rate}"));
        job.edit_recipe("batch_size = 2", &format!("batch_size = 2\naccumulate = {accumulate}"));
        let (outcome, told) = job.run();
        let case = format!("{rate}, {accumulate} batches a step");
        let newest = *told.checkpoints.last().unwrap();
        let step = format!("step {}: ", newest + 1);
        let hint = format!("the checkpoint of step {newest} is intact");
        let parts = [&step, "objective cross_entropy", "lower the learning rate", &hint];
        assert_refused(&case, outcome, &parts);
        job.assert_readable(&case, newest);
        let moments = WeightFiles::open(&job.checkpoint(newest).join("optimizer")).unwrap();
        assert!(moments.names().count() > 0);
        // A resumed run fails at the same step in the same way.
        assert_refused(&case, job.run().0, &parts);
    }
}

#[test]
fn counts_beyond_all_steps_are_taken_as_they_are() {
    let mut job = Job::new();
    // The number of steps overflows 64 bits.
    job.edit_recipe("epochs = 2", "epochs = 4611686018427387904");
    let (outcome, told) = job.run_until(Some(3));
    assert!(outcome.is_ok(), "{outcome:?}");
    assert_eq!(told.losses.len(), 3);
}
