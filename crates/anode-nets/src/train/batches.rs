//! Batches of training images. A separate thread prepares the next batch while a step computes.
//!
//! A batch is a function of seed and step alone: neither that thread nor an interruption decides any bits.

use std::panic::resume_unwind;
use std::sync::Arc;
use std::thread::{Builder, JoinHandle};

use crate::data::{Alteration, DataSet, shuffled};
use crate::kernels::{ByteImages, Device};

/// The images of a batch, `[n, 3, 32, 32]`, before they are copied to a device.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum BatchImages {
    /// Normalised numbers.
    Numbers(Vec<f32>),
    /// Bytes, which the device crops, mirrors and normalises; see [`Device::TAKES_BYTES`].
    Bytes(ByteImages),
}

impl BatchImages {
    /// Copies the images to a device and returns their normalised numbers.
    pub fn to<D: Device>(self, device: &D) -> D::Buffer<f32> {
        match self {
            Self::Numbers(numbers) => device.upload(numbers),
            Self::Bytes(bytes) => device.images_of_bytes(&bytes),
        }
    }
}

impl From<Vec<f32>> for BatchImages {
    fn from(numbers: Vec<f32>) -> Self {
        Self::Numbers(numbers)
    }
}

/// Images and their labels.
pub(super) type Batch = (BatchImages, Vec<u8>);

/// The batches of a training. One more than the step in work uses may be in memory.
pub(super) struct Batches {
    pub data: Arc<DataSet>,
    seed: u64,
    size: usize,
    augment: bool,
    /// Whether images stay bytes.
    bytes: bool,
    order: Option<(u64, Vec<usize>)>,
    ahead: Option<(u64, JoinHandle<Batch>)>,
}

impl Batches {
    /// Batches of `size` images of the training part; with `bytes`, the device computes their numbers.
    pub fn new(data: Arc<DataSet>, seed: u64, size: usize, augment: bool, bytes: bool) -> Self {
        Self { data, seed, size, augment, bytes, order: None, ahead: None }
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
        let (data, seed, augment, bytes) = (self.data.clone(), self.seed, self.augment, self.bytes);
        move || {
            let alter = |i| if augment { Alteration::random(seed, epoch, i) } else { Alteration::NONE };
            let (images, labels) = data.bytes(&data.train, &indices, alter);
            let images = if bytes { BatchImages::Bytes(images) } else { BatchImages::Numbers(images.numbers()) };
            (images, labels)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::data::synthetic;
    use crate::kernels::Cpu;

    #[test]
    fn a_batch_made_ahead_is_that_of_its_step() {
        let data = Arc::new(synthetic());
        let batches = || Batches::new(data.clone(), 3, 48, true, false);
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
    fn bytes_have_the_numbers_of_a_prepared_batch() {
        let data = Arc::new(synthetic());
        let mut batches = [false, true].map(|bytes| Batches::new(data.clone(), 3, 48, true, bytes));
        for step in [0, 1, batches[0].steps_per_epoch()] {
            let [prepared, bytes] = batches.each_mut().map(|batches| batches.of(step));
            assert!(matches!(bytes.0, BatchImages::Bytes(_)) && bytes.1 == prepared.1);
            assert!(BatchImages::Numbers(bytes.0.to(&Cpu)) == prepared.0);
        }
    }

    #[test]
    fn a_panic_on_the_thread_is_not_lost() {
        let mut broken = synthetic();
        broken.train.pixels.truncate(10);
        let mut batches = Batches::new(Arc::new(broken), 0, 4, false, false);
        batches.start(0);
        let caught = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| batches.take(0)));
        assert!(caught.is_err());
    }
}
