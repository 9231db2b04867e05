//! Every kernel of a device against the CPU in double precision, on the same numbers.

use std::borrow::Cow;

use crate::kernels::{
    Activation, ByteImages, ConvShape, Cpu, Crop, Descent, Device, DeviceNorm, Part, PartMut, PoolShape,
};
use crate::ode::{Real, Vector, relative_distance};
use crate::random::{Stream, normal, stream};

use super::Shapes;

/// What one kernel was off by.
#[derive(Clone, Debug, PartialEq, serde::Serialize, schemars::JsonSchema)]
pub struct Comparison {
    /// The kernel.
    pub kernel: &'static str,
    /// Its shape.
    pub shape: String,
    /// `f32` or `f64`.
    pub dtype: &'static str,
    /// |found - reference| / |reference|.
    #[schemars(with = "Option<f64>")]
    pub error: f64,
    /// What rounding alone may give.
    #[schemars(with = "Option<f64>")]
    pub bound: f64,
    /// Whether a second call gave the same bits.
    pub repeats: bool,
}

impl Comparison {
    /// Whether the error is within what rounding may give, and the bits repeat.
    pub fn holds(&self) -> bool {
        self.error <= self.bound && self.repeats
    }
}

/// The unit roundoff of a type of numbers, doubled.
fn epsilon<R: Real>() -> f64 {
    R::epsilon().f64()
}

/// Normal numbers, rounded to `R`, in double precision.
fn numbers<R: Real>(seed: u64, n: usize) -> Vec<f64> {
    normal(&mut stream(seed, Stream::Data), n, 1.0).into_iter().map(|x: f64| R::of(x).f64()).collect()
}

fn absolute(x: &[f64]) -> Vec<f64> {
    x.iter().map(|x| x.abs()).collect()
}

/// The norms of adaptive steps.
fn weighted<V: Vector>(x: &V, y: &V, z: &V) -> Vec<f64> {
    vec![x.weighted_squares(y, z, [1e-3, 0.5], 1.0), x.weighted_most(y, z, 0.1, 0.0)]
}

/// A device under test, and what it was found to be off by.
struct Test<'a, D> {
    device: &'a D,
    found: Vec<Comparison>,
}

impl<D: Device> Test<'_, D> {
    /// No rounding: the bits of the CPU.
    fn images_of_bytes<R: Real>(&mut self, n: usize, shape: [usize; 3]) {
        let len: usize = shape.iter().product();
        let images = ByteImages {
            shape,
            padding: 2,
            values: numbers::<f32>(1, 256 * shape[0]).into_iter().map(|x| x as f32).collect(),
            crops: (0..n).map(|i| Crop { top: i as u8 % 5, left: i as u8 % 3 + 1, mirrored: i % 4 > 1 }).collect(),
            pixels: (0..n * len).map(|i| (i * 7 % 251) as u8).collect(),
        };
        let reference: Vec<f64> = images.numbers().into_iter().map(f64::from).collect();
        let [channels, height, width] = shape;
        let name = format!("{n} x {channels} x {height} x {width}");
        self.add::<R>("images of bytes", name, &reference, 0.0, |t| t.device.images_of_bytes::<R>(&images).to_f64());
    }

    fn up<R: Real>(&self, x: &[f64]) -> D::Buffer<R> {
        self.device.upload(x.iter().map(|&x| R::of(x)).collect())
    }

    /// Runs `work` twice on the device, and compares with the reference.
    fn add<R: Real>(
        &mut self,
        kernel: &'static str,
        shape: impl ToString,
        reference: &[f64],
        bound: f64,
        work: impl Fn(&Self) -> Vec<f64>,
    ) {
        let (first, second) = (work(self), work(self));
        let repeats = first.iter().zip(&second).all(|(a, b)| a.to_bits() == b.to_bits());
        let error = relative_distance(&first, &reference.to_vec());
        // A device that failed reads zeros, which must not count as a result.
        let error = if self.device.synchronize().is_ok() && !error.is_nan() { error } else { f64::INFINITY };
        self.found.push(Comparison { kernel, shape: shape.to_string(), dtype: R::NAME, error, bound, repeats });
    }

    /// What rounding does to sums of random numbers: errors of either sign that grow with the square root of the number
    /// of terms. The error of TF32 is larger for every sum of fewer than 10^5 terms.
    fn random_sums<R: Real>(terms: usize, sizes: &Vec<f64>, reference: &Vec<f64>) -> f64 {
        (4.0 * epsilon::<R>() * (terms as f64 + 2.0).sqrt()).min(Self::sums::<R>(terms, sizes, reference))
    }

    /// |fl(sum) - sum| <= n eps sum |terms| for a sum of n terms in any order, over all sums at once.
    fn sums<R: Real>(terms: usize, sizes: &Vec<f64>, reference: &Vec<f64>) -> f64 {
        (terms as f64 + 2.0) * epsilon::<R>() * sizes.norm() / reference.norm()
    }

    /// Compares with `reference` in double precision. `bound` gives what rounding may do to a sum, from its number of
    /// terms, the sums of absolute values, and the sums.
    fn convolution<R: Real, Q: Device>(
        &mut self,
        reference: &Q,
        shape: &ConvShape,
        n: usize,
        bound: fn(usize, &Vec<f64>, &Vec<f64>) -> f64,
    ) {
        let ConvShape { input: [c, h, w], channels, kernel: [kh, kw], stride, padding: [ph, pw] } = *shape;
        let name = format!("{n} x {c} x {h} x {w} -> {channels}, {kh} x {kw}, stride {stride}, padding {ph}, {pw}");
        let (weights, outputs) = (shape.weight_len(), n * shape.output_len());
        let x = numbers::<R>(1, n * shape.input_len());
        let w = numbers::<R>(2, weights + channels);
        let bar = numbers::<R>(3, outputs);
        let depth = weights / channels;

        let up = |x: &Vec<f64>| reference.upload(x.clone());

        let forward = |x: &Vec<f64>, w: &Vec<f64>| {
            let (x, w, mut y) = (up(x), up(w), reference.zeros(outputs));
            let (w, bias) = Part::all(&w).split(weights);
            reference.conv(shape, &x, w, Some(bias), &mut y);
            reference.download(&y)
        };
        let (found, sizes) = (forward(&x, &w), forward(&absolute(&x), &absolute(&w)));
        self.add::<R>("conv", &name, &found, bound(depth, &sizes, &found), |t| {
            let (x, w) = (t.up::<R>(&x), t.up::<R>(&w));
            let mut y = t.device.zeros(outputs);
            let (w, bias) = Part::all(&w).split(weights);
            t.device.conv(shape, &x, w, Some(bias), &mut y);
            y.to_f64()
        });

        let backward = |w: &Vec<f64>, bar: &Vec<f64>| {
            let (w, bar, mut x_bar) = (up(w), up(bar), up(&vec![1.0; x.len()]));
            reference.conv_vjp_input(shape, Part::all(&w).split(weights).0, &bar, &mut x_bar);
            reference.download(&x_bar)
        };
        let (found, sizes) = (backward(&w, &bar), backward(&absolute(&w), &absolute(&bar)));
        let terms = channels * kh * kw;
        self.add::<R>("conv, vjp of the input", &name, &found, bound(terms, &sizes, &found), |t| {
            let (w, bar) = (t.up::<R>(&w), t.up::<R>(&bar));
            let mut x_bar = t.up(&vec![1.0; x.len()]);
            t.device.conv_vjp_input(shape, Part::all(&w).split(weights).0, &bar, &mut x_bar);
            x_bar.to_f64()
        });

        let gradient = |x: &Vec<f64>, bar: &Vec<f64>| {
            let (x, bar, mut w_bar) = (up(x), up(bar), up(&vec![1.0; w.len()]));
            reference.conv_vjp_weights(shape, &x, &bar, PartMut::all(&mut w_bar), true);
            reference.download(&w_bar)
        };
        let (found, sizes) = (gradient(&x, &bar), gradient(&absolute(&x), &absolute(&bar)));
        let terms = outputs / channels;
        self.add::<R>("conv, vjp of the weights", &name, &found, bound(terms, &sizes, &found), |t| {
            let (x, bar) = (t.up::<R>(&x), t.up::<R>(&bar));
            let mut w_bar = t.up(&vec![1.0; w.len()]);
            t.device.conv_vjp_weights(shape, &x, &bar, PartMut::all(&mut w_bar), true);
            w_bar.to_f64()
        });
    }

    fn linear<R: Real>(&mut self, n: usize, inputs: usize, outputs: usize) {
        let name = format!("{n} x {inputs} -> {outputs}");
        let x = numbers::<R>(4, n * inputs);
        let w = numbers::<R>(5, (inputs + 1) * outputs);
        let bar = numbers::<R>(6, n * outputs);
        let mut reference = vec![0.0; bar.len()];
        Cpu.linear(inputs, outputs, &x, Part::all(&w), &mut reference);
        let mut sizes = reference.clone();
        Cpu.linear(inputs, outputs, &absolute(&x), Part::all(&absolute(&w)), &mut sizes);
        let bound = Self::sums::<R>(inputs, &sizes, &reference);
        self.add::<R>("linear", &name, &reference, bound, |t| {
            let (x, w) = (t.up::<R>(&x), t.up::<R>(&w));
            let mut y = t.device.zeros(bar.len());
            t.device.linear(inputs, outputs, &x, Part::all(&w), &mut y);
            y.to_f64()
        });
        let vjp = |x: &Vec<f64>, w: &Vec<f64>, bar: &Vec<f64>| {
            let (mut x_bar, mut w_bar) = (vec![0.0; x.len()], vec![0.0; w.len()]);
            Cpu.linear_vjp((inputs, outputs), x, Part::all(w), bar, &mut x_bar, PartMut::all(&mut w_bar));
            [x_bar, w_bar].concat()
        };
        let (reference, sizes) = (vjp(&x, &w, &bar), vjp(&absolute(&x), &absolute(&w), &absolute(&bar)));
        let bound = Self::sums::<R>(n.max(outputs), &sizes, &reference);
        self.add::<R>("linear, vjp", &name, &reference, bound, |t| {
            let (x, w, bar) = (t.up::<R>(&x), t.up::<R>(&w), t.up::<R>(&bar));
            let (mut x_bar, mut w_bar) = (x.zeros_like(), w.zeros_like());
            t.device.linear_vjp((inputs, outputs), &x, Part::all(&w), &bar, &mut x_bar, PartMut::all(&mut w_bar));
            [x_bar.to_f64(), w_bar.to_f64()].concat()
        });
    }

    /// One matrix with one vector.
    fn dense<R: Real>(&mut self, inputs: usize, outputs: usize) {
        let name = format!("{inputs} -> {outputs}");
        let (x, w, bar) = (numbers::<R>(14, inputs), numbers::<R>(15, inputs * outputs), numbers::<R>(16, outputs));
        let forward = |x: &Vec<f64>, w: &Vec<f64>| {
            let mut y = vec![0.0; outputs];
            Cpu.dense(w, x, &mut y);
            y
        };
        let vjp = |x: &Vec<f64>, w: &Vec<f64>, bar: &Vec<f64>| {
            let (mut x_bar, mut w_bar) = (absolute(x), absolute(w));
            Cpu.dense_vjp(w, x, bar, &mut x_bar, &mut w_bar);
            [x_bar, w_bar].concat()
        };
        let (reference, sizes) = (forward(&x, &w), forward(&absolute(&x), &absolute(&w)));
        self.add::<R>("dense", &name, &reference, Self::sums::<R>(inputs, &sizes, &reference), |t| {
            let mut y = t.device.zeros(outputs);
            t.device.dense(&t.up::<R>(&w), &t.up(&x), &mut y);
            y.to_f64()
        });
        let (reference, sizes) = (vjp(&x, &w, &bar), vjp(&absolute(&x), &absolute(&w), &absolute(&bar)));
        self.add::<R>("dense, vjp", &name, &reference, Self::sums::<R>(outputs, &sizes, &reference), |t| {
            let (mut x_bar, mut w_bar) = (t.up::<R>(&absolute(&x)), t.up::<R>(&absolute(&w)));
            t.device.dense_vjp(&t.up(&w), &t.up(&x), &t.up(&bar), &mut x_bar, &mut w_bar);
            [x_bar.to_f64(), w_bar.to_f64()].concat()
        });
    }

    /// Functions of the device's own, a few units in the last place off.
    fn activations<R: Real>(&mut self, n: usize) {
        let all = [
            (Activation::None, "no activation"),
            (Activation::Relu, "ReLU, activation"),
            (Activation::LeakyRelu, "leaky ReLU"),
            (Activation::Softplus, "softplus"),
            (Activation::Tanh, "tanh"),
        ];
        let (x, bar) = (numbers::<R>(17, n), numbers::<R>(18, n));
        for (activation, name) in all {
            let (mut y, mut x_bar) = (x.clone(), bar.clone());
            Cpu.activate(activation, -1.5, &mut y);
            Cpu.activate_vjp(activation, -1.5, &x, &mut x_bar);
            self.add::<R>(name, n, &[y, x_bar].concat(), 8.0 * epsilon::<R>(), |t| {
                let x = t.up::<R>(&x);
                let (mut y, mut x_bar) = (x.duplicate(), t.up::<R>(&bar));
                t.device.activate(activation, -1.5, &mut y);
                t.device.activate_vjp(activation, -1.5, &x, &mut x_bar);
                [y.to_f64(), x_bar.to_f64()].concat()
            });
        }
    }

    /// Three multiplications and additions, with or without a rounding between them.
    fn descent<R: Real>(&mut self, n: usize) {
        let descent = Descent { learning_rate: 0.1, momentum: 0.9, weight_decay: 0.05, decaying: n / 3 };
        let [theta, velocity, gradient] = [19, 20, 21].map(|seed| numbers::<R>(seed, n));
        let (mut moved, mut moving) = (theta.clone(), velocity.clone());
        Cpu.descend(descent, &mut moved, &mut moving, &gradient);
        self.add::<R>("gradient descent", n, &[moved, moving].concat(), 4.0 * epsilon::<R>(), |t| {
            let (mut theta, mut velocity) = (t.up::<R>(&theta), t.up::<R>(&velocity));
            t.device.descend(descent, &mut theta, &mut velocity, &t.up(&gradient));
            [theta.to_f64(), velocity.to_f64()].concat()
        });
    }

    /// Moments are sums in double precision for both types; a normalised number and its cotangent are a few operations.
    fn norm<R: Real>(&mut self, n: usize, channels: usize, pixels: usize, relu: bool) {
        let name = format!("{n} x {channels} x {pixels}{}", if relu { ", ReLU" } else { "" });
        let x: Vec<f64> = numbers::<R>(7, n * channels * pixels).iter().map(|x| R::of(x + 0.5).f64()).collect();
        let (w, bar) = (numbers::<R>(8, 2 * channels), numbers::<R>(9, x.len()));
        let momentum = 0.1;
        let all = |running: Vec<f64>, y: Vec<f64>, x_bar: Vec<f64>, w_bar: Vec<f64>| [running, y, x_bar, w_bar];
        let mut running = vec![0.5; 2 * channels];
        let moments = Cpu.moments(&x, &[], [channels, pixels], Some((PartMut::all(&mut running), momentum)));
        let norm = || DeviceNorm::<Cpu, f64> { pixels, relu, moments: &moments, parameters: Part::all(&w) };
        let (mut y, mut x_bar, mut w_bar) = (x.clone(), x.clone(), vec![0.0; w.len()]);
        Cpu.norm(norm(), &x, &mut y);
        Cpu.norm_vjp(norm(), &x, &bar, &mut x_bar, PartMut::all(&mut w_bar));
        let references = all(running, y, x_bar, w_bar);
        let names = ["moments", "batch norm", "batch norm, vjp of the input", "batch norm, vjp of the parameters"];
        let sums = 4.0 * (n * pixels) as f64 * f64::EPSILON;
        let bounds = [sums, 16.0 * epsilon::<R>() + sums, 32.0 * epsilon::<R>() + sums, 32.0 * epsilon::<R>() + sums];
        for (i, reference) in references.iter().enumerate() {
            self.add::<R>(names[i], &name, reference, bounds[i], |t| {
                let (x, w, bar) = (t.up::<R>(&x), t.up::<R>(&w), t.up::<R>(&bar));
                let mut running = t.up::<f64>(&vec![0.5; 2 * channels]);
                let moments =
                    t.device.moments(&x, &[], [channels, pixels], Some((PartMut::all(&mut running), momentum)));
                let norm = || DeviceNorm::<D, R> { pixels, relu, moments: &moments, parameters: Part::all(&w) };
                let (mut y, mut x_bar, mut w_bar) = (x.zeros_like(), x.zeros_like(), w.zeros_like());
                let mut same = x.duplicate();
                t.device.norm(norm(), &x, &mut y);
                t.device.norm_in_place(norm(), &mut same);
                t.device.norm_vjp(norm(), &x, &bar, &mut x_bar, PartMut::all(&mut w_bar));
                let there = y.to_f64() == same.to_f64();
                let y = if there { y.to_f64() } else { vec![f64::NAN; x.len()] };
                all(running.to_f64(), y, x_bar.to_f64(), w_bar.to_f64()).into_iter().nth(i).unwrap_or_default()
            });
        }
    }

    fn pooling<R: Real>(&mut self, n: usize, shape: &PoolShape) {
        let ([c, h, w], window) = (shape.input, shape.window);
        let name = format!("{n} x {c} x {h} x {w}, window {window}");
        let outputs = n * shape.output().iter().product::<usize>();
        let (x, bar) = (numbers::<R>(10, n * c * h * w), numbers::<R>(11, outputs));
        // Cancelling sums of window^2 numbers, as a whole.
        let bound = (window * window) as f64 * 4.0 * epsilon::<R>();
        let (mut average, mut largest) = (vec![0.0; outputs], vec![0.0; outputs]);
        Cpu.average_pool(shape, &x, &mut average);
        Cpu.max_pool(shape, &x, &mut largest);
        let (mut average_bar, mut largest_bar) = (vec![1.0; x.len()], vec![1.0; x.len()]);
        Cpu.average_pool_vjp(shape, &bar, &mut average_bar);
        Cpu.max_pool_vjp(shape, &x, &bar, &mut largest_bar);
        self.add::<R>("average pool", &name, &average, bound, |t| {
            let mut y = t.device.zeros(outputs);
            t.device.average_pool(shape, &t.up::<R>(&x), &mut y);
            y.to_f64()
        });
        self.add::<R>("average pool, vjp", &name, &average_bar, bound, |t| {
            let mut x_bar = t.up::<R>(&vec![1.0; x.len()]);
            t.device.average_pool_vjp(shape, &t.up::<R>(&bar), &mut x_bar);
            x_bar.to_f64()
        });
        self.add::<R>("maximum pool", &name, &largest, 0.0, |t| {
            let mut y = t.device.zeros(outputs);
            t.device.max_pool(shape, &t.up::<R>(&x), &mut y);
            y.to_f64()
        });
        self.add::<R>("maximum pool, vjp", &name, &largest_bar, bound, |t| {
            let mut x_bar = t.up::<R>(&vec![1.0; x.len()]);
            t.device.max_pool_vjp(shape, &t.up::<R>(&x), &t.up::<R>(&bar), &mut x_bar);
            x_bar.to_f64()
        });
    }

    fn vectors<R: Real>(&mut self, n: usize) {
        let (x, y) = (numbers::<R>(12, n), numbers::<R>(13, n));
        let eps = 2.0 * epsilon::<R>();
        let mut reference = y.clone();
        reference.axpy(0.5, &x);
        reference.scale(3.0);
        self.add::<R>("axpy, scale", n, &reference, eps, |t| {
            let mut sum = t.up::<R>(&y);
            sum.axpy(R::of(0.5), &t.up(&x));
            sum.scale(R::of(3.0));
            sum.to_f64()
        });
        let dots = [x.dot(&y), x.dot(&x)];
        self.add::<R>("inner product", n, &dots, (n as f64 + 2.0) * f64::EPSILON, |t| {
            let (x, y) = (t.up::<R>(&x), t.up::<R>(&y));
            vec![x.dot(&y), x.dot(&x)]
        });
        let z = numbers::<R>(19, n);
        self.add::<R>("weighted norms", n, &weighted(&x, &y, &z), (n as f64 + 8.0) * f64::EPSILON, |t| {
            weighted(&t.up::<R>(&x), &t.up(&y), &t.up(&z))
        });
        let mut sum = y.clone();
        Cpu.add_relu(&mut sum, &x);
        let bar = Cpu.relu_vjp_of(&x, Cow::Borrowed(&y));
        let reference = [sum, bar.clone(), bar].concat();
        self.add::<R>("ReLU and its vjp", n, &reference, eps, |t| {
            let (x, y) = (t.up::<R>(&x), t.up::<R>(&y));
            let (mut sum, mut up) = (y.duplicate(), x.zeros_like());
            t.device.add_relu(&mut sum, &x);
            let bar = t.device.relu_vjp_of(&x, Cow::Borrowed(&y));
            t.device.relu(&x, &mut up);
            let masked = t.device.masked(&t.device.mask(&up), y.duplicate());
            [sum.to_f64(), bar.to_f64(), masked.to_f64()].concat()
        });
    }
}

/// Compares convolutions of `device` with those of `reference` in double precision, in one type of numbers. The bound
/// is what rounding of random numbers gives, which is sharper than that of [`compare`] for sums of many terms.
pub fn compare_convolutions<D: Device, Q: Device, R: Real>(
    device: &D,
    reference: &Q,
    convolutions: &[(ConvShape, usize)],
) -> Vec<Comparison> {
    let mut test = Test { device, found: vec![] };
    for (shape, n) in convolutions {
        test.convolution::<R, Q>(reference, shape, *n, Test::<D>::random_sums::<R>);
    }
    test.found
}

/// Compares every kernel of `device` with the CPU in double precision, on these shapes, in one type of numbers.
pub fn compare<D: Device, R: Real>(device: &D, shapes: &Shapes) -> Vec<Comparison> {
    let mut test = Test { device, found: vec![] };
    for (shape, n) in &shapes.convolutions {
        test.convolution::<R, Cpu>(&Cpu, shape, *n, Test::<D>::sums::<R>);
    }
    for &[n, inputs, outputs] in &shapes.linear {
        test.linear::<R>(n, inputs, outputs);
        test.dense::<R>(inputs, outputs);
    }
    for &[n, channels, pixels] in &shapes.norms {
        test.norm::<R>(n, channels, pixels, true);
        test.norm::<R>(n, channels, pixels, false);
    }
    for (shape, n) in &shapes.pools {
        test.pooling::<R>(*n, shape);
        test.images_of_bytes::<R>(*n, shape.input);
    }
    for &n in &shapes.vectors {
        test.vectors::<R>(n);
        test.activations::<R>(n);
        test.descent::<R>(n);
    }
    test.found
}

/// Compares as [`compare`] does, in both types of numbers.
pub fn compare_both<D: Device>(device: &D, shapes: &Shapes) -> Vec<Comparison> {
    let mut found = compare::<_, f32>(device, shapes);
    found.extend(compare::<_, f64>(device, shapes));
    found
}
