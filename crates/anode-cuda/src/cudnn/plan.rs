//! A convolution as cuDNN is told of it, and the algorithm that is asked for.

use std::ffi::c_int;
use std::sync::Arc;

use crate::driver::DeviceError;
use anode_kernels::ConvShape;

use super::functions::{CROSS_CORRELATION, DETERMINISTIC, Expectation, Functions, Handle, Math, NCHW};
use super::{Cudnn, Freedom, answered};

/// Bytes of workspace that an algorithm may ask for. Decides bits, so it is the same for all devices.
const WORKSPACE: usize = 256 << 20;

/// One of the three sweeps of a convolution.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Sweep {
    Forward,
    Input,
    Weights,
}

/// What a plan is made for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct Job {
    pub sweep: Sweep,
    pub shape: ConvShape,
    pub images: usize,
    pub double: bool,
}

type Create = unsafe extern "C" fn(*mut Handle) -> c_int;
type Destroy = unsafe extern "C" fn(Handle) -> c_int;

/// A descriptor of cuDNN's, which goes with it.
pub(super) struct Descriptor {
    pub handle: Handle,
    destroy: Destroy,
}

impl Descriptor {
    fn new(functions: &Functions, create: Create, destroy: Destroy) -> Result<Self, DeviceError> {
        let mut handle = std::ptr::null_mut();
        // SAFETY: a place for the handle.
        answered(functions, "a descriptor", unsafe { create(&mut handle) })?;
        Ok(Self { handle, destroy })
    }
}

impl Drop for Descriptor {
    fn drop(&mut self) {
        // SAFETY: made by `new`, dropped once; the library stays open.
        unsafe { (self.destroy)(self.handle) };
    }
}

/// Descriptors of a job, and how cuDNN does it.
pub(super) struct CudnnPlan {
    pub x: Descriptor,
    pub w: Descriptor,
    pub y: Descriptor,
    pub bias: Descriptor,
    pub convolution: Descriptor,
    /// `None` where no algorithm does it as it must be done.
    pub algorithm: Option<(c_int, usize)>,
}

// SAFETY: descriptors belong to no thread.
unsafe impl Send for CudnnPlan {}

/// Numbers as cuDNN counts them: small, as the caller checked for the whole batch.
fn small<const N: usize>(numbers: [usize; N]) -> [c_int; N] {
    numbers.map(|n| n as c_int)
}

impl CudnnPlan {
    pub fn new(cudnn: &Cudnn, handle: Handle, job: &Job) -> Result<Self, DeviceError> {
        let Job { shape, images, double, .. } = *job;
        let f: &Arc<Functions> = &cudnn.functions;
        let answer = |what, status| answered(f, what, status);
        let kind = c_int::from(double);
        let tensor = |[n, c, h, w]: [usize; 4]| {
            let made = Descriptor::new(f, f.cudnnCreateTensorDescriptor, f.cudnnDestroyTensorDescriptor)?;
            let [n, c, h, w] = small([n, c, h, w]);
            // SAFETY: a descriptor of a tensor.
            answer("a tensor", unsafe { (f.cudnnSetTensor4dDescriptor)(made.handle, NCHW, kind, n, c, h, w) })?;
            Ok(made)
        };
        let ([c, h, width], [k, out_h, out_w]) = (shape.input, shape.output());
        let (x, y) = (tensor([images, c, h, width])?, tensor([images, k, out_h, out_w])?);
        let bias = tensor([1, k, 1, 1])?;
        let w = Descriptor::new(f, f.cudnnCreateFilterDescriptor, f.cudnnDestroyFilterDescriptor)?;
        let [k, c, kh, kw] = small([k, c, shape.kernel[0], shape.kernel[1]]);
        // SAFETY: a descriptor of a filter.
        answer("a filter", unsafe { (f.cudnnSetFilter4dDescriptor)(w.handle, kind, NCHW, k, c, kh, kw) })?;
        let convolution = Descriptor::new(f, f.cudnnCreateConvolutionDescriptor, f.cudnnDestroyConvolutionDescriptor)?;
        let ([pad_h, pad_w], [stride]) = (small(shape.padding), small([shape.stride]));
        // SAFETY: a descriptor of a convolution.
        answer("a convolution", unsafe {
            let set = f.cudnnSetConvolution2dDescriptor;
            set(convolution.handle, pad_h, pad_w, stride, stride, 1, 1, CROSS_CORRELATION, kind)
        })?;
        let mut plan = Self { x, w, y, bias, convolution, algorithm: None };
        plan.choose(cudnn, handle, job)?;
        Ok(plan)
    }

    fn multiply(&self, functions: &Functions, math: c_int) -> Result<(), DeviceError> {
        // SAFETY: a descriptor of a convolution.
        let status = unsafe { (functions.cudnnSetConvolutionMathType)(self.convolution.handle, math) };
        answered(functions, "a way to multiply", status)
    }

    /// Takes the first of the algorithms, in the order in which cuDNN expects them to end, that may be taken.
    fn choose(&mut self, cudnn: &Cudnn, handle: Handle, job: &Job) -> Result<(), DeviceError> {
        let f = &cudnn.functions;
        let rounded = !job.double && cudnn.freedom != Freedom::Exact;
        self.multiply(f, if rounded { Math::Any } else { Math::Fused } as c_int)?;
        let (ask, operands) = match job.sweep {
            Sweep::Forward => (f.cudnnGetConvolutionForwardAlgorithm_v7, [&self.x, &self.w, &self.y]),
            Sweep::Input => (f.cudnnGetConvolutionBackwardDataAlgorithm_v7, [&self.w, &self.y, &self.x]),
            Sweep::Weights => (f.cudnnGetConvolutionBackwardFilterAlgorithm_v7, [&self.x, &self.y, &self.w]),
        };
        let [first, second, result] = operands.map(|operand| operand.handle);
        let mut expected = [Expectation::default(); 16];
        let mut count = 0;
        // SAFETY: descriptors of this job, in the order of the function; room for as many expectations as are asked
        // for.
        let status = unsafe {
            ask(handle, first, second, self.convolution.handle, result, 16, &mut count, expected.as_mut_ptr())
        };
        // A shape that cuDNN does not take is computed by our own kernels.
        if status == 0 {
            let known = &expected[..usize::try_from(count).unwrap_or(0).min(expected.len())];
            let exact = |e: &Expectation| rounds_as_sums_do(job, e.algorithm);
            let chosen = known.iter().find(|e| {
                may_be_taken(e, rounded, cudnn.freedom == Freedom::Fast)
                    && (cudnn.freedom != Freedom::Exact || exact(e))
            });
            if let Some(e) = chosen {
                if rounded {
                    self.multiply(f, e.math)?;
                }
                self.algorithm = Some((e.algorithm, e.memory));
            }
        }
        Ok(())
    }
}

fn may_be_taken(e: &Expectation, rounded: bool, any_order: bool) -> bool {
    let tensor_cores = [Math::TensorOp as c_int, Math::TensorOpConverted as c_int].contains(&e.math);
    e.status == 0
        && e.memory <= WORKSPACE
        && (any_order || e.determinism == DETERMINISTIC)
        // What rounds the operands to half precision is never taken.
        && if rounded { e.math != Math::TensorOpConverted as c_int } else { !tensor_cores }
}

/// Whether an algorithm of cuDNN is about as accurate as the sums that define a convolution. Algorithms based on FFTs
/// are not. Winograd's are for 3 x 3 kernels; the tiles for larger kernels interpolate in more points and lose digits.
/// If all are allowed, cuDNN 9.19 on an H200 has a relative error of 6e-4 in the vjp of 5 x 5 weights in `f32`.
fn rounds_as_sums_do(job: &Job, algorithm: c_int) -> bool {
    let [fft, fft_tiling, winograd, winograd_nonfused] = match job.sweep {
        Sweep::Forward => [4, 5, 6, 7],
        Sweep::Input => [2, 3, 4, 5],
        Sweep::Weights => [2, 6, 4, 5],
    };
    if [fft, fft_tiling].contains(&algorithm) {
        return false;
    }
    ![winograd, winograd_nonfused].contains(&algorithm) || job.shape.kernel.iter().all(|&size| size <= 3)
}
