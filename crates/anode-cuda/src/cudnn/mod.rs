//! Convolutions by cuDNN, where its library is found when the program runs; nothing of it is needed to build or to
//! start.
//!
//! What cuDNN may do is a [`Freedom`]. Whatever it does not take as it is asked for, our own kernels compute.

mod functions;
mod plan;

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::ffi::{CStr, c_int, c_void};
use std::sync::{Arc, Mutex, PoisonError};

use anode_core::ode::Real;
use anode_kernels::{ConvShape, Part};

use super::address::Target;
use super::arena::Block;
use super::buffer::Buffer;
use super::driver::{DeviceError, Driver};
use super::gpu::Gpu;
use functions::{Functions, Handle};
use plan::{CudnnPlan, Job, Sweep};

/// The libraries of cuDNN that are looked for, the best first.
pub const LIBRARIES: &[&CStr] = &[c"libcudnn.so.9", c"libcudnn.so.8"];

/// How far cuDNN may trade accuracy and reproducibility for speed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Freedom {
    /// Fused multiply-adds of the numbers as they are, sums in one order: bits repeat. Algorithms that are less
    /// accurate than sums are not used: those based on FFTs, and Winograd's for kernels larger than 3 x 3.
    Exact,
    /// As [`Freedom::Exact`], but operands in `f32` may be rounded to TF32: ten bits behind the leading one.
    Tf32,
    /// TF32, and sums in any order: bits do not repeat.
    Fast,
}

/// cuDNN on one device.
pub(super) struct Cudnn {
    functions: Arc<Functions>,
    freedom: Freedom,
    state: Mutex<State>,
}

struct State {
    handle: Handle,
    plans: HashMap<Job, CudnnPlan>,
}

// SAFETY: cuDNN's context may be used from any thread, by one at a time, which the lock sees to.
unsafe impl Send for State {}

/// The text of a status.
fn status_text(functions: &Functions, status: c_int) -> String {
    // SAFETY: cuDNN has a text for every status.
    unsafe { CStr::from_ptr((functions.cudnnGetErrorString)(status)) }.to_string_lossy().into_owned()
}

/// An error where cuDNN did not succeed.
fn answered(functions: &Functions, what: &str, status: c_int) -> Result<(), DeviceError> {
    if status == 0 {
        return Ok(());
    }
    Err(DeviceError::Failed { what: format!("cuDNN, {what}"), answer: status_text(functions, status) })
}

/// Whether a status says that cuDNN does not take a job: CUDNN_STATUS_NOT_SUPPORTED, which is 9 in cuDNN 8, and 3000 in
/// cuDNN 9 with its details up to 3999. It depends on the job only, unlike a lack of memory, so the same kernels
/// compute the job in every run.
fn is_refused(status: c_int) -> bool {
    status == 9 || (3000..4000).contains(&status)
}

impl Cudnn {
    /// Opens the first of these libraries for the device that is current.
    ///
    /// # Errors
    /// [`DeviceError::NoCudnn`] without a library, or if it lacks a function; [`DeviceError::CudnnNotStarted`] if it
    /// does not start on the device.
    pub fn open(libraries: &[&CStr], freedom: Freedom) -> Result<Self, DeviceError> {
        let functions = Functions::load(libraries).map_err(DeviceError::NoCudnn)?;
        let mut handle = std::ptr::null_mut();
        // SAFETY: a place for the handle.
        let status = unsafe { (functions.cudnnCreate)(&mut handle) };
        if status != 0 {
            return Err(DeviceError::CudnnNotStarted(status_text(&functions, status)));
        }
        let state = Mutex::new(State { handle, plans: HashMap::new() });
        Ok(Self { functions: Arc::new(functions), freedom, state })
    }

    /// Version and freedom in words.
    pub fn describe(&self) -> String {
        // SAFETY: it takes nothing.
        let number = unsafe { (self.functions.cudnnGetVersion)() };
        // 8902 is 8.9.2, 91002 is 9.10.2.
        let (major, rest) =
            if number < 10_000 { (number / 1000, number % 1000) } else { (number / 10_000, number % 10_000) };
        let freedom = match self.freedom {
            Freedom::Exact => "deterministic algorithms, no TF32",
            Freedom::Tf32 => "deterministic algorithms, TF32",
            Freedom::Fast => "any algorithm, TF32: bits do not repeat",
        };
        format!("cuDNN {major}.{}.{} ({freedom})", rest / 100, rest % 100)
    }

    /// The jobs with an algorithm, and all.
    pub fn takes(&self) -> (usize, usize) {
        let state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        (state.plans.values().filter(|plan| plan.algorithm.is_some()).count(), state.plans.len())
    }

    /// Every job so far, and the number of its algorithm in cuDNN's header, in words.
    pub fn algorithms(&self) -> Vec<String> {
        let state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        let said = |(job, plan): (&Job, &CudnnPlan)| match plan.algorithm {
            Some((algorithm, bytes)) => format!("{job:?}: algorithm {algorithm}, {bytes} bytes of workspace"),
            None => format!("{job:?}: own kernels"),
        };
        state.plans.iter().map(said).collect()
    }

    /// `c = first * second + beta c` of a sweep. Returns `false` and leaves `c` to our own kernels if cuDNN has no
    /// algorithm for it, or refuses to run the one that it proposed. `bias` is added to an output.
    fn run<R: Real, L: Driver>(
        &self,
        gpu: &Gpu<L>,
        job: Job,
        places: [u64; 3],
        bias: Option<u64>,
        beta: f64,
    ) -> Result<bool, DeviceError> {
        gpu.driver().bind()?;
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        let State { handle, plans } = &mut *state;
        let (handle, f) = (*handle, &self.functions);
        let plan = match plans.entry(job) {
            Entry::Occupied(known) => known.into_mut(),
            Entry::Vacant(place) => place.insert(CudnnPlan::new(self, handle, &job)?),
        };
        let Some((algorithm, bytes)) = plan.algorithm else { return Ok(false) };
        let workspace = gpu.arena_block(bytes)?;
        let ([first, second, result], weights) = (places, job.shape.weight_len() * size_of::<R>());
        let (first, second) = (Aligned::new(gpu, first, weights)?, Aligned::new(gpu, second, weights)?);
        let result = Aligned::new(gpu, result, weights)?;
        let (run, what, operands) = match job.sweep {
            Sweep::Forward => (f.cudnnConvolutionForward, "convolution", [&plan.x, &plan.w, &plan.y]),
            Sweep::Input => (f.cudnnConvolutionBackwardData, "vjp of the input", [&plan.w, &plan.y, &plan.x]),
            Sweep::Weights => (f.cudnnConvolutionBackwardFilter, "vjp of the weights", [&plan.x, &plan.y, &plan.w]),
        };
        let [one, two, three] = operands.map(|operand| operand.handle);
        let scales = Scales::<R>::new(beta);
        let place = |address: u64| address as *mut c_void;
        // SAFETY: descriptors and numbers of this job, in the order of the function; the workspace is as large as was
        // asked for, and used again only by work that is launched later.
        let status = unsafe {
            run(
                handle,
                scales.one(),
                one,
                place(first.address),
                two,
                place(second.address),
                plan.convolution.handle,
                algorithm,
                place(workspace.address),
                bytes,
                scales.beta(),
                three,
                place(result.address),
            )
        };
        if is_refused(status) {
            plan.algorithm = None;
            return Ok(false);
        }
        answered(f, what, status)?;
        result.put_back(gpu)?;
        if let Some(bias) = bias {
            let bias = Aligned::new(gpu, bias, job.shape.channels * size_of::<R>())?;
            // SAFETY: a bias for each channel, and the output.
            let status = unsafe {
                let add = f.cudnnAddTensor;
                add(
                    handle,
                    scales.one(),
                    plan.bias.handle,
                    place(bias.address),
                    scales.one(),
                    plan.y.handle,
                    place(result.address),
                )
            };
            if is_refused(status) {
                plan.algorithm = None;
                return Ok(false);
            }
            answered(f, "bias", status)?;
        }
        Ok(true)
    }
}

impl Drop for Cudnn {
    fn drop(&mut self) {
        let state = self.state.get_mut().unwrap_or_else(PoisonError::into_inner);
        state.plans.clear();
        // SAFETY: opened by `open`; nobody uses it any more. A device that is lost cannot be told.
        unsafe { (self.functions.cudnnDestroy)(state.handle) };
    }
}

/// Numbers where cuDNN's kernels, which load several at once, can read them. Images are blocks of their own; weights
/// and biases are parts of all parameters, and are copied where they begin between the places that are good for this.
struct Aligned<L: Driver> {
    address: u64,
    copied: Option<(Block<L>, u64, usize)>,
}

impl<L: Driver> Aligned<L> {
    const BYTES: u64 = 16;

    /// The numbers at `from`; `bytes` of them where they are copied.
    fn new(gpu: &Gpu<L>, from: u64, bytes: usize) -> Result<Self, DeviceError> {
        if from.is_multiple_of(Self::BYTES) {
            return Ok(Self { address: from, copied: None });
        }
        let block = gpu.arena_block(bytes)?;
        // SAFETY: as many bytes as the caller says, and a block of its own for them.
        unsafe { gpu.driver().copy(block.address, from, bytes)? };
        Ok(Self { address: block.address, copied: Some((block, from, bytes)) })
    }

    /// Copies them back to where they came from.
    fn put_back(&self, gpu: &Gpu<L>) -> Result<(), DeviceError> {
        match &self.copied {
            // SAFETY: as in `new`.
            Some((block, from, bytes)) => unsafe { gpu.driver().copy(*from, block.address, *bytes) },
            None => Ok(()),
        }
    }
}

/// One and beta, as cuDNN reads them: in the type of the numbers.
struct Scales<R>([R; 2]);

impl<R: Real> Scales<R> {
    fn new(beta: f64) -> Self {
        Self([R::one(), R::of(beta)])
    }

    fn one(&self) -> *const c_void {
        (&raw const self.0[0]).cast()
    }

    fn beta(&self) -> *const c_void {
        (&raw const self.0[1]).cast()
    }
}

/// A sweep by the device's cuDNN; false where there is none, or none that takes it.
fn swept<R: Real, L: Driver>(
    gpu: &Gpu<L>,
    job: impl FnOnce() -> Job,
    places: [u64; 3],
    bias: Option<u64>,
    beta: f64,
) -> bool {
    let Some(cudnn) = gpu.cudnn() else { return false };
    // On a device that failed there is nothing left to compute.
    gpu.attempt(|_| cudnn.run::<R, L>(gpu, job(), places, bias, beta)).unwrap_or(true)
}

fn job<R: Real>(sweep: Sweep, shape: &ConvShape, images: usize) -> Job {
    Job { sweep, shape: *shape, images, double: size_of::<R>() == 8 }
}

/// `y = x * w + bias` of `images` images that fit.
pub(super) fn conv<R: Real, L: Driver>(
    shape: &ConvShape,
    images: usize,
    x: &Buffer<R, L>,
    w: Part<Buffer<R, L>>,
    bias: Option<Part<Buffer<R, L>>>,
    y: &mut Buffer<R, L>,
) -> bool {
    let places = [x.address(), at(w), y.target().address()];
    swept::<R, L>(x.gpu(), || job::<R>(Sweep::Forward, shape, images), places, bias.map(at), 0.0)
}

/// `x_bar += (dy/dx)^T y_bar` of `images` images that fit.
pub(super) fn conv_vjp_input<R: Real, L: Driver>(
    shape: &ConvShape,
    images: usize,
    w: Part<Buffer<R, L>>,
    y_bar: &Buffer<R, L>,
    x_bar: &mut Buffer<R, L>,
) -> bool {
    let places = [at(w), y_bar.address(), x_bar.target().address()];
    swept::<R, L>(y_bar.gpu(), || job::<R>(Sweep::Input, shape, images), places, None, 1.0)
}

/// `w_bar += (dy/dw)^T y_bar` of `images` images that fit; `w_bar` is where its numbers are.
pub(super) fn conv_vjp_weights<R: Real, L: Driver>(
    shape: &ConvShape,
    images: usize,
    x: &Buffer<R, L>,
    y_bar: &Buffer<R, L>,
    w_bar: Target,
) -> bool {
    let places = [x.address(), y_bar.address(), w_bar.address()];
    swept::<R, L>(x.gpu(), || job::<R>(Sweep::Weights, shape, images), places, None, 1.0)
}

/// Where a part's numbers are.
fn at<R: Real, L: Driver>(part: Part<Buffer<R, L>>) -> u64 {
    let (whole, start) = part.place();
    whole.source_at(start).address()
}
