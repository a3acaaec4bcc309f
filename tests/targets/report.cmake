# Programs that crash, and the same program built in the ways that a report has to cope with.
set(crash ${CMAKE_CURRENT_LIST_DIR}/target_fault.c)
zx_target_program(target_fault SOURCES ${crash})
zx_target_program(target_fault_static SOURCES ${crash} LINK -static)
zx_target_program(target_fault_static_pie SOURCES ${crash} FLAGS -fPIE LINK -static-pie)
zx_target_program(target_fault_nopie SOURCES ${crash} FLAGS -fno-pie LINK -no-pie)
zx_target_program(target_fault_stripped SOURCES ${crash} LINK -s)
set(no_landing_pads "")
if(ZX_ARCH STREQUAL x86_64)
  set(no_landing_pads -fcf-protection=none)
endif()
# No .eh_frame of its own and no debug information: only the frame pointer, or nothing, is left.
set(no_cfi -fno-asynchronous-unwind-tables -fno-unwind-tables ${no_landing_pads} -g0)
zx_target_program(target_fault_frame_pointer SOURCES ${crash} FLAGS ${no_cfi} -fno-omit-frame-pointer)
zx_target_program(target_fault_no_frames SOURCES ${crash} FLAGS ${no_cfi} -fomit-frame-pointer)
# Call frame information in .debug_frame only.
zx_target_program(target_fault_debug_frame SOURCES ${crash}
  FLAGS -fno-asynchronous-unwind-tables -fno-unwind-tables -fomit-frame-pointer)
set(fault_32 "")
if(ZX_PROGRAMS32)
  set(fault_32 target_fault_32)
  zx_target_program(target_fault_32 SOURCES ${crash} FLAGS -m32 LINK -m32)
endif()
zx_target_program(target_fault_scribble SOURCES ${CMAKE_CURRENT_LIST_DIR}/target_fault_scribble.c)
zx_target_program(target_fault_cxx SOURCES ${CMAKE_CURRENT_LIST_DIR}/target_fault_cxx.cc)
zx_target_program(target_fault_local SOURCES ${CMAKE_CURRENT_LIST_DIR}/target_fault_local.cc FLAGS -O0)
# Sources by relative paths, as make compiles them: the debug information says "tests/targets/target_fault.c". The map that
# is given last is tried first.
set(relative -ffile-prefix-map=${CMAKE_SOURCE_DIR}/= -ffile-prefix-map=${CMAKE_BINARY_DIR}=${CMAKE_SOURCE_DIR})
foreach(version 4 5)
  zx_target_program(target_fault_relative_dwarf${version} SOURCES ${crash} FLAGS ${relative} -gdwarf-${version})
endforeach()
set_property(TARGET target_fault target_fault_static target_fault_static_pie target_fault_nopie
  target_fault_stripped target_fault_frame_pointer target_fault_no_frames target_fault_debug_frame ${fault_32}
  PROPERTY POSITION_INDEPENDENT_CODE OFF)
foreach(name target_fault target_fault_stripped target_fault_frame_pointer target_fault_no_frames
    target_fault_debug_frame ${fault_32})
  target_compile_options(${name} PRIVATE -fPIE)
  target_link_options(${name} PRIVATE -pie)
endforeach()
target_link_options(target_fault_static PRIVATE -no-pie)
