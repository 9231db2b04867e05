//! Kernels, networks, captured sweeps and studies on emulated devices. One program, so that the emulator and the
//! generic code for it are compiled once.

#[path = "../common/mod.rs"]
mod common;
#[path = "../device/mod.rs"]
mod device;
#[path = "../emulator/mod.rs"]
mod emulator;

mod capture;
mod cudnn;
mod kernels;
mod lost_device;
mod networks;
mod shared_memory;
mod studies;
