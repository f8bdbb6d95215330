//! The objectives over the step's pairs: from views to the losses of [`alignment`](crate::alignment).

use burn::tensor::Tensor;
use isogloss_model::{Pooling, Projection};

use super::{ContrastTexts, GradCache, Memory, Objective, ObjectiveError, Sentences, StepInput};
use crate::alignment::{
    AlignmentError, AttentionDistillationConfig, DistilledSides, EmbeddingDistillationConfig,
    InfoNceConfig, RealignConfig, RealignLoss, StateDistillationConfig, XlcoConfig,
    attention_distillation, embedding_distillation, info_nce, realign_contrastive, realign_l2,
    state_distillation, xlco,
};
use crate::{Role, TextView, View};

const LEFT: View = View { text: TextView::PairLeft, ..View::ORIGINAL };
const RIGHT: View = View { text: TextView::PairRight, ..View::ORIGINAL };

/// Names the objective that an error is of.
fn named(objective: &'static str) -> impl Fn(AlignmentError) -> ObjectiveError {
    move |source| ObjectiveError::Alignment { objective, source }
}

impl StepInput {
    /// What an objective trains beside a model, if it trains anything.
    fn projection(&self, objective: &'static str, role: Role) -> Option<&Projection> {
        let mut projections = self.pairs.iter().flat_map(|pairs| &pairs.projections);
        let found = projections.find(|(name, of, _)| *name == objective && *of == role);
        found.map(|(_, _, projection)| projection)
    }
}

impl Objective for InfoNceConfig {
    fn name(&self) -> &'static str {
        "info_nce"
    }

    fn views(&self) -> Vec<View> {
        vec![LEFT, RIGHT]
    }

    fn loss(&self, input: &StepInput) -> Result<Tensor<1>, ObjectiveError> {
        let [left, right] = [LEFT, RIGHT].map(|side| input.sentences(side, self.name()));
        Ok(info_nce(self.vectors(left?)?, self.vectors(right?)?, self))
    }

    fn grad_cache(&self) -> Option<&dyn GradCache> {
        self.chunk_size.is_some().then_some(self)
    }
}

impl GradCache for InfoNceConfig {
    fn chunk_size(&self) -> usize {
        self.chunk_size.unwrap_or(usize::MAX)
    }

    fn vectors(&self, sentences: &Sentences) -> Result<Tensor<2>, ObjectiveError> {
        sentences.vectors(self.layer, self.pooling).map_err(named(self.name()))
    }

    fn loss(&self, [left, right]: [Tensor<2>; 2]) -> Tensor<1> {
        info_nce(left, right, self)
    }
}

impl XlcoConfig {
    fn views_of_sides(&self) -> [View; 2] {
        let [query, key] = match self.contrast_texts() {
            Some(_) => [TextView::ContrastLeft, TextView::ContrastRight],
            None => [TextView::PairLeft, TextView::PairRight],
        };
        [View::of(query), View::by(Role::Momentum, key)]
    }

    fn vectors(&self, input: &StepInput, view: View) -> Result<Tensor<2>, ObjectiveError> {
        let sentences = input.sentences(view, self.name())?;
        let vectors = sentences.vectors(Some(self.layer), self.pooling);
        let vectors = vectors.map_err(named(self.name()))?;
        Ok(match input.projection(self.name(), view.role) {
            Some(projection) => projection.forward(vectors),
            None => vectors,
        })
    }
}

impl Objective for XlcoConfig {
    fn name(&self) -> &'static str {
        "xlco"
    }

    fn views(&self) -> Vec<View> {
        self.views_of_sides().to_vec()
    }

    fn projection_widths(&self, hidden_size: usize) -> Option<Vec<usize>> {
        self.projection_widths(hidden_size)
    }

    fn contrast_texts(&self) -> Option<ContrastTexts> {
        let texts = ContrastTexts { mixup: self.mixup, masked: self.masked };
        (self.mixup || self.masked).then_some(texts)
    }

    fn memory(&self) -> Option<Memory> {
        Some(Memory { queue_size: self.queue_size, momentum: self.momentum })
    }

    fn keys(&self, input: &StepInput) -> Result<Option<Tensor<2>>, ObjectiveError> {
        let [_, key] = self.views_of_sides();
        self.vectors(input, key).map(Some)
    }

    fn loss(&self, input: &StepInput) -> Result<Tensor<1>, ObjectiveError> {
        let [query, key] = self.views_of_sides();
        let [query, key] = [self.vectors(input, query)?, self.vectors(input, key)?];
        let missing = ObjectiveError::MissingNegatives { objective: self.name() };
        let pairs = input.pairs.as_ref().ok_or(missing.clone())?;
        let queue = pairs.negatives.clone().ok_or(missing)?;
        let factor = self.weighting.factor(query.dims()[0], pairs.n_masked);
        Ok(xlco(query, key, queue, self) * factor)
    }
}

impl Objective for EmbeddingDistillationConfig {
    fn name(&self) -> &'static str {
        "embedding_distillation"
    }

    fn views(&self) -> Vec<View> {
        vec![LEFT, RIGHT, View::teacher(TextView::PairLeft)]
    }

    fn teacher_vectors(&self) -> Option<(Option<usize>, Pooling)> {
        Some((self.layer, self.pooling))
    }

    fn projection_widths(&self, hidden_size: usize) -> Option<Vec<usize>> {
        self.teacher_width.map(|width| vec![hidden_size, width])
    }

    fn loss(&self, input: &StepInput) -> Result<Tensor<1>, ObjectiveError> {
        let vectors = |view| {
            let sentences = input.sentences(view, self.name())?;
            sentences.vectors(self.layer, self.pooling).map_err(named(self.name()))
        };
        let projection = input.projection(self.name(), Role::Student);
        let project = |x| projection.into_iter().fold(x, |x, p| p.forward(x));
        let [left, right] = [LEFT, RIGHT].map(|side| Ok(project(vectors(side)?)));
        let teacher = vectors(View::teacher(TextView::PairLeft))?;
        embedding_distillation(left?, right?, teacher, self).map_err(named(self.name()))
    }
}

impl DistilledSides {
    fn texts(self) -> &'static [TextView] {
        match self {
            Self::Both => &[TextView::PairLeft, TextView::PairRight],
            Self::Left => &[TextView::PairLeft],
            Self::Right => &[TextView::PairRight],
        }
    }

    /// Student and teacher over each side.
    fn views(self) -> Vec<View> {
        self.texts().iter().flat_map(|text| [View::of(*text), View::teacher(*text)]).collect()
    }

    /// The mean of a loss over sides and layers.
    fn mean(
        self,
        input: &StepInput,
        objective: &'static str,
        layers: &[[usize; 2]],
        loss: impl Fn(&Sentences, &Sentences, [usize; 2]) -> Result<Tensor<1>, AlignmentError>,
    ) -> Result<Tensor<1>, ObjectiveError> {
        let mut losses = Vec::new();
        for text in self.texts() {
            let student = input.sentences(View::of(*text), objective)?;
            let teacher = input.sentences(View::teacher(*text), objective)?;
            for layers in layers {
                losses.push(loss(student, teacher, *layers).map_err(named(objective))?);
            }
        }
        Ok(Tensor::cat(losses, 0).mean())
    }
}

impl Objective for StateDistillationConfig {
    fn name(&self) -> &'static str {
        "state_distillation"
    }

    fn views(&self) -> Vec<View> {
        self.sides.views()
    }

    fn projection_widths(&self, hidden_size: usize) -> Option<Vec<usize>> {
        self.teacher_width.map(|width| vec![hidden_size, width])
    }

    fn loss(&self, input: &StepInput) -> Result<Tensor<1>, ObjectiveError> {
        let projection = input.projection(self.name(), Role::Student);
        self.sides.mean(input, self.name(), &self.layers, |student, teacher, [of, from]| {
            let mut states = student.states(Some(of))?;
            if let Some(projection) = projection {
                let [batch, seq, width] = states.dims();
                let rows = projection.forward(states.reshape([batch * seq, width]));
                let width = rows.dims()[1];
                states = rows.reshape([batch, seq, width]);
            }
            let mask = student.attention_mask.clone();
            state_distillation(states, teacher.states(Some(from))?, mask)
        })
    }
}

impl Objective for AttentionDistillationConfig {
    fn name(&self) -> &'static str {
        "attention_distillation"
    }

    fn views(&self) -> Vec<View> {
        self.sides.views()
    }

    fn attentions(&self, role: Role) -> Vec<usize> {
        match role {
            Role::Student => self.layers.iter().map(|[student, _]| *student).collect(),
            Role::Teacher => self.layers.iter().map(|[_, teacher]| *teacher).collect(),
            Role::Initial | Role::Momentum => Vec::new(),
        }
    }

    fn loss(&self, input: &StepInput) -> Result<Tensor<1>, ObjectiveError> {
        self.sides.mean(input, self.name(), &self.layers, |student, teacher, [of, from]| {
            let mask = student.attention_mask.clone();
            attention_distillation(student.attention(of)?, teacher.attention(from)?, mask)
        })
    }
}

impl Objective for RealignConfig {
    fn name(&self) -> &'static str {
        "realign"
    }

    fn views(&self) -> Vec<View> {
        let mut views = vec![LEFT, RIGHT];
        views.extend(self.needs_initial().then(|| View::by(Role::Initial, TextView::PairLeft)));
        views
    }

    fn needs_links(&self) -> bool {
        true
    }

    fn projection_widths(&self, hidden_size: usize) -> Option<Vec<usize>> {
        self.projection_widths(hidden_size)
    }

    /// A step whose linked words were all cut off has a loss of zero.
    fn loss(&self, input: &StepInput) -> Result<Tensor<1>, ObjectiveError> {
        let states = |view| {
            let sentences = input.sentences(view, self.name())?;
            sentences.states(self.layer).map_err(named(self.name()))
        };
        let [left, right] = [states(LEFT)?, states(RIGHT)?];
        let device = left.device();
        let Some(pairs) = &input.pairs else { return Ok(Tensor::zeros([1], &device)) };
        let words = match pairs.links.gather(left, right, self.words) {
            Err(AlignmentError::NoLinks) => return Ok(Tensor::zeros([1], &device)),
            other => other.map_err(named(self.name()))?,
        };
        Ok(match &self.loss {
            RealignLoss::Contrastive(config) => {
                let projection = input.projection(self.name(), Role::Student);
                let words = projection.into_iter().fold(words, |words, p| words.projected(p));
                realign_contrastive(&words, config)
            }
            RealignLoss::L2(config) => {
                let initial = self.needs_initial().then(|| {
                    let left = states(View::by(Role::Initial, TextView::PairLeft))?;
                    pairs.links.gather_left(left, self.words).map_err(named(self.name()))
                });
                realign_l2(&words, initial.transpose()?, config)
            }
        })
    }
}
