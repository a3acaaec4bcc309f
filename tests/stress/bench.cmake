# They are compared with programs that were written for x86-64.
if(ZX_ARCH STREQUAL x86_64)
  add_subdirectory(${CMAKE_CURRENT_LIST_DIR}/../bench ${CMAKE_BINARY_DIR}/bench-build)
endif()
