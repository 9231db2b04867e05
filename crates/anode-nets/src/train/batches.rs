//! Batches of training images, the next one made on a thread of its own while a step computes.
//!
//! A batch is a function of seed and step alone: neither that thread nor an interruption decides any bits.

use std::panic::resume_unwind;
use std::sync::Arc;
use std::thread::{Builder, JoinHandle};

use crate::data::{Alteration, DataSet, shuffled};

/// Images `[n, 3, 32, 32]`, normalised, and their labels.
pub(super) type Batch = (Vec<f32>, Vec<u8>);

/// The batches of a training. One more than the step in work uses may be in memory.
pub(super) struct Batches {
    pub data: Arc<DataSet>,
    seed: u64,
    size: usize,
    augment: bool,
    order: Option<(u64, Vec<usize>)>,
    ahead: Option<(u64, JoinHandle<Batch>)>,
}

impl Batches {
    /// Batches of `size` images of the training part.
    pub fn new(data: Arc<DataSet>, seed: u64, size: usize, augment: bool) -> Self {
        Self { data, seed, size, augment, order: None, ahead: None }
    }

    /// Steps of one epoch.
    pub fn steps_per_epoch(&self) -> u64 {
        self.data.train.len().div_ceil(self.size) as u64
    }

    /// The batch of a step.
    pub fn of(&mut self, step: u64) -> Batch {
        self.work(step)()
    }

    /// The batch of a step, made ahead if that is the step that was asked for.
    pub fn take(&mut self, step: u64) -> Batch {
        match self.ahead.take() {
            Some((made, batch)) if made == step => batch.join().unwrap_or_else(|panic| resume_unwind(panic)),
            _ => self.of(step),
        }
    }

    /// Starts on the batch of a step.
    pub fn start(&mut self, step: u64) {
        let batch = Builder::new().name("batch".into()).spawn(self.work(step));
        // Where there is no thread, `take` makes it.
        self.ahead = batch.ok().map(|batch| (step, batch));
    }

    fn work(&mut self, step: u64) -> impl FnOnce() -> Batch + Send + 'static + use<> {
        let (epoch, place) = (step / self.steps_per_epoch(), (step % self.steps_per_epoch()) as usize);
        if self.order.as_ref().is_none_or(|(of, _)| *of != epoch) {
            self.order = Some((epoch, shuffled(self.seed, epoch, self.data.train.len())));
        }
        let order = self.order.as_ref().map_or(&[][..], |(_, order)| order);
        let indices = order.chunks(self.size).nth(place).unwrap_or_default().to_vec();
        let (data, seed, augment) = (self.data.clone(), self.seed, self.augment);
        move || {
            let alter = |i| if augment { Alteration::random(seed, epoch, i) } else { Alteration::NONE };
            data.batch(&data.train, &indices, alter)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::data::synthetic;

    #[test]
    fn a_batch_made_ahead_is_that_of_its_step() {
        let data = Arc::new(synthetic());
        let batches = || Batches::new(data.clone(), 3, 48, true);
        let (mut ahead, mut alone) = (batches(), batches());
        let steps = ahead.steps_per_epoch();
        for step in [0, 1, steps - 1, steps, steps + 1] {
            ahead.start(step);
            assert!(ahead.take(step) == alone.of(step), "step {step}");
        }
        ahead.start(5);
        assert!(ahead.take(6) == alone.of(6) && ahead.ahead.is_none(), "another step's batch is left");
        assert!(ahead.of(0) != ahead.of(steps), "every epoch has its own order and alterations");
    }

    #[test]
    fn a_panic_on_the_thread_is_not_lost() {
        let mut broken = synthetic();
        broken.train.pixels.truncate(10);
        let mut batches = Batches::new(Arc::new(broken), 0, 4, false);
        batches.start(0);
        let caught = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| batches.take(0)));
        assert!(caught.is_err());
    }
}
