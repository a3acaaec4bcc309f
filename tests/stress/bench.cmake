add_subdirectory(${CMAKE_CURRENT_LIST_DIR}/../bench ${CMAKE_BINARY_DIR}/bench-build)
