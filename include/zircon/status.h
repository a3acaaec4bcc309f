// Names of status values.
#ifndef ZIRCON_STATUS_H_
#define ZIRCON_STATUS_H_

#include <zircon/types.h>

#ifdef __cplusplus
extern "C" {
#endif

// "ZX_OK", "ZX_ERR_TIMED_OUT" and so on; "(UNKNOWN)" for a number that is no status. Never null, never to be freed. Any
// thread, also in a signal handler.
const char* zx_status_get_string(zx_status_t status);

#ifdef __cplusplus
}
#endif

#endif  // ZIRCON_STATUS_H_
