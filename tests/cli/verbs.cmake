# The verbs for processes that run.
find_package(nlohmann_json REQUIRED)
foreach(name regs start_thread)
  zx_test(${name}_cli_test LABEL cli TIMEOUT 300
    SOURCES ${CMAKE_CURRENT_LIST_DIR}/${name}_test.cc
    LIBS zx_supervisor nlohmann_json::nlohmann_json)
  add_dependencies(${name}_cli_test target_held target_start target_names)
endforeach()
