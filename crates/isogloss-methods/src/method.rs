//! A row of the registry: what a method is called, its paper, its formula, its data and its options.

use serde::Serialize;
use serde_json::Value;

use crate::faults::Faults;

/// A method as the page of methods and the recipe's schema show it.
#[derive(Clone, Copy, Debug)]
pub struct MethodInfo {
    /// Its key in a recipe.
    pub key: &'static str,
    /// What the field calls it.
    pub title: &'static str,
    /// Authors, year and arXiv id; empty for what has no paper of its own.
    pub paper: &'static str,
    /// The formula, in one line.
    pub formula: &'static str,
    /// What it needs besides texts.
    pub needs: &'static [DataNeed],
    /// Its source file, from the root of the repository.
    pub file: &'static str,
    /// Fields that a recipe must give; [`options`](Self::options) shows them with an example.
    pub required: &'static [&'static str],
    /// Makes [`options`](Self::options).
    pub example: fn() -> Value,
}

impl MethodInfo {
    /// Its options with their defaults, and an example for what has none. Options that are left out by
    /// default are not there.
    pub fn options(&self) -> Value {
        (self.example)()
    }
}

/// What a method needs besides the model and, for a task, its texts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DataNeed {
    /// Examples with labels.
    Labels,
    /// A view of the task's texts, `[views.<name>]`.
    View,
    /// Sentences and their translations, `[pairs]`.
    Pairs,
    /// Links between the words of pairs, `[pairs.aligner]`.
    WordLinks,
    /// Text in one language, `[monolingual]`.
    MonolingualText,
    /// A teacher, `[teacher]` or `[student]`.
    Teacher,
    /// Several languages of training.
    Languages,
}

impl DataNeed {
    /// The need as a recipe satisfies it.
    pub fn description(self) -> &'static str {
        match self {
            Self::Labels => "labels",
            Self::View => "a view, `[views.<name>]`",
            Self::Pairs => "translations, `[pairs]`",
            Self::WordLinks => "word alignments, `[pairs.aligner]`",
            Self::MonolingualText => "text without labels, `[monolingual]`",
            Self::Teacher => "a teacher, `[teacher]` or `[student]`",
            Self::Languages => "several languages of training",
        }
    }
}

/// The configuration of a method that stands in the registry.
pub(crate) trait Method {
    /// Its row.
    const INFO: MethodInfo;

    /// What is wrong with its values: the field and the reason.
    fn faults(&self) -> Faults {
        Vec::new()
    }
}

/// A configuration as [`MethodInfo::example`] gives it.
///
/// # Panics
/// If it cannot be printed as JSON.
pub fn options(config: impl Serialize) -> Value {
    serde_json::to_value(config).expect("a configuration is printable as JSON")
}

/// The enum of an axis of which a recipe names one method at a time, and the table of that axis.
///
/// Each row is a variant and its configuration, which is also the method: what builds it, its faults and
/// the table come from the rows alone.
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
            /// The method that is named.
            pub fn $build(&self) -> Box<dyn $axis> {
                match self {
                    $(Self::$variant(config) => Box::new(config.clone()),)+
                }
            }

            /// What is wrong with its values: the field and the reason.
            pub fn faults(&self) -> $crate::faults::Faults {
                match self {
                    $(Self::$variant(config) => $crate::method::Method::faults(config),)+
                }
            }
        }

        /// The rows of this axis, in the order of the page of methods.
        pub(crate) static $table: &[$crate::method::MethodInfo] =
            &[$(<$config as $crate::method::Method>::INFO,)+];
    };
}

/// The struct of an axis of which a recipe names any number of methods, and the table of that axis.
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
            /// The methods that are named, in the order of the table.
            fn methods(&self) -> Vec<&dyn $axis> {
                let mut methods: Vec<&dyn $axis> = Vec::new();
                $(methods.extend(self.$field.as_ref().map(|config| config as &dyn $axis));)+
                methods
            }

            /// What is wrong with the values of the methods that are named: the field and the reason.
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

        /// The rows of this axis, in the order of the page of methods.
        pub(crate) static $table: &[$crate::method::MethodInfo] =
            &[$(<$config as $crate::method::Method>::INFO,)+];
    };
}

pub(crate) use {method_enum, method_struct};
