//! Computes the loss of a training step and its cotangent with dfdx. Only this module of training uses dfdx. A device's
//! buffers become dfdx's tensors in the raw storage of gradients, which dfdx makes accessible, unlike that of tensors.

use dfdx::prelude::*;

use crate::kernels::cuda::{DeviceError, Driver, Gpu};
use crate::kernels::{self, DeviceFailure};
use crate::ode::Vector;

/// A device on which networks can be trained.
pub trait TrainingDevice: kernels::Device {
    /// The dfdx device that computes the loss.
    type Loss;

    /// Opens the dfdx device.
    ///
    /// # Errors
    /// dfdx's device cannot be opened.
    fn open_loss(&self) -> Result<Self::Loss, DeviceFailure>;

    /// Computes the mean cross-entropy of `logits` with `targets`, both of shape `[n, classes]`, on dfdx's tape.
    /// Returns the loss if dfdx sums it in a fixed order, else `None`, and the cotangent of the logits, with which the
    /// network's backward sweep begins.
    ///
    /// # Errors
    /// The device failed, or has no memory left.
    fn cross_entropy(
        &self,
        by: &Self::Loss,
        logits: &Self::Buffer<f32>,
        targets: Vec<f32>,
        shape: (usize, usize),
    ) -> Result<(Option<f32>, Self::Buffer<f32>), DeviceFailure>;
}

impl<D: Crossing> TrainingDevice for D {
    type Loss = D::Tensors;

    fn open_loss(&self) -> Result<D::Tensors, DeviceFailure> {
        self.tensors()
    }

    fn cross_entropy(
        &self,
        by: &D::Tensors,
        logits: &D::Buffer<f32>,
        targets: Vec<f32>,
        shape: (usize, usize),
    ) -> Result<(Option<f32>, D::Buffer<f32>), DeviceFailure> {
        let logits = to_tensor(self, by, logits, shape)?;
        let of_logits = logits.ghost();
        let targets = by.try_tensor_from_vec(targets, shape).map_err(said)?;
        let loss = mean_cross_entropy::<D, _>(logits.put_tape(OwnedTape::default()), targets).map_err(said)?;
        let value = D::REPRODUCIBLE_LOSS.then(|| loss.as_vec()[0]);
        let mut gradients = loss.try_backward().map_err(said)?;
        let mut logits_bar = self.alloc_uninit(shape.0 * shape.1);
        self.read(gradients.get_or_alloc_mut(&of_logits).map_err(said)?, &mut logits_bar);
        Ok((value, logits_bar))
    }
}

/// dfdx's `cross_entropy_with_logits_loss`, which panics if the device fails.
#[expect(clippy::type_complexity, reason = "the types of dfdx")]
fn mean_cross_entropy<D: Crossing, T: Tape<f32, D::Tensors>>(
    logits: Tensor<(usize, usize), f32, D::Tensors, T>,
    targets: Tensor<(usize, usize), f32, D::Tensors>,
) -> Result<Tensor<(), f32, D::Tensors, T>, <D::Tensors as HasErr>::Err> {
    let classes = logits.shape().1;
    let products = logits.try_log_softmax::<Axis<1>>()?.try_mul(targets)?;
    products.try_mean()?.try_negate()?.try_div((1.0 / classes as f64) as f32)
}

/// The raw storage of a gradient.
pub type Raw<D> = <<D as Crossing>::Tensors as Storage<f32>>::Vec;

/// A device whose buffers can become dfdx's tensors, and the reverse.
pub trait Crossing: kernels::Device {
    /// dfdx's device.
    type Tensors: dfdx::tensor_ops::Device<f32>;

    /// Whether dfdx sums the loss in a fixed order. If not, the host sums it from the logits, in double precision.
    const REPRODUCIBLE_LOSS: bool = false;

    /// Opens dfdx's device.
    ///
    /// # Errors
    /// What it says.
    fn tensors(&self) -> Result<Self::Tensors, DeviceFailure>;

    /// Copies a buffer into raw storage of its length.
    fn write(&self, to: &mut Raw<Self>, from: &Self::Buffer<f32>);

    /// Copies raw storage into a buffer of its length.
    fn read(&self, from: &Raw<Self>, to: &mut Self::Buffer<f32>);
}

impl Crossing for kernels::Cpu {
    type Tensors = Cpu;

    const REPRODUCIBLE_LOSS: bool = true;

    fn tensors(&self) -> Result<Cpu, DeviceFailure> {
        Ok(Cpu::seed_from_u64(0))
    }

    fn write(&self, to: &mut Raw<Self>, from: &Vec<f32>) {
        to.copy_from_slice(from);
    }

    fn read(&self, from: &Raw<Self>, to: &mut Vec<f32>) {
        to.copy_from_slice(from);
    }
}

/// A driver without a dfdx device. dfdx's tensors stay on the CPU; logits and their cotangent are copied.
pub trait HostTensors: Driver {}

impl<L: HostTensors> Crossing for Gpu<L> {
    type Tensors = Cpu;

    fn tensors(&self) -> Result<Cpu, DeviceFailure> {
        Ok(Cpu::seed_from_u64(0))
    }

    fn write(&self, to: &mut Raw<Self>, from: &Self::Buffer<f32>) {
        to.copy_from_slice(&kernels::Device::download(self, from));
    }

    fn read(&self, from: &Raw<Self>, to: &mut Self::Buffer<f32>) {
        to.copy_from(&kernels::Device::upload(self, from.to_vec()));
    }
}

#[cfg(feature = "cuda")]
mod nvidia {
    use cudarc::driver::{DevicePtr, DevicePtrMut, DeviceSlice};
    use dfdx::tensor::Cuda;

    use super::{Crossing, DeviceError, DeviceFailure, Gpu, Raw};
    use crate::kernels::cuda::{Nvidia, load_libraries};
    use crate::ode::Vector;

    /// dfdx's device and ours share the device's context and its default stream, so copies are in order.
    impl Crossing for Gpu<Nvidia> {
        type Tensors = Cuda;

        fn tensors(&self) -> Result<Cuda, DeviceFailure> {
            load_libraries()?;
            Cuda::try_build(self.driver().ordinal(), 0).map_err(|e| match DeviceError::of_dfdx(format!("{e:?}")) {
                DeviceError::Failed { answer, .. } => DeviceError::NoDfdx(answer).into(),
                full => full.into(),
            })
        }

        fn write(&self, to: &mut Raw<Self>, from: &Self::Buffer<f32>) {
            assert_eq!(to.len(), from.len(), "storage of another length");
            // SAFETY: storage of dfdx's on this device, of this length; checked above.
            unsafe { self.copy_out(*to.device_ptr_mut(), from) };
        }

        fn read(&self, from: &Raw<Self>, to: &mut Self::Buffer<f32>) {
            assert_eq!(from.len(), to.len(), "storage of another length");
            // SAFETY: as above.
            unsafe { self.copy_in(to, *from.device_ptr()) };
        }
    }
}

/// Whether the text of a panic of dfdx contains an error of the driver or of cuBLAS.
pub(super) fn is_of_driver(text: &str) -> bool {
    ["DriverError", "CublasError"].iter().any(|error| text.contains(error))
}

/// Returns an error of dfdx with a remedy.
pub(super) fn said(error: impl std::fmt::Debug) -> DeviceFailure {
    DeviceError::of_dfdx(format!("{error:?}")).into()
}

/// A buffer as a tensor.
fn to_tensor<D: Crossing, S: Shape>(
    device: &D,
    tensors: &D::Tensors,
    from: &D::Buffer<f32>,
    shape: S,
) -> Result<Tensor<S, f32, D::Tensors>, DeviceFailure> {
    let place: Tensor<S, f32, D::Tensors> = tensors.try_zeros_like(&shape).map_err(said)?;
    let mut gradients = Gradients::leaky();
    device.write(gradients.get_or_alloc_mut(&place).map_err(said)?, from);
    Ok(gradients.get(&place))
}
