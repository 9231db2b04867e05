//! Kernels, networks, captured sweeps and studies on emulated devices. One program, because compiling and linking each
//! file took longer than running it.

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
