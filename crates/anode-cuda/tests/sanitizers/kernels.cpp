// The kernels' source for one slot: all of it, or the file that KERNELS names.
#include "emulator.h"

#ifndef KERNELS
#define KERNELS "kernels.cu"
#endif

namespace {
#include KERNELS
}
