// The machine seam: what the rooms above ask of a machine. Each folder beside this file answers with the same names.
#pragma once

#include "arch/start_regs.h"
#include "arch_machine.h"
