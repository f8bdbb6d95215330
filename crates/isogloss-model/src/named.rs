//! Module dictionary (PyTorch's `ModuleDict`): a container of modules with names chosen at run
//! time.

use burn::module::{
    Content, Module, ModuleDisplay, ModuleDisplayDefault, ModuleMapper, ModuleVisitor,
};
use burn::tensor::Device;

/// Module dictionary: modules by name, in the order of insertion. The name is a part of the
/// parameters' paths.
#[derive(Clone, Debug)]
pub(crate) struct Named<T>(Vec<(String, T)>);

impl<T> Named<T> {
    /// Creates an empty container.
    pub(crate) fn new() -> Self {
        Self(Vec::new())
    }

    /// The module with this name.
    pub(crate) fn get(&self, name: &str) -> Option<&T> {
        self.0.iter().find(|(other, _)| other == name).map(|(_, module)| module)
    }

    /// Inserts a module, replacing one of the same name.
    pub(crate) fn insert(&mut self, name: &str, module: T) {
        self.remove(name);
        self.0.push((name.to_owned(), module));
    }

    /// Removes the module with this name.
    pub(crate) fn remove(&mut self, name: &str) -> Option<T> {
        let at = self.0.iter().position(|(other, _)| other == name)?;
        Some(self.0.remove(at).1)
    }

    /// All modules.
    pub(crate) fn values(&self) -> impl Iterator<Item = &T> {
        self.0.iter().map(|(_, module)| module)
    }

    fn map_values(self, mut change: impl FnMut(&str, T) -> T) -> Self {
        let change = |(name, module): (String, T)| {
            let module = change(&name, module);
            (name, module)
        };
        Self(self.0.into_iter().map(change).collect())
    }
}

/// Container type that Burn displays.
const CONTAINER: &str = "Named";

impl<T: Module> Module for Named<T> {
    fn visit<V: ModuleVisitor>(&self, visitor: &mut V) {
        for (name, module) in &self.0 {
            visitor.enter_module(name, CONTAINER);
            module.visit(visitor);
            visitor.exit_module(name, CONTAINER);
        }
    }

    fn map<M: ModuleMapper>(self, mapper: &mut M) -> Self {
        self.map_values(|name, module| {
            mapper.enter_module(name, CONTAINER);
            let module = module.map(mapper);
            mapper.exit_module(name, CONTAINER);
            module
        })
    }

    fn collect_devices(&self, devices: Vec<Device>) -> Vec<Device> {
        self.values().fold(devices, |devices, module| module.collect_devices(devices))
    }

    fn to_device(self, device: &Device) -> Self {
        self.map_values(|_, module| module.to_device(device))
    }

    fn fork(self, device: &Device) -> Self {
        self.map_values(|_, module| module.fork(device))
    }

    fn valid(&self) -> Self {
        Self(self.0.iter().map(|(name, module)| (name.clone(), module.valid())).collect())
    }

    fn train(self) -> Self {
        self.map_values(|_, module| module.train())
    }

    fn materialize(self) -> Self {
        self.map_values(|_, module| module.materialize())
    }
}

impl<T: ModuleDisplay> ModuleDisplayDefault for Named<T> {
    fn content(&self, content: Content) -> Option<Content> {
        let content =
            self.0.iter().fold(content, |content, (name, module)| content.add(name, module));
        content.set_top_level_type(CONTAINER).optional()
    }
}

impl<T: ModuleDisplay> ModuleDisplay for Named<T> {}
