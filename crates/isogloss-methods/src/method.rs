//! Entry of the method registry: key, title, paper, formula, required data and options.

use serde::Serialize;
use serde_json::Value;

use crate::faults::Faults;

/// Entry of the method registry, as shown in docs/methods.md and in the JSON schema of recipes.
#[derive(Clone, Copy, Debug)]
pub struct MethodInfo {
    /// Its key in a recipe.
    pub key: &'static str,
    /// Name of the method in the literature.
    pub title: &'static str,
    /// Authors, year and arXiv id; empty for a method without a paper of its own.
    pub paper: &'static str,
    /// The formula, in one line.
    pub formula: &'static str,
    /// Data that it needs besides texts.
    pub needs: &'static [DataNeed],
    /// Path of its source file, from the root of the repository.
    pub file: &'static str,
    /// Required fields of its configuration; [`options`](Self::options) shows them with an example.
    pub required: &'static [&'static str],
    /// Creates the value that [`options`](Self::options) returns.
    pub example: fn() -> Value,
}

impl MethodInfo {
    /// Options of the method as JSON, with their defaults, and an example value for options without
    /// a default. Optional fields that are unset by default are left out.
    pub fn options(&self) -> Value {
        (self.example)()
    }
}

/// Data requirement of a method, besides the model and, for a task, its texts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DataNeed {
    /// Labeled examples.
    Labels,
    /// A view of the task's texts, `[views.<name>]`.
    View,
    /// Parallel sentences (translations), `[pairs]`.
    Pairs,
    /// Word alignments of parallel sentences, `[pairs.aligner]`.
    WordLinks,
    /// Monolingual text, `[monolingual]`.
    MonolingualText,
    /// Text of the task without labels, `[unlabeled]`.
    UnlabeledText,
    /// A teacher model, `[teacher]` or `[student]`.
    Teacher,
    /// Several training languages.
    Languages,
}

impl DataNeed {
    /// Text form of the requirement, with the recipe table that satisfies it.
    pub fn description(self) -> &'static str {
        match self {
            Self::Labels => "labels",
            Self::View => "a view, `[views.<name>]`",
            Self::Pairs => "translations, `[pairs]`",
            Self::WordLinks => "word alignments, `[pairs.aligner]`",
            Self::MonolingualText => "text without labels, `[monolingual]`",
            Self::UnlabeledText => "text of the task without labels, `[unlabeled]`",
            Self::Teacher => "a teacher, `[teacher]` or `[student]`",
            Self::Languages => "several languages of training",
        }
    }
}

/// Configuration of a method in the registry.
pub(crate) trait Method {
    /// Its registry entry.
    const INFO: MethodInfo;

    /// Validation errors: the invalid fields and the reasons.
    fn faults(&self) -> Faults {
        Vec::new()
    }
}

/// Serializes a configuration to JSON, for [`MethodInfo::example`].
///
/// # Panics
/// If it cannot be serialized.
pub fn options(config: impl Serialize) -> Value {
    serde_json::to_value(config).expect("a configuration is printable as JSON")
}

/// Defines the enum of an axis on which a recipe chooses one method, and the registry table of that
/// axis.
///
/// Each row is a variant and its configuration, which also implements the method. The constructor,
/// the validation and the table are generated from the rows.
macro_rules! method_enum {
    (
        $(#[$attr:meta])*
        $name:ident, $build:ident -> dyn $axis:ident, table $table:ident;
        $($variant:ident($config:ident)),+ $(,)?
    ) => {
        $(#[$attr])*
        #[derive(Clone, Debug, PartialEq, ::serde::Serialize, ::serde::Deserialize, ::schemars::JsonSchema)]
        #[serde(rename_all = "snake_case", deny_unknown_fields)]
        pub enum $name {
            $(
                #[doc = concat!("See [`", stringify!($config), "`].")]
                $variant($config),
            )+
        }

        impl $name {
            /// Builds the configured method.
            pub fn $build(&self) -> Box<dyn $axis> {
                match self {
                    $(Self::$variant(config) => Box::new(config.clone()),)+
                }
            }

            /// Validation errors: the invalid fields and the reasons.
            pub fn faults(&self) -> $crate::faults::Faults {
                match self {
                    $(Self::$variant(config) => $crate::method::Method::faults(config),)+
                }
            }
        }

        /// Registry table of this axis, in the order of docs/methods.md.
        pub(crate) static $table: &[$crate::method::MethodInfo] =
            &[$(<$config as $crate::method::Method>::INFO,)+];
    };
}

/// Defines the struct of an axis on which a recipe combines any number of methods, and the registry
/// table of that axis.
macro_rules! method_struct {
    (
        $(#[$attr:meta])*
        $name:ident, methods dyn $axis:ident, table $table:ident;
        $($field:ident: $config:ident),+ $(,)?
    ) => {
        $(#[$attr])*
        #[derive(Clone, Debug, Default, PartialEq, ::serde::Serialize, ::serde::Deserialize, ::schemars::JsonSchema)]
        #[serde(default, deny_unknown_fields)]
        pub struct $name {
            $(
                #[doc = concat!("See [`", stringify!($config), "`].")]
                #[serde(skip_serializing_if = "Option::is_none")]
                pub $field: Option<$config>,
            )+
        }

        impl $name {
            /// The configured methods, in the order of the table.
            fn methods(&self) -> Vec<&dyn $axis> {
                let mut methods: Vec<&dyn $axis> = Vec::new();
                $(methods.extend(self.$field.as_ref().map(|config| config as &dyn $axis));)+
                methods
            }

            /// Validation errors of the configured methods: the invalid fields and the reasons.
            fn faults_of_methods(&self) -> Vec<(String, String)> {
                let mut faults = Vec::new();
                $(
                    if let Some(config) = &self.$field {
                        let found = $crate::method::Method::faults(config);
                        let named = found.into_iter().map(|(field, problem)| {
                            (format!("{}.{field}", stringify!($field)), problem)
                        });
                        faults.extend(named);
                    }
                )+
                faults
            }
        }

        /// Registry table of this axis, in the order of docs/methods.md.
        pub(crate) static $table: &[$crate::method::MethodInfo] =
            &[$(<$config as $crate::method::Method>::INFO,)+];
    };
}

pub(crate) use {method_enum, method_struct};
