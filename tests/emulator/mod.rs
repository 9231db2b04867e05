//! A driver that runs the device's kernels on the CPU: `kernels.cu`, compiled by a C++ compiler with `emulator.h`.
//!
//! Memory starts as NaN and lies between guards, so reads of what was never written and writes beside a block are found.

use std::alloc::{Layout, alloc, dealloc};
use std::collections::BTreeMap;
use std::ffi::{CStr, CString, c_char, c_int, c_void};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Mutex, OnceLock};

use anode::kernels::cuda::{DeviceError, Driver, Gpu};
use sha2::{Digest, Sha256};

unsafe extern "C" {
    fn dlopen(path: *const c_char, flags: c_int) -> *mut c_void;
    fn dlsym(library: *mut c_void, name: *const c_char) -> *mut c_void;
}

/// An exported kernel: arguments, grid, threads, seed of the order; null, or what was wrong.
type Kernel = unsafe extern "C" fn(*const c_void, *const u32, u32, u64) -> *const c_char;

/// Bytes before and behind a block.
const GUARD: usize = 256;
const MARK: u8 = 0xA5;

/// Compiles the kernels once for each state of their source; `None` without a compiler.
fn library() -> Option<usize> {
    static LIBRARY: OnceLock<Option<usize>> = OnceLock::new();
    *LIBRARY.get_or_init(|| {
        let root = Path::new(env!("CARGO_MANIFEST_DIR"));
        let (kernels, header) = (root.join("src/kernels/cuda"), root.join("tests/emulator"));
        let mut sources: Vec<PathBuf> =
            std::fs::read_dir(&kernels).expect("kernels").flatten().map(|e| e.path()).collect();
        sources.retain(|p| p.extension().is_some_and(|e| e == "cu" || e == "cuh"));
        sources.push(header.join("emulator.h"));
        sources.sort();
        let text: Vec<u8> = sources.iter().flat_map(|p| std::fs::read(p).expect("a source")).collect();
        let name = Sha256::digest(&text)[..8].iter().map(|b| format!("{b:02x}")).collect::<String>();
        let folder = Path::new(env!("CARGO_TARGET_TMPDIR"));
        let made = folder.join(format!("kernels-{name}.so"));
        if !made.exists() {
            let compiler = std::env::var("CXX").unwrap_or_else(|_| "c++".into());
            let part = folder.join(format!("kernels-{name}.{}.so", std::process::id()));
            let mut command = Command::new(&compiler);
            command.args(["-std=c++17", "-O2", "-march=native", "-fPIC", "-shared", "-w", "-U_FORTIFY_SOURCE"]);
            command.args(["-DANODE_EMULATED", "-x", "c++"]).arg("-I").arg(&header);
            let output = command.arg(kernels.join("kernels.cu")).arg("-o").arg(&part).output();
            let Ok(output) = output else {
                eprintln!("skipped: no C++ compiler `{compiler}`; set CXX to one to emulate the device's kernels");
                return None;
            };
            assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
            std::fs::rename(&part, &made).expect("the library in its place");
        }
        let path = CString::new(made.to_str().expect("a path")).expect("a path");
        // SAFETY: a library of ours, which runs nothing when it is loaded.
        let library = unsafe { dlopen(path.as_ptr(), 2) };
        assert!(!library.is_null(), "the library of kernels cannot be loaded");
        Some(library as usize)
    })
}

/// The emulated device.
pub struct Emulator {
    library: usize,
    seed: AtomicU64,
    capacity: usize,
    used: AtomicUsize,
    blocks: Mutex<BTreeMap<u64, usize>>,
    /// Launches until the device is lost.
    pub launches_left: AtomicU64,
}

/// An emulated device with `capacity` bytes; `None`, with a line that says so, without a C++ compiler. Threads and blocks run in an
/// order drawn from `seed`, in their own for 0.
pub fn device(seed: u64, capacity: usize) -> Option<Gpu<Emulator>> {
    let emulator = Emulator {
        library: library()?,
        seed: AtomicU64::new(seed),
        capacity,
        used: AtomicUsize::new(0),
        blocks: Mutex::default(),
        launches_left: AtomicU64::new(u64::MAX),
    };
    Some(Gpu::new(emulator).expect("a device"))
}

impl Emulator {
    /// Panics unless the bytes lie in one block.
    fn check(&self, address: u64, bytes: usize) {
        let blocks = self.blocks.lock().expect("blocks");
        let block = blocks.range(..=address).next_back();
        let inside = block.is_some_and(|(start, size)| address + bytes as u64 <= start + *size as u64);
        assert!(inside, "{bytes} bytes at {address:x} lie in no block");
    }

    fn layout(bytes: usize) -> Layout {
        Layout::from_size_align(bytes + 2 * GUARD, GUARD).expect("a layout")
    }
}

impl Driver for Emulator {
    fn describe(&self) -> String {
        "emulated device".into()
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
        self.check(to, from.len());
        // SAFETY: checked.
        unsafe { std::ptr::copy_nonoverlapping(from.as_ptr(), to as *mut u8, from.len()) };
        Ok(())
    }

    unsafe fn download(&self, to: &mut [u8], from: u64) -> Result<(), DeviceError> {
        self.check(from, to.len());
        // SAFETY: checked.
        unsafe { std::ptr::copy_nonoverlapping(from as *const u8, to.as_mut_ptr(), to.len()) };
        Ok(())
    }

    unsafe fn copy(&self, to: u64, from: u64, bytes: usize) -> Result<(), DeviceError> {
        self.check(to, bytes);
        self.check(from, bytes);
        // SAFETY: checked.
        unsafe { std::ptr::copy_nonoverlapping(from as *const u8, to as *mut u8, bytes) };
        Ok(())
    }

    unsafe fn zero(&self, to: u64, bytes: usize) -> Result<(), DeviceError> {
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
        arguments: *const c_void,
    ) -> Result<(), DeviceError> {
        let failed = |answer: String| DeviceError::Failed { what: kernel.into(), answer };
        let left = self.launches_left.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |n| n.checked_sub(1));
        left.map_err(|_| failed("the device is lost".into()))?;
        let name = CString::new(kernel).expect("a name");
        // SAFETY: the library stays loaded; every exported kernel has this type; the caller promises the rest.
        let answer = unsafe {
            let found = dlsym(self.library as *mut c_void, name.as_ptr());
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
            run(arguments, grid.as_ptr(), threads, seed)
        };
        if answer.is_null() {
            return Ok(());
        }
        // SAFETY: a constant of the library.
        Err(failed(unsafe { CStr::from_ptr(answer) }.to_string_lossy().into_owned()))
    }
}
