// What the rooms above ask of a machine about guests; each folder beside this file answers with the same names. Their contract
// is written in x86_64/guest_cpu.h.
#pragma once

#include "guest_cpu.h"
