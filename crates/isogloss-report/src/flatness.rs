//! Flatness measures of minima for comparing runs: the trace of the Fisher information, and
//! sharpness.

use crate::axis::Scale;
use crate::record::{MeasurePoint, RunRecord};

/// Flatness measure, comparable between all runs that measured it.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Flatness<'a> {
    /// The trace of the Fisher information.
    ///
    /// Labels sampled from the model and labels weighted by their probabilities estimate the same
    /// number; the gold labels of the empirical Fisher information do not.
    Trace(Fisher<'a>),
    /// Sharpness: the increase of the loss along the gradient, at a radius.
    Sharpness(f64),
}

/// Kind of Fisher information, by the labels that it is taken at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Fisher<'a> {
    /// True Fisher information: the labels follow the model's own distribution.
    True,
    /// Fisher information at other labels, named by its estimator.
    Of(&'a str),
}

impl<'a> Fisher<'a> {
    fn from_estimator(estimator: &'a str) -> Self {
        match estimator {
            "sampled" | "exact" => Self::True,
            other => Self::Of(other),
        }
    }

    /// Display name, as it is written within a sentence.
    pub(super) fn name(self) -> String {
        match self {
            Self::True => "Fisher information".to_owned(),
            Self::Of(estimator) => format!("{estimator} Fisher information"),
        }
    }

    /// Fisher trace of each block at a step; empty if another kind was measured.
    pub(super) fn blocks<'p>(
        self,
        point: &'p MeasurePoint,
    ) -> impl Iterator<Item = (&'p str, f64)> + use<'p> {
        let fisher = point.fisher.as_ref();
        let fisher = fisher.filter(|fisher| Fisher::from_estimator(&fisher.estimator) == self);
        let blocks = fisher.into_iter().flat_map(|fisher| &fisher.blocks);
        blocks.filter_map(|(block, trace)| Some((block.as_str(), (*trace)?)))
    }
}

impl Flatness<'_> {
    /// Display name, as it is written within a sentence.
    pub(super) fn name(&self) -> String {
        match self {
            Self::Trace(fisher) => format!("trace of the {}", fisher.name()),
            Self::Sharpness(radius) => format!("sharpness at radius {radius}"),
        }
    }

    /// Short display name, for text that has named the measure in full.
    pub(super) fn short_name(&self) -> &'static str {
        match self {
            Self::Trace(_) => "trace",
            Self::Sharpness(_) => "sharpness",
        }
    }

    /// Unit of the values.
    pub(super) fn unit(&self) -> &'static str {
        match self {
            Self::Trace(_) => "nats per squared parameter",
            Self::Sharpness(_) => "nats",
        }
    }

    /// Axis scale for the values.
    pub(super) fn scale(&self) -> Scale {
        match self {
            Self::Trace(_) => Scale::Log,
            // At a minimum the sharpness can be zero, and noise can make it negative.
            Self::Sharpness(_) => Scale::Linear,
        }
    }

    /// The value at a step, if it was measured.
    pub(super) fn at_step(&self, point: &MeasurePoint) -> Option<f64> {
        match self {
            Self::Trace(kind) => {
                let fisher = point.fisher.as_ref()?;
                (Fisher::from_estimator(&fisher.estimator) == *kind).then_some(fisher.trace)?
            }
            Self::Sharpness(radius) => {
                let sharpness = point.sharpness.as_ref()?;
                (sharpness.radius == *radius).then_some(sharpness.adversarial)?
            }
        }
    }

    /// The value at a run's last measurement.
    pub(super) fn at_end(&self, run: &RunRecord) -> Option<f64> {
        run.measures.iter().rev().find_map(|point| self.at_step(point))
    }
}

/// Flatness measures of all runs: traces, then sharpness, in order of first appearance.
pub(super) fn flatness_measures<'a>(
    runs: impl Iterator<Item = &'a RunRecord>,
) -> Vec<Flatness<'a>> {
    let mut traces = Vec::new();
    let mut sharpness = Vec::new();
    for point in runs.flat_map(|run| &run.measures) {
        let fisher = point.fisher.as_ref().map(|fisher| Fisher::from_estimator(&fisher.estimator));
        let radius = point.sharpness.as_ref().map(|sharpness| sharpness.radius);
        let found = fisher.map(Flatness::Trace).into_iter();
        for quantity in found.chain(radius.map(Flatness::Sharpness)) {
            let of_its_kind = match quantity {
                Flatness::Trace(_) => &mut traces,
                Flatness::Sharpness(_) => &mut sharpness,
            };
            if quantity.at_step(point).is_some() && !of_its_kind.contains(&quantity) {
                of_its_kind.push(quantity);
            }
        }
    }
    traces.append(&mut sharpness);
    traces
}
