# find_package(zxtask CONFIG): zxtask::zxtask is the shared library, zxtask::zxtask_static the static one.
include("${CMAKE_CURRENT_LIST_DIR}/zxtask-targets.cmake")
