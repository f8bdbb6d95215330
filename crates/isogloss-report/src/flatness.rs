//! Measures of flat minima that runs can be compared by: the trace of the Fisher information, and sharpness.

use crate::axis::Scale;
use crate::record::{MeasurePoint, RunRecord};

/// A quantity that means the same in every run that measured it.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Flatness<'a> {
    /// The trace of the Fisher information.
    ///
    /// Labels drawn from the model and labels weighed by their probabilities estimate the same
    /// number; the gold labels of the empirical Fisher information do not.
    Trace(Fisher<'a>),
    /// The growth of the loss along the gradient, at a radius.
    Sharpness(f64),
}

/// Which Fisher information.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Fisher<'a> {
    /// That of the model's own labels.
    True,
    /// That of other labels, named by their estimator.
    Of(&'a str),
}

impl<'a> Fisher<'a> {
    fn from_estimator(estimator: &'a str) -> Self {
        match estimator {
            "sampled" | "exact" => Self::True,
            other => Self::Of(other),
        }
    }

    /// Its name within a sentence.
    pub(super) fn name(self) -> String {
        match self {
            Self::True => "Fisher information".to_owned(),
            Self::Of(estimator) => format!("{estimator} Fisher information"),
        }
    }

    /// The trace of each block at a step; empty where another Fisher information was measured.
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
    /// Its name within a sentence.
    pub(super) fn name(&self) -> String {
        match self {
            Self::Trace(fisher) => format!("trace of the {}", fisher.name()),
            Self::Sharpness(radius) => format!("sharpness at radius {radius}"),
        }
    }

    /// Its name where the reader knows which one it is.
    pub(super) fn short_name(&self) -> &'static str {
        match self {
            Self::Trace(_) => "trace",
            Self::Sharpness(_) => "sharpness",
        }
    }

    /// What it is counted in.
    pub(super) fn unit(&self) -> &'static str {
        match self {
            Self::Trace(_) => "nats per squared parameter",
            Self::Sharpness(_) => "nats",
        }
    }

    /// The axis that suits it.
    pub(super) fn scale(&self) -> Scale {
        match self {
            Self::Trace(_) => Scale::Log,
            // At a minimum the loss grows by nothing, and noise may make it shrink.
            Self::Sharpness(_) => Scale::Linear,
        }
    }

    /// Its value at a step, if it was measured.
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

    /// Its value at a run's last measure of it.
    pub(super) fn at_end(&self, run: &RunRecord) -> Option<f64> {
        run.measures.iter().rev().find_map(|point| self.at_step(point))
    }
}

/// Every quantity that some run measured: traces, then sharpness, in order of first appearance.
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
