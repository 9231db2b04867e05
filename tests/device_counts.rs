//! How often a gradient calls the driver, and how many bytes the calls move, as the table in docs/cuda.md says.

use std::alloc::{Layout, alloc_zeroed, dealloc};
use std::mem::MaybeUninit;
use std::path::Path;
use std::sync::Mutex;

use anode::gradient::{Ledger, Method};
use anode::kernels::Device;
use anode::kernels::cuda::{DeviceError, Driver, Gpu};
use anode::net::{Form, Network, Solve, Steps, network};
use anode::ode::{Vector, solver};

/// Calls and bytes of one kind.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
struct Tally {
    calls: usize,
    bytes: usize,
}

impl Tally {
    fn add(&mut self, bytes: usize) {
        self.calls += 1;
        self.bytes += bytes;
    }
}

/// Calls since the last reset.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
struct Counts {
    launches: usize,
    replays: usize,
    fills: Tally,
    copies: Tally,
    uploads: Tally,
    downloads: Tally,
    allocations: Tally,
    /// The peak of the bytes in use in the arena, parameters and images included.
    peak: usize,
}

/// A device that counts calls and computes nothing: all its numbers stay zero. Networks have their full size, because
/// memory that is never touched takes none of the host's.
#[derive(Default)]
struct Counter(Mutex<Counts>);

impl Counter {
    fn count(&self, change: impl FnOnce(&mut Counts)) {
        change(&mut self.0.lock().expect("counts"));
    }

    fn take(&self) -> Counts {
        std::mem::take(&mut self.0.lock().expect("counts"))
    }

    fn layout(bytes: usize) -> Layout {
        Layout::from_size_align(bytes, 256).expect("a layout")
    }
}

impl Driver for Counter {
    fn describe(&self) -> String {
        "a device that counts".into()
    }

    fn bind(&self) -> Result<(), DeviceError> {
        Ok(())
    }

    fn memory(&self) -> Result<(usize, usize), DeviceError> {
        Ok((1 << 36, 1 << 36))
    }

    fn allocate(&self, bytes: usize) -> Result<Option<u64>, DeviceError> {
        self.count(|counts| counts.allocations.add(bytes));
        // SAFETY: the layout is not empty.
        Ok(Some(unsafe { alloc_zeroed(Self::layout(bytes)) } as u64))
    }

    unsafe fn free(&self, address: u64, bytes: usize) {
        // SAFETY: `allocate` made the block.
        unsafe { dealloc(address as *mut u8, Self::layout(bytes)) }
    }

    unsafe fn upload(&self, _: u64, from: &[u8]) -> Result<(), DeviceError> {
        self.count(|counts| counts.uploads.add(from.len()));
        Ok(())
    }

    unsafe fn download(&self, to: &mut [u8], _: u64) -> Result<(), DeviceError> {
        self.count(|counts| counts.downloads.add(to.len()));
        to.fill(0);
        Ok(())
    }

    unsafe fn copy(&self, _: u64, _: u64, bytes: usize) -> Result<(), DeviceError> {
        self.count(|counts| counts.copies.add(bytes));
        Ok(())
    }

    unsafe fn zero(&self, _: u64, bytes: usize) -> Result<(), DeviceError> {
        self.count(|counts| counts.fills.add(bytes));
        Ok(())
    }

    unsafe fn launch(&self, _: &str, _: [u32; 3], _: u32, _: &[MaybeUninit<u8>]) -> Result<(), DeviceError> {
        self.count(|counts| counts.launches += 1);
        Ok(())
    }

    fn begin_capture(&self) -> Result<(), DeviceError> {
        Ok(())
    }

    fn end_capture(&self) -> Result<u64, DeviceError> {
        Ok(0)
    }

    unsafe fn replay(&self, _: u64) -> Result<(), DeviceError> {
        self.count(|counts| counts.replays += 1);
        Ok(())
    }
}

/// The second gradient of a network, when the arena has its buffers, and a captured one.
fn gradients(name: &str, batch: usize, solver_name: &str) -> [Counts; 2] {
    let how = Solve { tableau: solver(solver_name).unwrap(), steps: Steps::Fixed(2), method: Method::Anode };
    let registered = network(name).unwrap();
    let net = Network::new(&(registered.build)(Form::Ode, registered.width, 10));
    let (parameters, classes) = (net.initial::<f32>(0), net.classes());
    let gpu = Gpu::new(Counter::default()).expect("a device");
    let net = Network::on(&net, gpu.clone());
    let images = gpu.upload(vec![0.0f32; batch * 3 * 32 * 32]);
    let theta = gpu.upload(parameters);
    let cotangent = gpu.upload(vec![0.0f32; batch * classes]);
    let mut plain = Counts::default();
    for _ in 0..2 {
        gpu.driver().take();
        gpu.restart_peak();
        let ledger = Ledger::new();
        let (_, kept) = net.forward(&images, &theta, how, &ledger).unwrap();
        let mut theta_bar = theta.zeros_like();
        net.backward(kept, &theta, &cotangent, &mut theta_bar, how, &ledger).unwrap();
        gpu.synchronize().unwrap();
        plain = Counts { peak: gpu.held().peak, ..gpu.driver().take() };
    }
    let mut sweeps = net.capture::<f32>(batch, how).unwrap();
    gpu.driver().take();
    sweeps.forward(&images, &theta).unwrap();
    sweeps.backward(&cotangent, &Ledger::new()).unwrap();
    gpu.synchronize().unwrap();
    [plain, Counts { peak: gpu.held().live, ..gpu.driver().take() }]
}

/// A row of the table of plain gradients.
fn row(label: &str, counts: Counts) -> String {
    let mib = |bytes: usize| format!("{:.1}", bytes as f64 / f64::from(1 << 20));
    let Counts { launches, replays: _, fills, copies, uploads, downloads, allocations, peak } = counts;
    assert_eq!((uploads.calls, allocations.calls), (0, 0), "{label}: a gradient allocates and uploads nothing");
    format!(
        "| {label} | {launches} | {} | {} | {} | {} | {} | {} |",
        fills.calls,
        mib(fills.bytes),
        copies.calls,
        mib(copies.bytes),
        downloads.calls,
        mib(peak)
    )
}

/// A row of the table of captured gradients.
fn captured_row(label: &str, plain: Counts, captured: Counts) -> String {
    let calls = |counts: Counts| {
        let Counts { launches, replays, fills, copies, downloads, uploads, allocations, .. } = counts;
        assert_eq!(uploads.calls + allocations.calls, 0, "{label}");
        launches + replays + fills.calls + copies.calls + downloads.calls
    };
    assert_eq!((captured.launches, captured.replays), (0, 2), "{label}: two replays and no launch");
    let mib = captured.peak as f64 / f64::from(1 << 20);
    format!("| {label} | {} | {} | {mib:.1} |", calls(plain), calls(captured))
}

#[test]
fn gradients_make_as_many_calls_as_documented() {
    let networks = [
        ("ResNet-4, Euler", "resnet4", "euler"),
        ("ResNet-10, Euler", "resnet10", "euler"),
        ("ResNet-18, Euler", "resnet18", "euler"),
        ("SqueezeNext, Euler", "sqnxt", "euler"),
        ("SqueezeNext, RK2", "sqnxt", "midpoint"),
        ("AlexNet, Euler", "alexnet", "euler"),
    ];
    let (mut rows, mut captured_rows) = (vec![], vec![]);
    for (label, name, solver) in networks {
        let [plain, captured] = gradients(name, 256, solver);
        rows.push(row(label, plain));
        captured_rows.push(captured_row(label, plain, captured));
    }
    let page = std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/cuda.md")).expect("a page");
    rows.extend(captured_rows);
    for row in &rows {
        assert!(page.lines().any(|line| line == row), "docs/cuda.md lacks a row; all rows:\n{}", rows.join("\n"));
    }
}
