// The functions of architectures.def.
#pragma once

#include "qtz/model/arch_spec.h"

namespace qtz::arch {

#define QTZ_ARCHITECTURE(name) ArchSpec name();
#include "model/arch/architectures.def"
#undef QTZ_ARCHITECTURE

}  // namespace qtz::arch
