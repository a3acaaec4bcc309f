// This machine has no guests yet.
#pragma once

#include "generic/no_guests.h"
