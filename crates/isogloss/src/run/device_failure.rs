//! Device failures in training: the run ends with an error that says how to go on.

use super::event::Event;
use super::trainer::Trainer;
use crate::Error;
use crate::ground::device::caught;

impl Trainer<'_> {
    /// Training loop, as [`train`](Self::train), in which a GPU that fails is an error and no panic:
    /// Burn panics where a driver resets a device or memory runs out.
    ///
    /// After [`Error::DeviceFailed`], the trainer must not be used or dropped: its tensors are on
    /// that device.
    pub(super) fn train_guarded(
        &mut self,
        watch: &mut dyn FnMut(Event<'_>),
    ) -> Result<bool, Error> {
        if self.options.device_info.api == "cpu" {
            return self.train(watch);
        }
        let problem = match caught(|| self.train(watch)) {
            Ok(Err(Error::Device(error))) => error.to_string(),
            Ok(result) => return result,
            Err(panic) => panic,
        };
        let hint = match self.run.newest_checkpoint() {
            Ok(Some((step, _))) => format!(
                "; the checkpoint of step {step} is intact: the same command goes on from there, \
                 also with --device flex"
            ),
            _ => String::new(),
        };
        let (step, device) = (self.progress.step + 1, self.options.device_info.name.clone());
        Err(Error::DeviceFailed { step, device, problem, hint })
    }
}
