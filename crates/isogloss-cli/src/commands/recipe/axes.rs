//! Axes of a recipe: the choices that are independent of each other, and the methods of each.

use isogloss::methods::{MethodInfo, objectives, regularizers, samplings, schedules, updates};
use isogloss::{adapters, after_training, tasks, views};

/// Axis of a recipe: one independent choice.
pub(super) struct Axis {
    /// Title of its methods together.
    pub(super) title: &'static str,
    /// How a recipe names a method, and how several of them combine.
    pub(super) how: &'static str,
    /// Path of its methods in a recipe; empty if they are tables at the top level.
    pub(super) entry: &'static str,
    pub(super) rows: &'static [MethodInfo],
}

impl Axis {
    /// Path of a method in a recipe.
    pub(super) fn path(&self, info: &MethodInfo) -> String {
        match self.entry {
            "" => info.key.to_owned(),
            entry => format!("{entry}.{}", info.key),
        }
    }

    /// Path of a method without `objective.` or `data.`: `method.r_drop`, `schedule.fun`.
    pub(super) fn short_path(&self, info: &MethodInfo) -> String {
        let path = self.path(info);
        ["objective.", "data."]
            .iter()
            .find_map(|table| path.strip_prefix(table))
            .unwrap_or(&path)
            .into()
    }
}

/// All axes, in the order of a recipe.
pub(super) fn axes() -> [Axis; 9] {
    [
        Axis {
            title: "Tasks",
            how: "what is learned and how it is scored; one table [task.KEY]",
            entry: "task",
            rows: tasks(),
        },
        Axis {
            title: "Objectives",
            how: "losses that add up; an [[objective]] each, with its weight and method.KEY = { … }",
            entry: "objective.method",
            rows: objectives(),
        },
        Axis {
            title: "Views",
            how: "the texts seen another way, for objectives that compare views; tables [views.KEY]",
            entry: "views",
            rows: views(),
        },
        Axis {
            title: "Adapters",
            how: "what is trained in place of the whole model; one table [adapter.KEY]",
            entry: "adapter",
            rows: adapters(),
        },
        Axis {
            title: "Schedules",
            how: "which parameters may change, and when; tables [schedule.KEY], all of which must allow a change",
            entry: "schedule",
            rows: schedules(),
        },
        Axis {
            title: "Updates",
            how: "how the gradients of a step become one; tables [update.KEY], which nest: one makes the \
                  gradient, sam or asam takes it elsewhere, and fisher_penalty adds to it",
            entry: "update",
            rows: updates(),
        },
        Axis {
            title: "Changes of the forward pass",
            how: "tables of their own, which go with everything else",
            entry: "",
            rows: regularizers(),
        },
        Axis {
            title: "After training",
            how: "what is done with the selected model before it is scored; tables of their own",
            entry: "",
            rows: after_training(),
        },
        Axis {
            title: "Language sampling",
            how: "which language the next batch is drawn from; sampling.KEY = { … } in [data], [pairs], \
                  [monolingual] or [unlabeled]",
            entry: "data.sampling",
            rows: samplings(),
        },
    ]
}
