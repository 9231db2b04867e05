//! Where a device's buffers meet dfdx's tensors: in the raw storage of gradients, which dfdx shows, unlike that of
//! tensors.

use dfdx::prelude::*;

use crate::kernels::cuda::{DeviceError, Driver, Gpu};
use crate::kernels::{self, Part, PartMut};
use crate::ode::SolveError;

/// The raw storage of a gradient.
pub type Raw<D> = <<D as Crossing>::Tensors as Storage<f32>>::Vec;

/// A device whose buffers can become dfdx's tensors, and the reverse.
pub trait Crossing: kernels::Device {
    /// dfdx's device.
    type Tensors: dfdx::tensor_ops::Device<f32>;

    /// Whether dfdx adds the terms of the loss in the same order every time. Else the loss is added on the host, in
    /// double precision, from the logits.
    const REPRODUCIBLE_LOSS: bool = false;

    /// Opens dfdx's device.
    ///
    /// # Errors
    /// What it says.
    fn tensors(&self) -> Result<Self::Tensors, SolveError>;

    /// Copies a part of a buffer into raw storage of its length.
    fn write(&self, to: &mut Raw<Self>, from: Part<Self::Buffer<f32>>);

    /// Copies raw storage into a part of a buffer of its length.
    fn read(&self, from: &Raw<Self>, to: PartMut<Self::Buffer<f32>>);
}

impl Crossing for kernels::Cpu {
    type Tensors = Cpu;

    const REPRODUCIBLE_LOSS: bool = true;

    fn tensors(&self) -> Result<Cpu, SolveError> {
        Ok(Cpu::seed_from_u64(0))
    }

    fn write(&self, to: &mut Raw<Self>, from: Part<Vec<f32>>) {
        to.copy_from_slice(from.slice());
    }

    fn read(&self, from: &Raw<Self>, mut to: PartMut<Vec<f32>>) {
        to.slice().copy_from_slice(from);
    }
}

/// A driver without a device of dfdx: tensors stay on the CPU, and parameters and logits are copied there and back.
pub trait HostTensors: Driver {}

impl<L: HostTensors> Crossing for Gpu<L> {
    type Tensors = Cpu;

    fn tensors(&self) -> Result<Cpu, SolveError> {
        Ok(Cpu::seed_from_u64(0))
    }

    fn write(&self, to: &mut Raw<Self>, from: Part<Self::Buffer<f32>>) {
        let (whole, start) = from.place();
        to.copy_from_slice(&whole.download_part(start, from.len()));
    }

    fn read(&self, from: &Raw<Self>, to: PartMut<Self::Buffer<f32>>) {
        let up = kernels::Device::upload(self, from.to_vec());
        kernels::Device::put(self, to, Part::all(&up));
    }
}

#[cfg(feature = "cuda")]
mod nvidia {
    use cudarc::driver::{DevicePtr, DevicePtrMut, DeviceSlice};
    use dfdx::tensor::Cuda;

    use super::{Crossing, DeviceError, Gpu, Part, PartMut, Raw, SolveError};
    use crate::kernels::cuda::{Nvidia, load_libraries};

    /// dfdx's device and ours share the device's context and its default stream, so copies are in order.
    impl Crossing for Gpu<Nvidia> {
        type Tensors = Cuda;

        fn tensors(&self) -> Result<Cuda, SolveError> {
            load_libraries().map_err(|e| SolveError::Device(e.to_string()))?;
            Cuda::try_build(self.driver().ordinal(), 0).map_err(|e| {
                SolveError::Device(match DeviceError::of_dfdx(format!("{e:?}")) {
                    DeviceError::Failed { what, answer } => format!("{what}: {answer}"),
                    full => full.to_string(),
                })
            })
        }

        fn write(&self, to: &mut Raw<Self>, from: Part<Self::Buffer<f32>>) {
            let (whole, start) = from.place();
            assert_eq!(to.len(), from.len(), "storage of another length");
            // SAFETY: storage of dfdx's on this device, of this length; checked above.
            unsafe { self.copy_out(*to.device_ptr_mut(), whole, start, from.len()) };
        }

        fn read(&self, from: &Raw<Self>, mut to: PartMut<Self::Buffer<f32>>) {
            assert_eq!(from.len(), to.len(), "storage of another length");
            let len = to.len();
            let (whole, start) = to.place();
            // SAFETY: as above.
            unsafe { self.copy_in(whole, start, *from.device_ptr(), len) };
        }
    }
}

/// What dfdx says, with what helps.
pub(super) fn said(error: impl std::fmt::Debug) -> SolveError {
    SolveError::Device(DeviceError::of_dfdx(format!("{error:?}")).to_string())
}

/// A part of a buffer as a tensor.
pub(super) fn to_tensor<D: Crossing, S: Shape>(
    device: &D,
    tensors: &D::Tensors,
    from: Part<D::Buffer<f32>>,
    shape: S,
) -> Result<Tensor<S, f32, D::Tensors>, SolveError> {
    let place: Tensor<S, f32, D::Tensors> = tensors.try_zeros_like(&shape).map_err(said)?;
    let mut gradients = Gradients::leaky();
    device.write(gradients.get_or_alloc_mut(&place).map_err(said)?, from);
    Ok(gradients.get(&place))
}
