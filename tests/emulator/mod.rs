//! A driver that runs the device's kernels on the CPU: `kernels.cu`, compiled by a C++ compiler with `emulator.h`.
//!
//! Captured calls are stored and executed by a replay. Memory starts as NaN and lies between guards, so reads of what
//! was never written and writes beside a block are found.

#![allow(dead_code, reason = "not every test file uses every helper")]

use std::alloc::{Layout, alloc, dealloc};
use std::collections::BTreeMap;
use std::ffi::{CStr, CString, c_char, c_int, c_void};
use std::mem::MaybeUninit;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Mutex, OnceLock, PoisonError};

use anode::kernels::cuda::{DeviceError, Driver, Gpu};
use anode::train::HostTensors;

unsafe extern "C" {
    fn dlopen(path: *const c_char, flags: c_int) -> *mut c_void;
    fn dlsym(library: *mut c_void, name: *const c_char) -> *mut c_void;
}

/// An exported kernel: arguments, grid, threads, seed of the order; null, or what was wrong.
type Kernel = unsafe extern "C" fn(*const c_void, *const u32, u32, u64) -> *const c_char;

/// Bytes before and behind a block.
const GUARD: usize = 256;
const MARK: u8 = 0xA5;

/// Compiles a library once for each state of its sources, the last of which is compiled; `None` without a compiler.
fn compiled(name: &str, sources: &[PathBuf], arguments: &[&str]) -> Option<CString> {
    let text: Vec<u8> = sources.iter().flat_map(|p| std::fs::read(p).expect("a source")).collect();
    let digest = &anode::digest::sha256(&text)[..16];
    // Tests of one process wait for each other; those of several write each their own file.
    static ONE: Mutex<()> = Mutex::new(());
    let _one = ONE.lock().unwrap_or_else(PoisonError::into_inner);
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR"));
    let made = folder.join(format!("{name}-{digest}.so"));
    if !made.exists() {
        let compiler = std::env::var("CXX").unwrap_or_else(|_| "c++".into());
        let part = folder.join(format!("{name}-{digest}.{}.so", std::process::id()));
        let mut command = Command::new(&compiler);
        command.args(["-std=c++17", "-O2", "-march=native", "-fPIC", "-shared", "-w", "-U_FORTIFY_SOURCE"]);
        let output = command.args(arguments).args(["-x", "c++"]).args(sources.last()).arg("-o").arg(&part).output();
        let Ok(output) = output else {
            eprintln!("skipped: no C++ compiler `{compiler}`; set CXX to one to emulate the device");
            return None;
        };
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        std::fs::rename(&part, &made).expect("the library in its place");
    }
    Some(CString::new(made.to_str().expect("a path")).expect("a path"))
}

fn open(path: &CStr) -> usize {
    // SAFETY: a library of ours, which runs nothing when it is loaded.
    let library = unsafe { dlopen(path.as_ptr(), 2) };
    assert!(!library.is_null(), "{path:?} cannot be loaded");
    library as usize
}

/// Compiles what holds the emulated kernels: this file, or where there is none, they alone.
fn with_kernels(name: &str, file: Option<&str>) -> Option<CString> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let (kernels, here) = (root.join("crates/anode-cuda/src"), root.join("tests/emulator"));
    let mut sources: Vec<PathBuf> = std::fs::read_dir(&kernels).expect("kernels").flatten().map(|e| e.path()).collect();
    sources.retain(|p| p.extension().is_some_and(|e| e == "cuh" || e == "cu"));
    sources.push(here.join("emulator.h"));
    sources.sort();
    sources.push(file.map_or_else(|| kernels.join("kernels.cu"), |file| here.join(file)));
    let [kernels, here] = [&kernels, &here].map(|folder| folder.to_str().expect("a path"));
    compiled(name, &sources, &["-DANODE_EMULATED", "-I", here, "-I", kernels])
}

/// The kernels.
fn library() -> Option<usize> {
    static LIBRARY: OnceLock<Option<usize>> = OnceLock::new();
    *LIBRARY.get_or_init(|| with_kernels("kernels", None).map(|path| open(&path)))
}

/// CUDA's driver with the kernels in it; `None` without a compiler.
pub fn driver() -> Option<CString> {
    with_kernels("driver", Some("driver.cpp"))
}

/// cuBLAS without products; `None` without a compiler.
pub fn cublas() -> Option<CString> {
    compiled("cublas", &[Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/emulator/cublas.cpp")], &[])
}

/// cuDNN as plain loops: the library's path, and what a test may ask it.
pub struct Cudnn {
    /// The library.
    pub path: CString,
    handle: usize,
}

/// cuDNN as plain loops; `None` without a compiler.
pub fn cudnn() -> Option<Cudnn> {
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/emulator/cudnn.cpp");
    let path = compiled("cudnn", &[source], &[])?;
    let handle = open(&path);
    Some(Cudnn { path, handle })
}

impl Cudnn {
    /// Calls a function of the library's for tests.
    pub fn ask(&self, function: &CStr, argument: c_int) -> c_int {
        // SAFETY: each takes at most one number.
        unsafe {
            let found = dlsym(self.handle as *mut c_void, function.as_ptr());
            assert!(!found.is_null(), "{function:?}");
            std::mem::transmute::<*mut c_void, unsafe extern "C" fn(c_int) -> c_int>(found)(argument)
        }
    }

    /// How often each algorithm ran since the last call.
    pub fn ran(&self) -> Vec<c_int> {
        let counts = (0..8).map(|algorithm| self.ask(c"fake_ran", algorithm)).collect();
        self.ask(c"fake_restart", 0);
        counts
    }
}

/// A captured call.
enum Call {
    Copy { to: u64, from: u64, bytes: usize },
    Zero { to: u64, bytes: usize },
    Launch { kernel: String, grid: [u32; 3], threads: u32, arguments: Vec<MaybeUninit<u64>>, bytes: usize },
}

/// What was captured: graphs by their number, and the calls of the one that is being captured.
#[derive(Default)]
struct Captured {
    graphs: BTreeMap<u64, Vec<Call>>,
    open: Option<Vec<Call>>,
    made: u64,
}

/// The emulated device.
pub struct Emulator {
    handle: usize,
    seed: AtomicU64,
    capacity: usize,
    used: AtomicUsize,
    blocks: Mutex<BTreeMap<u64, usize>>,
    captured: Mutex<Captured>,
    /// Whether nothing can be captured.
    pub refuses_captures: AtomicBool,
    /// Which replay of a graph leaves out its last call, from 1; 0: none.
    pub wrong_replay: AtomicU64,
    /// Which replay the driver refuses, from 1; 0: none.
    pub refused_replay: AtomicU64,
    /// Replays so far.
    pub replays: AtomicU64,
    /// Launches until the device is lost.
    pub launches_left: AtomicU64,
    /// Launches and copies until then.
    pub calls_left: AtomicU64,
}

/// An emulated device with `capacity` bytes; `None`, with a line that says so, without a C++ compiler. Threads and
/// blocks run in an order drawn from `seed`, in their own for 0.
pub fn device(seed: u64, capacity: usize) -> Option<Gpu<Emulator>> {
    Some(Gpu::new(emulator(seed, capacity)?).expect("a device"))
}

/// As [`device`], without the device around it.
pub fn emulator(seed: u64, capacity: usize) -> Option<Emulator> {
    Some(Emulator {
        handle: library()?,
        seed: AtomicU64::new(seed),
        capacity,
        used: AtomicUsize::new(0),
        blocks: Mutex::default(),
        captured: Mutex::default(),
        refuses_captures: AtomicBool::new(false),
        wrong_replay: AtomicU64::new(0),
        refused_replay: AtomicU64::new(0),
        replays: AtomicU64::new(0),
        launches_left: AtomicU64::new(u64::MAX),
        calls_left: AtomicU64::new(u64::MAX),
    })
}

impl Emulator {
    /// Panics unless the bytes lie in one block.
    fn check(&self, address: u64, bytes: usize) {
        let blocks = self.blocks.lock().expect("blocks");
        let block = blocks.range(..=address).next_back();
        let inside = block.is_some_and(|(start, size)| address + bytes as u64 <= start + *size as u64);
        assert!(inside, "{bytes} bytes at {address:x} lie in no block");
    }

    /// An error once the device is lost.
    fn alive(&self, what: &str, left: &AtomicU64) -> Result<(), DeviceError> {
        let counted = left.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |n| n.checked_sub(1));
        counted.map(drop).map_err(|_| DeviceError::Failed { what: what.into(), answer: "the device is lost".into() })
    }

    /// Stores a call if work is being captured.
    fn capture(&self, call: impl FnOnce() -> Call) -> bool {
        let mut captured = self.captured.lock().expect("captured");
        captured.open.as_mut().map(|calls| calls.push(call())).is_some()
    }

    /// Executes a captured call.
    fn call(&self, call: &Call) -> Result<(), DeviceError> {
        // SAFETY: the caller of `replay` promises that the blocks exist.
        unsafe {
            match call {
                Call::Copy { to, from, bytes } => self.copy(*to, *from, *bytes),
                Call::Zero { to, bytes } => self.zero(*to, *bytes),
                Call::Launch { kernel, grid, threads, arguments, bytes } => {
                    let arguments = std::slice::from_raw_parts(arguments.as_ptr().cast(), *bytes);
                    self.launch(kernel, *grid, *threads, arguments)
                }
            }
        }
    }

    /// An error if work is being captured.
    fn not_captured(&self, what: &'static str) -> Result<(), DeviceError> {
        let open = self.captured.lock().expect("captured").open.is_some();
        if open { Err(DeviceError::NotCaptured(what)) } else { Ok(()) }
    }

    fn layout(bytes: usize) -> Layout {
        Layout::from_size_align(bytes + 2 * GUARD, GUARD).expect("a layout")
    }
}

/// Tensors of dfdx stay in host memory.
impl HostTensors for Emulator {}

impl Driver for Emulator {
    fn describe(&self) -> String {
        "emulated device".into()
    }

    fn bind(&self) -> Result<(), DeviceError> {
        Ok(())
    }

    fn memory(&self) -> Result<(usize, usize), DeviceError> {
        Ok((self.capacity - self.used.load(Ordering::Relaxed), self.capacity))
    }

    fn allocate(&self, bytes: usize) -> Result<Option<u64>, DeviceError> {
        if self.used.load(Ordering::Relaxed) + bytes > self.capacity {
            return Ok(None);
        }
        self.used.fetch_add(bytes, Ordering::Relaxed);
        // SAFETY: the layout is not empty, and all of it is written.
        let address = unsafe {
            let block = alloc(Self::layout(bytes));
            block.write_bytes(MARK, bytes + 2 * GUARD);
            block.add(GUARD).write_bytes(0xFF, bytes);
            block.add(GUARD) as u64
        };
        self.blocks.lock().expect("blocks").insert(address, bytes);
        Ok(Some(address))
    }

    unsafe fn free(&self, address: u64, bytes: usize) {
        assert_eq!(self.blocks.lock().expect("blocks").remove(&address), Some(bytes), "a block that is not there");
        self.used.fetch_sub(bytes, Ordering::Relaxed);
        let block = (address as usize - GUARD) as *mut u8;
        // SAFETY: `allocate` made the block with its guards.
        unsafe {
            let guards = [block, block.add(GUARD + bytes)].map(|g| std::slice::from_raw_parts(g, GUARD));
            assert!(guards.iter().all(|g| g.iter().all(|&b| b == MARK)), "a kernel wrote beside a block");
            dealloc(block, Self::layout(bytes));
        }
    }

    unsafe fn upload(&self, to: u64, from: &[u8]) -> Result<(), DeviceError> {
        self.not_captured("a copy to the device")?;
        self.alive("copying to the device", &self.calls_left)?;
        self.check(to, from.len());
        // SAFETY: checked.
        unsafe { std::ptr::copy_nonoverlapping(from.as_ptr(), to as *mut u8, from.len()) };
        Ok(())
    }

    unsafe fn download(&self, to: &mut [u8], from: u64) -> Result<(), DeviceError> {
        self.not_captured("a copy from the device")?;
        self.alive("copying from the device", &self.calls_left)?;
        self.check(from, to.len());
        // SAFETY: checked.
        unsafe { std::ptr::copy_nonoverlapping(from as *const u8, to.as_mut_ptr(), to.len()) };
        Ok(())
    }

    unsafe fn copy(&self, to: u64, from: u64, bytes: usize) -> Result<(), DeviceError> {
        if self.capture(|| Call::Copy { to, from, bytes }) {
            return Ok(());
        }
        self.alive("copying on the device", &self.calls_left)?;
        self.check(to, bytes);
        self.check(from, bytes);
        // SAFETY: checked.
        unsafe { std::ptr::copy_nonoverlapping(from as *const u8, to as *mut u8, bytes) };
        Ok(())
    }

    unsafe fn zero(&self, to: u64, bytes: usize) -> Result<(), DeviceError> {
        if self.capture(|| Call::Zero { to, bytes }) {
            return Ok(());
        }
        self.check(to, bytes);
        // SAFETY: checked.
        unsafe { (to as *mut u8).write_bytes(0, bytes) };
        Ok(())
    }

    unsafe fn launch(
        &self,
        kernel: &str,
        grid: [u32; 3],
        threads: u32,
        arguments: &[MaybeUninit<u8>],
    ) -> Result<(), DeviceError> {
        let stored = || {
            let mut words = vec![MaybeUninit::uninit(); arguments.len().div_ceil(8)];
            // SAFETY: the words have at least as many bytes.
            unsafe { arguments.as_ptr().copy_to_nonoverlapping(words.as_mut_ptr().cast(), arguments.len()) };
            Call::Launch { kernel: kernel.into(), grid, threads, arguments: words, bytes: arguments.len() }
        };
        if self.capture(stored) {
            return Ok(());
        }
        let failed = |answer: String| DeviceError::Failed { what: kernel.into(), answer };
        self.alive(kernel, &self.launches_left)?;
        self.alive(kernel, &self.calls_left)?;
        let name = CString::new(kernel).expect("a name");
        // SAFETY: the library stays loaded; every exported kernel has this type; the caller promises the rest.
        let answer = unsafe {
            let found = dlsym(self.handle as *mut c_void, name.as_ptr());
            if found.is_null() {
                return Err(failed("there is no such kernel".into()));
            }
            let run: Kernel = std::mem::transmute(found);
            // Another order for every launch.
            let seed = match self.seed.load(Ordering::Relaxed) {
                0 => 0,
                seed => {
                    self.seed.store(seed.wrapping_mul(6364136223846793005).wrapping_add(1) | 1, Ordering::Relaxed);
                    seed
                }
            };
            run(arguments.as_ptr().cast(), grid.as_ptr(), threads, seed)
        };
        if answer.is_null() {
            return Ok(());
        }
        // SAFETY: a constant of the library.
        Err(failed(unsafe { CStr::from_ptr(answer) }.to_string_lossy().into_owned()))
    }

    fn begin_capture(&self) -> Result<(), DeviceError> {
        if self.refuses_captures.load(Ordering::Relaxed) {
            return Err(DeviceError::NotCaptured("the work of this emulator"));
        }
        let mut captured = self.captured.lock().expect("captured");
        assert!(captured.open.is_none(), "one capture at a time");
        captured.open = Some(vec![]);
        Ok(())
    }

    fn end_capture(&self) -> Result<u64, DeviceError> {
        let mut captured = self.captured.lock().expect("captured");
        let calls = captured.open.take().expect("a capture");
        captured.made += 1;
        let graph = captured.made;
        captured.graphs.insert(graph, calls);
        Ok(graph)
    }

    unsafe fn replay(&self, graph: u64) -> Result<(), DeviceError> {
        self.not_captured("a replay")?;
        let number = self.replays.fetch_add(1, Ordering::Relaxed) + 1;
        if number == self.refused_replay.load(Ordering::Relaxed) {
            let answer = "the replay is refused".into();
            return Err(DeviceError::Failed { what: "replaying a graph".into(), answer });
        }
        let calls = self.captured.lock().expect("captured").graphs.remove(&graph).expect("a graph");
        let skipped = usize::from(number == self.wrong_replay.load(Ordering::Relaxed));
        let called = calls[..calls.len() - skipped].iter().try_for_each(|call| self.call(call));
        self.captured.lock().expect("captured").graphs.insert(graph, calls);
        called
    }

    unsafe fn drop_graph(&self, graph: u64) {
        self.captured.lock().expect("captured").graphs.remove(&graph).expect("a graph");
    }
}
