# Every fuzz target is also an ordinary test: it has to survive its corpus, where every input that ever broke it is kept.
file(GLOB sources CONFIGURE_DEPENDS ${CMAKE_CURRENT_LIST_DIR}/*.cc ${CMAKE_CURRENT_LIST_DIR}/${ZX_ARCH}/*.cc)
foreach(source ${sources})
  get_filename_component(name ${source} NAME_WE)
  add_executable(${name}_replay ${source} ${CMAKE_CURRENT_LIST_DIR}/replay/main.cc)
  zx_target_defaults(${name}_replay)
  target_link_libraries(${name}_replay PRIVATE zx_report zx_service zx_ring zx_exceptions zx_fake_ptrace zx_supervisor
    zx_arch zx_base $<TARGET_NAME_IF_EXISTS:zx_guest_image>)
  zx_script_test(fuzz.${name}_survives_its_corpus LABEL unit
    COMMAND ${name}_replay ${CMAKE_CURRENT_LIST_DIR}/corpus/${name})
endforeach()
