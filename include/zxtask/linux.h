// What Linux adds to Zircon's calls.
#ifndef ZXTASK_LINUX_H_
#define ZXTASK_LINUX_H_

#include <zircon/types.h>

#ifdef __cplusplus
extern "C" {
#endif

// A sentence for people about this thread's last failed call: which call and argument, and what would mend it. Empty if
// none has failed. Valid until the next call of this thread.
const char* zxl_last_error(void);

// A descriptor that is readable (poll, epoll) while the port has a packet. The port owns it: do not read, write or close
// it. It is closed with the last handle of the port, and readable just before, so that nobody sleeps on. Needs READ.
zx_status_t zxl_port_get_fd(zx_handle_t port, int* out_fd);

#ifdef __cplusplus
}
#endif

#endif  // ZXTASK_LINUX_H_
