// A port and a job to observe, with a handle to each, in a table of their own.
#pragma once

#include <gtest/gtest.h>

#include "object/handle_table.h"
#include "object/job.h"
#include "object/port.h"

namespace zxctl::test {

struct PortFixture {
  HandleTable handles;
  RefPtr<Port> port = Port::Create();
  RefPtr<Job> job = Job::CreateRoot();
  zx_handle_t port_handle = Open(port);
  zx_handle_t job_handle = Open(job);

  template <typename T>
  zx_handle_t Open(const RefPtr<T>& object) {
    zx_handle_t handle = ZX_HANDLE_INVALID;
    EXPECT_EQ(handles.Add(RefPtr<T>(object), T::kRights, &handle), ZX_OK);
    return handle;
  }
};

}  // namespace zxctl::test
