# Compiler settings that hold for every target of the project.
set(CMAKE_CXX_STANDARD 20)
set(CMAKE_CXX_STANDARD_REQUIRED ON)
set(CMAKE_CXX_EXTENSIONS OFF)
set(CMAKE_C_STANDARD 11)
set(CMAKE_POSITION_INDEPENDENT_CODE ON)
set(CMAKE_EXPORT_COMPILE_COMMANDS ON)
set(CMAKE_RUNTIME_OUTPUT_DIRECTORY ${CMAKE_BINARY_DIR}/bin)
set(CMAKE_LIBRARY_OUTPUT_DIRECTORY ${CMAKE_BINARY_DIR}/lib)
set(CMAKE_ARCHIVE_OUTPUT_DIRECTORY ${CMAKE_BINARY_DIR}/lib)

set(ZX_SANITIZE "" CACHE STRING "Sanitizers for the project's own code, as -fsanitize= takes them")
set(ZX_TIMEOUT_FACTOR 1 CACHE STRING "Every test's time limit is multiplied by this: slow presets need more")
option(ZX_FUZZ "Build the libFuzzer targets of tests/fuzz instead of tools and tests (clang only)" OFF)
if(ZX_FUZZ AND NOT CMAKE_CXX_COMPILER_ID MATCHES "Clang")
  message(FATAL_ERROR "ZX_FUZZ needs clang: use `./dev fuzz`, or configure with `cmake --preset fuzz`")
endif()

find_program(ZX_CCACHE ccache)
if(ZX_CCACHE)
  set(CMAKE_C_COMPILER_LAUNCHER ${ZX_CCACHE})
  set(CMAKE_CXX_COMPILER_LAUNCHER ${ZX_CCACHE})
endif()

# The Python that test scripts run with: the system's own where there is one, because Debian's python3-jsonschema is
# installed for that.
find_program(ZX_PYTHON python3 PATHS /usr/bin NO_DEFAULT_PATH)
find_program(ZX_PYTHON python3)

# The machine folder of src/arch that is built.
if(CMAKE_SYSTEM_PROCESSOR MATCHES "x86_64|AMD64")
  set(ZX_ARCH x86_64)
elseif(CMAKE_SYSTEM_PROCESSOR MATCHES "aarch64|arm64")
  set(ZX_ARCH aarch64)
elseif(CMAKE_SYSTEM_PROCESSOR MATCHES "riscv64")
  set(ZX_ARCH riscv64)
else()
  message(FATAL_ERROR "zxctl has no src/arch folder for ${CMAKE_SYSTEM_PROCESSOR}; docs/HOWTO_ADD_ARCH.md says how to add one")
endif()

# Packages that several folders use; imported targets are visible below the folder that looks for them only.
find_package(fmt REQUIRED)
