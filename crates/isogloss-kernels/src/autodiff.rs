//! The derivatives, written by hand: each keeps only what it cannot compute again cheaply.

use burn::backend::autodiff::checkpoint::base::Checkpointer;
use burn::backend::autodiff::checkpoint::strategy::CheckpointStrategy;
use burn::backend::autodiff::grads::Gradients;
use burn::backend::autodiff::ops::{Backward, Ops, OpsKind};
use burn::backend::tensor::FloatTensor;
use burn::backend::{Autodiff, Backend};

use crate::dispatch::{AttentionInputs, Compute, Kernels};
use crate::{Dropout, compose};

impl<B: Backend + Compute, C: CheckpointStrategy> Kernels for Autodiff<B, C> {
    fn linear(
        x: FloatTensor<Self>,
        weight: FloatTensor<Self>,
        bias: FloatTensor<Self>,
    ) -> FloatTensor<Self> {
        let nodes = [x.node(), weight.node(), bias.node()];
        let (x, weight) = (x.into_primitive(), weight.into_primitive());
        let output = B::linear_forward(x.clone(), weight.clone(), bias.into_primitive());
        match Linear.prepare::<C>(nodes).compute_bound().stateful() {
            OpsKind::Tracked(prep) => prep.finish((x, weight), output),
            OpsKind::UnTracked(prep) => prep.finish(output),
        }
    }

    fn gelu(x: FloatTensor<Self>) -> FloatTensor<Self> {
        match Gelu.prepare::<C>([x.node()]).compute_bound().stateful() {
            OpsKind::Tracked(prep) => {
                let x = x.into_primitive();
                prep.finish(x.clone(), B::gelu_forward(x))
            }
            OpsKind::UnTracked(prep) => prep.finish(B::gelu_forward(x.into_primitive())),
        }
    }

    fn dropout(x: FloatTensor<Self>, dropout: Dropout) -> FloatTensor<Self> {
        match DropOut.prepare::<C>([x.node()]).compute_bound().stateful() {
            OpsKind::Tracked(prep) => {
                prep.finish(dropout, B::drop_out(x.into_primitive(), dropout))
            }
            OpsKind::UnTracked(prep) => prep.finish(B::drop_out(x.into_primitive(), dropout)),
        }
    }

    fn dropout_add_layer_norm(
        x: FloatTensor<Self>,
        residual: FloatTensor<Self>,
        gamma: FloatTensor<Self>,
        beta: FloatTensor<Self>,
        epsilon: f64,
        dropout: Dropout,
    ) -> FloatTensor<Self> {
        let nodes = [x.node(), residual.node(), gamma.node(), beta.node()];
        let gamma = gamma.into_primitive();
        let (output, sum) = B::layer_norm_forward(
            x.into_primitive(),
            residual.into_primitive(),
            gamma.clone(),
            beta.into_primitive(),
            epsilon,
            dropout,
        );
        match LayerNorm.prepare::<C>(nodes).compute_bound().stateful() {
            OpsKind::Tracked(prep) => prep.finish((sum, gamma, epsilon, dropout), output),
            OpsKind::UnTracked(prep) => prep.finish(output),
        }
    }

    fn attention(
        query: FloatTensor<Self>,
        key: FloatTensor<Self>,
        value: FloatTensor<Self>,
        bias: FloatTensor<Self>,
        n_heads: usize,
        dropout: Dropout,
    ) -> FloatTensor<Self> {
        let nodes = [query.node(), key.node(), value.node()];
        let inputs = AttentionInputs::<B> {
            query: query.into_primitive(),
            key: key.into_primitive(),
            value: value.into_primitive(),
            bias: bias.into_primitive(),
            n_heads,
            dropout,
        };
        let (context, kept) = B::attention_forward(inputs.clone());
        match Attention.prepare::<C>(nodes).compute_bound().stateful() {
            OpsKind::Tracked(prep) => prep.finish((inputs, kept), context),
            OpsKind::UnTracked(prep) => prep.finish(context),
        }
    }
}

#[derive(Debug)]
struct Linear;

impl<B: Compute> Backward<B, 3> for Linear {
    /// The input and the weight.
    type State = (FloatTensor<B>, FloatTensor<B>);

    fn backward(
        self,
        ops: Ops<Self::State, 3>,
        grads: &mut Gradients,
        _checkpointer: &mut Checkpointer,
    ) {
        let grad = grads.consume::<B>(&ops.node);
        let (input, weight) = ops.state;
        let [input_node, weight_node, bias_node] = ops.parents;
        if let Some(parent) = bias_node {
            grads.register::<B>(parent.id, compose::sum_rows::<B>(grad.clone()));
        }
        if let Some(parent) = weight_node {
            grads.register::<B>(parent.id, B::linear_grad_weight(grad.clone(), input));
        }
        if let Some(parent) = input_node {
            grads.register::<B>(parent.id, B::linear_grad_input(grad, weight));
        }
    }
}

#[derive(Debug)]
struct Gelu;

impl<B: Compute> Backward<B, 1> for Gelu {
    type State = FloatTensor<B>;

    fn backward(
        self,
        ops: Ops<Self::State, 1>,
        grads: &mut Gradients,
        _checkpointer: &mut Checkpointer,
    ) {
        let grad = grads.consume::<B>(&ops.node);
        if let [Some(parent)] = ops.parents {
            grads.register::<B>(parent.id, B::gelu_grad(ops.state, grad));
        }
    }
}

#[derive(Debug)]
struct DropOut;

impl<B: Compute> Backward<B, 1> for DropOut {
    type State = Dropout;

    fn backward(
        self,
        ops: Ops<Self::State, 1>,
        grads: &mut Gradients,
        _checkpointer: &mut Checkpointer,
    ) {
        let grad = grads.consume::<B>(&ops.node);
        if let [Some(parent)] = ops.parents {
            grads.register::<B>(parent.id, B::drop_out(grad, ops.state));
        }
    }
}

#[derive(Debug)]
struct LayerNorm;

impl<B: Compute> Backward<B, 4> for LayerNorm {
    /// The sum that was normalized, gamma, epsilon, and how `x` was dropped.
    type State = (FloatTensor<B>, FloatTensor<B>, f64, Dropout);

    fn backward(
        self,
        ops: Ops<Self::State, 4>,
        grads: &mut Gradients,
        _checkpointer: &mut Checkpointer,
    ) {
        let grad = grads.consume::<B>(&ops.node);
        let (sum, gamma, epsilon, dropout) = ops.state;
        let [x, residual, gamma_node, beta_node] = ops.parents;
        let [grad_sum, grad_gamma, grad_beta] = B::layer_norm_backward(sum, gamma, epsilon, grad);
        if let Some(parent) = x {
            grads.register::<B>(parent.id, B::drop_out(grad_sum.clone(), dropout));
        }
        if let Some(parent) = residual {
            grads.register::<B>(parent.id, grad_sum);
        }
        if let Some(parent) = gamma_node {
            grads.register::<B>(parent.id, grad_gamma);
        }
        if let Some(parent) = beta_node {
            grads.register::<B>(parent.id, grad_beta);
        }
    }
}

#[derive(Debug)]
struct Attention;

impl<B: Compute> Backward<B, 3> for Attention {
    type State = (AttentionInputs<B>, Option<FloatTensor<B>>);

    fn backward(
        self,
        ops: Ops<Self::State, 3>,
        grads: &mut Gradients,
        _checkpointer: &mut Checkpointer,
    ) {
        let grad = grads.consume::<B>(&ops.node);
        let (inputs, kept) = ops.state;
        let gradients = B::attention_backward(inputs, kept, grad);
        for (parent, gradient) in ops.parents.into_iter().zip(gradients) {
            if let Some(parent) = parent {
                grads.register::<B>(parent.id, gradient);
            }
        }
    }
}
