//! Libraries that are opened when they are needed, so that the program starts without them.

use std::ffi::{CStr, c_void};

/// Opens the first library of these that is there; it stays open. Where none is, why.
#[cfg(unix)]
pub(super) fn open(names: &[&CStr]) -> Result<*mut c_void, String> {
    let mut why = vec![];
    for name in names {
        // SAFETY: a name that ends; the libraries asked for may be opened at any time.
        let library = unsafe { libc::dlopen(name.as_ptr(), libc::RTLD_NOW) };
        if !library.is_null() {
            return Ok(library);
        }
        // SAFETY: an error was just met, so there is a text.
        why.push(unsafe { CStr::from_ptr(libc::dlerror()) }.to_string_lossy().into_owned());
    }
    Err(why.join("; "))
}

/// The address of a function, null where the library has none of this name.
#[cfg(unix)]
pub(super) fn function(library: *mut c_void, name: &CStr) -> *mut c_void {
    // SAFETY: `open` gave the library, which stays open.
    unsafe { libc::dlsym(library, name.as_ptr()) }
}

/// Nothing is opened here.
#[cfg(not(unix))]
pub(super) fn open(_: &[&CStr]) -> Result<*mut c_void, String> {
    Err("this program opens libraries on Unix only".into())
}

/// There is no library.
#[cfg(not(unix))]
pub(super) fn function(_: *mut c_void, _: &CStr) -> *mut c_void {
    std::ptr::null_mut()
}
