#include "syscalls/layout.h"
