//! Parsers of CLI argument values.

use isogloss::model::Storage;
use isogloss::report::TableFormat;
use isogloss::text::{Format, Quoting, TagScheme, TagUnits, Unseen};
use isogloss::{CentringBy, FisherEstimator};

pub(super) fn parse_table(text: &str) -> Result<TableFormat, String> {
    match text {
        "markdown" => Ok(TableFormat::Markdown),
        "latex" => Ok(TableFormat::Latex),
        "csv" => Ok(TableFormat::Csv),
        _ => Err("expected markdown, latex or csv".to_owned()),
    }
}

pub(super) fn parse_format(text: &str) -> Result<Format, String> {
    serde_json::from_value(text.into())
        .map_err(|_| "expected jsonl, tsv, csv, conll or conllu".to_owned())
}

pub(super) fn parse_unseen(text: &str) -> Result<Unseen, String> {
    serde_json::from_value(text.into()).map_err(|_| "expected error, skip or keep".to_owned())
}

pub(super) fn parse_units(text: &str) -> Result<TagUnits, String> {
    serde_json::from_value(text.into()).map_err(|_| "expected word or subword".to_owned())
}

pub(super) fn parse_max_length(text: &str) -> Result<usize, String> {
    match text.parse() {
        Ok(length) if length >= 3 => Ok(length),
        _ => Err("expected a number from 3".to_owned()),
    }
}

pub(super) fn parse_quoting(text: &str) -> Result<Quoting, String> {
    serde_json::from_value(text.into()).map_err(|_| "expected minimal or none".to_owned())
}

pub(super) fn parse_tag_scheme(text: &str) -> Result<TagScheme, String> {
    serde_json::from_value(text.into())
        .map_err(|_| "expected detect, bio, iob1, bioes, bilou, io or brackets".to_owned())
}

pub(super) fn parse_estimator(text: &str) -> Result<FisherEstimator, String> {
    serde_json::from_value(text.into())
        .map_err(|_| "expected sampled, empirical or exact".to_owned())
}

pub(super) fn parse_centring_by(text: &str) -> Result<CentringBy, String> {
    serde_json::from_value(text.replace('-', "_").into())
        .map_err(|_| "expected mean or mean-and-deviation".to_owned())
}

pub(super) fn parse_share(text: &str) -> Result<f64, String> {
    match text.parse::<f64>() {
        Ok(share) if share > 0.0 && share <= 1.0 => Ok(share),
        _ => Err("expected a share in (0, 1]".to_owned()),
    }
}

pub(super) fn parse_storage(text: &str) -> Result<Storage, String> {
    serde_json::from_value(text.into()).map_err(|_| "expected f32, f16 or int8".to_owned())
}

pub(super) fn parse_radius(text: &str) -> Result<f64, String> {
    match text.parse::<f64>() {
        Ok(radius) if radius.is_finite() && radius >= 0.0 => Ok(radius),
        _ => Err("expected zero or a positive number".to_owned()),
    }
}

pub(super) fn parse_batch_size(text: &str) -> Result<usize, String> {
    match text.parse() {
        Ok(0) | Err(_) => Err("expected a number from 1".to_owned()),
        Ok(size) => Ok(size),
    }
}
