//! Two-dimensional convolution, NCHW, any kernel, stride and zero padding: forward and vjp.
//!
//! Each image is unrolled (im2col) and multiplied by the weight matrix on one thread; rayon spreads the images.
//! Sums over images run in fixed groups, added in the order of the images, so the bits do not depend on the
//! number of threads. In `f32` the kernels of `winograd` and `direct` come first, where they can take the shape.

use std::any::TypeId;
use std::mem::MaybeUninit;

use gemm::Parallelism;
use rayon::prelude::*;

use anode_core::ode::Real;

use super::direct::{self, Start};
use super::direct_weights::{self, GROUP};
use super::norm::channel_sums;
use super::unwritten::to_write;
use super::winograd;

/// The shape of a convolution of one image.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct ConvShape {
    /// Input channels, height and width.
    pub input: [usize; 3],
    /// Output channels.
    pub channels: usize,
    /// Kernel height and width.
    pub kernel: [usize; 2],
    /// Step of the kernel, both ways.
    pub stride: usize,
    /// Zeros around the image, above and below, left and right.
    pub padding: [usize; 2],
}

impl ConvShape {
    /// A convolution with stride 1 that keeps height and width.
    ///
    /// # Panics
    /// If a side of the kernel is even.
    pub fn same(input: [usize; 3], channels: usize, kernel: [usize; 2]) -> Self {
        assert!(
            kernel.iter().all(|side| side % 2 == 1),
            "a kernel of {kernel:?} with even sides does not keep the size"
        );
        Self { input, channels, kernel, stride: 1, padding: [kernel[0] / 2, kernel[1] / 2] }
    }

    /// Output channels, height and width.
    ///
    /// # Panics
    /// If the stride or a side of the kernel is 0, or if the kernel is larger than the padded image.
    pub fn output(&self) -> [usize; 3] {
        let Self { input, kernel, stride, padding, .. } = *self;
        assert!(stride > 0 && kernel[0] > 0 && kernel[1] > 0, "a convolution with kernel {kernel:?}, stride {stride}");
        let size = |i: usize| {
            let padded = padding[i].checked_mul(2).and_then(|padding| padding.checked_add(input[i + 1]));
            padded.and_then(|padded| padded.checked_sub(kernel[i])).map(|places| places / stride + 1)
        };
        let (Some(height), Some(width)) = (size(0), size(1)) else {
            panic!("a kernel of {kernel:?} is larger than images of {input:?} with padding {padding:?}")
        };
        [self.channels, height, width]
    }

    /// Numbers of one input image.
    pub fn input_len(&self) -> usize {
        self.input.iter().product()
    }

    /// Numbers of one output image.
    ///
    /// # Panics
    /// See [`Self::output`].
    pub fn output_len(&self) -> usize {
        self.output().iter().product()
    }

    /// Numbers of the weights, stored `[channels, input channels, kernel height, kernel width]`.
    pub fn weight_len(&self) -> usize {
        self.channels * self.depth()
    }

    /// Multiply-adds of one image.
    ///
    /// # Panics
    /// See [`Self::output`].
    pub fn macs(&self) -> usize {
        self.output_len() * self.depth()
    }

    /// Input numbers that one output number sees.
    fn depth(&self) -> usize {
        self.input[0] * self.kernel[0] * self.kernel[1]
    }

    fn pixels(&self) -> usize {
        let [_, h, w] = self.output();
        h * w
    }

    /// The length of a batch of output images for `inputs` numbers of input images. Panics without channels or pixels.
    pub(super) fn outputs(&self, inputs: usize) -> usize {
        assert!(self.input_len() > 0 && self.channels > 0, "a convolution without channels or pixels");
        inputs / self.input_len() * self.output_len()
    }

    /// Panics unless batches of `inputs` and `outputs` numbers, `weights` and a bias of these lengths belong to this
    /// convolution.
    pub(super) fn expect(&self, [inputs, outputs, weights]: [usize; 3], bias: Option<usize>) {
        let whole = outputs == self.outputs(inputs) && inputs.is_multiple_of(self.input_len());
        assert!(whole, "images that do not fit");
        assert_eq!(weights, self.weight_len(), "weights that do not fit");
        assert!(bias.is_none_or(|bias| bias == self.channels), "a bias that does not fit");
    }

    /// Calls `visit(row of the unrolled matrix, output row, input row, first output column, input column, count)` for
    /// every run of pixels that the kernel sees inside the image (stride 1: contiguous runs).
    fn runs(&self, mut visit: impl FnMut(usize, usize, usize, std::ops::Range<usize>, isize)) {
        let [channels, height, width] = self.input;
        let [_, out_height, out_width] = self.output();
        let [kernel_h, kernel_w] = self.kernel;
        for c in 0..channels {
            for ky in 0..kernel_h {
                for kx in 0..kernel_w {
                    let row = (c * kernel_h + ky) * kernel_w + kx;
                    let shift = kx as isize - self.padding[1] as isize;
                    // Output columns whose input column x * stride + shift lies in the image.
                    let first = (-shift).max(0) as usize;
                    let first = first.div_ceil(self.stride).min(out_width);
                    let end = (width as isize - shift).max(0) as usize;
                    let end = end.div_ceil(self.stride).clamp(first, out_width);
                    // A column of the kernel may lie beside the image wherever it is, if the padding is wide.
                    if first == end {
                        continue;
                    }
                    for y in 0..out_height {
                        let from = (y * self.stride + ky) as isize - self.padding[0] as isize;
                        if (0..height as isize).contains(&from) {
                            visit(row, y, c * height + from as usize, first..end, shift);
                        }
                    }
                }
            }
        }
    }

    /// Unrolls one image into `[depth, pixels]`.
    fn unroll<R: Real>(&self, x: &[R], unrolled: &mut [R]) {
        let (width, pixels) = (self.input[2], self.pixels());
        let out_width = self.output()[2];
        unrolled.fill(R::zero());
        self.runs(|row, y, from, columns, shift| {
            let to = &mut unrolled[row * pixels + y * out_width..][..out_width];
            let line = &x[from * width..][..width];
            if self.stride == 1 {
                let start = (columns.start as isize + shift) as usize;
                to[columns.clone()].copy_from_slice(&line[start..start + columns.len()]);
            } else {
                for column in columns {
                    to[column] = line[(column * self.stride).wrapping_add_signed(shift)];
                }
            }
        });
    }

    /// Adds an unrolled matrix back onto an image: the transpose of [`Self::unroll`].
    fn roll<R: Real>(&self, unrolled: &[R], x: &mut [R]) {
        let (width, pixels) = (self.input[2], self.pixels());
        let out_width = self.output()[2];
        self.runs(|row, y, to, columns, shift| {
            let from = &unrolled[row * pixels + y * out_width..][..out_width];
            let line = &mut x[to * width..][..width];
            if self.stride == 1 {
                let start = (columns.start as isize + shift) as usize;
                for (x, &u) in line[start..].iter_mut().zip(&from[columns]) {
                    *x = *x + u;
                }
            } else {
                for column in columns {
                    let place = (column * self.stride).wrapping_add_signed(shift);
                    line[place] = line[place] + from[column];
                }
            }
        });
    }

    /// The same convolution of images whose pixels stand in one line, where it is one of pixels alone.
    pub(super) fn in_line(&self) -> Option<Self> {
        let [channels, height, width] = self.input;
        self.is_pointwise().then_some(Self { input: [channels, 1, height * width], ..*self })
    }

    /// Whether unrolling would copy the image as it is.
    fn is_pointwise(&self) -> bool {
        self.kernel == [1, 1] && self.stride == 1 && self.padding == [0, 0]
    }
}

/// A matrix in memory: rows x columns with strides.
struct Matrix<'a, R> {
    data: &'a [R],
    rows: usize,
    columns: usize,
    transposed: bool,
}

impl<'a, R: Real> Matrix<'a, R> {
    fn new(data: &'a [R], rows: usize, columns: usize) -> Self {
        Self { data, rows, columns, transposed: false }
    }

    /// The transpose of `rows` x `columns` numbers.
    fn transposed(data: &'a [R], rows: usize, columns: usize) -> Self {
        Self { data, rows: columns, columns: rows, transposed: true }
    }

    fn strides(&self) -> (isize, isize) {
        if self.transposed { (self.rows as isize, 1) } else { (1, self.columns as isize) }
    }
}

/// `out (+)= a b`, row by row, on this thread.
fn multiply<R: Real>(out: &mut [R], accumulate: bool, a: Matrix<R>, b: Matrix<R>) {
    // SAFETY: the numbers of `out` are initialised, and only numbers are written.
    unsafe { multiply_into(to_write(out), accumulate, a, b) }
}

/// `out = a b`, every number of it, as [`multiply`].
fn write_product<R: Real>(out: &mut [MaybeUninit<R>], a: Matrix<R>, b: Matrix<R>) {
    // SAFETY: nothing is added to what is there.
    unsafe { multiply_into(out, false, a, b) }
}

/// Writes every number of `out`.
///
/// # Safety
/// Every number of `out` must have been written before where `accumulate` is true.
unsafe fn multiply_into<R: Real>(out: &mut [MaybeUninit<R>], accumulate: bool, a: Matrix<R>, b: Matrix<R>) {
    assert!(a.columns == b.rows && out.len() == a.rows * b.columns, "matrices that do not fit");
    let ((a_cs, a_rs), (b_cs, b_rs)) = (a.strides(), b.strides());
    let whole = |m: &Matrix<R>| m.data.len() == m.rows * m.columns;
    assert!(whole(&a) && whole(&b), "matrices that are not whole");
    if out.is_empty() {
        return;
    }
    let (rows, terms, columns) = (a.rows, a.columns, b.columns);
    let at_once = terms_at_once(rows, terms, columns, a_cs == 1 && b_rs == 1);
    // No terms are a product too: zeros.
    for start in (0..terms.max(1)).step_by(at_once.max(1)) {
        let here = at_once.min(terms - start);
        // SAFETY: the slices hold all numbers that the shapes and strides reach, as checked above, and `start + here`
        // is at most `terms`; `out` is borrowed mutably, so nothing overlaps; and `out` is read only to be added to,
        // after the first part or when the caller ensures that it was written.
        unsafe {
            gemm::gemm(
                rows,
                columns,
                here,
                out.as_mut_ptr().cast::<R>(),
                1,
                columns as isize,
                accumulate || start > 0,
                a.data.as_ptr().offset(start as isize * a_cs),
                a_cs,
                a_rs,
                b.data.as_ptr().offset(start as isize * b_rs),
                b_cs,
                b_rs,
                R::one(),
                R::one(),
                false,
                false,
                false,
                Parallelism::None,
            );
        }
    }
}

/// Terms of each sum of a product that are handed to `gemm` at once.
///
/// `gemm` adds long sums in parts whose length follows from the size of the first-level cache, so the rounding of a
/// product would depend on the processor. No cache is too small for parts of 512. Products for which `gemm` chooses the
/// length without regard to caches (small results, vectors) are left to it.
fn terms_at_once(rows: usize, terms: usize, columns: usize, dot_products: bool) -> usize {
    const MOST: usize = 512;
    let small = rows <= 64 && columns <= 64;
    let few = dot_products && rows * columns <= 256;
    if terms <= MOST || small || few || rows.min(columns) <= 1 { terms } else { terms.div_ceil(terms.div_ceil(MOST)) }
}

/// The numbers as `f32`, where that is what they are.
pub(super) fn singles<R: Real>(x: &[R]) -> Option<&[f32]> {
    // SAFETY: `R` is `f32`, so the slice is its own cast; the borrow is the argument's.
    (TypeId::of::<R>() == TypeId::of::<f32>())
        .then(|| unsafe { std::slice::from_raw_parts(x.as_ptr().cast(), x.len()) })
}

/// The numbers as `T`, such as `f32` or `MaybeUninit<f32>`, where that is what they are.
pub(super) fn singles_mut<R: 'static, T: 'static>(x: &mut [R]) -> Option<&mut [T]> {
    let same = TypeId::of::<R>() == TypeId::of::<T>();
    // SAFETY: `R` is `T`, so the slice is its own cast; the borrow is exclusive and passes to the result.
    same.then(|| unsafe { std::slice::from_raw_parts_mut(x.as_mut_ptr().cast(), x.len()) })
}

/// `y = x * w + bias` for a batch of images: `x` is `[n, input]`, `y` `[n, output]`.
///
/// # Panics
/// If slices do not fit the shape, or if the shape has no channels, no pixels, or no [`ConvShape::output`].
pub fn conv<R: Real>(shape: &ConvShape, x: &[R], w: &[R], bias: Option<&[R]>, y: &mut [R]) {
    // SAFETY: `write_conv` writes numbers only.
    write_conv(shape, x, w, bias, unsafe { to_write(y) });
}

/// [`conv`] to what may be unwritten: writes every number of `y`.
pub(super) fn write_conv<R: Real>(shape: &ConvShape, x: &[R], w: &[R], bias: Option<&[R]>, y: &mut [MaybeUninit<R>]) {
    shape.expect([x.len(), y.len(), w.len()], bias.map(<[R]>::len));
    let as_singles = (singles(x), singles(w), bias.map(singles));
    if let (Some(x), Some(w), None | Some(Some(_))) = as_singles
        && let Some(y) = singles_mut::<_, MaybeUninit<f32>>(y)
        && let bias = as_singles.2.flatten()
        && (winograd::forward(shape, x, w, bias, y) || direct::forward(shape, x, w, bias, y))
    {
        return;
    }
    conv_unrolled(shape, x, w, y);
    if let Some(bias) = bias {
        // SAFETY: the line above wrote all images, which fill `y`.
        let y = unsafe { y.assume_init_mut() };
        y.par_chunks_exact_mut(shape.output_len()).for_each(|y| {
            for (y, &b) in y.chunks_exact_mut(shape.pixels()).zip(bias) {
                y.iter_mut().for_each(|y| *y = *y + b);
            }
        });
    }
}

/// Writes every image of `y`.
fn conv_unrolled<R: Real>(shape: &ConvShape, x: &[R], w: &[R], y: &mut [MaybeUninit<R>]) {
    let (depth, pixels) = (shape.depth(), shape.pixels());
    x.par_chunks_exact(shape.input_len()).zip(y.par_chunks_exact_mut(shape.output_len())).for_each_init(
        || vec![R::zero(); if shape.is_pointwise() { 0 } else { depth * pixels }],
        |unrolled, (x, y)| {
            let weights = Matrix::new(w, shape.channels, depth);
            if shape.is_pointwise() {
                write_product(y, weights, Matrix::new(x, depth, pixels));
            } else {
                shape.unroll(x, unrolled);
                write_product(y, weights, Matrix::new(unrolled, depth, pixels));
            }
        },
    );
}

/// `x_bar += (dy/dx)^T y_bar` for a batch of images.
///
/// # Panics
/// As [`conv`].
pub fn conv_vjp_input<R: Real>(shape: &ConvShape, w: &[R], y_bar: &[R], x_bar: &mut [R]) {
    shape.expect([x_bar.len(), y_bar.len(), w.len()], None);
    // SAFETY: the numbers of `x_bar` are initialised, and only numbers are written.
    if !unsafe { vjp_by_registers(shape, w, y_bar, to_write(x_bar), Start::Add) } {
        vjp_input_unrolled(shape, w, y_bar, x_bar);
    }
}

/// As [`conv_vjp_input`] onto zeros, whatever `x_bar` holds: the same bits. Writes every number of `x_bar`.
pub(super) fn conv_vjp_input_over<R: Real>(shape: &ConvShape, w: &[R], y_bar: &[R], x_bar: &mut [MaybeUninit<R>]) {
    shape.expect([x_bar.len(), y_bar.len(), w.len()], None);
    // SAFETY: sums over what is there read nothing of it.
    if !unsafe { vjp_by_registers(shape, w, y_bar, x_bar, Start::Over) } {
        x_bar.fill(MaybeUninit::new(R::zero()));
        // SAFETY: all of it is zero now.
        vjp_input_unrolled(shape, w, y_bar, unsafe { x_bar.assume_init_mut() });
    }
}

/// Writes every number of `x_bar` where it returns `true`, else none.
///
/// # Safety
/// As [`Start`] says of `x_bar`.
unsafe fn vjp_by_registers<R: Real>(
    shape: &ConvShape,
    w: &[R],
    y_bar: &[R],
    x_bar: &mut [MaybeUninit<R>],
    start: Start,
) -> bool {
    match (singles(y_bar), singles(w), singles_mut(x_bar)) {
        // SAFETY: the caller's promise.
        (Some(y_bar), Some(w), Some(x_bar)) => unsafe {
            winograd::vjp_input(shape, w, y_bar, x_bar, start) || direct::vjp_input(shape, w, y_bar, x_bar, start)
        },
        _ => false,
    }
}

fn vjp_input_unrolled<R: Real>(shape: &ConvShape, w: &[R], y_bar: &[R], x_bar: &mut [R]) {
    let (depth, pixels) = (shape.depth(), shape.pixels());
    x_bar.par_chunks_exact_mut(shape.input_len()).zip(y_bar.par_chunks_exact(shape.output_len())).for_each_init(
        || vec![R::zero(); if shape.is_pointwise() { 0 } else { depth * pixels }],
        |unrolled, (x_bar, y_bar)| {
            let weights = Matrix::transposed(w, shape.channels, depth);
            let cotangent = Matrix::new(y_bar, shape.channels, pixels);
            if shape.is_pointwise() {
                multiply(x_bar, true, weights, cotangent);
            } else {
                multiply(unrolled, false, weights, cotangent);
                shape.roll(unrolled, x_bar);
            }
        },
    );
}

/// `w_bar += (dy/dw)^T y_bar`, and the same for the bias, summed over a batch of images.
///
/// # Panics
/// As [`conv`].
pub fn conv_vjp_weights<R: Real>(shape: &ConvShape, x: &[R], y_bar: &[R], w_bar: &mut [R], bias_bar: Option<&mut [R]>) {
    shape.expect([x.len(), y_bar.len(), w_bar.len()], bias_bar.as_ref().map(|bias| bias.len()));
    let pixels = shape.pixels();
    let taken = match (singles(x), singles(y_bar), singles_mut(w_bar)) {
        (Some(x), Some(y_bar), Some(w_bar)) => {
            winograd::vjp_weights(shape, x, y_bar, w_bar) || direct_weights::vjp_weights(shape, x, y_bar, w_bar)
        }
        _ => false,
    };
    if !taken {
        weight_vjp_unrolled(shape, x, y_bar, w_bar);
    }
    if let Some(bias_bar) = bias_bar {
        let sums = channel_sums(y_bar, shape.channels, pixels);
        bias_bar.iter_mut().zip(sums).for_each(|(b, sum)| *b = *b + R::of(sum));
    }
}

fn weight_vjp_unrolled<R: Real>(shape: &ConvShape, x: &[R], y_bar: &[R], w_bar: &mut [R]) {
    let (depth, pixels) = (shape.depth(), shape.pixels());
    let groups: Vec<Vec<R>> = x
        .par_chunks(shape.input_len() * GROUP)
        .zip(y_bar.par_chunks(shape.output_len() * GROUP))
        .map(|(x, y_bar)| {
            let mut sum = vec![R::zero(); shape.weight_len()];
            let mut unrolled = vec![R::zero(); if shape.is_pointwise() { 0 } else { depth * pixels }];
            for (x, y_bar) in x.chunks_exact(shape.input_len()).zip(y_bar.chunks_exact(shape.output_len())) {
                let cotangent = Matrix::new(y_bar, shape.channels, pixels);
                if shape.is_pointwise() {
                    multiply(&mut sum, true, cotangent, Matrix::transposed(x, depth, pixels));
                } else {
                    shape.unroll(x, &mut unrolled);
                    multiply(&mut sum, true, cotangent, Matrix::transposed(&unrolled, depth, pixels));
                }
            }
            sum
        })
        .collect();
    for group in groups {
        w_bar.iter_mut().zip(group).for_each(|(w, g)| *w = *w + g);
    }
}

/// The number of vectors in batches `[n, inputs]` and `[n, outputs]`. Panics if these and a bias of these lengths do
/// not belong together.
fn vectors([inputs, outputs]: [usize; 2], [x, y, bias]: [usize; 3]) -> usize {
    let n = x / inputs.max(1);
    assert!(x == n * inputs && y == n * outputs, "vectors that do not fit");
    assert_eq!(bias, outputs, "a bias that does not fit");
    n
}

/// `y = x w^T + bias` for a batch: `x` is `[n, inputs]`, `w` `[outputs, inputs]`, `y` `[n, outputs]`.
///
/// # Panics
/// If slices do not fit.
pub fn linear<R: Real>(inputs: usize, outputs: usize, x: &[R], w: &[R], bias: &[R], y: &mut [R]) {
    let n = vectors([inputs, outputs], [x.len(), y.len(), bias.len()]);
    multiply(y, false, Matrix::new(x, n, inputs), Matrix::transposed(w, outputs, inputs));
    for y in y.chunks_exact_mut(outputs.max(1)) {
        y.iter_mut().zip(bias).for_each(|(y, &b)| *y = *y + b);
    }
}

/// The vjp of [`linear`]: adds to `x_bar`, `w_bar` and `bias_bar`.
///
/// # Panics
/// As [`linear`].
#[allow(clippy::too_many_arguments)]
pub fn linear_vjp<R: Real>(
    inputs: usize,
    outputs: usize,
    x: &[R],
    w: &[R],
    y_bar: &[R],
    x_bar: &mut [R],
    w_bar: &mut [R],
    bias_bar: &mut [R],
) {
    let n = vectors([inputs, outputs], [x.len(), y_bar.len(), bias_bar.len()]);
    multiply(x_bar, true, Matrix::new(y_bar, n, outputs), Matrix::new(w, outputs, inputs));
    multiply(w_bar, true, Matrix::transposed(y_bar, n, outputs), Matrix::new(x, n, inputs));
    for y_bar in y_bar.chunks_exact(outputs.max(1)) {
        bias_bar.iter_mut().zip(y_bar).for_each(|(b, &y)| *b = *b + y);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The sums of a product in parts of the same length, term after term with fused multiply-adds.
    fn in_parts(a: &[f32], b: &[f32], (rows, terms, columns): (usize, usize, usize)) -> Vec<f32> {
        let length = terms.div_ceil(terms.div_ceil(512));
        let sum = |row: usize, column: usize| {
            let part = |start: usize| {
                let places = start..(start + length).min(terms);
                places.fold(0.0f32, |sum, k| a[row * terms + k].mul_add(b[k * columns + column], sum))
            };
            (0..terms).step_by(length).map(part).reduce(|sum, part| sum + part).unwrap_or(0.0)
        };
        (0..rows * columns).map(|i| sum(i / columns, i % columns)).collect()
    }

    /// On a processor whose first-level cache is larger than usual, `gemm` alone would add other parts.
    #[test]
    #[cfg_attr(miri, ignore = "a million terms")]
    fn long_sums_are_added_in_the_same_parts_on_every_processor() {
        if !cfg!(target_arch = "x86_64") || !std::is_x86_feature_detected!("fma") {
            return;
        }
        for shape in [(70, 513, 66), (65, 1100, 70), (3, 4096, 100), (128, 2500, 12)] {
            let (rows, terms, columns) = shape;
            let numbers = |n: usize, salt: f32| (0..n).map(|i| (i as f32 * salt).sin()).collect::<Vec<f32>>();
            let (a, b) = (numbers(rows * terms, 0.37), numbers(terms * columns, 0.91));
            let mut out = vec![0.0; rows * columns];
            multiply(&mut out, false, Matrix::new(&a, rows, terms), Matrix::new(&b, terms, columns));
            assert_eq!(out, in_parts(&a, &b, shape), "{shape:?}");
            // As transposed matrices, and added to what is there.
            let transpose = |m: &[f32], rows: usize, columns: usize| -> Vec<f32> {
                (0..rows * columns).map(|i| m[i % rows * columns + i / rows]).collect()
            };
            let (at, bt) = (transpose(&a, rows, terms), transpose(&b, terms, columns));
            let mut again = vec![0.0; rows * columns];
            let (at, bt) = (Matrix::transposed(&at, terms, rows), Matrix::transposed(&bt, columns, terms));
            multiply(&mut again, true, at, bt);
            assert_eq!(out, again, "{shape:?}, transposed");
        }
    }

    #[test]
    fn a_product_without_terms_is_zero() {
        let mut out = vec![1.0f32; 6];
        multiply(&mut out, false, Matrix::new(&[], 2, 0), Matrix::new(&[], 0, 3));
        assert_eq!(out, [0.0; 6]);
    }
}
