//! Parity of learning-rate schedules with transformers, with and without warmup.

use isogloss_methods::{LearningRateConfig, LearningRateSchedule};
use isogloss_tests::fixtures;
use serde_json::Value;

#[test]
fn every_schedule_matches_transformers() {
    let json = std::fs::read_to_string(fixtures().join("schedules.json")).expect("a fixture");
    let json: Value = serde_json::from_str(&json).expect("a fixture is JSON");
    let schedules = json["schedules"].as_array().expect("a list");
    assert_eq!(schedules.len(), 6);
    for schedule in schedules {
        let kind: LearningRateSchedule =
            serde_json::from_value(schedule["name"].clone()).expect("a known schedule");
        let steps = |field: &str| schedule[field].as_u64().expect("a number");
        let config = LearningRateConfig {
            peak: 1.0,
            warmup_steps: steps("warmup_steps"),
            total_steps: steps("total_steps"),
            schedule: kind,
        };
        for (step, factor) in schedule["factors"].as_array().expect("a list").iter().enumerate() {
            let expected = factor.as_f64().expect("a number");
            let found = config.at(step as u64);
            assert!((found - expected).abs() < 1e-12, "{kind:?}, step {step}: {found}");
        }
    }
}
